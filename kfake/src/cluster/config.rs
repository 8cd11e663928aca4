//! Broker configurations, by their Kafka names.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

use super::configs::brokers;
use super::configs::store::{OWN, Values};
use super::configs::table::{self, Kind};
use super::quotas::limits::LISTENER;
use super::quotas::rate::Windows;

/// A broker configuration that cannot be taken.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The value is not of the configuration's type, or out of its range.
    #[error("broker configuration {name}={value}: {reason}")]
    Invalid {
        /// The configuration's Kafka name.
        name: String,
        /// The value given.
        value: String,
        /// What is wrong, in Apache Kafka's words where it refuses the value, too.
        reason: String,
    },
    /// Apache Kafka has no such configuration: a misspelt name must not pass in silence.
    #[error("broker configuration {name} is not one that Apache Kafka has{}", meant(.nearest))]
    Unknown {
        /// The name given.
        name: String,
        /// The name that was perhaps meant.
        nearest: Option<&'static str>,
    },
    /// The configuration says who a broker is and where it listens, which kfake decides by its own options.
    #[error("broker configuration {0} is set by kfake itself: by the number of brokers, the address and the ports")]
    Own(String),
}

fn meant(nearest: &Option<&'static str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

/// Where a test wants other defaults than Apache Kafka's: topics that nobody asked for are mistakes, and nobody wants to wait.
const OTHER_DEFAULTS: &[(&str, &str)] = &[
    ("auto.create.topics.enable", "false"),
    ("group.initial.rebalance.delay.ms", "0"),
    ("num.partitions", "10"),
];

/// A value of a broker configuration.
trait Value: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Value for usize {
    const EXPECTED: &'static str = "a whole number from 0 to 2147483647";
    fn read(text: &str) -> Option<Self> {
        text.parse::<i32>().ok()?.try_into().ok()
    }
}

impl Value for Count {
    const EXPECTED: &'static str = "a whole number from 1 to 2147483647";
    fn read(text: &str) -> Option<Self> {
        text.parse::<i32>().ok().filter(|n| *n >= 1).map(Count)
    }
}

impl Value for Duration {
    const EXPECTED: &'static str = "milliseconds from 0 to 2147483647";
    fn read(text: &str) -> Option<Self> {
        let millis = text.parse::<i32>().ok()?;
        Some(Duration::from_millis(millis.try_into().ok()?))
    }
}

/// Which replica a consumer is sent to: `replica.selector.class` (KIP-392).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReplicaSelector {
    /// The leader: no class, or Kafka's `LeaderSelector`.
    Leader,
    /// One in the consumer's rack: Kafka's `RackAwareReplicaSelector`.
    RackAware,
}

impl Value for ReplicaSelector {
    const EXPECTED: &'static str =
        "org.apache.kafka.common.replica.RackAwareReplicaSelector or org.apache.kafka.common.replica.LeaderSelector";
    fn read(text: &str) -> Option<Self> {
        match text.trim() {
            "" | "org.apache.kafka.common.replica.LeaderSelector" => Some(Self::Leader),
            "org.apache.kafka.common.replica.RackAwareReplicaSelector" => Some(Self::RackAware),
            _ => None,
        }
    }
}

impl Value for Minutes {
    const EXPECTED: &'static str = "minutes from 0 to 2147483647";
    fn read(text: &str) -> Option<Self> {
        let minutes = u64::try_from(text.parse::<i32>().ok()?).ok()?;
        Some(Minutes(Duration::from_secs(minutes * 60)))
    }
}

impl Value for Seconds {
    const EXPECTED: &'static str = "seconds from 0 to 2147483647";
    fn read(text: &str) -> Option<Self> {
        let seconds = u64::try_from(text.parse::<i32>().ok()?).ok()?;
        Some(Seconds(Duration::from_secs(seconds)))
    }
}

/// A time that Apache Kafka counts in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seconds(pub Duration);

/// A time that Apache Kafka counts in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Minutes(pub Duration);

/// A number of at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub i32);

macro_rules! broker_configs {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal;)*) => {
        /// The broker configurations that kfake acts on and that never change. Units are those of the Kafka name.
        #[derive(Debug, Clone)]
        pub(crate) struct BrokerConfig {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl BrokerConfig {
            /// Takes the values that brokers were started with, and the defaults of the rest.
            fn of(fixed: &Values) -> Result<Self, ConfigError> {
                Ok(Self { $($field: value(fixed, $name)?,)* })
            }
        }
    };
}

