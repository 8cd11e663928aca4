//! Compaction: of all records with one key, the last one stays (Kafka's `LogCleanerManager` and `Cleaner`).
//!
//! It goes in three steps. [`Log::to_clean`] says, under the log's lock, whether it is worth it, and shares the segments. A
//! [`Cleaning`] reads them without any lock, one batch at a time, so that who drives it can let others run and can give up in
//! between. [`Log::replace_cleaned`], under the lock again, puts the new segments in the old ones' places. The active segment is
//! never compacted, and nothing behind the last stable offset is.
//!
//! What stays of a batch keeps its offsets: there are gaps then. A batch of which nothing stays is kept as a header where it tells
//! its producer's last sequence number, or where the compacted part ends.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use super::batch::RecordBatch;
use super::cleaned_transactions::CleanedTransactions;
use super::compression::{Codec, Level};
use super::partition::Log;
use super::producers::LastRecord;
use super::rebuild::{Shape, emptied, rebuild};
use super::records::{Located, RecordError};
use super::segment::Segment;
use super::transactions::{AbortedTransaction, commits};

/// When a topic is compacted, and what for. The defaults are Kafka's.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CompactionRules {
    /// `min.cleanable.dirty.ratio`: how much of a log must be new.
    pub min_dirty_ratio: f64,
    /// `min.compaction.lag.ms`: how long a record stays uncompacted at least.
    pub min_lag_ms: i64,
    /// `max.compaction.lag.ms`: how long it may stay uncompacted, whatever the ratio (KIP-354).
    pub max_lag_ms: i64,
    /// `delete.retention.ms`: how long a tombstone stays after it was compacted first (KIP-534).
    pub delete_retention_ms: i64,
    /// `segment.bytes`: segments are merged up to this size.
    pub segment_bytes: usize,
    /// `segment.index.bytes`: and up to this size of their indexes.
    pub index_bytes: usize,
    /// `index.interval.bytes`: after how many bytes the indexes get another entry.
    pub index_interval_bytes: usize,
}

impl Default for CompactionRules {
    fn default() -> Self {
        Self {
            min_dirty_ratio: 0.5,
            min_lag_ms: 0,
            max_lag_ms: i64::MAX,
            delete_retention_ms: 24 * 3_600_000,
            segment_bytes: 1 << 30,
            index_bytes: 10 << 20,
            index_interval_bytes: 4096,
        }
    }
}

/// The offsets of a log that have not been compacted and can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dirty {
    from: i64,
    to: i64,
    bytes: usize,
    clean_bytes: usize,
}

/// A log's segments, to be compacted.
#[derive(Debug)]
pub struct LogToClean {
    /// The compacted ones, and behind them those that are not.
    sources: Vec<Arc<Segment>>,
    dirty: Dirty,
    producers: HashMap<i64, LastRecord>,
    aborted: Vec<AbortedTransaction>,
    rules: CompactionRules,
    now_ms: i64,
}

impl LogToClean {
    /// Which part of the log is new, from 0 to 1.
    pub fn dirty_ratio(&self) -> f64 {
        self.dirty.ratio()
    }
}

impl Dirty {
    fn ratio(&self) -> f64 {
        self.bytes as f64 / (self.bytes + self.clean_bytes) as f64
    }
}

impl Log {
    /// What is to be compacted, if it is time for it (`LogCleanerManager.grabFilthiestCompactedLog`).
    pub fn to_clean(&self, rules: &CompactionRules, now_ms: i64) -> Option<LogToClean> {
        if self.cannot_be_cleaned {
            return None;
        }
        let dirty = self.dirty(rules, now_ms);
        let is_late = self.late_since(rules).is_some_and(|since| since < now_ms);
        let is_due = (is_late && dirty.bytes > 0) || dirty.ratio() > rules.min_dirty_ratio;
        is_due.then(|| self.clean(dirty, rules, now_ms))
    }

