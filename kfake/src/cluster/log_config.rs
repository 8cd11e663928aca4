//! A topic's configurations as its logs take them.

use super::configs::logs::LogConfig;
use crate::log::{CompactionRules, Level, RetentionRules, Rules, SegmentRules};

/// What is asked of a batch.
pub(crate) fn rules(config: &LogConfig) -> Rules {
    Rules {
        max_message_bytes: config.max_message_bytes,
        segment_bytes: config.segment_bytes,
        compacted: config.cleanup.compact,
        timestamp_type: config.timestamp_type,
        timestamp_before_max_ms: config.timestamp_before_max_ms,
        timestamp_after_max_ms: config.timestamp_after_max_ms,
        compression: config.compression.0,
        max_decompressed_message_bytes: config.max_decompressed_message_bytes,
        level: Level {
            gzip: config.gzip_level,
            lz4: config.lz4_level,
            zstd: config.zstd_level,
        },
    }
}

/// When segments are rolled. `jitter_below` gives a random number below its argument, which is above 0.
pub(crate) fn segment_rules(config: &LogConfig, jitter_below: impl FnOnce(i64) -> i64) -> SegmentRules {
    // `LogConfig.randomSegmentJitter`.
    let jitter = config.segment_jitter_ms.min(config.segment_ms);
    SegmentRules {
        bytes: config.segment_bytes,
        ms: match config.cleanup.compact {
            true => config.segment_ms.min(config.max_compaction_lag_ms),
            false => config.segment_ms,
        },
        jitter_ms: if jitter > 0 { jitter_below(jitter) } else { 0 },
        index_bytes: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
    }
}

/// When and how a topic's logs are compacted; `None` when they are not.
pub(crate) fn compaction_rules(config: &LogConfig) -> Option<CompactionRules> {
    config.cleanup.compact.then_some(CompactionRules {
        min_dirty_ratio: config.min_cleanable_dirty_ratio,
        min_lag_ms: config.min_compaction_lag_ms,
        max_lag_ms: config.max_compaction_lag_ms,
        delete_retention_ms: config.delete_retention_ms,
        segment_bytes: config.segment_bytes,
        index_bytes: config.segment_index_bytes,
        index_interval_bytes: config.index_interval_bytes,
    })
}

/// What goes by time and by size.
pub(crate) fn retention_rules(config: &LogConfig) -> RetentionRules {
    RetentionRules {
        delete: config.cleanup.delete,
        ms: config.retention_ms,
        bytes: config.retention_bytes,
    }
}
