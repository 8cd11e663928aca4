//! Broker configurations, by their Kafka names.

use std::collections::BTreeMap;
use std::time::Duration;

use thiserror::Error;

/// A broker configuration that cannot be taken.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub enum ConfigError {
    /// The value is not of the configuration's type, or out of its range.
    #[error("broker configuration {name}={value}: expected {expected}")]
    Invalid {
        /// The configuration's Kafka name.
        name: String,
        /// The value given.
        value: String,
        /// What the configuration takes.
        expected: &'static str,
    },
    /// kfake has no such configuration: a misspelt name must not pass in silence.
    #[error("broker configuration {name} is not one that kfake knows; it knows: {known}")]
    Unknown {
        /// The name given.
        name: String,
        /// The names that kfake knows, separated by commas.
        known: String,
    },
}

/// A value of a broker configuration.
trait Value: Sized {
    const EXPECTED: &'static str;
    fn read(text: &str) -> Option<Self>;
}

impl Value for bool {
    const EXPECTED: &'static str = "true or false";
    fn read(text: &str) -> Option<Self> {
        text.to_ascii_lowercase().parse().ok()
    }
}

impl Value for i64 {
    const EXPECTED: &'static str = "a whole number";
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

/// A number of at least one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Count(pub i32);

macro_rules! broker_configs {
    ($($(#[$doc:meta])* $field:ident: $type:ty = $name:literal, $default:expr;)*) => {
        /// The broker configurations that kfake acts on. Units are those of the Kafka name.
        #[derive(Debug, Clone)]
        pub(crate) struct BrokerConfig {
            $($(#[$doc])* pub $field: $type,)*
        }

        impl Default for BrokerConfig {
            fn default() -> Self {
                Self { $($field: $default,)* }
            }
        }

        impl BrokerConfig {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn set(&mut self, name: &str, value: &str) -> Result<(), ConfigError> {
                match name {
                    $($name => {
                        self.$field = <$type>::read(value).ok_or_else(|| ConfigError::Invalid {
                            name: name.to_owned(),
                            value: value.to_owned(),
                            expected: <$type>::EXPECTED,
                        })?;
                    })*
                    _ => {
                        return Err(ConfigError::Unknown {
                            name: name.to_owned(),
                            known: Self::NAMES.join(", "),
                        });
                    }
                }
                Ok(())
            }
        }
    };
}

broker_configs! {
    /// A Metadata request for an unknown topic creates it.
    auto_create_topics: bool = "auto.create.topics.enable", false;
    /// Partitions of a topic that is created without a number (KIP-464).
    num_partitions: Count = "num.partitions", Count(10);
    /// Replicas of a topic that is created without a number. Apache Kafka's default is 1.
    default_replication_factor: Count = "default.replication.factor", Count(1);
    /// The longest batch, in bytes, that a partition takes.
    message_max_bytes: usize = "message.max.bytes", 1_048_588;
    /// The longest request, in bytes.
    socket_request_max_bytes: usize = "socket.request.max.bytes", 100 << 20;
    /// The most partitions that DescribeTopicPartitions answers at once (KIP-966).
    max_request_partition_size_limit: Count = "max.request.partition.size.limit", Count(2000);
    /// Which replica a consumer is sent to (KIP-392).
    replica_selector: ReplicaSelector = "replica.selector.class", ReplicaSelector::Leader;
    /// The most bytes that a fetch returns (KIP-541).
    fetch_max_bytes: usize = "fetch.max.bytes", 55 << 20;
    /// The most incremental fetch sessions that a broker keeps (KIP-227).
    fetch_session_slots: usize = "max.incremental.fetch.session.cache.slots", 1000;
    /// How long a new group waits for more members. Apache Kafka's default is 3000; a test wants none.
    group_initial_rebalance_delay: Duration = "group.initial.rebalance.delay.ms", Duration::ZERO;
    /// The shortest session timeout that a member may ask for.
    group_min_session_timeout: Duration = "group.min.session.timeout.ms", Duration::from_secs(6);
    /// The longest session timeout that a member may ask for.
    group_max_session_timeout: Duration = "group.max.session.timeout.ms", Duration::from_secs(1800);
    /// The most members of a group (KIP-389).
    group_max_size: Count = "group.max.size", Count(i32::MAX);
    /// The longest metadata, in bytes, of a committed offset.
    offset_metadata_max_bytes: usize = "offset.metadata.max.bytes", 4096;
    /// How often retention looks for what may go.
    log_retention_check_interval: Duration = "log.retention.check.interval.ms", Duration::from_secs(300);
    /// How long after the start it looks for the first time.
    log_initial_task_delay: Duration = "log.initial.task.delay.ms", Duration::from_secs(30);
    /// How long the log cleaner waits when there was nothing to clean.
    log_cleaner_backoff: Duration = "log.cleaner.backoff.ms", Duration::from_secs(15);
    /// The furthest, in milliseconds, that a record's timestamp may lie in the past (KIP-937).
    message_timestamp_before_max_ms: i64 = "log.message.timestamp.before.max.ms", i64::MAX;
    /// The furthest, in milliseconds, that a record's timestamp may lie in the future (KIP-937).
    message_timestamp_after_max_ms: i64 = "log.message.timestamp.after.max.ms", 3_600_000;
}

impl BrokerConfig {
    /// Reads configurations given by their Kafka names.
    pub(crate) fn read(given: &BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut config = Self::default();
        for (name, value) in given {
            config.set(name, value)?;
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, value: &str) -> Result<BrokerConfig, ConfigError> {
        BrokerConfig::read(&BTreeMap::from([(name.to_owned(), value.to_owned())]))
    }

    #[test]
    fn a_configuration_is_set_by_its_kafka_name() {
        let config = read("group.initial.rebalance.delay.ms", "3000").unwrap();
        assert_eq!(config.group_initial_rebalance_delay, Duration::from_secs(3));
        assert!(read("auto.create.topics.enable", "TRUE").unwrap().auto_create_topics);
    }

    #[test]
    fn a_misspelt_name_is_refused_with_the_names_that_exist() {
        let error = read("group.initial.rebalance.delay", "3000").unwrap_err();
        assert!(
            error.to_string().contains("group.initial.rebalance.delay.ms"),
            "{error}"
        );
    }

    #[test]
    fn a_value_out_of_range_says_what_is_expected() {
        let error = read("num.partitions", "0").unwrap_err();
        assert_eq!(
            error.to_string(),
            "broker configuration num.partitions=0: expected a whole number from 1 to 2147483647"
        );
    }
}
