//! What ListOffsets asks of a log.

use std::ops::Range;

use super::batch::RecordBatch;
use super::records::RecordError;

/// A place in a log, as ListOffsets names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -1: after the last record that the isolation level lets a consumer see.
    Latest,
    /// -2: the log start offset.
    Earliest,
    /// -3: the first record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// -4: the first record that is not only in remote storage (KIP-405). Nothing is, so the log start offset.
    EarliestLocal,
    /// -5: the last record in remote storage (KIP-1005). There is none.
    LatestTiered,
    /// -6: the first record that remote storage does not have yet (KIP-1023). There is no remote storage.
    EarliestPendingUpload,
    /// The first record at or after this time, in milliseconds.
    At(i64),
}

impl OffsetSpec {
    /// What a timestamp field of ListOffsets means; `None` for a negative number without a meaning,
    /// which Apache Kafka answers with `UNSUPPORTED_VERSION`.
    pub fn from_wire(timestamp: i64) -> Option<Self> {
        match timestamp {
            -1 => Some(Self::Latest),
            -2 => Some(Self::Earliest),
            -3 => Some(Self::MaxTimestamp),
            -4 => Some(Self::EarliestLocal),
            -5 => Some(Self::LatestTiered),
            -6 => Some(Self::EarliestPendingUpload),
            time if time >= 0 => Some(Self::At(time)),
            _ => None,
        }
    }
}

/// A record's place: what ListOffsets answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp in milliseconds; -1 where the question was not about time.
    pub timestamp: i64,
    /// The offset; -1 when there is none.
    pub offset: i64,
    /// The epoch of the leader that appended the record; -1 when unknown.
    pub leader_epoch: i32,
}

/// A look-up in a log: known at once, or to be found in batches that the log has handed out.
#[derive(Debug)]
pub enum LookUp {
    /// The answer.
    Known(TimestampOffset),
    /// The first record at or after `time` among these batches, if it lies within `offsets`.
    In {
        /// In the order of their offsets; the first that may hold it, and the one behind.
        batches: Vec<RecordBatch>,
        /// In milliseconds.
        time: i64,
        /// From the log start offset to what the reader may see.
        offsets: Range<i64>,
    },
}

impl LookUp {
    /// Walks the batches.
    ///
    /// # Errors
    ///
    /// When a batch's records cannot be read.
    pub fn resolve(self) -> Result<Option<TimestampOffset>, RecordError> {
        let (batches, time, offsets) = match self {
            Self::Known(found) => return Ok(Some(found)),
            Self::In { batches, time, offsets } => (batches, time, offsets),
        };
        for batch in &batches {
            for record in batch.records()? {
                let record = record?;
                let offset = batch.base_offset() + i64::from(record.offset_delta);
                if record.timestamp >= time && offset >= offsets.start {
                    let found = TimestampOffset {
                        timestamp: record.timestamp,
                        offset,
                        leader_epoch: batch.leader_epoch(),
                    };
                    return Ok(Some(found).filter(|found| found.offset < offsets.end));
                }
            }
        }
        Ok(None)
    }
}
