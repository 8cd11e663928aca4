//! Idempotent producers: which sequence numbers each has written to a partition (KIP-98).
//!
//! The rules are those of Apache Kafka's `ProducerStateEntry` and `ProducerAppendInfo` for a client's append.

use std::collections::{HashMap, VecDeque};

use kafka_protocol::error::ResponseError;
use thiserror::Error;

use super::batch::NO_PRODUCER_EPOCH;

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
}

impl SequenceError {
    /// The error code that a Produce response carries.
    pub fn code(&self) -> ResponseError {
        match self {
            Self::OutOfOrder { .. } => ResponseError::OutOfOrderSequenceNumber,
            // Since Kafka 2.7 this, not PRODUCER_FENCED: the client may abort and go on.
            Self::Fenced { .. } => ResponseError::InvalidProducerEpoch,
        }
    }
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
#[derive(Debug, Default)]
pub(crate) struct Producers {
    entries: HashMap<i64, Producer>,
}

#[derive(Debug)]
struct Producer {
    epoch: i16,
    /// Oldest first, at most [`BATCHES_RETAINED`], never empty.
    batches: VecDeque<Remembered>,
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
    pub(crate) fn check(&self, batch: &Sequences) -> Result<(), SequenceError> {
        let Some(producer) = self.entries.get(&batch.producer_id) else {
            return Ok(());
        };
        let Sequences {
            producer_id,
            epoch,
            first,
            ..
        } = *batch;
        if epoch < producer.epoch {
            return Err(SequenceError::Fenced {
                producer_id,
                epoch,
                current: producer.epoch,
            });
        }
        let last = if epoch == producer.epoch {
            producer.batches.back().map_or(-1, |batch| batch.last)
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
        let producer = self.entries.entry(batch.producer_id).or_insert_with(|| Producer {
            epoch: batch.epoch,
            batches: VecDeque::with_capacity(BATCHES_RETAINED),
        });
        if producer.epoch != batch.epoch {
            producer.epoch = batch.epoch;
            producer.batches.clear();
        }
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
