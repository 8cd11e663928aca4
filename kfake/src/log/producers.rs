//! Idempotent and transactional producers: which sequence numbers each has written to a partition, and whether its
//! transaction is open there (KIP-98).
//!
//! The rules are those of Apache Kafka's `ProducerStateEntry` and `ProducerAppendInfo` for a client's append.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::error::ResponseError;
use thiserror::Error;

use super::batch::{NO_PRODUCER_EPOCH, RecordBatch};
use super::transactions::{Marker, MarkerError, read_marker};

/// The coordinator epoch of a producer that has had no marker (`ProducerStateEntry.empty`).
const NO_COORDINATOR_EPOCH: i32 = -1;
/// How many batches of a producer are remembered, so that a resent one is answered as the first was
/// (`ProducerStateEntry.NUM_BATCHES_TO_RETAIN`, the most requests that an idempotent producer may have in flight).
const BATCHES_RETAINED: usize = 5;

/// A producer's claim on a batch: its id and epoch, and the sequence numbers of the batch's first and last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sequences {
    /// The producer's id.
    pub producer_id: i64,
    /// The producer's epoch.
    pub epoch: i16,
    /// The sequence number of the first record.
    pub first: i32,
    /// The sequence number of the last record.
    pub last: i32,
}

/// Why a producer's batch may not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SequenceError {
    /// The batch does not follow the producer's last one.
    #[error(
        "out of order sequence number of producer {producer_id} epoch {epoch}: {first} came, but the last one was {last}"
    )]
    OutOfOrder {
        /// The producer's id.
        producer_id: i64,
        /// The epoch of the batch that came.
        epoch: i16,
        /// Its first sequence number.
        first: i32,
        /// The last sequence number that was appended; -1 when the batch begins a new epoch.
        last: i32,
    },
    /// A newer incarnation of the producer has written already.
    #[error("epoch {epoch} of producer {producer_id} is older than the last seen epoch {current}")]
    Fenced {
        /// The producer's id.
        producer_id: i64,
        /// The epoch of the batch that came.
        epoch: i16,
        /// The newest epoch that has written.
        current: i16,
    },
    /// The producer's transaction is open, and the batch is outside of it.
    #[error("the transaction of producer {producer_id} is open, and the batch is not part of it")]
    OutsideTransaction {
        /// The producer's id.
        producer_id: i64,
    },
}

impl SequenceError {
    /// The error code that a Produce response carries.
    pub fn code(&self) -> ResponseError {
        match self {
            Self::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
            // Since Kafka 2.7 this, not PRODUCER_FENCED: the client may abort and go on.
            Self::Fenced { .. } => ResponseError::InvalidProducerEpoch,
            Self::OutsideTransaction { .. } => ResponseError::InvalidTxnState,
        }
    }
}

/// A producer as DescribeProducers shows it (KIP-664).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProducerView {
    /// The producer's id.
    pub producer_id: i64,
    /// Its newest epoch.
    pub epoch: i16,
    /// The last sequence number of that epoch; -1 when there is none.
    pub last_sequence: i32,
    /// When it wrote last, in milliseconds.
    pub last_timestamp: i64,
    /// The coordinator epoch of its last marker; -1 when there is none.
    pub coordinator_epoch: i32,
    /// The offset of the first record of its open transaction; -1 when none is open.
    pub transaction_start: i64,
}

/// An append that is remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Remembered {
    first: i32,
    last: i32,
    /// The offset of the batch's first record.
    pub(crate) base_offset: i64,
    /// The offset of the batch's last record.
    pub(crate) last_offset: i64,
    /// The batch's maximum timestamp.
    pub(crate) timestamp: i64,
}

/// What a producer wrote last to a partition (`LastRecord`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LastRecord {
    /// The offset of the last record of its last batch; `None` when that is not remembered.
    pub(crate) data_offset: Option<i64>,
    /// Its newest epoch.
    pub(crate) epoch: i16,
}

/// The idempotent producers of one partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Producers {
    entries: HashMap<i64, Producer>,
    /// Producers whose transaction was verified and has not begun here.
    verified: HashMap<i64, Verification>,
    /// No producer wrote last before this time, in milliseconds; `None` where there is none.
    written_since: Option<i64>,
}

/// What a log that is read anew says of transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reloaded {
    /// One began.
    Begun { first_offset: i64, producer_id: i64 },
    /// The one that began there ended.
    Ended { first_offset: i64, marker_offset: i64 },
}

