//! The topics that Apache Kafka makes for itself: `__consumer_offsets` and `__transaction_state`.
//!
//! They come to be when a coordinator is first looked for (`AutoTopicCreationManager`), with the partitions, replicas and
//! configurations of Kafka's own, and their leaders are the coordinators. With fewer brokers than replicas are wanted, Apache Kafka
//! never makes them; here they have as many replicas as there are brokers, so that a cluster of one broker has groups.
//!
//! Nothing is written to them: groups and transactions are kept elsewhere.

use std::collections::BTreeMap;

use super::state::Shared;
use super::topic_config::TopicConfig;
use super::topics::{BrokerId, Topics};

/// One of Kafka's own topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Internal {
    /// `__consumer_offsets`: groups and their offsets.
    Offsets,
    /// `__transaction_state`: transactional ids.
    Transactions,
}

impl Internal {
    pub fn name(self) -> &'static str {
        match self {
            Self::Offsets => "__consumer_offsets",
            Self::Transactions => "__transaction_state",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Offsets, Self::Transactions]
            .into_iter()
            .find(|internal| internal.name() == name)
    }

    /// The key's partition; none before the topic is there.
    pub fn partition_in(self, topics: &Topics, key: &str) -> Option<i32> {
        let topic = topics.by_name(self.name())?;
        i32::try_from(partition_of(key, topic.partitions.len())).ok()
    }

    /// How many partitions it has, or will have.
    fn partitions(self, shared: &Shared) -> usize {
        let config = &shared.config;
        let count = match self {
            Self::Offsets => config.offsets_partitions.0,
            Self::Transactions => config.transaction_partitions.0,
        };
        usize::try_from(count).unwrap_or(1)
    }

    /// `GroupCoordinator.groupMetadataTopicConfigs` and `TransactionStateManager.transactionTopicConfigs`.
    fn configs(self, shared: &Shared) -> BTreeMap<String, String> {
        let config = &shared.config;
        let configs = match self {
            Self::Offsets => vec![
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "producer".to_owned()),
                ("segment.bytes", config.offsets_segment_bytes.0.to_string()),
            ],
            Self::Transactions => vec![
                ("cleanup.policy", "compact".to_owned()),
                ("compression.type", "uncompressed".to_owned()),
                ("min.insync.replicas", config.transaction_min_isr.0.to_string()),
                ("segment.bytes", config.transaction_segment_bytes.0.to_string()),
                ("unclean.leader.election.enable", "false".to_owned()),
            ],
        };
        configs
            .into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }
}

impl Shared {
    /// Makes one of Kafka's own topics, unless it is there.
    pub fn ensure(&self, internal: Internal) {
        if self.topics.read().by_name(internal.name()).is_some() {
            return;
        }
        let id = self.new_uuid();
        let config = TopicConfig::new(internal.configs(self), &self.configs.logs());
        let wanted = match internal {
            Internal::Offsets => self.config.offsets_replication.0,
            Internal::Transactions => self.config.transaction_replication.0,
        };
        let brokers = self.broker_ids();
        let replicas = usize::try_from(wanted).unwrap_or(1).min(brokers.len());
        let mut topics = self.topics.write();
        if topics.by_name(internal.name()).is_none() {
            let assignment = topics.spread_from(&brokers, 0, internal.partitions(self), replicas);
            topics.insert(internal.name(), id, assignment, config);
        }
    }

    /// The broker that coordinates what has this key: the leader of the key's partition. Before the topic is there, who will
    /// lead it. `None` while nobody leads it.
    pub fn coordinator_in(&self, internal: Internal, key: &str) -> Option<BrokerId> {
        let topics = self.topics.read();
        let Some(topic) = topics.by_name(internal.name()) else {
            return self.future_leader(&topics, partition_of(key, internal.partitions(self)));
        };
        let partition = &topic.partitions[partition_of(key, topic.partitions.len())];
        partition.leader
    }

    /// Whether what becomes of a transactional id can be kept: enough replicas of its partition of `__transaction_state` are in sync
    /// (`TransactionStateManager.appendTransactionToLog`). Before the topic is there nobody is missing.
    pub fn keeps_transactions_of(&self, id: &str) -> bool {
        let topics = self.topics.read();
        let Some(topic) = topics.by_name(Internal::Transactions.name()) else {
            return true;
        };
        let partition = &topic.partitions[partition_of(id, topic.partitions.len())];
        partition.takes_markers(&partition.log.lock())
    }

    /// The leader epoch of the key's partition: the epoch of its coordinator.
    pub fn coordinator_epoch(&self, internal: Internal, key: &str) -> i32 {
        let topics = self.topics.read();
        let Some(topic) = topics.by_name(internal.name()) else {
            return 0;
        };
        topic.partitions[partition_of(key, topic.partitions.len())].leader_epoch
    }

    /// The key's partition of one of Kafka's own topics, as it is or will be.
    pub fn internal_partition(&self, internal: Internal, key: &str) -> i32 {
        let topics = self.topics.read();
        let partitions = topics
            .by_name(internal.name())
            .map_or_else(|| internal.partitions(self), |topic| topic.partitions.len());
        i32::try_from(partition_of(key, partitions)).unwrap_or_default()
    }

    fn future_leader(&self, topics: &Topics, partition: usize) -> Option<BrokerId> {
        let assignment = topics.spread_from(&self.broker_ids(), partition, 1, 1);
        assignment.first().and_then(|replicas| replicas.first()).copied()
    }
}

/// Kafka's `Utils.abs(key.hashCode()) % partitions`.
fn partition_of(key: &str, partitions: usize) -> usize {
    (java_hash(key) & 0x7fff_ffff) as usize % partitions.max(1)
}

/// Java's `String.hashCode`, over UTF-16 code units.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        // What `"…".hashCode()` is in Java: 97 * 31² + 98 * 31 + 99; and one that wraps.
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("abc"), 96_354);
        assert_eq!(java_hash("consumer-group"), 2556575208);
        // Beyond the basic plane a character is two units: 0xd834 * 31 + 0xdd1e.
        assert_eq!(java_hash("𝄞"), 1772394);
    }
}