broker_configs! {
    /// A Metadata request for an unknown topic creates it.
    auto_create_topics: bool = "auto.create.topics.enable";
    /// Partitions of a topic that is created without a number (KIP-464).
    num_partitions: Count = "num.partitions";
    /// Replicas of a topic that is created without a number.
    default_replication_factor: Count = "default.replication.factor";
    /// The longest request, in bytes.
    socket_request_max_bytes: usize = "socket.request.max.bytes";
    /// The most partitions that DescribeTopicPartitions answers at once (KIP-966).
    max_request_partition_size_limit: Count = "max.request.partition.size.limit";
    /// Which replica a consumer is sent to (KIP-392).
    replica_selector: ReplicaSelector = "replica.selector.class";
    /// The most bytes that a fetch returns (KIP-541).
    fetch_max_bytes: usize = "fetch.max.bytes";
    /// The most incremental fetch sessions that a broker keeps (KIP-227).
    fetch_session_slots: usize = "max.incremental.fetch.session.cache.slots";
    /// How long a new group waits for more members. A test wants none.
    group_initial_rebalance_delay: Duration = "group.initial.rebalance.delay.ms";
    /// The shortest session timeout that a member may ask for.
    group_min_session_timeout: Duration = "group.min.session.timeout.ms";
    /// The longest session timeout that a member may ask for.
    group_max_session_timeout: Duration = "group.max.session.timeout.ms";
    /// The most members of a group (KIP-389).
    group_max_size: Count = "group.max.size";
    /// Partitions of `__consumer_offsets`.
    offsets_partitions: Count = "offsets.topic.num.partitions";
    /// Replicas of `__consumer_offsets`, where there are as many brokers.
    offsets_replication: Count = "offsets.topic.replication.factor";
    /// `segment.bytes` of `__consumer_offsets`.
    offsets_segment_bytes: Count = "offsets.topic.segment.bytes";
    /// Partitions of `__transaction_state`.
    transaction_partitions: Count = "transaction.state.log.num.partitions";
    /// Replicas of `__transaction_state`, where there are as many brokers.
    transaction_replication: Count = "transaction.state.log.replication.factor";
    /// `min.insync.replicas` of `__transaction_state`.
    transaction_min_isr: Count = "transaction.state.log.min.isr";
    /// `segment.bytes` of `__transaction_state`.
    transaction_segment_bytes: Count = "transaction.state.log.segment.bytes";
    /// The longest metadata, in bytes, of a committed offset.
    offset_metadata_max_bytes: usize = "offset.metadata.max.bytes";
    /// The longest transaction timeout, in milliseconds, that a producer may ask for.
    transaction_max_timeout_ms: Count = "transaction.max.timeout.ms";
    /// How long a transactional id is kept that nobody uses, in milliseconds.
    transactional_id_expiration_ms: Count = "transactional.id.expiration.ms";
    /// How many windows of time quotas are measured over.
    quota_windows: Count = "quota.window.num";
    /// How long each of them is.
    quota_window_size: Seconds = "quota.window.size.seconds";
    /// How many windows of time the controller's quotas are measured over.
    controller_quota_windows: Count = "controller.quota.window.num";
    /// How long each of them is.
    controller_quota_window_size: Seconds = "controller.quota.window.size.seconds";
    /// How often retention looks for what may go.
    log_retention_check_interval: Duration = "log.retention.check.interval.ms";
    /// How long after the start it looks for the first time.
    log_initial_task_delay: Duration = "log.initial.task.delay.ms";
    /// How often such producers are looked for.
    producer_id_expiration_check_interval: Duration = "producer.id.expiration.check.interval.ms";
    /// How long what is asked of groups waits for the replicas of their offsets.
    offsets_commit_timeout: Duration = "offsets.commit.timeout.ms";
    /// How long committed offsets are kept (KIP-211).
    offsets_retention: Minutes = "offsets.retention.minutes";
    /// How often old offsets are looked for.
    offsets_retention_check_interval: Duration = "offsets.retention.check.interval.ms";
}

