//! One partition's log: append, read, and find by time.

use std::collections::{HashMap, HashSet};

use bytes::Bytes;
use thiserror::Error;

use super::batch::{NO_TIMESTAMP, RecordBatch, TimestampType};
use super::epochs::LeaderEpochs;
use super::lookup::{LookUp, OffsetSpec, TimestampOffset};
use super::owed::Owed;
use super::producers::{LastRecord, ProducerView, Producers, SequenceError};
use super::records::RecordError;
use super::segment::SegmentRules;
use super::segments::Segments;
use super::transactions::{AbortedTransaction, MARKER_SIZE, Marker, MarkerError, Transactions, control_batch};
use super::validate::ValidBatch;
use super::waiters::{WaitList, Wakeups};

/// How far a reader may see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Isolation {
    /// Up to the high watermark (`read_uncommitted`).
    #[default]
    Uncommitted,
    /// Up to the last stable offset (`read_committed`).
    Committed,
}

/// What an append did.
#[derive(Debug)]
pub struct Appended {
    /// The offset of the batch's first record: of the first append, when this one repeats it.
    pub base_offset: i64,
    /// The offset of the batch's last record.
    pub last_offset: i64,
    /// The broker's timestamp in milliseconds; -1 when the topic keeps the producer's. A repeated append is
    /// answered with the first one's maximum timestamp whatever the topic keeps, as Apache Kafka does.
    pub log_append_time: i64,
    /// The log start offset.
    pub log_start_offset: i64,
    /// Whether the batch had been appended before, and so was not again.
    pub duplicate: bool,
    /// Who waits for this partition. Notify them after releasing the log's lock.
    pub wakeups: Wakeups,
}

/// A read from outside of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("offset {offset} is not within [{start}, {end}]")]
pub struct OffsetOutOfRange {
    /// The offset that was asked for.
    pub offset: i64,
    /// The log start offset.
    pub start: i64,
    /// The log end offset.
    pub end: i64,
}

/// What a read returns.
#[derive(Debug, Default)]
pub struct LogRead {
    /// The batches' bytes, shared with the log. The last batch may be cut off where the limit ran out, as in Apache Kafka.
    pub chunks: Vec<Bytes>,
    /// The chunks' length together.
    pub size: usize,
    /// Whether more follows in a newer segment. A fetch does not wait then: the bytes that it waits for would never come here
    /// (`DelayedFetch.tryComplete`, a fetch from an older segment).
    pub ends_with_segment: bool,
}

/// One partition's log, kept in memory.
///
/// The log is a single replica's: what is appended is committed, so the high watermark is the end offset. The last stable
/// offset is where the first open transaction began, or the high watermark when none is open.
///
/// ```
/// # fn batch() -> bytes::Bytes {
/// #     let mut b = vec![0u8; 61];
/// #     b.extend([0x10, 0, 0, 0, 2, b'k', 2, b'v', 0]);
/// #     b[8..12].copy_from_slice(&58i32.to_be_bytes());
/// #     b[16] = 2;
/// #     b[43..51].copy_from_slice(&(-1i64).to_be_bytes());
/// #     b[60] = 1;
/// #     let crc = crc32c::crc32c(&b[21..]);
/// #     b[17..21].copy_from_slice(&crc.to_be_bytes());
/// #     b.into()
/// # }
/// use kfake::log::{Isolation, Log, Rules};
///
/// let mut log = Log::new(0);
/// let valid = Rules::default().validate(batch(), 9, 0).unwrap();      // outside of any lock
/// let appended = log.append(valid).unwrap();                            // inside
/// appended.wakeups.notify();                                            // outside again
/// assert_eq!(appended.base_offset, 0);
/// assert_eq!(log.read(0, 1 << 20, true, Isolation::Uncommitted).unwrap().size, 70);
/// ```
#[derive(Debug)]
pub struct Log {
    pub(super) segments: Segments,
    pub(super) segment_rules: SegmentRules,
    pub(super) start_offset: i64,
    pub(super) end_offset: i64,
    /// Where the high watermark stays, while too few replicas are in sync for it to follow the end.
    pub(super) held_high_watermark: Option<i64>,
    pub(super) leader_epochs: LeaderEpochs,
    pub(super) producers: Producers,
    pub(super) transactions: Transactions,
    pub(super) owed: Owed,
    waiters: WaitList,
    /// The first offset that compaction has not seen; `None` before it ran.
    pub(super) cleaned_up_to: Option<i64>,
    /// Compaction has met a batch that cannot be read.
    pub(super) cannot_be_cleaned: bool,
}