    /// What can be compacted, whether or not it is time for it: everything before the active segment and the last stable offset.
    /// `None` when nothing of it is new.
    pub fn to_clean_now(&self, rules: &CompactionRules, now_ms: i64) -> Option<LogToClean> {
        let at_once = CompactionRules {
            min_lag_ms: 0,
            ..*rules
        };
        let dirty = self.dirty(&at_once, now_ms);
        (dirty.bytes > 0 && !self.cannot_be_cleaned).then(|| self.clean(dirty, rules, now_ms))
    }

    /// When, in milliseconds since 1970, [`to_clean`](Self::to_clean) has something to do, should nothing be appended until then;
    /// `i64::MIN` when it has now. `None` when it never will.
    pub fn compaction_due(&self, rules: &CompactionRules, now_ms: i64) -> Option<i64> {
        if self.segments.count() == 1 || self.cannot_be_cleaned {
            return None;
        }
        if self.to_clean(rules, now_ms).is_some() {
            return Some(i64::MIN);
        }
        // Time alone lets segments out of the least lag, and past the greatest.
        let from = self.first_dirty();
        let young = self.segments.range(self.segments.inactive_places(from));
        let out_of_lag = young
            .map(|segment| segment.largest_timestamp().saturating_add(rules.min_lag_ms))
            .filter(|due| rules.min_lag_ms > 0 && *due > now_ms);
        let late = self.late_since(rules).filter(|due| *due >= now_ms);
        // A moment at which it turns out that there is still too little is none too many: another follows.
        out_of_lag.chain(late.map(|due| due.saturating_add(1))).min()
    }

    /// Puts compacted segments in their sources' places. `false` when retention has taken a source meanwhile: then the rest is
    /// dropped, and compaction begins again another time.
    pub fn replace_cleaned(&mut self, cleaned: Cleaned) -> bool {
        for (sources, segment) in cleaned.groups {
            if !self.segments.replace(&sources, segment) {
                return false;
            }
        }
        // The log may have been cut meanwhile.
        self.cleaned_up_to = Some(self.end_offset.min(cleaned.end));
        self.forget_aborted(&cleaned.without_batches);
        true
    }

    /// Never compacts the log again: its records cannot be read (`LogCleanerManager.markPartitionUncleanable`).
    pub fn give_up_cleaning(&mut self) {
        self.cannot_be_cleaned = true;
    }

    /// The first offset that has not been compacted, or the log start offset where that is behind it.
    fn first_dirty(&self) -> i64 {
        let start = self.start_offset();
        self.cleaned_up_to.map_or(start, |clean| clean.max(start))
    }

    /// `LogCleanerManager.cleanableOffsets` and `LogToClean`.
    fn dirty(&self, rules: &CompactionRules, now_ms: i64) -> Dirty {
        let segments = &self.segments;
        let from = self.first_dirty();
        let mut to = self.last_stable_offset().min(segments.active().base_offset);
        if rules.min_lag_ms > 0 {
            let limit = now_ms.saturating_sub(rules.min_lag_ms);
            let mut inactive = segments.range(segments.inactive_places(from));
            if let Some(young) = inactive.find(|segment| segment.largest_timestamp() > limit) {
                to = to.min(young.base_offset);
            }
        }
        // Whole segments alone are compacted: up to the one that holds the first offset that may not.
        let uncleanable = segments.range(segments.inactive_places(to.max(from))).next();
        let to = uncleanable.unwrap_or(segments.active()).base_offset;
        let size = |places| segments.range(places).map(|segment: &Segment| segment.size).sum();
        Dirty {
            from,
            to,
            bytes: size(segments.places(from.min(to), to)),
            clean_bytes: size(segments.places(-1, from)),
        }
    }

    /// When the oldest segment that is not compacted had to be, at the latest.
    fn late_since(&self, rules: &CompactionRules) -> Option<i64> {
        let dirty = self.segments.range(self.segments.inactive_places(self.first_dirty()));
        let oldest = dirty
            .filter_map(|segment| segment.first_timestamp().filter(|first| *first > 0))
            .min();
        (rules.max_lag_ms < i64::MAX).then_some(oldest?.saturating_add(rules.max_lag_ms))
    }

