//! A batch made anew from some of its records: what compaction leaves of one, and what a topic's `compression.type` makes of one.

use super::batch::{NO_TIMESTAMP, Rebuilt, RecordBatch, TimestampType};
use super::compression::{Codec, Level};
use super::records::{Located, RecordError};

/// Writes `value` as an unsigned varint.
fn put_unsigned(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Writes `value` zigzagged, as a varint or varlong.
fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Writes a record: its attributes, which are 0 in all versions (`DefaultRecord.writeTo`), its deltas, and the rest as it was.
fn put_record(out: &mut Vec<u8>, timestamp_delta: i64, offset_delta: i32, rest: &[u8]) {
    let mut head = Vec::with_capacity(16);
    head.push(0);
    put_signed(&mut head, timestamp_delta);
    put_signed(&mut head, offset_delta.into());
    put_signed(out, (head.len() + rest.len()) as i64);
    out.extend_from_slice(&head);
    out.extend_from_slice(rest);
}

/// What a rebuilt batch is to be.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub codec: Codec,
    pub level: Level,
    /// From when on its tombstones may go: then timestamps count from there.
    pub delete_horizon_ms: Option<i64>,
}

/// The batch with these of its records alone, in place of `plain`, all of them. Its offsets stay, the last one's too, so that the
/// producer's last sequence number is known (`MemoryRecords.buildRetainedRecordsInto`).
///
/// # Errors
///
/// The offsets do not rise, or the compressor fails.
pub(super) fn rebuild(
    batch: &RecordBatch,
    plain: &[u8],
    records: &[Located],
    shape: &Shape,
) -> Result<RecordBatch, RecordError> {
    let first_timestamp = records.first().map_or(NO_TIMESTAMP, |record| record.timestamp);
    let base_timestamp = shape.delete_horizon_ms.unwrap_or(first_timestamp);
    let mut out = Vec::with_capacity(plain.len());
    let mut max_timestamp = NO_TIMESTAMP;
    let mut last = -1;
    for record in records {
        if record.offset_delta <= last {
            return Err(RecordError::Malformed(
                "its offset is not behind that of the record before",
            ));
        }
        last = record.offset_delta;
        max_timestamp = max_timestamp.max(record.timestamp);
        let delta = record.timestamp.wrapping_sub(base_timestamp);
        put_record(&mut out, delta, record.offset_delta, &plain[record.rest.clone()]);
    }
    let rebuilt = Rebuilt {
        base_timestamp,
        is_delete_horizon: shape.delete_horizon_ms.is_some(),
        max_timestamp: match batch.timestamp_type() {
            TimestampType::CreateTime => max_timestamp,
            TimestampType::LogAppendTime => batch.max_timestamp(),
        },
        count: i32::try_from(records.len()).unwrap_or(i32::MAX),
    };
    let compressed = match shape.codec {
        Codec::None => out,
        codec => codec.compress(&out, shape.level).map_err(RecordError::Compress)?,
    };
    Ok(batch.with_records(&compressed, shape.codec, &rebuilt))
}

/// The batch's header alone: what is kept for its producer's state (`DefaultRecordBatch.writeEmptyHeader`).
pub(super) fn emptied(batch: &RecordBatch) -> RecordBatch {
    let rebuilt = Rebuilt {
        base_timestamp: NO_TIMESTAMP,
        is_delete_horizon: false,
        max_timestamp: batch.max_timestamp(),
        count: 0,
    };
    batch.with_records(&[], Codec::None, &rebuilt)
}