impl Log {
    /// An empty log, led in `leader_epoch`.
    pub fn new(leader_epoch: i32) -> Self {
        Self {
            segments: Segments::new(0),
            segment_rules: SegmentRules::default(),
            start_offset: 0,
            end_offset: 0,
            held_high_watermark: None,
            leader_epochs: LeaderEpochs::new(leader_epoch),
            producers: Producers::default(),
            transactions: Transactions::default(),
            owed: Owed::default(),
            waiters: WaitList::default(),
            cleaned_up_to: None,
            cannot_be_cleaned: false,
        }
    }

    /// The offset of the first record that can be read.
    pub fn start_offset(&self) -> i64 {
        self.start_offset
    }

    /// The offset that the next record will have.
    pub fn end_offset(&self) -> i64 {
        self.end_offset
    }

    /// The offset after the last committed record.
    pub fn high_watermark(&self) -> i64 {
        self.held_high_watermark.unwrap_or(self.end_offset)
    }

    /// The offset up to which every transaction has ended for good, and no further than the high watermark
    /// (`UnifiedLog.fetchLastStableOffsetMetadata`). One whose marker lies behind the high watermark has not ended yet.
    pub fn last_stable_offset(&self) -> i64 {
        let committed = self.high_watermark();
        let unstable = self.transactions.first_unstable();
        unstable.map_or(committed, |first| first.min(committed))
    }

    /// The offset after the last record that a reader may see.
    pub fn visible_end(&self, isolation: Isolation) -> i64 {
        match isolation {
            Isolation::Uncommitted => self.high_watermark(),
            Isolation::Committed => self.last_stable_offset(),
        }
    }

    /// The epoch that the log is led in.
    pub fn leader_epoch(&self) -> i32 {
        self.leader_epochs.latest()
    }

    /// Begins a new leader epoch. An epoch that is not newer is ignored.
    pub fn begin_leader_epoch(&mut self, epoch: i32) {
        self.leader_epochs.begin(epoch, self.end_offset);
    }

    /// The largest epoch of the log that is not larger than `epoch`, and the offset that it ended at; `None` where the log
    /// knows nothing of it.
    pub fn end_of_epoch(&self, epoch: i32) -> Option<(i32, i64)> {
        self.leader_epochs.end_of(epoch, self.end_offset)
    }

    /// Keeps the high watermark where it is, or lets it follow the log end offset again: with fewer replicas in sync than
    /// `min.insync.replicas` nothing more is committed (KIP-966, `Partition.maybeIncrementLeaderHW`).
    pub fn hold_high_watermark(&mut self, hold: bool) {
        self.held_high_watermark = match (hold, self.held_high_watermark) {
            (false, _) => None,
            (true, Some(held)) => Some(held),
            (true, None) => Some(self.end_offset),
        };
        if !hold {
            self.transactions.committed();
        }
    }

    /// Whether the high watermark is held back.
    pub fn holds_high_watermark(&self) -> bool {
        self.held_high_watermark.is_some()
    }

    /// The bytes of all batches together.
    pub fn size(&self) -> usize {
        self.segments.size()
    }

    /// Says when the active segment is rolled, from the next append on.
    pub fn set_segment_rules(&mut self, rules: SegmentRules) {
        self.segment_rules = rules;
    }