    fn clean(&self, dirty: Dirty, rules: &CompactionRules, now_ms: i64) -> LogToClean {
        LogToClean {
            sources: self.segments.shared(self.segments.places(0, dirty.to)),
            dirty,
            producers: self.last_records(),
            aborted: self.aborted_before(dirty.to),
            rules: *rules,
            now_ms,
        }
    }
}

/// Compacted segments, each with those that it is to replace.
#[derive(Debug)]
pub struct Cleaned {
    groups: Vec<(Vec<Arc<Segment>>, Segment)>,
    /// The first offset that has not been compacted.
    end: i64,
    /// The markers of aborted transactions of which no batch is left.
    without_batches: HashSet<i64>,
}

/// A compaction on its way.
#[derive(Debug)]
pub struct Cleaning {
    dirty: Dirty,
    producers: HashMap<i64, LastRecord>,
    rules: CompactionRules,
    now_ms: i64,
    /// The last offset of each key, in what is not compacted yet.
    latest: HashMap<Bytes, i64>,
    /// What is still to be read for [`latest`](Self::latest): segments, and the next batch of the first.
    unread: VecDeque<Arc<Segment>>,
    unread_batch: usize,
    /// The transactions of what is read for it.
    indexed: CleanedTransactions,
    /// And those of what is rewritten.
    rewritten: CleanedTransactions,
    without_batches: HashSet<i64>,
    /// What is still to be rewritten, in groups that become one segment each; of the first the next segment and batch.
    groups: VecDeque<Vec<Arc<Segment>>>,
    place: (usize, usize),
    output: Option<Segment>,
    done: Vec<(Vec<Arc<Segment>>, Segment)>,
}

/// What a batch is to its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// Its records stay by their keys.
    Data,
    /// Its records were aborted.
    Aborted,
    /// It is the marker of a transaction of which there are batches.
    Marker,
    /// It is the marker of one of which there are none any more.
    MarkerOfNothing,
}

/// What one step of a [`Cleaning`] did.
#[derive(Debug)]
pub enum Step {
    /// It read or rewrote a batch of so many bytes; there is more to do.
    More(usize),
    /// There is nothing more to do.
    Done(Cleaned),
}

impl Cleaning {
    /// Begins to compact.
    pub fn new(log: LogToClean) -> Self {
        let dirty = log.dirty;
        let unread = log
            .sources
            .iter()
            .filter(|segment| segment_ends_behind(segment, dirty.from));
        // A transaction whose marker is not read any more would never end.
        let ends_behind = |segment: Option<&Arc<Segment>>| {
            let base = segment.map_or(0, |segment| segment.base_offset);
            let aborted = log.aborted.iter().filter(|aborted| aborted.last_offset >= base);
            CleanedTransactions::new(aborted.copied().collect())
        };
        let indexed = ends_behind(unread.clone().next());
        let rewritten = ends_behind(log.sources.first());
        Self {
            dirty,
            producers: log.producers,
            rules: log.rules,
            now_ms: log.now_ms,
            latest: HashMap::new(),
            unread: unread.cloned().collect(),
            unread_batch: 0,
            indexed,
            rewritten,
            without_batches: HashSet::new(),
            groups: grouped(log.sources, &log.rules, dirty.to),
            place: (0, 0),
            output: None,
            done: Vec::new(),
        }
    }

    /// Reads or rewrites the next batch. After [`Step::Done`] there is nothing left to do.
    ///
    /// # Errors
    ///
    /// A stored batch cannot be read: Apache Kafka does not compact such a log any more.
    pub fn step(&mut self) -> Result<Step, RecordError> {
        Ok(match self.advance()? {
            Some(bytes) => Step::More(bytes),
            None => Step::Done(Cleaned {
                groups: std::mem::take(&mut self.done),
                end: self.dirty.to,
                without_batches: std::mem::take(&mut self.without_batches),
            }),
        })
    }

