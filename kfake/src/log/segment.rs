//! A segment of a partition's log: a run of batches that is rolled, deleted and compacted as a whole (Kafka's `LogSegment`).
//!
//! Segments are seen by clients: a read ends where one does, a search by time looks into one alone, and retention deletes
//! whole ones. The two indexes are not kept, only counted: an index that is full rolls the segment.

use super::batch::{NO_TIMESTAMP, RecordBatch};

/// Bytes of an entry of the offset index (`OffsetIndex.ENTRY_SIZE`).
const OFFSET_ENTRY: usize = 8;
/// Bytes of an entry of the time index (`TimeIndex.ENTRY_SIZE`).
const TIME_ENTRY: usize = 12;

/// When a topic's active segment is rolled. The defaults are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRules {
    /// `segment.bytes`: how large a segment may grow.
    pub bytes: usize,
    /// `segment.ms`: how far, in milliseconds, a segment's first and last timestamps may lie apart; at most
    /// `max.compaction.lag.ms` where the topic is compacted (`LogConfig.maxSegmentMs`).
    pub ms: i64,
    /// How much earlier, in milliseconds, the next new segment is rolled: something below `segment.jitter.ms`.
    pub jitter_ms: i64,
    /// `segment.index.bytes`: how large each index of a segment may grow.
    pub index_bytes: usize,
    /// `index.interval.bytes`: after how many bytes the indexes get another entry.
    pub index_interval_bytes: usize,
}

impl Default for SegmentRules {
    fn default() -> Self {
        Self {
            bytes: 1 << 30,
            ms: 7 * 24 * 3_600_000,
            jitter_ms: 0,
            index_bytes: 10 << 20,
            index_interval_bytes: 4096,
        }
    }
}

/// A stored batch and what the index knows of it.
#[derive(Debug, Clone)]
pub(super) struct Stored {
    pub batch: RecordBatch,
    pub last_offset: i64,
    /// Of this batch and all before it in its segment, so that the stored sequence ascends and can be searched.
    pub max_timestamp_so_far: i64,
}

/// How many entries a segment's indexes have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Indexes {
    bytes_since_entry: usize,
    offset_entries: usize,
    time_entries: usize,
    last_timestamp: Option<i64>,
}

impl Indexes {
    /// `TimeIndex.maybeAppend`: a time that is not later adds nothing.
    fn add_time(&mut self, timestamp: i64) {
        if self.last_timestamp.unwrap_or(NO_TIMESTAMP) < timestamp {
            self.time_entries += 1;
            self.last_timestamp = Some(timestamp);
        }
    }

    /// `OffsetIndex.isFull` and `TimeIndex.isFull`, which leaves room for the entry that the roll adds.
    fn are_full(&self, index_bytes: usize) -> bool {
        self.offset_entries >= index_bytes / OFFSET_ENTRY || self.time_entries + 1 >= index_bytes / TIME_ENTRY
    }
}

/// A run of batches.
#[derive(Debug, Clone)]
pub(super) struct Segment {
    pub base_offset: i64,
    pub batches: Vec<Stored>,
    /// The batches' bytes together.
    pub size: usize,
    /// `None` for a new log's first segment, which counts from its first batch on.
    created_ms: Option<i64>,
    /// When the last batch was written, as a file's time stamp would tell.
    pub last_modified_ms: i64,
    jitter_ms: i64,
    indexes: Indexes,
}

impl Segment {
    /// An empty segment.
    pub fn new(base_offset: i64, created_ms: Option<i64>, jitter_ms: i64) -> Self {
        Self {
            base_offset,
            batches: Vec::new(),
            size: 0,
            created_ms,
            last_modified_ms: created_ms.unwrap_or_default(),
            jitter_ms,
            indexes: Indexes::default(),
        }
    }

    /// Whether a batch of `size` bytes with this largest timestamp and last offset goes into another segment
    /// (`LogSegment.shouldRoll`).
    pub fn should_roll(
        &self,
        rules: &SegmentRules,
        size: usize,
        max_timestamp: i64,
        last_offset: i64,
        now_ms: i64,
    ) -> bool {
        let waited = match self.first_timestamp() {
            Some(first) => max_timestamp.saturating_sub(first),
            None => now_ms.saturating_sub(self.created_ms.unwrap_or(now_ms)),
        };
        self.size + size > rules.bytes
            || (self.size > 0 && waited > rules.ms.saturating_sub(self.jitter_ms))
            || self.indexes.are_full(rules.index_bytes)
            || i32::try_from(last_offset.saturating_sub(self.base_offset)).is_err()
    }

    /// Appends a batch whose offsets have been assigned.
    pub fn push(&mut self, batch: RecordBatch, index_interval_bytes: usize, now_ms: i64) {
        let max_timestamp_so_far = self.max_timestamp().max(batch.max_timestamp());
        if self.indexes.bytes_since_entry > index_interval_bytes {
            self.indexes.offset_entries += 1;
            self.indexes.add_time(max_timestamp_so_far);
            self.indexes.bytes_since_entry = 0;
        }
        self.indexes.bytes_since_entry += batch.size();
        self.size += batch.size();
        self.created_ms.get_or_insert(now_ms);
        self.last_modified_ms = now_ms;
        self.batches.push(Stored {
            last_offset: batch.last_offset(),
            max_timestamp_so_far,
            batch,
        });
    }