    /// Begins a new active segment at the end of the log; an empty one stays what it is.
    pub fn roll(&mut self, now_ms: i64) {
        self.segments
            .roll(self.end_offset, now_ms, self.segment_rules.jitter_ms);
    }

    /// Those who wait for this log to grow.
    pub fn waiters(&self) -> &WaitList {
        &self.waiters
    }

    /// Assigns offsets to a batch and stores it, or finds that it was stored before.
    ///
    /// The record bytes are not copied. Constant work, apart from the checksum of a batch whose timestamps change.
    ///
    /// # Errors
    ///
    /// The batch's producer may not write it now. The log is unchanged then.
    pub fn append(&mut self, valid: ValidBatch) -> Result<Appended, SequenceError> {
        let is_transactional = valid.is_transactional();
        let sequences = valid.sequences();
        if let Some(sequences) = &sequences {
            if let Some(seen) = self.producers.duplicate(sequences) {
                return Ok(Appended {
                    base_offset: seen.base_offset,
                    last_offset: seen.last_offset,
                    log_append_time: seen.timestamp,
                    log_start_offset: self.start_offset,
                    duplicate: true,
                    wakeups: Wakeups::default(),
                });
            }
            self.producers.check(sequences)?;
            self.producers
                .check_membership(sequences.producer_id, is_transactional)?;
        }
        let (kind, max_timestamp) = valid.stamp;
        let base_offset = self.end_offset;
        let batch = valid.batch.rewritten(base_offset, self.leader_epoch(), valid.stamp);
        let last_offset = batch.last_offset();
        if let Some(sequences) = &sequences {
            self.producers
                .record(sequences, base_offset, last_offset, max_timestamp);
            if is_transactional && self.producers.open_since(sequences.producer_id).is_none() {
                self.producers.begin(sequences.producer_id, base_offset);
                self.transactions.begin(base_offset, sequences.producer_id);
            }
        }
        self.push(batch, valid.now_ms);
        Ok(Appended {
            base_offset,
            last_offset,
            log_append_time: if kind == TimestampType::LogAppendTime {
                max_timestamp
            } else {
                -1
            },
            log_start_offset: self.start_offset,
            duplicate: false,
            wakeups: self.waiters.wakeups(),
        })
    }

    /// Whether a producer's transaction is open here, in this epoch.
    pub fn has_open_transaction(&self, producer_id: i64, epoch: i16) -> bool {
        self.producers.has_open(producer_id, epoch)
    }

    /// Whether the partition knows a newer epoch of the producer.
    pub fn is_fenced(&self, producer_id: i64, epoch: i16) -> bool {
        self.producers.is_fenced(producer_id, epoch)
    }

    /// A producer's transaction is about to begin here with a batch of this sequence number, if its coordinator says so.
    /// `begins_at_zero`: each transaction has an epoch of its own, and its sequence numbers begin anew (KIP-890). It is forgotten
    /// when a producer that writes now would be.
    pub fn verify_transaction(
        &mut self,
        producer_id: i64,
        epoch: i16,
        sequence: i32,
        begins_at_zero: bool,
        now_ms: i64,
    ) {
        self.producers
            .verify(producer_id, epoch, sequence, begins_at_zero, now_ms);
    }

    /// Whether a marker may end a producer's transaction. [`end_transaction`](Self::end_transaction) asks the same.
    ///
    /// # Errors
    ///
    /// The marker is from a time that is over.
    pub fn check_marker(&self, marker: &Marker) -> Result<(), MarkerError> {
        self.producers.check_marker(marker)
    }

    /// Whether a partition whose batches have so many bytes at most takes markers.
    ///
    /// # Errors
    ///
    /// It does not.
    pub fn check_marker_size(limit: usize) -> Result<(), MarkerError> {
        match limit < MARKER_SIZE {
            true => Err(MarkerError::TooLarge { limit }),
            false => Ok(()),
        }
    }

