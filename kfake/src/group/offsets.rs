//! The offsets that a group has committed.

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;

use super::pending::PendingOffsets;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub offset: i64,
    /// The epoch of the last record consumed (KIP-320); -1 if not told.
    pub leader_epoch: i32,
    pub metadata: StrBytes,
}

/// By topic and partition.
#[derive(Debug, Default)]
pub(crate) struct Offsets {
    by_topic: BTreeMap<String, BTreeMap<i32, Committed>>,
    pending: PendingOffsets,
}

impl Offsets {
    pub fn commit(&mut self, topic: &str, partition: i32, committed: Committed) {
        self.pending.overtake_all(topic, partition);
        self.insert(topic, partition, committed);
    }

    /// Keeps what a producer's transaction commits until it is decided.
    pub fn commit_pending(&mut self, producer_id: i64, topic: &str, partition: i32, committed: Committed) {
        self.pending.add(producer_id, topic, partition, committed);
    }

    /// A producer's transaction has ended: what it committed counts, or is forgotten
    /// (`OffsetMetadataManager.replayEndTransactionMarker`).
    pub fn decide(&mut self, producer_id: i64, committed: bool) {
        for (topic, partition, committed) in self.pending.take(producer_id, committed) {
            self.insert(&topic, partition, committed);
        }
    }

    /// Whether a transaction that is not decided commits an offset of this partition.
    pub fn is_unstable(&self, topic: &str, partition: i32) -> bool {
        self.pending.has(topic, partition)
    }

    fn insert(&mut self, topic: &str, partition: i32, committed: Committed) {
        let topic = match self.by_topic.get_mut(topic) {
            Some(topic) => topic,
            None => self.by_topic.entry(topic.to_owned()).or_default(),
        };
        topic.insert(partition, committed);
    }

    pub fn get(&self, topic: &str, partition: i32) -> Option<&Committed> {
        self.by_topic.get(topic)?.get(&partition)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Committed>)> {
        self.by_topic
            .iter()
            .map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    pub fn len(&self) -> usize {
        self.by_topic.values().map(BTreeMap::len).sum()
    }

    pub fn forget_topic(&mut self, topic: &str) {
        self.by_topic.remove(topic);
    }
}
