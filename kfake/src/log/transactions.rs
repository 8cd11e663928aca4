//! Transactions in a partition's log: which are open, which were aborted, and the markers that end them (KIP-98).
//!
//! The rules are those of Apache Kafka's `ProducerStateManager`, `ProducerAppendInfo.appendEndTxnMarker` and
//! `TransactionIndex`.

use std::collections::{BTreeMap, HashSet};

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;
use thiserror::Error;

use super::batch::{RecordBatch, TimestampType};

/// How a transaction ends: what its marker says (`EndTransactionMarker`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marker {
    /// Whose transaction ends.
    pub producer_id: i64,
    /// The producer's epoch; from transaction version 2 on one more than that of the records (KIP-890).
    pub producer_epoch: i16,
    /// The leader epoch of the coordinator's partition of `__transaction_state`.
    pub coordinator_epoch: i32,
    /// Whether the records count, or are to be skipped.
    pub committed: bool,
    /// Whether the producer's epoch has to rise with the marker (transaction version 2, KIP-1228).
    pub bumps_epoch: bool,
}

/// Why a marker may not be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum MarkerError {
    /// The producer has written in a newer epoch, or has ended its transaction in this one.
    #[error("epoch {epoch} of producer {producer_id} may not end the transaction of epoch {current}")]
    Fenced {
        /// The producer's id.
        producer_id: i64,
        /// The marker's epoch.
        epoch: i16,
        /// The newest epoch that has written.
        current: i16,
    },
    /// A newer coordinator has written a marker of this producer.
    #[error("coordinator epoch {epoch} of producer {producer_id} is older than the last seen {current}")]
    CoordinatorFenced {
        /// The producer's id.
        producer_id: i64,
        /// The marker's coordinator epoch.
        epoch: i32,
        /// The newest that was seen.
        current: i32,
    },
    /// The marker's batch is larger than a batch may be.
    #[error("a marker has {MARKER_SIZE} bytes, and a batch may have {limit}")]
    TooLarge {
        /// `max.message.bytes`.
        limit: usize,
    },
}

impl MarkerError {
    /// The error code that a WriteTxnMarkers response carries.
    pub fn code(&self) -> ResponseError {
        match self {
            Self::Fenced { .. } => ResponseError::InvalidProducerEpoch,
            Self::CoordinatorFenced { .. } => ResponseError::TransactionCoordinatorFenced,
            Self::TooLarge { .. } => ResponseError::MessageTooLarge,
        }
    }
}

/// An aborted transaction, as Fetch names it to those who read what is committed alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose it was.
    pub producer_id: i64,
    /// The offset of its first record.
    pub first_offset: i64,
    /// The offset of its marker.
    pub last_offset: i64,
    /// The last stable offset when it ended: no transaction that was aborted later began before it.
    last_stable_offset: i64,
}

impl AbortedTransaction {
    /// One that ended last of those that were open.
    #[cfg(test)]
    pub(crate) fn new(producer_id: i64, first_offset: i64, last_offset: i64) -> Self {
        Self {
            producer_id,
            first_offset,
            last_offset,
            last_stable_offset: last_offset + 1,
        }
    }
}