    /// Drops the batches that hold `offset` or lie behind it (`LogSegment.truncateTo`). The segment takes batches again then.
    pub fn truncate(&mut self, offset: i64, index_interval_bytes: usize) {
        let kept = self.position(offset);
        let mut batches = std::mem::take(&mut self.batches);
        batches.truncate(kept);
        // One without batches counts its age from its next one on.
        let created_ms = self.created_ms.filter(|_| kept > 0);
        let last_modified_ms = self.last_modified_ms;
        *self = Self::new(self.base_offset, created_ms, self.jitter_ms);
        self.last_modified_ms = last_modified_ms;
        for stored in batches {
            self.push(stored.batch, index_interval_bytes, last_modified_ms);
        }
        self.indexes.bytes_since_entry = 0;
    }

    /// The segment takes no more batches (`LogSegment.onBecomeInactiveSegment`).
    pub fn seal(&mut self) {
        self.indexes.add_time(self.max_timestamp());
    }

    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The largest timestamp of all batches; -1 when none has one.
    pub fn max_timestamp(&self) -> i64 {
        let last = self.batches.last();
        last.map_or(NO_TIMESTAMP, |stored| stored.max_timestamp_so_far)
    }

    /// What retention counts from: the largest timestamp, or where no record has one, the time of the last write
    /// (`LogSegment.largestTimestamp`).
    pub fn largest_timestamp(&self) -> i64 {
        match self.max_timestamp() {
            ..0 => self.last_modified_ms,
            timestamp => timestamp,
        }
    }

    /// The largest timestamp of the first batch, if it has one (`LogSegment.getFirstBatchTimestamp`).
    pub fn first_timestamp(&self) -> Option<i64> {
        let first = self.batches.first()?.batch.max_timestamp();
        (first >= 0).then_some(first)
    }

    /// The place of the batch that holds `offset`, or of the first one after it.
    pub fn position(&self, offset: i64) -> usize {
        self.batches.partition_point(|stored| stored.last_offset < offset)
    }

    /// The sizes of the offset index and the time index, in bytes.
    pub fn index_sizes(&self) -> (usize, usize) {
        (
            self.indexes.offset_entries * OFFSET_ENTRY,
            self.indexes.time_entries * TIME_ENTRY,
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::BatchSpec;

    fn batch(timestamp: i64) -> RecordBatch {
        RecordBatch::parse(BatchSpec::stamped(&[timestamp]).bytes()).expect("a batch")
    }

    fn rolls(segment: &Segment, rules: SegmentRules, timestamp: i64, now_ms: i64) -> bool {
        segment.should_roll(&rules, batch(timestamp).size(), timestamp, segment.base_offset, now_ms)
    }

    #[test]
    fn a_segment_is_rolled_when_the_batch_does_not_fit_any_more() {
        let mut segment = Segment::new(0, None, 0);
        let size = batch(5).size();
        let room_for = |batches: usize| SegmentRules {
            bytes: size * batches,
            ..SegmentRules::default()
        };
        assert!(!rolls(&segment, room_for(1), 5, 0));
        segment.push(batch(5), 4096, 0);
        assert!(rolls(&segment, room_for(1), 5, 0));
        assert!(!rolls(&segment, room_for(2), 5, 0));
    }

    #[test]
    fn a_segment_is_rolled_by_the_time_between_its_batches_less_its_jitter() {
        let rules = SegmentRules {
            ms: 100,
            ..SegmentRules::default()
        };
        let mut segment = Segment::new(0, None, 30);
        assert!(
            !rolls(&segment, rules, 5_000, 0),
            "an empty segment is not rolled by time"
        );
        segment.push(batch(1_000), 4096, 0);
        assert!(!rolls(&segment, rules, 1_070, i64::MAX));
        assert!(rolls(&segment, rules, 1_071, 0));
    }

    #[test]
    fn a_segment_without_timestamps_is_rolled_by_its_age() {
        let rules = SegmentRules {
            ms: 100,
            ..SegmentRules::default()
        };
        let mut segment = Segment::new(0, Some(7_000), 0);
        segment.push(batch(-1), 4096, 7_050);
        assert!(!rolls(&segment, rules, -1, 7_100));
        assert!(rolls(&segment, rules, -1, 7_101));
        assert_eq!(segment.largest_timestamp(), 7_050);
    }

    #[test]
    fn a_full_index_rolls_and_one_without_room_does_so_each_time() {
        let rules = SegmentRules {
            index_bytes: 3 * TIME_ENTRY,
            index_interval_bytes: 0,
            ..SegmentRules::default()
        };
        let mut segment = Segment::new(0, None, 0);
        for timestamp in 1..=3 {
            assert!(!rolls(&segment, rules, timestamp, 0), "batch {timestamp}");
            segment.push(batch(timestamp), 0, 0);
        }
        // The first batch gets no entry, and the time index keeps its last one for the roll.
        assert_eq!(segment.index_sizes(), (16, 24));
        assert!(rolls(&segment, rules, 4, 0));
        segment.seal();
        assert_eq!(segment.index_sizes(), (16, 24));
        let none = SegmentRules {
            index_bytes: TIME_ENTRY,
            ..rules
        };
        assert!(rolls(&Segment::new(0, None, 0), none, 0, 0));
    }

    #[test]
    fn offsets_that_an_index_cannot_hold_roll_a_segment() {
        let segment = Segment::new(10, None, 0);
        let rules = SegmentRules::default();
        assert!(!segment.should_roll(&rules, 1, 0, 10 + i64::from(i32::MAX), 0));
        assert!(segment.should_roll(&rules, 1, 0, 11 + i64::from(i32::MAX), 0));
    }
}
