//! Topics and their partitions: names, ids, replicas, leaders.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use thiserror::Error;
use tokio::sync::Notify;
use uuid::Uuid;

use super::configs::logs::LogConfig;
use super::internal::Internal;
use super::partition::Partition;
use super::topic_config::TopicConfig;
use super::topology::Held;
use super::unreplicated::Unreplicated;
use crate::log::{Log, Marker};

/// A broker's node id. The first broker is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BrokerId(pub i32);

impl std::fmt::Display for BrokerId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Kafka's `Topic.MAX_NAME_LENGTH`.
const MAX_NAME_LENGTH: usize = 249;

/// Why a topic cannot be created. The text is what Apache Kafka's controller answers.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum TopicError {
    /// INVALID_TOPIC_EXCEPTION.
    #[error("{0}")]
    InvalidName(String),
    /// TOPIC_ALREADY_EXISTS.
    #[error("Topic '{0}' already exists.")]
    Exists(String),
    /// INVALID_PARTITIONS.
    #[error("{0}")]
    InvalidPartitions(String),
    /// INVALID_REPLICATION_FACTOR.
    #[error("{0}")]
    InvalidReplicationFactor(String),
    /// INVALID_REPLICA_ASSIGNMENT.
    #[error("{0}")]
    InvalidReplicaAssignment(String),
    /// INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// POLICY_VIOLATION.
    #[error("{0}")]
    PolicyViolation(String),
    /// THROTTLING_QUOTA_EXCEEDED. Apache Kafka's answers have no message for it.
    #[error("The throttling quota has been exceeded.")]
    QuotaExceeded,
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("This server does not host this topic-partition.")]
    Unknown,
}

/// A topic as it is at one moment: a change puts another one in its place ([`Topics::replace`]). The logs are shared between
/// them.
#[derive(Debug, Clone)]
pub(crate) struct Topic {
    pub name: String,
    pub id: Uuid,
    pub partitions: Vec<Arc<Partition>>,
    pub internal: bool,
    pub config: TopicConfig,
}

impl Topic {
    pub fn partition(&self, index: i32) -> Option<&Arc<Partition>> {
        self.partitions.get(usize::try_from(index).ok()?)
    }

    /// What a partition's log works by: the topic's own values, and those of the broker that leads it.
    pub fn log_config(&self, partition: &Partition) -> &LogConfig {
        self.config.at(partition.leader)
    }
}

/// Every topic of the cluster, by name and by id.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<String, Arc<Topic>>,
    by_id: BTreeMap<Uuid, Arc<Topic>>,
    /// The names with a '.' or a '_' in them, by what they are with every '.' as '_'.
    by_folded: BTreeMap<String, String>,
    /// How often anything about the topics has changed.
    version: u64,
    /// Topics ever created: the first leader of each next topic is one broker further.
    created: usize,
    /// The brokers that are down. They are registered all the same, as Kafka's fenced brokers are.
    pub fenced: BTreeSet<BrokerId>,
    pub held: Held,
    /// Markers that partitions of `__consumer_offsets` take now. The groups have not heard of them: whoever holds the topics tells
    /// them (`Groups::decide_owed`).
    pub(super) offset_markers: Vec<OffsetsMarker>,
    /// Of `__consumer_offsets`.
    pub unreplicated: Arc<Unreplicated>,
    /// Its partitions of which enough replicas are in sync again. The groups hear of it as of the markers.
    pub(super) replicated: Vec<i32>,
    /// Notified when enough replicas of a partition of `__transaction_state` are in sync.
    pub transactions_replicated: Arc<Notify>,
}

/// A marker of a partition of `__consumer_offsets`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OffsetsMarker {
    pub partition: i32,
    pub marker: Marker,
}

/// Where a new topic's replicas go: a list of brokers a partition.
pub(crate) type Assignment = Vec<Vec<BrokerId>>;