/// The transactions of one partition.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Transactions {
    /// Whose transaction is open, by the offset of its first record. The first one holds the last stable offset back.
    open: BTreeMap<i64, i64>,
    /// The offset of the marker of each transaction that has ended behind the high watermark, by the offset of its first record
    /// (`ProducerStateManager.unreplicatedTxns`): whoever leads next may not have the marker.
    uncommitted: BTreeMap<i64, i64>,
    /// In the order of their markers.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    /// The offset of the first record that is not decided, or not for good; `None` if all are
    /// (`ProducerStateManager.firstUnstableOffset`).
    pub fn first_unstable(&self) -> Option<i64> {
        let firsts = [self.first_undecided(), self.uncommitted.keys().next().copied()];
        firsts.into_iter().flatten().min()
    }

    fn first_undecided(&self) -> Option<i64> {
        self.open.keys().next().copied()
    }

    pub fn begin(&mut self, first_offset: i64, producer_id: i64) {
        self.open.insert(first_offset, producer_id);
    }

    /// Ends the transaction that began at `first_offset` by a marker at `marker_offset`.
    pub fn end(&mut self, first_offset: i64, producer_id: i64, marker_offset: i64, committed: bool) {
        self.open.remove(&first_offset);
        if !committed {
            self.aborted.push(AbortedTransaction {
                producer_id,
                first_offset,
                last_offset: marker_offset,
                last_stable_offset: self.first_undecided().unwrap_or(marker_offset + 1),
            });
        }
    }

    /// The marker of the transaction that began at `first_offset` lies at or behind the high watermark.
    pub fn await_commit(&mut self, first_offset: i64, marker_offset: i64) {
        self.uncommitted.insert(first_offset, marker_offset);
    }

    /// The high watermark has passed every marker.
    pub fn committed(&mut self) {
        self.uncommitted.clear();
    }

    /// Forgets the aborted transactions whose markers are at `offset` or behind it (`TransactionIndex.truncateTo`), and all that
    /// is open or awaits the high watermark: which of those are left, the batches that are left say.
    pub fn truncate(&mut self, offset: i64) {
        let kept = self.aborted.partition_point(|aborted| aborted.last_offset < offset);
        self.aborted.truncate(kept);
        self.open.clear();
        self.uncommitted.clear();
    }

    /// A transaction that ended before the log was cut: it is known already whether it was aborted.
    pub fn end_again(&mut self, first_offset: i64) {
        self.open.remove(&first_offset);
    }

    /// Whether no transaction was ever aborted, of those whose records may still be there.
    pub fn none_aborted(&self) -> bool {
        self.aborted.is_empty()
    }

    /// The aborted transactions that have something in `from..to`, in the order of their markers
    /// (`TransactionIndex.collectAbortedTxns`).
    pub fn aborted_within(&self, from: i64, to: i64) -> Vec<AbortedTransaction> {
        let first = self.aborted.partition_point(|aborted| aborted.last_offset < from);
        let mut found = Vec::new();
        for aborted in &self.aborted[first..] {
            if aborted.first_offset < to {
                found.push(*aborted);
            }
            if aborted.last_stable_offset >= to {
                break;
            }
        }
        found
    }

    /// The aborted transactions whose markers are before an offset.
    pub fn aborted_before(&self, end: i64) -> Vec<AbortedTransaction> {
        let count = self.aborted.partition_point(|aborted| aborted.last_offset < end);
        self.aborted[..count].to_vec()
    }

    /// Forgets aborted transactions by the offsets of their markers: compaction has left none of their batches.
    pub fn forget(&mut self, markers: &HashSet<i64>) {
        if !markers.is_empty() {
            self.aborted.retain(|aborted| !markers.contains(&aborted.last_offset));
        }
    }

    /// Forgets the aborted transactions whose markers are before the log start offset.
    pub fn forget_before(&mut self, start: i64) {
        let gone = self.aborted.partition_point(|aborted| aborted.last_offset < start);
        self.aborted.drain(..gone);
    }
}

/// The type of a control record in its key.
const ABORT: i16 = 0;
/// See [`ABORT`].
const COMMIT: i16 = 1;
/// The bytes of a marker's record behind its length: attributes, three varints of a byte, key, value and no header.
const RECORD_SIZE: usize = 16;
/// The bytes of a batch that holds one marker (`MemoryRecords.withEndTransactionMarker`).
pub(super) const MARKER_SIZE: usize = 61 + 1 + RECORD_SIZE;