    fn advance(&mut self) -> Result<Option<usize>, RecordError> {
        while let Some(segment) = self.unread.front().cloned() {
            if let Some(stored) = segment.batches.get(self.unread_batch) {
                self.unread_batch += 1;
                self.index(&stored.batch)?;
                return Ok(Some(stored.batch.size()));
            }
            self.unread.pop_front();
            self.unread_batch = 0;
        }
        while let Some(group) = self.groups.front() {
            let (nth_segment, nth_batch) = self.place;
            let Some(segment) = group.get(nth_segment).cloned() else {
                self.finish_group();
                continue;
            };
            let Some(stored) = segment.batches.get(nth_batch) else {
                self.place = (nth_segment + 1, 0);
                continue;
            };
            self.place.1 += 1;
            let base = group_base(group);
            if let Some(kept) = self.filter(&stored.batch)? {
                let output = self.output.get_or_insert_with(|| Segment::new(base, None, 0));
                output.push(kept, self.rules.index_interval_bytes, segment.last_modified_ms);
            }
            return Ok(Some(stored.batch.size()));
        }
        Ok(None)
    }

    /// Remembers the offsets of a batch's keys (`Cleaner.buildOffsetMapForSegment`).
    fn index(&mut self, batch: &RecordBatch) -> Result<(), RecordError> {
        let (producer_id, last_offset) = (batch.producer_id(), batch.last_offset());
        if batch.is_control() {
            self.indexed.read_marker(producer_id, last_offset, commits(batch));
            return Ok(());
        }
        let is_aborted = self
            .indexed
            .read_batch(producer_id, last_offset, batch.is_transactional());
        if is_aborted || last_offset < self.dirty.from {
            return Ok(());
        }
        let is_compressed = batch.codec() != Ok(Codec::None);
        let plain = batch.plain_records()?;
        for record in batch.locate(&plain)? {
            let offset = batch.base_offset() + i64::from(record.offset_delta);
            if let Some(key) = record.key
                && offset >= self.dirty.from
            {
                // A slice of what was decompressed would keep all of it.
                let key = match is_compressed {
                    true => Bytes::copy_from_slice(&plain[key]),
                    false => plain.slice(key),
                };
                self.latest.insert(key, offset);
            }
        }
        Ok(())
    }