    /// Appends a marker, and so ends a producer's transaction, if one is open. `now_ms` is the marker's time.
    ///
    /// # Errors
    ///
    /// The marker is from a time that is over. Nothing is in the log then that was not there before.
    pub fn end_transaction(&mut self, marker: &Marker, stamp: (TimestampType, i64)) -> Result<Wakeups, MarkerError> {
        // Of a producer that there cannot be, nothing is remembered (`RecordBatch.hasProducerId`).
        let is_known = marker.producer_id >= 0;
        let offset = self.end_offset;
        // A marker is a whole batch by its making.
        let batch = control_batch(marker, offset, self.leader_epoch(), stamp);
        // A segment is made room in before the producer is looked at (`UnifiedLog.append`).
        if let Some(batch) = &batch {
            self.make_room(batch, stamp.1);
        }
        if is_known {
            self.check_marker(marker)?;
        }
        if let Some(batch) = batch {
            self.push(batch, stamp.1);
        }
        if is_known && let Some(first_offset) = self.producers.end(marker, stamp.1) {
            self.transactions
                .end(first_offset, marker.producer_id, offset, marker.committed);
            if self.held_high_watermark.is_some() {
                self.transactions.await_commit(first_offset, offset);
            }
        }
        Ok(self.waiters.wakeups())
    }

    /// The producers that have written, in the order of their ids.
    pub fn producers(&self) -> Vec<ProducerView> {
        let mut views: Vec<_> = self.producers.views().collect();
        views.sort_unstable_by_key(|view| view.producer_id);
        views
    }

    /// The aborted transactions that a reader of what is committed has to know of who got `read` at `from`.
    ///
    /// Apache Kafka looks for the end of what was read in an index with an entry for every 4096 bytes
    /// (`LogSegment.fetchUpperBoundOffset`), so that it names those of the next few batches as well.
    pub fn aborted_transactions(&self, from: i64, read: &LogRead) -> Vec<AbortedTransaction> {
        if self.transactions.none_aborted() || from >= self.last_stable_offset() {
            return Vec::new();
        }
        let to = self.upper_bound(from, read.size);
        self.transactions.aborted_within(from, to)
    }

    /// An offset behind what a read of `size` bytes from `from` on has returned (`LogSegment.fetchUpperBoundOffset`).
    fn upper_bound(&self, from: i64, size: usize) -> i64 {
        let place = self.segments.place_of(from);
        let mut segments = self.segments.range(place..self.segments.count());
        let Some(segment) = segments.next() else {
            return self.end_offset;
        };
        let mut left = size.saturating_add(self.segment_rules.index_interval_bytes);
        for stored in &segment.batches[segment.position(from)..] {
            match left.checked_sub(stored.batch.size()) {
                Some(rest) => left = rest,
                None => return stored.last_offset + 1,
            }
        }
        segments.next().map_or(self.end_offset, |next| next.base_offset)
    }

    /// Stores a batch that has its offsets, in a new segment where it is time for one.
    fn push(&mut self, batch: RecordBatch, now_ms: i64) {
        self.make_room(&batch, now_ms);
        let (rules, last_offset) = (self.segment_rules, batch.last_offset());
        self.segments
            .active_mut()
            .push(batch, rules.index_interval_bytes, now_ms);
        self.end_offset = last_offset + 1;
    }

    /// Begins a new segment where the batch does not fit into the active one any more.
    fn make_room(&mut self, batch: &RecordBatch, now_ms: i64) {
        let (size, last_offset) = (batch.size(), batch.last_offset());
        let active = self.segments.active();
        if active.should_roll(&self.segment_rules, size, batch.max_timestamp(), last_offset, now_ms) {
            self.roll(now_ms);
        }
    }