/// The control batch of a marker.
pub(super) fn control_batch(
    marker: &Marker,
    offset: i64,
    leader_epoch: i32,
    (kind, timestamp): (TimestampType, i64),
) -> Option<RecordBatch> {
    let mut covered = BytesMut::with_capacity(MARKER_SIZE);
    let stamped_by_log = if kind == TimestampType::LogAppendTime { 0x08 } else { 0 };
    covered.put_i16(0x10 | 0x20 | stamped_by_log); // transactional, control
    covered.put_i32(0); // last offset delta
    covered.put_i64(timestamp);
    covered.put_i64(timestamp);
    covered.put_i64(marker.producer_id);
    covered.put_i16(marker.producer_epoch);
    covered.put_i32(-1); // base sequence
    covered.put_i32(1); // records
    covered.put_u8((RECORD_SIZE as u8) << 1); // varints are zigzag
    covered.put_slice(&[0, 0, 0]); // attributes, timestamp delta, offset delta
    covered.put_u8(4 << 1);
    covered.put_i16(0); // the key's version
    covered.put_i16(if marker.committed { COMMIT } else { ABORT });
    covered.put_u8(6 << 1);
    covered.put_i16(0); // the value's version
    covered.put_i32(marker.coordinator_epoch);
    covered.put_u8(0); // headers
    let mut bytes = BytesMut::with_capacity(MARKER_SIZE);
    bytes.put_i64(offset);
    bytes.put_i32((MARKER_SIZE - 12) as i32);
    bytes.put_i32(leader_epoch);
    bytes.put_i8(2);
    bytes.put_u32(crc32c::crc32c(&covered));
    bytes.put_slice(&covered);
    RecordBatch::parse(Bytes::from(bytes))
}

/// What a marker's batch says; `None` where compaction has taken its record, or it is no marker.
pub(super) fn read_marker(batch: &RecordBatch) -> Option<Marker> {
    let records = batch.record_bytes();
    // Behind the attributes, two deltas and three lengths; the key is a version and a type. A timestamp's delta may be long.
    let rest = skip_varint(&records)?.get(1..)?;
    let key = skip_varint(skip_varint(skip_varint(rest)?)?)?;
    let kind = key.get(2..4)?;
    let committed = match i16::from_be_bytes([kind[0], kind[1]]) {
        COMMIT => true,
        ABORT => false,
        _ => return None,
    };
    // The value is a version and the coordinator's epoch.
    let epoch = skip_varint(key.get(4..)?)?.get(2..6)?;
    Some(Marker {
        producer_id: batch.producer_id(),
        producer_epoch: batch.producer_epoch(),
        coordinator_epoch: i32::from_be_bytes([epoch[0], epoch[1], epoch[2], epoch[3]]),
        committed,
        bumps_epoch: false,
    })
}

/// Whether a marker commits; `None` as [`read_marker`] says.
pub(super) fn commits(batch: &RecordBatch) -> Option<bool> {
    read_marker(batch).map(|marker| marker.committed)
}

