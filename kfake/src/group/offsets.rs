//! The offsets that a group has committed.

use std::collections::BTreeMap;

use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::pending::PendingOffsets;

/// A committed offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Committed {
    pub offset: i64,
    /// The epoch of the last record consumed (KIP-320); -1 if not told.
    pub leader_epoch: i32,
    pub metadata: StrBytes,
    /// The topic's id, where the commit named it (OffsetCommit 10); else nil.
    pub topic_id: Uuid,
    /// When it was committed, in milliseconds since 1970.
    pub at_ms: i64,
    /// When it expires, where the client said so (before OffsetCommit 5); in milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

impl Committed {
    /// What a partition of a request commits. The metadata is copied: what is kept must not hold the buffer that its request came
    /// in.
    pub fn new(offset: i64, leader_epoch: i32, metadata: &str, topic_id: Uuid, at_ms: i64) -> Self {
        Self {
            offset,
            leader_epoch,
            metadata: StrBytes::from_string(metadata.to_owned()),
            topic_id,
            at_ms,
            expires_ms: None,
        }
    }
}

/// By topic and partition. Boxed: a tree has room for eleven from its first on, and most groups commit few.
#[derive(Debug, Default, Clone)]
pub(crate) struct Offsets {
    by_topic: BTreeMap<String, BTreeMap<i32, Box<Committed>>>,
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
        topic.insert(partition, Box::new(committed));
    }

    /// What was committed, unless it was for another topic of that name: where both ids are known, they must be the same
    /// (`OffsetMetadataManager.isMismatchedTopicId`).
    pub fn get_of(&self, topic: &str, id: Uuid, partition: i32) -> Option<&Committed> {
        let committed = self.by_topic.get(topic)?.get(&partition)?;
        (committed.topic_id.is_nil() || id.is_nil() || committed.topic_id == id).then_some(committed)
    }

    pub fn all(&self) -> impl Iterator<Item = (&str, &BTreeMap<i32, Box<Committed>>)> {
        self.by_topic
            .iter()
            .map(|(topic, partitions)| (topic.as_str(), partitions))
    }

    pub fn len(&self) -> usize {
        self.by_topic.values().map(BTreeMap::len).sum()
    }

    /// Forgets one; not having it is no error.
    pub fn forget(&mut self, topic: &str, partition: i32) {
        if let Some(partitions) = self.by_topic.get_mut(topic) {
            partitions.remove(&partition);
            if partitions.is_empty() {
                self.by_topic.remove(topic);
            }
        }
    }

    /// The producers of transactions that commit something here and are not decided.
    pub fn producers(&self) -> impl Iterator<Item = i64> {
        self.pending.producers()
    }

    /// Whether a transaction that is not decided commits anything here.
    pub fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Forgets those of which `stays` says no, unless a transaction is about to commit them anew.
    pub fn retain(&mut self, mut stays: impl FnMut(&str, &Committed) -> bool) {
        let pending = &self.pending;
        self.by_topic.retain(|topic, partitions| {
            partitions.retain(|partition, committed| stays(topic, committed) || pending.has(topic, *partition));
            !partitions.is_empty()
        });
    }

    pub fn has(&self, topic: &str, partition: i32) -> bool {
        self.by_topic
            .get(topic)
            .is_some_and(|partitions| partitions.contains_key(&partition))
    }

    pub fn has_topic(&self, topic: &str) -> bool {
        self.by_topic.contains_key(topic)
    }

    pub fn forget_topic(&mut self, topic: &str) {
        self.by_topic.remove(topic);
    }
}
