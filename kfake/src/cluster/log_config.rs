//! A topic's configurations as its logs take them.

use super::config::BrokerConfig;
use super::topic_config::TopicConfig;
use crate::log::{RetentionRules, Rules, SegmentRules, TimestampType};

/// A value that the topic sets, which was checked when it was set.
fn set<T: std::str::FromStr>(config: &TopicConfig, name: &str) -> Option<T> {
    config.get(name)?.trim().parse().ok()
}

/// Whether `cleanup.policy`, which is `delete` by default, contains a word.
fn has_policy(config: &TopicConfig, policy: &str) -> bool {
    let policies = config.get("cleanup.policy").unwrap_or("delete");
    policies.split(',').any(|word| word.trim() == policy)
}

/// Whether the topic's logs are compacted.
pub(crate) fn is_compacted(config: &TopicConfig) -> bool {
    has_policy(config, "compact")
}

/// What is asked of a batch, by the topic's configuration and the broker's where the topic has none.
pub(crate) fn rules(config: &TopicConfig, broker: &BrokerConfig) -> Rules {
    let defaults = Rules::default();
    Rules {
        max_message_bytes: set(config, "max.message.bytes").unwrap_or(broker.message_max_bytes),
        segment_bytes: set(config, "segment.bytes").unwrap_or(defaults.segment_bytes),
        compacted: is_compacted(config),
        timestamp_type: match config.get("message.timestamp.type").map(str::trim) {
            Some("LogAppendTime") => TimestampType::LogAppendTime,
            _ => TimestampType::CreateTime,
        },
        timestamp_before_max_ms: set(config, "message.timestamp.before.max.ms")
            .unwrap_or(broker.message_timestamp_before_max_ms),
        timestamp_after_max_ms: set(config, "message.timestamp.after.max.ms")
            .unwrap_or(broker.message_timestamp_after_max_ms),
    }
}

/// When segments are rolled. `jitter_below` gives a random number below its argument, which is above 0.
pub(crate) fn segment_rules(config: &TopicConfig, jitter_below: impl FnOnce(i64) -> i64) -> SegmentRules {
    let defaults = SegmentRules::default();
    let segment_ms = set(config, "segment.ms").unwrap_or(defaults.ms);
    let max_lag_ms = set(config, "max.compaction.lag.ms").unwrap_or(i64::MAX);
    // `LogConfig.randomSegmentJitter`.
    let jitter = set(config, "segment.jitter.ms").unwrap_or(0).min(segment_ms);
    SegmentRules {
        bytes: set(config, "segment.bytes").unwrap_or(defaults.bytes),
        ms: match is_compacted(config) {
            true => segment_ms.min(max_lag_ms),
            false => segment_ms,
        },
        jitter_ms: if jitter > 0 { jitter_below(jitter) } else { 0 },
        index_bytes: set(config, "segment.index.bytes").unwrap_or(defaults.index_bytes),
        index_interval_bytes: set(config, "index.interval.bytes").unwrap_or(defaults.index_interval_bytes),
    }
}

/// What goes by time and by size.
pub(crate) fn retention_rules(config: &TopicConfig) -> RetentionRules {
    let defaults = RetentionRules::default();
    RetentionRules {
        delete: has_policy(config, "delete"),
        ms: set(config, "retention.ms").unwrap_or(defaults.ms),
        bytes: set(config, "retention.bytes").unwrap_or(defaults.bytes),
    }
}