impl Topics {
    pub fn by_name(&self, name: &str) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }

    pub fn by_id(&self, id: &Uuid) -> Option<&Arc<Topic>> {
        self.by_id.get(id)
    }

    /// A number that is another one after each change: of a topic, of who leads it, or of which there are.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// In the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }

    /// Kafka's rules for a new topic's name: `Topic.validate` and the controller's check for collisions.
    pub fn check_new_name(&self, name: &str) -> Result<(), TopicError> {
        check_name(name).map_err(TopicError::InvalidName)?;
        if self.by_name.contains_key(name) {
            return Err(TopicError::Exists(name.to_owned()));
        }
        // '.' and '_' are one character in metric names, so Kafka refuses names that differ in them alone.
        if let Some(folded) = folded(name)
            && let Some(other) = self.by_folded.get(&folded)
        {
            return Err(TopicError::InvalidName(format!(
                "Topic '{name}' collides with existing topic: {other}"
            )));
        }
        Ok(())
    }

    /// Whether a broker is up.
    pub fn is_active(&self, broker: BrokerId) -> bool {
        !self.fenced.contains(&broker)
    }

    /// The replicas of a partition whose brokers are down.
    pub fn offline(&self, partition: &Partition) -> Vec<BrokerId> {
        let down = partition.replicas.iter().filter(|b| !self.is_active(**b));
        down.copied().collect()
    }

    /// Spreads the leaders of a new topic over `brokers`, and each partition's replicas behind its leader.
    pub fn spread(&self, brokers: &[BrokerId], partitions: usize, replicas: usize) -> Assignment {
        self.spread_from(brokers, self.created, partitions, replicas)
    }

    /// Spreads `more` partitions of a topic as those before them were: each leader one broker further.
    pub fn spread_on(&self, brokers: &[BrokerId], topic: &Topic, more: usize) -> Assignment {
        let last = topic.partitions.last().and_then(|p| p.replicas.first());
        let start = last
            .and_then(|last| brokers.iter().position(|b| b == last))
            .unwrap_or(0);
        let replicas = topic.partitions.first().map_or(1, |p| p.replicas.len());
        self.spread_from(brokers, start + 1, more, replicas)
    }

    /// As `StripedReplicaPlacer`, brokers that are down only follow.
    pub fn spread_from(&self, brokers: &[BrokerId], start: usize, partitions: usize, replicas: usize) -> Assignment {
        let (up, down): (Vec<_>, Vec<_>) = brokers.iter().partition(|b| self.is_active(**b));
        let turned = |brokers: &[BrokerId], by: usize| {
            let mut turned = brokers.to_vec();
            turned.rotate_left(by % brokers.len().max(1));
            turned
        };
        (start..start + partitions)
            .map(|by| {
                let mut order = turned(&up, by);
                order.extend(turned(&down, by));
                order.truncate(replicas);
                order
            })
            .collect()
    }

    /// A new partition on these brokers. Where fewer than `min_isr` of them are up, nothing is committed yet.
    pub fn new_partition(&self, index: i32, replicas: Vec<BrokerId>, min_isr: usize) -> Arc<Partition> {
        let up = replicas.iter().copied().filter(|b| self.is_active(*b)).collect();
        let partition = Partition::new(index, replicas, up);
        let held = partition.is_under_min_isr(min_isr);
        partition.log.lock().hold_high_watermark(held);
        Arc::new(partition)
    }

    /// Adds a topic whose name and assignment have been checked.
    pub fn insert(&mut self, name: &str, id: Uuid, assignment: Assignment, config: TopicConfig) -> Arc<Topic> {
        let min_isr = config.min_insync_replicas.max(1);
        let partitions = (0..)
            .zip(assignment)
            .map(|(index, replicas)| self.new_partition(index, replicas, min_isr))
            .collect();
        let topic = Arc::new(Topic {
            name: name.to_owned(),
            id,
            partitions,
            internal: is_internal(name),
            config,
        });
        if name == Internal::Offsets.name() {
            let held = topic
                .partitions
                .iter()
                .filter(|partition| partition.is_under_min_isr(min_isr));
            held.for_each(|partition| self.unreplicated.hold(partition.index));
        }
        // Kafka's own topics come when somebody looks for a coordinator: that must not move those of a test.
        self.created += usize::from(!topic.internal);
        self.version += 1;
        if let Some(folded) = folded(name) {
            self.by_folded.insert(folded, name.to_owned());
        }
        self.by_name.insert(name.to_owned(), topic.clone());
        self.by_id.insert(id, topic.clone());
        topic
    }

    /// Puts a changed topic in the place of the one with its id. A topic that has been deleted meanwhile stays deleted: `None`.
    pub fn replace(&mut self, topic: Arc<Topic>) -> Option<Arc<Topic>> {
        self.version += 1;
        let before = self.by_id.get_mut(&topic.id)?;
        debug_assert_eq!(before.name, topic.name, "a topic's name is for ever");
        let before = std::mem::replace(before, topic.clone());
        if before.min_isr() != topic.min_isr() {
            // What was not committed may be now, or the other way round.
            for partition in &topic.partitions {
                let mut log = partition.log.lock();
                self.go_on(&topic, partition, &mut log);
                let woken = log.waiters().wakeups();
                drop(log);
                woken.notify();
            }
        }
        self.by_name.insert(topic.name.clone(), topic);
        Some(before)
    }

    /// Lets a partition's log go on as the replicas in sync allow, and writes the markers that have waited for that.
    pub(super) fn go_on(&mut self, topic: &Topic, partition: &Partition, log: &mut Log) {
        let takes_markers = partition.go_on(log, topic.min_isr());
        if topic.name == Internal::Offsets.name() {
            match log.holds_high_watermark() {
                true => self.unreplicated.hold(partition.index),
                false if self.unreplicated.let_go(partition.index) => self.replicated.push(partition.index),
                false => {}
            }
        }
        if !takes_markers {
            return;
        }
        if topic.name == Internal::Offsets.name() {
            let owed = log.take_owed_markers().into_iter().map(|marker| OffsetsMarker {
                partition: partition.index,
                marker,
            });
            self.offset_markers.extend(owed);
        } else if topic.name == Internal::Transactions.name() {
            // Nobody is told where nothing waits: whoever comes next looks once in vain.
            self.transactions_replicated.notify_one();
        } else {
            log.write_owed_markers();
        }
    }

    /// The markers of `__consumer_offsets` that groups have not heard of.
    pub fn take_offset_markers(&mut self) -> Vec<OffsetsMarker> {
        std::mem::take(&mut self.offset_markers)
    }

    /// The partitions of `__consumer_offsets` of which enough replicas are in sync, where groups have not heard of it.
    pub fn take_replicated(&mut self) -> Vec<i32> {
        std::mem::take(&mut self.replicated)
    }

    pub fn remove(&mut self, name: &str) -> Option<Arc<Topic>> {
        self.version += 1;
        let topic = self.by_name.remove(name)?;
        self.by_id.remove(&topic.id);
        if let Some(folded) = folded(name) {
            self.by_folded.remove(&folded);
        }
        if name == Internal::Offsets.name() {
            // Groups are kept elsewhere, and have nothing to wait for any more.
            let partitions = topic.partitions.iter().map(|partition| partition.index);
            let held = partitions.filter(|index| self.unreplicated.let_go(*index));
            self.replicated.extend(held);
        }
        if name == Internal::Transactions.name() {
            self.transactions_replicated.notify_one();
        }
        Some(topic)
    }
}