    /// Reads whole batches from the one that holds `from`, up to `max_bytes`; empty at the end of what may be seen.
    ///
    /// With `at_least_one`, the first batch is returned whole even when it is larger than the limit (KIP-74);
    /// without, a first batch that does not fit makes the read empty. Like Apache Kafka, the read fills the limit
    /// with the beginning of a batch that does not fit any more, and ends where the segment does that it began in.
    ///
    /// # Errors
    ///
    /// `from` is before the log start offset or beyond the log end offset.
    pub fn read(
        &self,
        from: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<LogRead, OffsetOutOfRange> {
        self.read_below(i64::MAX, from, max_bytes, at_least_one, isolation)
    }

    /// Reads as [`read`](Self::read) does from a replica whose log ends at `limit`.
    ///
    /// # Errors
    ///
    /// `from` is before the log start offset or beyond that end.
    pub fn read_below(
        &self,
        limit: i64,
        from: i64,
        max_bytes: usize,
        at_least_one: bool,
        isolation: Isolation,
    ) -> Result<LogRead, OffsetOutOfRange> {
        let (start, end) = (self.start_offset, self.end_offset.min(limit));
        if from < start || from > end {
            return Err(OffsetOutOfRange {
                offset: from,
                start,
                end,
            });
        }
        let visible_end = self.visible_end(isolation).min(limit);
        let mut read = LogRead::default();
        if from >= visible_end {
            return Ok(read);
        }
        let place = self.segments.place_of(from);
        let last = self.segments.place_of(visible_end);
        // Compaction may have left nothing at or behind the offset in its own segment.
        let segments = (place..).zip(self.segments.range(place..self.segments.count()));
        let mut rest = segments.map(|(place, segment)| (place, &segment.batches[segment.position(from)..]));
        let Some((place, batches)) = rest.find(|(_, batches)| !batches.is_empty()) else {
            return Ok(read);
        };
        read.ends_with_segment = place < last;
        let mut left = max_bytes;
        for stored in batches {
            if stored.last_offset >= visible_end {
                break;
            }
            if read.size == 0 {
                match (stored.batch.size() <= left, at_least_one) {
                    (true, _) => {}
                    (false, true) => left = stored.batch.size(),
                    (false, false) => break,
                }
            }
            for mut chunk in stored.batch.chunks() {
                chunk.truncate(left);
                left -= chunk.len();
                read.size += chunk.len();
                if !chunk.is_empty() {
                    read.chunks.push(chunk);
                }
            }
            if left == 0 {
                break;
            }
        }
        Ok(read)
    }

    /// Finds the place that ListOffsets asks for; `None` when no record matches.
    ///
    /// By time it is the first record at or after it in the order of the log, whatever the timestamps' order.
    /// The search for the batch is logarithmic; one batch is then walked.
    ///
    /// # Errors
    ///
    /// A stored batch cannot be walked, which validation rules out.
    pub fn find(&self, spec: OffsetSpec, isolation: Isolation) -> Result<Option<TimestampOffset>, RecordError> {
        self.look_up(spec, isolation).resolve()
    }

    /// What [`find`](Self::find) needs of the log. Resolving it may decompress batches, and needs no lock on the log.
    pub fn look_up(&self, spec: OffsetSpec, isolation: Isolation) -> LookUp {
        let untimed = |offset, leader_epoch| {
            LookUp::Known(TimestampOffset {
                timestamp: -1,
                offset,
                leader_epoch,
            })
        };
        match spec {
            OffsetSpec::Latest => untimed(self.visible_end(isolation), self.leader_epoch()),
            OffsetSpec::Earliest | OffsetSpec::EarliestLocal => {
                untimed(self.start_offset, self.leader_epochs.at(self.start_offset))
            }
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => untimed(-1, -1),
            OffsetSpec::MaxTimestamp => self.largest_timestamp(isolation),
            OffsetSpec::At(time) => self.first_at(time, isolation),
        }
    }

    /// The first record with the largest timestamp, even one before the log start offset, as long as its segment is there.
    fn largest_timestamp(&self, isolation: Isolation) -> LookUp {
        let segments = self.segments.iter();
        // Of equals the first one, where `max_by_key` takes the last.
        let segment = segments.rev().max_by_key(|segment| segment.max_timestamp());
        let time = segment.map_or(NO_TIMESTAMP, |segment| segment.max_timestamp());
        let has_it = |batch: &&RecordBatch| batch.max_timestamp() == time;
        let mut batches = segment.into_iter().flat_map(|s| &s.batches).map(|s| &s.batch);
        LookUp::In {
            batches: batches.find(has_it).into_iter().cloned().collect(),
            time,
            offsets: 0..self.visible_end(isolation),
        }
    }

    /// The first record at or after `time`, in the first segment whose largest timestamp is not before it and no other
    /// (`UnifiedLog.searchOffsetInLocalLog`).
    fn first_at(&self, time: i64, isolation: Isolation) -> LookUp {
        let mut batches = Vec::new();
        let mut segments = self.segments.iter();
        if let Some(segment) = segments.find(|segment| segment.largest_timestamp() >= time) {
            let first = segment.batches.partition_point(|s| s.max_timestamp_so_far < time);
            let candidates = segment.batches[first..].iter().map(|stored| &stored.batch);
            for batch in candidates.filter(|batch| batch.max_timestamp() >= time) {
                batches.push(batch.clone());
                // The record is in the first batch, unless it lies before the log start offset or compaction took it.
                if batch.base_offset() >= self.start_offset && batch.record_count() > 0 {
                    break;
                }
            }
        }
        LookUp::In {
            batches,
            time,
            offsets: self.start_offset..self.visible_end(isolation),
        }
    }

    /// Moves the log start offset up to `offset`, as DeleteRecords does; -1 stands for the high watermark. An offset before
    /// the log start offset changes nothing. Returns whom to wake.
    ///
    /// Readers do not see the records before it any more. Their segments go with the next
    /// [`delete_old_segments`](Self::delete_old_segments), unless they hold later records too.
    ///
    /// # Errors
    ///
    /// The offset is negative or beyond the high watermark (`Partition.deleteRecordsOnLeader`).
    pub fn delete_records(&mut self, offset: i64) -> Result<Wakeups, OffsetOutOfRange> {
        let high_watermark = self.high_watermark();
        let offset = if offset == -1 { high_watermark } else { offset };
        if !(0..=high_watermark).contains(&offset) {
            return Err(OffsetOutOfRange {
                offset,
                start: self.start_offset,
                end: high_watermark,
            });
        }
        Ok(match self.raise_start(offset) {
            true => self.waiters.wakeups(),
            false => Wakeups::default(),
        })
    }

    /// The aborted transactions whose markers are before an offset.
    pub(super) fn aborted_before(&self, end: i64) -> Vec<AbortedTransaction> {
        self.transactions.aborted_before(end)
    }

    /// Forgets aborted transactions by the offsets of their markers.
    pub(super) fn forget_aborted(&mut self, markers: &HashSet<i64>) {
        self.transactions.forget(markers);
    }

    /// Forgets the producers that have not written for `producer.id.expiration.ms`: their next batch may begin with any sequence
    /// number. Returns how many.
    pub fn expire_producers(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        self.producers.expire(now_ms, expiration_ms)
    }

    /// When, in milliseconds since 1970, [`expire_producers`](Self::expire_producers) may have something to do.
    pub fn producers_due(&self, expiration_ms: i64) -> Option<i64> {
        self.producers.expiry_due(expiration_ms)
    }

    /// What each producer wrote last.
    pub(super) fn last_records(&self) -> HashMap<i64, LastRecord> {
        self.producers.last_records()
    }

    /// Moves the log start offset up, and says whether it was before `offset` (`UnifiedLog.maybeIncrementLogStartOffset`).
    pub(super) fn raise_start(&mut self, offset: i64) -> bool {
        let raised = offset > self.start_offset;
        self.start_offset = self.start_offset.max(offset);
        self.leader_epochs.raise_start(self.start_offset);
        self.transactions.forget_before(self.start_offset);
        raised
    }
}

#[cfg(test)]
mod tests;