/// That a producer's transaction may begin in this partition (`VerificationStateEntry`).
#[derive(Debug, PartialEq, Eq)]
struct Verification {
    epoch: i16,
    /// The lowest sequence number that came with a batch of this epoch.
    lowest: i32,
    begins_at_zero: bool,
    /// In milliseconds since 1970.
    since: i64,
}

#[derive(Debug, PartialEq, Eq)]
struct Producer {
    epoch: i16,
    /// Oldest first, at most [`BATCHES_RETAINED`]; of the newest epoch alone.
    batches: VecDeque<Remembered>,
    /// The offset of the first record of its open transaction.
    open_since: Option<i64>,
    coordinator_epoch: i32,
    last_timestamp: i64,
}

impl Producer {
    fn new(epoch: i16) -> Self {
        Self {
            epoch,
            batches: VecDeque::with_capacity(BATCHES_RETAINED),
            open_since: None,
            coordinator_epoch: NO_COORDINATOR_EPOCH,
            last_timestamp: -1,
        }
    }

    fn last_sequence(&self) -> i32 {
        self.batches.back().map_or(-1, |batch| batch.last)
    }

    fn begin_epoch(&mut self, epoch: i16) {
        if self.epoch != epoch {
            self.epoch = epoch;
            self.batches.clear();
        }
    }
}

impl Producers {
    /// The append that `batch` repeats, if it is one of the last five in the producer's current epoch.
    pub(crate) fn duplicate(&self, batch: &Sequences) -> Option<Remembered> {
        let producer = self.entries.get(&batch.producer_id)?;
        let same = |seen: &&Remembered| seen.first == batch.first && seen.last == batch.last;
        (producer.epoch == batch.epoch)
            .then(|| producer.batches.iter().find(same).copied())
            .flatten()
    }

    /// Whether `batch` may be appended next.
    ///
    /// A producer that the partition does not know may begin with any sequence number: its earlier batches may
    /// have been deleted with the log's head (KIP-360).
    /// One whose transaction begins here may not begin behind the lowest sequence number that it was verified with, and with
    /// 0 alone where each transaction has an epoch of its own (KIP-890).
    pub(crate) fn check(&self, batch: &Sequences) -> Result<(), SequenceError> {
        let Sequences {
            producer_id,
            epoch,
            first,
            ..
        } = *batch;
        let known = self.entries.get(&batch.producer_id);
        if let Some(verification) = self.verified.get(&batch.producer_id) {
            let has_batches = known.is_some_and(|producer| !producer.batches.is_empty());
            let begins = verification.begins_at_zero && first != 0 && !has_batches;
            let is_fenced = known.is_some_and(|producer| epoch < producer.epoch);
            if !is_fenced && (begins || first > verification.lowest) {
                let last = known.map_or(-1, Producer::last_sequence);
                return Err(SequenceError::OutOfOrder {
                    producer_id,
                    epoch,
                    first,
                    last,
                });
            }
        }
        let Some(producer) = known else {
            return Ok(());
        };
        if epoch < producer.epoch {
            return Err(SequenceError::Fenced {
                producer_id,
                epoch,
                current: producer.epoch,
            });
        }
        let last = if epoch == producer.epoch {
            producer.last_sequence()
        } else {
            -1
        };
        if producer.epoch == NO_PRODUCER_EPOCH || first == add_sequence(last, 1) {
            Ok(())
        } else {
            Err(SequenceError::OutOfOrder {
                producer_id,
                epoch,
                first,
                last,
            })
        }
    }

    /// What each producer wrote last.
    pub(crate) fn last_records(&self) -> HashMap<i64, LastRecord> {
        let last = |producer: &Producer| LastRecord {
            data_offset: producer.batches.back().map(|batch| batch.last_offset),
            epoch: producer.epoch,
        };
        self.entries
            .iter()
            .map(|(id, producer)| (*id, last(producer)))
            .collect()
    }

    /// Remembers that `batch` was appended.
    pub(crate) fn record(&mut self, batch: &Sequences, base_offset: i64, last_offset: i64, timestamp: i64) {
        let entry = self.entries.entry(batch.producer_id);
        let producer = entry.or_insert_with(|| Producer::new(batch.epoch));
        producer.begin_epoch(batch.epoch);
        producer.last_timestamp = timestamp;
        if producer.batches.len() == BATCHES_RETAINED {
            producer.batches.pop_front();
        }
        let (first, last) = (batch.first, batch.last);
        producer.batches.push_back(Remembered {
            first,
            last,
            base_offset,
            last_offset,
            timestamp,
        });
        self.wrote_at(timestamp);
    }