    /// What stays of a batch (`Cleaner.cleanInto` and `MemoryRecords.filterTo`).
    fn filter(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, RecordError> {
        let fate = self.fate(batch);
        let plain = batch.plain_records()?;
        let all = batch.locate(&plain)?;
        let count = all.len();
        let horizon = batch.delete_horizon_ms();
        let tombstones_stay = horizon.is_none_or(|horizon| self.now_ms < horizon);
        let stays = |record: &Located| match fate {
            Fate::Aborted => false,
            Fate::Marker => true,
            // What delays tombstones delays markers as well.
            Fate::MarkerOfNothing => tombstones_stay,
            Fate::Data => self.stays(batch, &plain, record, tombstones_stay),
        };
        let kept: Vec<_> = all.into_iter().filter(stays).collect();
        if kept.is_empty() {
            return Ok(self.is_kept_empty(batch).then(|| emptied(batch)));
        }
        let goes_in_time = fate == Fate::MarkerOfNothing || kept.iter().any(|record| !record.has_value);
        let gets_horizon = horizon.is_none() && goes_in_time;
        if kept.len() == count && !gets_horizon {
            return Ok(Some(batch.clone()));
        }
        let new_horizon = self.now_ms.saturating_add(self.rules.delete_retention_ms);
        let shape = Shape {
            codec: batch.codec().unwrap_or(Codec::None),
            level: Level::default(),
            delete_horizon_ms: if gets_horizon { Some(new_horizon) } else { horizon },
        };
        rebuild(batch, &plain, &kept, &shape).map(Some)
    }

    /// `Cleaner.shouldDiscardBatch`.
    fn fate(&mut self, batch: &RecordBatch) -> Fate {
        let (producer_id, last_offset) = (batch.producer_id(), batch.last_offset());
        if last_offset >= self.dirty.to {
            return Fate::Data;
        }
        if !batch.is_control() {
            let is_transactional = batch.is_transactional();
            return match self.rewritten.read_batch(producer_id, last_offset, is_transactional) {
                true => Fate::Aborted,
                false => Fate::Data,
            };
        }
        match self.rewritten.read_marker(producer_id, last_offset, commits(batch)) {
            true => {
                self.without_batches.insert(last_offset);
                Fate::MarkerOfNothing
            }
            false => Fate::Marker,
        }
    }

    /// Whether a record stays: it is the last of its key, and no tombstone whose time has come (`Cleaner.shouldRetainRecord`).
    fn stays(&self, batch: &RecordBatch, plain: &Bytes, record: &Located, tombstones_stay: bool) -> bool {
        let offset = batch.base_offset() + i64::from(record.offset_delta);
        if offset >= self.dirty.to {
            return true;
        }
        let Some(key) = &record.key else {
            return false;
        };
        let latest = self.latest.get(&plain[key.clone()]);
        latest.is_none_or(|latest| offset >= *latest) && (record.has_value || tombstones_stay)
    }

    /// Whether a batch without records stays: its producer's last one, and the last one that is compacted.
    fn is_kept_empty(&self, batch: &RecordBatch) -> bool {
        let last = self
            .producers
            .get(&batch.producer_id())
            .filter(|_| batch.has_producer_id());
        let is_last_of_producer = last.is_some_and(|last| match last.data_offset {
            Some(offset) => batch.last_offset() == offset,
            None => batch.is_control() && batch.producer_epoch() == last.epoch,
        });
        is_last_of_producer || batch.last_offset() + 1 == self.dirty.to
    }

    fn finish_group(&mut self) {
        let Some(group) = self.groups.pop_front() else {
            return;
        };
        self.place = (0, 0);
        let base = group_base(&group);
        let mut output = self.output.take().unwrap_or_else(|| Segment::new(base, None, 0));
        if let Some(last) = group.last() {
            output.last_modified_ms = last.last_modified_ms;
        }
        output.seal();
        self.done.push((group, output));
    }
}

fn group_base(group: &[Arc<Segment>]) -> i64 {
    group.first().map_or(0, |segment| segment.base_offset)
}

fn segment_ends_behind(segment: &Segment, offset: i64) -> bool {
    segment.batches.last().is_some_and(|last| last.last_offset >= offset)
}

/// Segments that are merged into one each (`Cleaner.groupSegmentsBySize`).
fn grouped(segments: Vec<Arc<Segment>>, rules: &CompactionRules, to: i64) -> VecDeque<Vec<Arc<Segment>>> {
    let mut groups: VecDeque<Vec<Arc<Segment>>> = VecDeque::new();
    let (mut size, mut offset_index, mut time_index) = (0, 0, 0);
    let ends: Vec<i64> = segments
        .iter()
        .skip(1)
        .map(|next| next.base_offset)
        .chain([to])
        .collect();
    for (segment, end) in segments.into_iter().zip(ends) {
        let (offsets, times) = segment.index_sizes();
        let fits = |group: &Vec<Arc<Segment>>| {
            size + segment.size <= rules.segment_bytes
                && offset_index + offsets <= rules.index_bytes
                && time_index + times <= rules.index_bytes
                && (segment.size == 0 || end - 1 - group_base(group) <= i64::from(i32::MAX))
        };
        match groups.back_mut().filter(|group| fits(group)) {
            Some(group) => {
                size += segment.size;
                offset_index += offsets;
                time_index += times;
                group.push(segment);
            }
            None => {
                (size, offset_index, time_index) = (segment.size, offsets, times);
                groups.push_back(vec![segment]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests;
