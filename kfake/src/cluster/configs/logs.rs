//! A topic's configurations in their types, as the log works by them (`LogConfig`).

use std::collections::BTreeMap;

use super::table::{self, Definition, Kind};
use crate::cluster::topics::BrokerId;
use crate::log::{Codec, TimestampType};

/// A value as the log needs it. It has been checked when it was set.
trait Value: Default {
    fn read(text: &str) -> Self;
}

impl Value for i64 {
    fn read(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl Value for usize {
    fn read(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl Value for bool {
    fn read(text: &str) -> Self {
        text.eq_ignore_ascii_case("true")
    }
}

impl Value for f64 {
    fn read(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

impl Value for TimestampType {
    fn read(text: &str) -> Self {
        match text {
            "LogAppendTime" => Self::LogAppendTime,
            _ => Self::CreateTime,
        }
    }
}

impl Value for i32 {
    fn read(text: &str) -> Self {
        text.parse().unwrap_or_default()
    }
}

/// What every batch is compressed with; `None` is what its producer chose: `compression.type`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Compression(pub Option<Codec>);

impl Value for Compression {
    fn read(text: &str) -> Self {
        Self(match text {
            "uncompressed" => Some(Codec::None),
            "gzip" => Some(Codec::Gzip),
            "snappy" => Some(Codec::Snappy),
            "lz4" => Some(Codec::Lz4),
            "zstd" => Some(Codec::Zstd),
            _ => None,
        })
    }
}

/// What happens to old records: `cleanup.policy`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Cleanup {
    pub compact: bool,
    pub delete: bool,
}

impl Value for Cleanup {
    fn read(text: &str) -> Self {
        let has = |wanted: &str| text.split(',').any(|word| word == wanted);
        Self {
            compact: has("compact"),
            delete: has("delete"),
        }
    }
}

macro_rules! log_config {
    (
        of topics { $($(#[$doc:meta])* $field:ident: $type:ty = $name:literal;)* }
        of brokers { $($(#[$broker_doc:meta])* $broker_field:ident: $broker_type:ty = $broker_name:literal;)* }
    ) => {
        /// What the log works by. A line here makes another configuration known to it.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(crate) struct LogConfig {
            $($(#[$doc])* pub $field: $type,)*
            $($(#[$broker_doc])* pub $broker_field: $broker_type,)*
        }

        impl LogConfig {
            /// Takes each value that `value` has.
            fn set(&mut self, value: impl Fn(&Definition) -> Option<String>) {
                $(if let Some(text) = table::find(Kind::Topic, $name).and_then(&value) {
                    self.$field = <$type>::read(&text);
                })*
            }

            /// Takes the values that brokers have and topics do not.
            fn set_brokers(&mut self, value: impl Fn(&Definition) -> Option<String>) {
                $(if let Some(text) = table::find(Kind::Broker, $broker_name).and_then(&value) {
                    self.$broker_field = <$broker_type>::read(&text);
                })*
            }
        }
    };
}

log_config! {
    of topics {
        /// The longest batch, in bytes.
        max_message_bytes: usize = "max.message.bytes";
        /// A batch longer than a segment, in bytes, cannot be stored.
        segment_bytes: usize = "segment.bytes";
        cleanup: Cleanup = "cleanup.policy";
        timestamp_type: TimestampType = "message.timestamp.type";
        /// The furthest, in milliseconds, that a record's timestamp may lie in the past (KIP-937).
        timestamp_before_max_ms: i64 = "message.timestamp.before.max.ms";
        /// The furthest, in milliseconds, that a record's timestamp may lie in the future (KIP-937).
        timestamp_after_max_ms: i64 = "message.timestamp.after.max.ms";
        segment_ms: i64 = "segment.ms";
        segment_jitter_ms: i64 = "segment.jitter.ms";
        segment_index_bytes: usize = "segment.index.bytes";
        index_interval_bytes: usize = "index.interval.bytes";
        retention_ms: i64 = "retention.ms";
        /// -1 is no limit.
        retention_bytes: i64 = "retention.bytes";
        min_cleanable_dirty_ratio: f64 = "min.cleanable.dirty.ratio";
        min_compaction_lag_ms: i64 = "min.compaction.lag.ms";
        max_compaction_lag_ms: i64 = "max.compaction.lag.ms";
        delete_retention_ms: i64 = "delete.retention.ms";
        /// The largest record of a compressed batch, in bytes.
        max_decompressed_message_bytes: i32 = "max.decompressed.message.bytes";
        compression: Compression = "compression.type";
        gzip_level: i32 = "compression.gzip.level";
        lz4_level: i32 = "compression.lz4.level";
        zstd_level: i32 = "compression.zstd.level";
        /// How many replicas must be in sync for a record to be committed.
        min_insync_replicas: usize = "min.insync.replicas";
        /// Whether a replica that lacks committed records may come to lead.
        unclean_leader_election: bool = "unclean.leader.election.enable";
    }
    of brokers {
        /// How long the partition remembers an idempotent producer that does not write.
        producer_expiration_ms: i64 = "producer.id.expiration.ms";
        /// How long the log cleaner waits when there was nothing to clean.
        cleaner_backoff_ms: i64 = "log.cleaner.backoff.ms";
        /// Whether old producers' transactions are verified (KIP-890).
        verifies_transactions: bool = "transaction.partition.verification.enable";
    }
}

impl LogConfig {
    /// What a topic without configurations of its own has, where brokers have the values that `broker` knows.
    pub fn of_brokers(broker: impl Fn(&str) -> Option<String>) -> Self {
        let mut config = Self::default();
        config.set(|definition| parsed(definition, &inherited(definition, &broker)?));
        config.set_brokers(|definition| parsed(definition, &broker(definition.name)?));
        config
    }

    /// With a topic's own values in place of these.
    pub fn with<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let mut config = self.clone();
        config.set(|definition| parsed(definition, own(definition.name)?));
        config
    }
}

/// What topics inherit, by the broker that leads a partition.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Inherited {
    /// Of every broker but these.
    pub all: LogConfig,
    /// Of brokers that have values of their own for logs.
    pub apart: BTreeMap<BrokerId, LogConfig>,
}

impl Inherited {
    /// What is inherited where a broker leads, or where none does.
    pub fn at(&self, leader: Option<BrokerId>) -> &LogConfig {
        leader.and_then(|leader| self.apart.get(&leader)).unwrap_or(&self.all)
    }

    /// With a topic's own values in place of these.
    pub fn with<'a>(&self, own: impl Fn(&str) -> Option<&'a str>) -> Self {
        let apart = self.apart.iter().map(|(broker, config)| (*broker, config.with(&own)));
        Self {
            all: self.all.with(&own),
            apart: apart.collect(),
        }
    }
}

fn parsed(definition: &Definition, text: &str) -> Option<String> {
    definition.parse(text).ok()
}

/// The other names of a broker's configuration, and how many of its units theirs are (`DynamicBrokerConfig.brokerConfigSynonyms`).
pub(crate) fn other_names(name: &str) -> &'static [(&'static str, i64)] {
    const MINUTE: i64 = 60_000;
    const HOUR: i64 = 60 * MINUTE;
    match name {
        "log.retention.ms" => &[("log.retention.minutes", MINUTE), ("log.retention.hours", HOUR)],
        "log.roll.ms" => &[("log.roll.hours", HOUR)],
        "log.roll.jitter.ms" => &[("log.roll.jitter.hours", HOUR)],
        "log.flush.interval.ms" => &[("log.flush.scheduler.interval.ms", 1)],
        _ => &[],
    }
}

/// What a topic or a group inherits from its broker: the value of the configuration's synonym, or of the synonym's other names
/// in its own unit, or the default.
pub(crate) fn inherited(definition: &Definition, broker: impl Fn(&str) -> Option<String>) -> Option<String> {
    let default = || definition.default().map(str::to_owned);
    let Some(synonym) = definition.synonym else {
        return default();
    };
    if let Some(value) = broker(synonym) {
        return Some(value);
    }
    other_names(synonym)
        .iter()
        .find_map(|(name, unit)| Some(in_unit(&broker(name)?, *unit)))
        .or_else(default)
}

/// A number in another unit. What is below zero has no unit.
pub(crate) fn in_unit(value: &str, unit: i64) -> String {
    match value.trim().parse::<i64>() {
        Ok(number) if number < 0 => "-1".to_owned(),
        Ok(number) => number.saturating_mul(unit).to_string(),
        Err(_) => value.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brokers(set: &[(&str, &str)]) -> LogConfig {
        LogConfig::of_brokers(|name| {
            let own = set.iter().find(|(n, _)| *n == name).map(|(_, value)| *value);
            let default = || table::find(Kind::Broker, name).and_then(Definition::default);
            own.or_else(default).map(str::to_owned)
        })
    }

    #[test]
    fn a_topic_inherits_from_its_broker_what_it_does_not_set() {
        let config = brokers(&[("message.max.bytes", "7"), ("log.cleanup.policy", "compact")]);
        assert_eq!((config.max_message_bytes, config.cleanup.compact), (7, true));
        assert_eq!(config.segment_bytes, 1 << 30);
        let own = config.with(|name| (name == "cleanup.policy").then_some("delete"));
        assert_eq!((own.max_message_bytes, own.cleanup.compact), (7, false));
    }

    #[test]
    fn a_brokers_hours_are_a_topics_milliseconds() {
        let retention = table::find(Kind::Topic, "retention.ms").unwrap();
        let hours = |value: &'static str| {
            inherited(retention, |name| {
                (name == "log.retention.hours").then(|| value.to_owned())
            })
        };
        assert_eq!(hours("2").as_deref(), Some("7200000"));
        assert_eq!(hours("-5").as_deref(), Some("-1"));
        assert_eq!(inherited(retention, |_| None).as_deref(), Some("604800000"));
    }
}