    /// Whether `batch` may be appended as what it is: within its producer's transaction, or outside of any.
    pub(crate) fn check_membership(&self, producer_id: i64, is_transactional: bool) -> Result<(), SequenceError> {
        match self.open_since(producer_id) {
            Some(_) if !is_transactional => Err(SequenceError::OutsideTransaction { producer_id }),
            _ => Ok(()),
        }
    }

    /// The offset of the first record of the producer's open transaction.
    pub(crate) fn open_since(&self, producer_id: i64) -> Option<i64> {
        self.entries.get(&producer_id)?.open_since
    }

    /// Whether the producer's transaction is open, in this epoch (`ProducerStateManager.hasOngoingTransaction`).
    pub(crate) fn has_open(&self, producer_id: i64, epoch: i16) -> bool {
        let producer = self.entries.get(&producer_id);
        producer.is_some_and(|producer| producer.open_since.is_some() && producer.epoch == epoch)
    }

    /// Whether a newer epoch of the producer is known.
    pub(crate) fn is_fenced(&self, producer_id: i64, epoch: i16) -> bool {
        let known = self.entries.get(&producer_id);
        known.is_some_and(|producer| epoch < producer.epoch)
    }

    /// A producer's transaction is about to begin here with this sequence number, if its coordinator says so.
    pub(crate) fn verify(&mut self, producer_id: i64, epoch: i16, sequence: i32, begins_at_zero: bool, now_ms: i64) {
        self.wrote_at(now_ms);
        let verification = self.verified.entry(producer_id).or_insert(Verification {
            epoch,
            lowest: sequence,
            begins_at_zero,
            since: now_ms,
        });
        if epoch > verification.epoch || (epoch == verification.epoch && sequence < verification.lowest) {
            (verification.epoch, verification.lowest) = (epoch, sequence);
        }
    }

    /// The batch at `first_offset`, which was recorded, is its producer's transaction's first.
    pub(crate) fn begin(&mut self, producer_id: i64, first_offset: i64) {
        self.verified.remove(&producer_id);
        if let Some(producer) = self.entries.get_mut(&producer_id) {
            producer.open_since = Some(first_offset);
        }
    }

    /// Whether a marker may be appended (`ProducerAppendInfo.checkProducerEpoch` and `checkCoordinatorEpoch`).
    pub(crate) fn check_marker(&self, marker: &Marker) -> Result<(), MarkerError> {
        let (producer_id, epoch) = (marker.producer_id, marker.producer_epoch);
        // Who has written nothing yet has the epochs of nobody.
        let (current, coordinator_epoch, is_open) = match self.entries.get(&producer_id) {
            Some(known) => (known.epoch, known.coordinator_epoch, known.open_since.is_some()),
            None => (NO_PRODUCER_EPOCH, NO_COORDINATOR_EPOCH, false),
        };
        // A marker that comes again, of a transaction that has ended: it is written again (KAFKA-19999).
        let repeated = epoch == current && !is_open;
        let fenced = match marker.bumps_epoch {
            true => epoch <= current && !repeated,
            false => epoch < current,
        };
        if fenced {
            return Err(MarkerError::Fenced {
                producer_id,
                epoch,
                current,
            });
        }
        if coordinator_epoch > marker.coordinator_epoch {
            return Err(MarkerError::CoordinatorFenced {
                producer_id,
                epoch: marker.coordinator_epoch,
                current: coordinator_epoch,
            });
        }
        Ok(())
    }

    /// Remembers that a marker was appended: the offset of the first record of the transaction that it ends, if one was open.
    pub(crate) fn end(&mut self, marker: &Marker, timestamp: i64) -> Option<i64> {
        self.verified.remove(&marker.producer_id);
        let entry = self.entries.entry(marker.producer_id);
        let producer = entry.or_insert_with(|| Producer::new(marker.producer_epoch));
        producer.begin_epoch(marker.producer_epoch);
        producer.coordinator_epoch = marker.coordinator_epoch;
        producer.last_timestamp = timestamp;
        let began = producer.open_since.take();
        self.wrote_at(timestamp);
        began
    }

