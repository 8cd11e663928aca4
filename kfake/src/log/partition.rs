//! One partition's log: append, read, and find by time.

use std::collections::VecDeque;

use bytes::Bytes;
use thiserror::Error;

use super::batch::{RecordBatch, TimestampType};
use super::lookup::{LookUp, OffsetSpec, TimestampOffset};
use super::producers::{Producers, SequenceError};
use super::records::RecordError;
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
}

/// A stored batch and what the index knows of it.
#[derive(Debug)]
struct Stored {
    batch: RecordBatch,
    last_offset: i64,
    /// Of this batch and all before it, so that the stored sequence ascends and can be searched.
    max_timestamp_so_far: i64,
}

/// One partition's log, kept in memory.
///
/// The log is a single replica's: what is appended is committed, so the high watermark is the end offset,
/// and until there are transactions the last stable offset is the high watermark.
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
    batches: VecDeque<Stored>,
    start_offset: i64,
    end_offset: i64,
    /// Each leader epoch and the end offset when it began, ascending.
    leader_epochs: Vec<(i32, i64)>,
    producers: Producers,
    waiters: WaitList,
}

impl Log {
    /// An empty log, led in `leader_epoch`.
    pub fn new(leader_epoch: i32) -> Self {
        Self {
            batches: VecDeque::new(),
            start_offset: 0,
            end_offset: 0,
            leader_epochs: vec![(leader_epoch, 0)],
            producers: Producers::default(),
            waiters: WaitList::default(),
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
        self.end_offset
    }

    /// The offset up to which no transaction is open.
    pub fn last_stable_offset(&self) -> i64 {
        self.high_watermark()
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
        self.leader_epochs.last().map_or(-1, |&(epoch, _)| epoch)
    }

    /// The bytes of all batches together.
    pub fn size(&self) -> usize {
        self.batches.iter().map(|stored| stored.batch.size()).sum()
    }

    /// Begins a new leader epoch. An epoch that is not newer is ignored.
    pub fn begin_leader_epoch(&mut self, epoch: i32) {
        if epoch > self.leader_epoch() {
            self.leader_epochs.push((epoch, self.end_offset));
        }
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
        }
        let (kind, max_timestamp) = valid.stamp;
        let base_offset = self.end_offset;
        let batch = valid.batch.rewritten(base_offset, self.leader_epoch(), valid.stamp);
        let last_offset = batch.last_offset();
        if let Some(sequences) = &sequences {
            self.producers
                .record(sequences, base_offset, last_offset, max_timestamp);
        }
        self.push(batch);
        self.end_offset = last_offset + 1;
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

    fn push(&mut self, batch: RecordBatch) {
        let before = self
            .batches
            .back()
            .map_or(i64::MIN, |stored| stored.max_timestamp_so_far);
        self.batches.push_back(Stored {
            last_offset: batch.last_offset(),
            max_timestamp_so_far: before.max(batch.max_timestamp()),
            batch,
        });
    }

    /// Reads whole batches from the one that holds `from`, up to `max_bytes`; empty at the end of what may be seen.
    ///
    /// With `at_least_one`, the first batch is returned whole even when it is larger than the limit (KIP-74);
    /// without, a first batch that does not fit makes the read empty. Like Apache Kafka, the read fills the limit
    /// with the beginning of a batch that does not fit any more.
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
        let (start, end) = (self.start_offset, self.end_offset);
        if from < start || from > end {
            return Err(OffsetOutOfRange {
                offset: from,
                start,
                end,
            });
        }
        let visible_end = self.visible_end(isolation);
        let first = self.batches.partition_point(|stored| stored.last_offset < from);
        let mut read = LogRead::default();
        let mut left = max_bytes;
        for stored in self.batches.range(first..) {
            if stored.last_offset >= visible_end || from >= visible_end {
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
                untimed(self.start_offset, self.epoch_of(self.start_offset))
            }
            OffsetSpec::LatestTiered | OffsetSpec::EarliestPendingUpload => untimed(-1, -1),
            OffsetSpec::MaxTimestamp => self.walk_from(
                self.batches.back().map_or(i64::MAX, |last| last.max_timestamp_so_far),
                isolation,
            ),
            OffsetSpec::At(time) => self.walk_from(time, isolation),
        }
    }

    fn walk_from(&self, time: i64, isolation: Isolation) -> LookUp {
        let first = self
            .batches
            .partition_point(|stored| stored.max_timestamp_so_far < time);
        let mut batches = self.batches.range(first..).map(|stored| &stored.batch);
        let mut found: Vec<_> = batches.next().into_iter().cloned().collect();
        // Only where the log start offset cuts into the batch that the search found is there a second one to look at.
        if found.iter().any(|batch| batch.base_offset() < self.start_offset) {
            found.extend(batches.find(|batch| batch.max_timestamp() >= time).cloned());
        }
        LookUp::In {
            batches: found,
            time,
            offsets: self.start_offset..self.visible_end(isolation),
        }
    }

    /// The leader epoch that `offset` was, or will be, appended in.
    fn epoch_of(&self, offset: i64) -> i32 {
        let next = self.leader_epochs.partition_point(|&(_, start)| start <= offset);
        next.checked_sub(1).map_or(-1, |at| self.leader_epochs[at].0)
    }

    /// Moves the log start offset up to `offset`, at most to the high watermark, and drops the batches before it.
    ///
    /// A batch that holds `offset` stays whole: readers skip the records before it.
    pub fn advance_start(&mut self, offset: i64) {
        let offset = offset.min(self.high_watermark());
        if offset <= self.start_offset {
            return;
        }
        self.start_offset = offset;
        let gone = self.batches.partition_point(|stored| stored.last_offset < offset);
        self.batches.drain(..gone);
        let mut so_far = i64::MIN;
        for stored in &mut self.batches {
            so_far = so_far.max(stored.batch.max_timestamp());
            stored.max_timestamp_so_far = so_far;
        }
    }
}

#[cfg(test)]
mod tests;