/// A name with a '.' or a '_', with every '.' as '_'. Names without have one like no other's.
fn folded(name: &str) -> Option<String> {
    name.contains(['.', '_']).then(|| name.replace('.', "_"))
}

/// Kafka's `Topic.isInternal`.
pub(crate) fn is_internal(name: &str) -> bool {
    matches!(
        name,
        "__consumer_offsets" | "__transaction_state" | "__share_group_state"
    )
}

/// Kafka's `Topic.validate`, with its words.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() {
        Err("Topic name is invalid: the empty string is not allowed".to_owned())
    } else if name == "." || name == ".." {
        Err(format!("Topic name is invalid: '{name}' is not allowed"))
    } else if name.len() > MAX_NAME_LENGTH {
        Err(format!(
            "Topic name is invalid: the length of '{name}' is longer than the max allowed length {MAX_NAME_LENGTH}"
        ))
    } else if !name.chars().all(legal) {
        Err(format!(
            "Topic name is invalid: '{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ))
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::configs::logs::Inherited;

    const BROKERS: [BrokerId; 3] = [BrokerId(1), BrokerId(2), BrokerId(3)];

    fn topics(names: &[&str]) -> Topics {
        let mut topics = Topics::default();
        for name in names {
            let assignment = topics.spread(&BROKERS, 3, 2);
            topics.insert(
                name,
                Uuid::from_u128(topics.created as u128 + 1),
                assignment,
                TopicConfig::default(),
            );
        }
        topics
    }

    #[test]
    fn leaders_are_spread_over_the_brokers_and_start_one_further_a_topic() {
        let topics = topics(&["a", "b"]);
        let leaders = |name| {
            topics
                .by_name(name)
                .unwrap()
                .partitions
                .iter()
                .map(|p| p.leader.unwrap().0)
                .collect::<Vec<_>>()
        };
        assert_eq!(leaders("a"), [1, 2, 3]);
        assert_eq!(leaders("b"), [2, 3, 1]);
        assert_eq!(
            topics.by_name("a").unwrap().partitions[2].replicas,
            [BrokerId(3), BrokerId(1)]
        );
    }

    #[test]
    fn names_that_differ_in_dots_and_underscores_alone_collide() {
        let topics = topics(&["a.b"]);
        assert!(matches!(topics.check_new_name("a_b"), Err(TopicError::InvalidName(_))));
        assert!(matches!(topics.check_new_name("a.b"), Err(TopicError::Exists(_))));
        assert_eq!(topics.check_new_name("a-b"), Ok(()));
    }

    #[test]
    fn a_name_keeps_kafkas_rules() {
        for bad in ["", ".", "..", "a/b", "é", &"x".repeat(250)] {
            assert!(check_name(bad).is_err(), "{bad}");
        }
        for good in ["a", "a.b_c-d", "...", &"x".repeat(249)] {
            assert_eq!(check_name(good), Ok(()), "{good}");
        }
    }

    #[test]
    fn a_replaced_topic_shares_its_logs_and_keeps_its_place() {
        let mut topics = topics(&["a"]);
        let before = topics.by_name("a").unwrap().clone();
        let mut changed = Topic::clone(&before);
        changed.config =
            TopicConfig::read([("max.message.bytes", Some("1"))].into_iter(), &Inherited::default()).unwrap();
        assert!(Arc::ptr_eq(&topics.replace(Arc::new(changed)).unwrap(), &before));
        let after = topics.by_id(&before.id).unwrap();
        assert!(Arc::ptr_eq(after, topics.by_name("a").unwrap()));
        assert_eq!(after.config.max_message_bytes, 1);
        assert!(Arc::ptr_eq(&after.partitions[0].log, &before.partitions[0].log));
    }

    #[test]
    fn a_topic_that_is_gone_cannot_be_replaced() {
        let mut topics = topics(&["a"]);
        let before = topics.remove("a").unwrap();
        assert!(topics.replace(before).is_none());
        assert!(topics.by_name("a").is_none());
    }

    #[test]
    fn a_removed_topic_is_gone_by_name_and_by_id() {
        let mut topics = topics(&["a"]);
        let id = topics.by_name("a").unwrap().id;
        assert!(topics.remove("a").is_some());
        assert!(topics.by_name("a").is_none() && topics.by_id(&id).is_none());
    }
}