impl BrokerConfig {
    /// Over which time quotas are measured.
    pub fn windows(&self) -> Windows {
        Windows {
            number: self.quota_windows.0 as usize,
            size: self.quota_window_size.0,
        }
    }
}

/// The configuration's value, which Apache Kafka takes, in the type that kfake needs.
fn value<T: Value>(fixed: &Values, name: &str) -> Result<T, ConfigError> {
    let definition = table::find(Kind::Broker, name);
    let given = fixed.get(name).map(String::as_str);
    let given = given.or_else(|| definition?.default()).unwrap_or_default();
    let read = definition.and_then(|definition| T::read(&definition.parse(given).ok()?));
    read.ok_or_else(|| ConfigError::Invalid {
        name: name.to_owned(),
        value: given.to_owned(),
        reason: format!("expected {}", T::EXPECTED),
    })
}

#[cfg(test)]
impl Default for Given {
    fn default() -> Self {
        read(&BTreeMap::new()).unwrap()
    }
}

/// What brokers are started with.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    /// Everything, by name.
    pub fixed: Values,
    /// What kfake acts on.
    pub config: BrokerConfig,
}

fn other_defaults() -> Values {
    let pairs = OTHER_DEFAULTS.iter();
    pairs
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// Reads configurations given by their Kafka names.
pub(crate) fn read(given: &BTreeMap<String, String>) -> Result<Given, ConfigError> {
    let mut fixed = other_defaults();
    for (name, value) in given {
        if OWN.contains(&name.as_str()) {
            return Err(ConfigError::Own(name.clone()));
        }
        let of_listener = name.strip_prefix(LISTENER).unwrap_or(name);
        let definition = table::find(Kind::Broker, of_listener).ok_or_else(|| ConfigError::Unknown {
            name: name.clone(),
            nearest: brokers::nearest(name),
        })?;
        definition.parse(value).map_err(|reason| ConfigError::Invalid {
            name: name.clone(),
            value: value.clone(),
            reason,
        })?;
        fixed.insert(name.clone(), value.clone());
    }
    let config = BrokerConfig::of(&fixed)?;
    Ok(Given { fixed, config })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, value: &str) -> Result<BrokerConfig, ConfigError> {
        Ok(read(&BTreeMap::from([(name.to_owned(), value.to_owned())]))?.config)
    }

    #[test]
    fn a_configuration_is_set_by_its_kafka_name() {
        let config = read_one("group.initial.rebalance.delay.ms", "3000").unwrap();
        assert_eq!(config.group_initial_rebalance_delay, Duration::from_secs(3));
        assert!(
            read_one("auto.create.topics.enable", "TRUE")
                .unwrap()
                .auto_create_topics
        );
        assert!(read_one("log.cleaner.backoff.ms", "1").is_ok());
    }

    #[test]
    fn what_nobody_sets_is_kafkas_default_or_a_tests() {
        let config = Given::default().config;
        assert_eq!(config.group_max_session_timeout, Duration::from_secs(1800));
        assert_eq!(config.group_initial_rebalance_delay, Duration::ZERO);
        assert_eq!(config.offsets_retention.0, Duration::from_secs(7 * 24 * 3600));
        assert_eq!((config.auto_create_topics, config.num_partitions), (false, Count(10)));
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_name_that_was_meant() {
        let error = read_one("group.initial.rebalance.delay", "3000").unwrap_err();
        assert_eq!(
            error.to_string(),
            "broker configuration group.initial.rebalance.delay is not one that Apache Kafka has; did you mean group.initial.rebalance.delay.ms?"
        );
        let error = read_one("nothing.like.any.of.them.at.all", "3000").unwrap_err();
        assert!(!error.to_string().contains("mean"), "{error}");
    }

    #[test]
    fn a_value_out_of_range_is_refused_in_kafkas_words() {
        let error = read_one("num.partitions", "0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "broker configuration num.partitions=0: Invalid value 0 for configuration num.partitions: Value must be at least 1"
        );
        let error = read_one("default.replication.factor", "0").unwrap_err();
        assert!(error.to_string().contains("expected a whole number from 1"), "{error}");
    }

    #[test]
    fn who_a_broker_is_kfake_says() {
        assert_eq!(
            read_one("node.id", "7").unwrap_err(),
            ConfigError::Own("node.id".to_owned())
        );
    }
}