    /// Forgets every producer and reads them from the log's batches of producers anew (`ProducerStateManager.truncateAndReload`).
    /// Whose transaction may begin here stays verified. Says in the log's order which transactions began and ended.
    pub(crate) fn reload<'a>(
        &mut self,
        batches: impl Iterator<Item = &'a RecordBatch>,
        mut transaction: impl FnMut(Reloaded),
    ) {
        let verified = std::mem::take(&mut self.verified);
        (self.entries, self.written_since) = (HashMap::new(), None);
        for batch in batches {
            let (producer_id, base_offset) = (batch.producer_id(), batch.base_offset());
            if batch.is_control() {
                // One whose record compaction has taken ends nothing any more.
                let marker = read_marker(batch);
                if let Some(first_offset) = marker.and_then(|marker| self.end(&marker, batch.max_timestamp())) {
                    transaction(Reloaded::Ended {
                        first_offset,
                        marker_offset: base_offset,
                    });
                }
                continue;
            }
            let sequences = Sequences {
                producer_id,
                epoch: batch.producer_epoch(),
                first: batch.base_sequence(),
                last: batch.last_sequence(),
            };
            self.record(&sequences, base_offset, batch.last_offset(), batch.max_timestamp());
            if batch.is_transactional() && self.open_since(producer_id).is_none() {
                self.begin(producer_id, base_offset);
                transaction(Reloaded::Begun {
                    first_offset: base_offset,
                    producer_id,
                });
            }
        }
        self.verified = verified;
    }

    fn wrote_at(&mut self, timestamp: i64) {
        let since = self.written_since.get_or_insert(timestamp);
        *since = timestamp.min(*since);
    }

    /// When [`expire`](Self::expire) may have something to do, in milliseconds since 1970; `None` when never. Constant time: it may
    /// turn out to be too early.
    pub(crate) fn expiry_due(&self, expiration_ms: i64) -> Option<i64> {
        Some(self.written_since?.saturating_add(expiration_ms))
    }

    /// Forgets the producers that wrote last so long ago, by their records' timestamps, unless their transaction is open, and
    /// verifications of which nothing has come (`ProducerStateManager.removeExpiredProducers`). Returns how many.
    pub(crate) fn expire(&mut self, now_ms: i64, expiration_ms: i64) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, producer| {
            producer.open_since.is_some() || now_ms.saturating_sub(producer.last_timestamp) < expiration_ms
        });
        self.verified
            .retain(|_, verification| now_ms.saturating_sub(verification.since) < expiration_ms);
        // Who is in a transaction may be old: its end, or its next batch, is when it is looked at again.
        let idle = self.entries.values().filter(|producer| producer.open_since.is_none());
        let verified = self.verified.values().map(|verification| verification.since);
        self.written_since = idle.map(|producer| producer.last_timestamp).chain(verified).min();
        before - self.entries.len()
    }

    /// Every producer, in no order.
    pub(crate) fn views(&self) -> impl Iterator<Item = ProducerView> {
        self.entries.iter().map(|(producer_id, producer)| ProducerView {
            producer_id: *producer_id,
            epoch: producer.epoch,
            last_sequence: producer.last_sequence(),
            last_timestamp: producer.last_timestamp,
            coordinator_epoch: producer.coordinator_epoch,
            transaction_start: producer.open_since.unwrap_or(-1),
        })
    }
}

