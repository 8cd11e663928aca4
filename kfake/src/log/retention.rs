//! What of a log may go: by time, by size, and what a client has deleted (`UnifiedLog.deleteOldSegments`).
//!
//! Only whole segments are deleted, the oldest first. When all of them are to go, an empty one is begun behind them.

use super::partition::Log;
use super::segment::Segment;
use super::waiters::Wakeups;

/// A topic's retention. The defaults are Kafka's: a week, whatever the size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionRules {
    /// Whether `cleanup.policy` contains `delete`: else nothing goes but what clients have deleted.
    pub delete: bool,
    /// `retention.ms`; -1 is for ever.
    pub ms: i64,
    /// `retention.bytes`; -1 is without a limit.
    pub bytes: i64,
}

impl Default for RetentionRules {
    fn default() -> Self {
        Self {
            delete: true,
            ms: 7 * 24 * 3_600_000,
            bytes: -1,
        }
    }
}

/// What a run of retention did to a log.
#[derive(Debug, Default)]
pub struct Expired {
    /// How many segments were deleted.
    pub segments: usize,
    /// Who waits for this partition. Notify them after releasing the log's lock.
    pub wakeups: Wakeups,
}

impl Log {
    /// Deletes the segments that are before the log start offset, above the topic's size or beyond its time, in this order.
    pub fn delete_old_segments(&mut self, rules: &RetentionRules, now_ms: i64) -> Expired {
        let start = self.start_offset();
        let mut deleted = self.delete_first(self.before_start(), now_ms);
        if rules.delete {
            deleted += self.delete_first(self.above_size(rules.bytes), now_ms);
            deleted += self.delete_first(self.beyond_time(rules.ms, now_ms), now_ms);
        }
        Expired {
            segments: deleted,
            wakeups: match self.start_offset() > start {
                true => self.waiters().wakeups(),
                false => Wakeups::default(),
            },
        }
    }

    /// When, in milliseconds since 1970, [`delete_old_segments`](Self::delete_old_segments) has something to do, should
    /// nothing be appended until then; `i64::MIN` when it has now. `None` when it never will.
    pub fn retention_due(&self, rules: &RetentionRules) -> Option<i64> {
        if self.before_start() > 0 || (rules.delete && self.above_size(rules.bytes) > 0) {
            return Some(i64::MIN);
        }
        let first = self.segments.first();
        let can_go = !(self.segments.count() == 1 && first.is_empty());
        (rules.delete && rules.ms >= 0 && can_go)
            .then(|| first.largest_timestamp().saturating_add(rules.ms).saturating_add(1))
    }

    /// How many segments end before the log start offset.
    fn before_start(&self) -> usize {
        self.deletable(|_, next| next.is_some_and(|next| next.base_offset <= self.start_offset()))
    }

    /// How many segments are above the limit. A segment that the limit cuts through stays.
    fn above_size(&self, limit: i64) -> usize {
        let Ok(limit) = usize::try_from(limit) else {
            return 0;
        };
        let Some(mut above) = self.segments.size().checked_sub(limit) else {
            return 0;
        };
        self.deletable(|segment, _| match above.checked_sub(segment.size) {
            Some(left) => {
                above = left;
                true
            }
            None => false,
        })
    }

    /// How many segments are older than the limit.
    fn beyond_time(&self, limit_ms: i64, now_ms: i64) -> usize {
        if limit_ms < 0 {
            return 0;
        }
        self.deletable(|segment, _| now_ms.saturating_sub(segment.largest_timestamp()) > limit_ms)
    }

    /// How many of the first segments `goes` holds for. One that reaches beyond the high watermark stays, and so does an empty
    /// active one (`UnifiedLog.deletableSegments`).
    fn deletable(&self, mut goes: impl FnMut(&Segment, Option<&Segment>) -> bool) -> usize {
        let mut segments = self.segments.iter().peekable();
        let mut count = 0;
        while let Some(segment) = segments.next() {
            let next = segments.peek().copied();
            let end = next.map_or(self.end_offset(), |next| next.base_offset);
            let is_kept = next.is_none() && segment.is_empty();
            if self.high_watermark() < end || !goes(segment, next) || is_kept {
                break;
            }
            count += 1;
        }
        count
    }

    fn delete_first(&mut self, count: usize, now_ms: i64) -> usize {
        if count == 0 {
            return 0;
        }
        if count == self.segments.count() {
            self.roll(now_ms);
        }
        self.segments.drop_first(count);
        self.raise_start(self.segments.first().base_offset);
        count
    }
}

#[cfg(test)]
mod tests;