fn skip_varint(bytes: &[u8]) -> Option<&[u8]> {
    let last = bytes.iter().position(|byte| byte & 0x80 == 0)?;
    bytes.get(last + 1..)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MARKER: Marker = Marker {
        producer_id: 7,
        producer_epoch: 3,
        coordinator_epoch: 5,
        committed: true,
        bumps_epoch: true,
    };

    fn within(transactions: &Transactions, from: i64, to: i64) -> Vec<i64> {
        let found = transactions.aborted_within(from, to);
        found.into_iter().map(|aborted| aborted.producer_id).collect()
    }

    #[test]
    fn a_marker_is_a_whole_control_batch_of_one_record() {
        let batch = control_batch(&MARKER, 40, 2, (TimestampType::CreateTime, 1_000)).unwrap();
        assert_eq!(batch.size(), MARKER_SIZE);
        assert_eq!(batch.crc(), batch.computed_crc());
        assert!(batch.is_control() && batch.is_transactional());
        assert_eq!((batch.base_offset(), batch.last_offset()), (40, 40));
        assert_eq!((batch.producer_id(), batch.producer_epoch()), (7, 3));
        assert_eq!((batch.leader_epoch(), batch.base_sequence()), (2, -1));
        let records: Vec<_> = batch.records().unwrap().collect::<Result<_, _>>().unwrap();
        assert_eq!(records.len(), 1);
        assert_eq!((records[0].timestamp, records[0].sizes), (1_000, (4, 6)));
        assert_eq!(&batch.record_bytes()[5..9], [0, 0, 0, 1]);
        assert_eq!(&batch.record_bytes()[10..16], [0, 0, 0, 0, 0, 5]);
        let read = read_marker(&batch).unwrap();
        let expected = Marker {
            bumps_epoch: false,
            ..MARKER
        };
        assert_eq!(read, expected, "which of the versions wrote it is not said");
    }

    #[test]
    fn a_log_that_sets_the_time_sets_that_of_markers() {
        let marker = Marker {
            committed: false,
            ..MARKER
        };
        let batch = control_batch(&marker, 0, 0, (TimestampType::LogAppendTime, 9)).unwrap();
        assert_eq!(batch.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(&batch.record_bytes()[5..9], [0, 0, 0, 0]);
        assert!(!read_marker(&batch).unwrap().committed);
    }

    #[test]
    fn the_oldest_open_transaction_is_the_first_that_is_not_decided() {
        let mut transactions = Transactions::default();
        transactions.begin(3, 1);
        transactions.begin(8, 2);
        assert_eq!(transactions.first_unstable(), Some(3));
        transactions.end(3, 1, 10, true);
        assert_eq!(transactions.first_unstable(), Some(8));
        transactions.end(8, 2, 11, true);
        assert_eq!(transactions.first_unstable(), None);
        assert!(transactions.none_aborted());
    }

    #[test]
    fn aborted_transactions_are_found_by_what_they_have_within_a_range() {
        let mut transactions = Transactions::default();
        transactions.begin(0, 1);
        transactions.begin(1, 2);
        transactions.end(1, 2, 2, false);
        transactions.end(0, 1, 4, false);
        transactions.begin(5, 3);
        transactions.end(5, 3, 6, false);
        assert_eq!(within(&transactions, 0, 100), [2, 1, 3]);
        assert_eq!(within(&transactions, 3, 100), [1, 3]);
        assert_eq!(within(&transactions, 5, 100), [3]);
        assert_eq!(within(&transactions, 7, 100), [0; 0]);
        // What began beyond the range is no concern of it, and what comes behind a stable end is not looked at.
        assert_eq!(within(&transactions, 0, 1), [1]);
        assert_eq!(within(&transactions, 0, 5), [2, 1]);
        transactions.forget_before(5);
        assert_eq!(within(&transactions, 0, 100), [3]);
    }

    #[test]
    fn an_end_that_is_not_committed_decides_nothing_yet() {
        let mut transactions = Transactions::default();
        transactions.begin(3, 1);
        transactions.begin(8, 2);
        transactions.end(3, 1, 10, false);
        transactions.await_commit(3, 10);
        assert_eq!(transactions.first_unstable(), Some(3));
        // What was aborted is looked for up to where nothing was open, whatever the high watermark is.
        assert_eq!(transactions.aborted[0].last_stable_offset, 8);
        transactions.committed();
        assert_eq!(transactions.first_unstable(), Some(8));
    }

    #[test]
    fn a_cut_takes_the_aborted_transactions_whose_markers_it_takes() {
        let mut transactions = Transactions::default();
        transactions.begin(0, 1);
        transactions.end(0, 1, 2, false);
        transactions.begin(1, 2);
        transactions.end(1, 2, 4, false);
        transactions.begin(5, 3);
        transactions.truncate(4);
        assert_eq!(within(&transactions, 0, 100), [1]);
        assert_eq!(transactions.first_unstable(), None);
    }
}