/// `sequence` advanced by `increment`, from `i32::MAX` on to 0 (`DefaultRecordBatch.incrementSequence`).
pub(crate) fn add_sequence(sequence: i32, increment: i32) -> i32 {
    sequence.wrapping_add(increment) & if sequence < 0 { -1 } else { i32::MAX }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A partition to which producers have appended.
    #[derive(Default)]
    struct Given {
        producers: Producers,
        next_offset: i64,
    }

    #[derive(Debug, PartialEq)]
    enum Answer {
        Offset(i64),
        Duplicate(i64),
        Code(ResponseError),
    }
    use Answer::{Code, Duplicate, Offset};

    impl Given {
        fn append(&mut self, producer_id: i64, epoch: i16, first: i32, records: i32) -> Answer {
            let batch = Sequences {
                producer_id,
                epoch,
                first,
                last: add_sequence(first, records - 1),
            };
            if let Some(seen) = self.producers.duplicate(&batch) {
                return Duplicate(seen.base_offset);
            }
            if let Err(error) = self.producers.check(&batch) {
                return Code(error.code());
            }
            let base = self.next_offset;
            self.next_offset += i64::from(records);
            self.producers.record(&batch, base, self.next_offset - 1, 0);
            Offset(base)
        }
    }

    const OUT_OF_ORDER: Answer = Code(ResponseError::OutOfOrderSequenceNumber);
    const FENCED: Answer = Code(ResponseError::InvalidProducerEpoch);

    // The answers in these tests are those that Apache Kafka 4.4 gave to the same batches.

    #[test]
    fn an_unknown_producer_may_begin_anywhere_and_then_goes_on_from_there() {
        let mut given = Given::default();
        assert_eq!(given.append(200, 0, 7, 2), Offset(0));
        assert_eq!(given.append(200, 0, 9, 1), Offset(2));
        assert_eq!(given.append(200, 0, 11, 1), OUT_OF_ORDER);
        assert_eq!(given.append(200, 0, 3, 1), OUT_OF_ORDER);
    }

    #[test]
    fn the_last_five_batches_are_answered_again_with_their_first_offsets() {
        let mut given = Given::default();
        for sequence in 0..6 {
            assert_eq!(given.append(100, 0, sequence, 1), Offset(i64::from(sequence)));
        }
        assert_eq!(given.append(100, 0, 5, 1), Duplicate(5));
        assert_eq!(given.append(100, 0, 1, 1), Duplicate(1));
        assert_eq!(given.append(100, 0, 0, 1), OUT_OF_ORDER);
        assert_eq!(given.append(100, 0, 5, 2), OUT_OF_ORDER);
    }

    #[test]
    fn a_producer_is_forgotten_when_its_records_are_old_and_its_transaction_is_not_open() {
        let mut given = Given::default();
        assert_eq!(given.producers.expiry_due(10), None);
        // Each wrote at 0.
        given.append(100, 0, 0, 1);
        given.append(200, 0, 0, 1);
        given.producers.begin(200, 1);
        assert_eq!(given.producers.expiry_due(10), Some(10));
        assert_eq!(given.producers.expire(9, 10), 0);
        assert_eq!(given.append(100, 0, 7, 1), OUT_OF_ORDER);
        assert_eq!(given.producers.expire(10, 10), 1);
        assert_eq!(given.producers.expiry_due(10), None);
        assert_eq!(given.append(200, 0, 7, 1), OUT_OF_ORDER);
        assert_eq!(given.append(100, 0, 7, 1), Offset(2));
        assert_eq!(given.producers.expiry_due(10), Some(10));
    }

    #[test]
    fn a_new_epoch_begins_at_zero_and_fences_the_old_one() {
        let mut given = Given::default();
        assert_eq!(given.append(100, 0, 0, 1), Offset(0));
        assert_eq!(given.append(100, 1, 3, 1), OUT_OF_ORDER);
        assert_eq!(given.append(100, 1, 0, 1), Offset(1));
        assert_eq!(given.append(100, 0, 1, 1), FENCED);
        assert_eq!(given.append(100, 0, 0, 1), FENCED);
    }

    #[test]
    fn a_producer_without_an_epoch_is_not_checked() {
        let mut given = Given::default();
        assert_eq!(given.append(300, -1, 0, 1), Offset(0));
        assert_eq!(given.append(300, -1, 5, 1), Offset(1));
    }

    #[test]
    fn sequence_numbers_wrap_from_the_largest_to_zero() {
        let mut given = Given::default();
        assert_eq!(given.append(400, 0, i32::MAX - 1, 1), Offset(0));
        assert_eq!(given.append(400, 0, i32::MAX, 3), Offset(1));
        assert_eq!(given.append(400, 0, 2, 1), Offset(4));
        assert_eq!(given.append(400, 0, i32::MAX, 3), Duplicate(1));
        assert_eq!(given.append(500, 0, i32::MAX - 1, 2), Offset(5));
        assert_eq!(given.append(500, 0, 0, 1), Offset(7));
    }

    proptest! {
        #[test]
        fn a_wrapped_sequence_is_never_negative(sequence in 0..=i32::MAX, increment in 0..=i32::MAX) {
            let sum = i64::from(sequence) + i64::from(increment);
            prop_assert_eq!(i64::from(add_sequence(sequence, increment)), sum % (1 << 31));
        }
    }
}
