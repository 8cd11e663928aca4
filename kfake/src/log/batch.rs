//! A record batch of message format 2, read and rewritten in place.

use std::io::Read;

use bytes::{Buf, Bytes, BytesMut};
use thiserror::Error;

use super::compression::Codec;
use super::records::{Located, MAX_DECOMPRESSED, RecordError, Records};

/// Bytes before a batch's length field counts: base offset and the length itself.
pub(crate) const LOG_OVERHEAD: usize = 12;
/// Bytes of a batch's header, the record count included.
pub(crate) const HEADER_SIZE: usize = 61;
/// The smallest length that any message format can have (`LegacyRecord.RECORD_OVERHEAD_V0`).
const SMALLEST_LENGTH: i32 = 14;
/// Bytes up to and including the magic byte.
const SIZE_UP_TO_MAGIC: usize = 17;

const LEADER_EPOCH_AT: usize = 12;
const MAGIC_AT: usize = 16;
const CRC_AT: usize = 17;
const ATTRIBUTES_AT: usize = 21;
const LAST_OFFSET_DELTA_AT: usize = 23;
const BASE_TIMESTAMP_AT: usize = 27;
const MAX_TIMESTAMP_AT: usize = 35;
const PRODUCER_ID_AT: usize = 43;
const PRODUCER_EPOCH_AT: usize = 51;
const BASE_SEQUENCE_AT: usize = 53;
const RECORD_COUNT_AT: usize = 57;

const COMPRESSION_MASK: i16 = 0x07;
const TIMESTAMP_TYPE_MASK: i16 = 0x08;
const TRANSACTIONAL_MASK: i16 = 0x10;
const CONTROL_MASK: i16 = 0x20;
/// The base timestamp is a delete horizon (KIP-534).
const DELETE_HORIZON_MASK: i16 = 0x40;
/// The attribute bits that Kafka keeps when it rewrites a header (`DefaultRecordBatch.computeAttributes`).
const KNOWN_ATTRIBUTES: i16 =
    COMPRESSION_MASK | TIMESTAMP_TYPE_MASK | TRANSACTIONAL_MASK | CONTROL_MASK | DELETE_HORIZON_MASK;

/// The bytes of a producer id that names no producer.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// The epoch of a producer without one.
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;
/// The timestamp of a record without one.
pub(crate) const NO_TIMESTAMP: i64 = -1;

/// Who set a batch's timestamps: attribute bit 3, and the topic configuration `message.timestamp.type`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TimestampType {
    /// The producer: each record has its own.
    #[default]
    CreateTime,
    /// The broker: every record has the batch's maximum timestamp.
    LogAppendTime,
}

/// Why a run of bytes is not a sequence of record batches (`ByteBufferLogInputStream.nextBatchSize`, whose words these are).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BatchError {
    /// The length field is smaller than any record can be.
    #[error("Record size {0} is less than the minimum record overhead ({SMALLEST_LENGTH})")]
    Length(i32),
    /// The magic byte names no message format.
    #[error("Invalid magic found in record: {0}")]
    Magic(i8),
    /// The length field overflows once the 12 bytes before it are counted.
    #[error("the batch length {0} overflows")]
    Overflow(i32),
}

/// The first batch of `bytes`, whatever its format: its size in bytes and its magic byte.
///
/// `None` when the bytes end before the batch does. A reader of a log, and so a broker that reads a request,
/// overlooks such a tail.
///
/// # Errors
///
/// The bytes cannot be the beginning of a batch.
pub(crate) fn first_batch(bytes: &[u8]) -> Result<Option<(usize, i8)>, BatchError> {
    if bytes.len() < LOG_OVERHEAD {
        return Ok(None);
    }
    let length = (&bytes[8..]).get_i32();
    if length < SMALLEST_LENGTH {
        return Err(BatchError::Length(length));
    }
    if bytes.len() < SIZE_UP_TO_MAGIC {
        return Ok(None);
    }
    let magic = bytes[MAGIC_AT].cast_signed();
    if !(0..=2).contains(&magic) {
        return Err(BatchError::Magic(magic));
    }
    let size = length
        .checked_add(LOG_OVERHEAD as i32)
        .ok_or(BatchError::Overflow(length))? as usize;
    Ok((bytes.len() >= size).then_some((size, magic)))
}

/// Whether a producer id field can be read: Kafka's request parser reads up to it without a bounds check.
pub(crate) fn holds_producer_id(batch: &[u8]) -> bool {
    batch.len() >= PRODUCER_EPOCH_AT
}

/// The attributes of a batch that [`first_batch`] measured, which holds at least 26 bytes.
pub(crate) fn attributes_of(batch: &[u8]) -> i16 {
    (&batch[ATTRIBUTES_AT..]).get_i16()
}

/// The codec bits of `attributes`.
pub(crate) fn codec_bits(attributes: i16) -> u8 {
    (attributes & COMPRESSION_MASK) as u8
}

/// Whether `attributes` put a batch into a transaction.
pub(crate) fn is_transactional(attributes: i16) -> bool {
    attributes & TRANSACTIONAL_MASK != 0
}

/// What of a batch's header follows from its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rebuilt {
    pub base_timestamp: i64,
    /// The base timestamp is a delete horizon.
    pub is_delete_horizon: bool,
    pub max_timestamp: i64,
    pub count: i32,
}

/// One record batch of message format 2: header fields are read in place, records stay as they arrived.
///
/// The bytes are in one piece, or in two when the header had to be copied to be rewritten.
/// The layout is that of Kafka's `DefaultRecordBatch`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordBatch {
    /// The header at least; the whole batch when `tail` is empty.
    head: Bytes,
    /// What follows a header that was copied.
    tail: Bytes,
}

impl RecordBatch {
    /// A view of `bytes`, which hold one whole batch: `None` when they do not.
    ///
    /// Neither the checksum nor the records are looked at.
    pub fn parse(bytes: Bytes) -> Option<Self> {
        match first_batch(&bytes) {
            Ok(Some((size, 2))) if size == bytes.len() && size >= HEADER_SIZE => Some(Self {
                head: bytes,
                tail: Bytes::new(),
            }),
            _ => None,
        }
    }

    fn i16_at(&self, at: usize) -> i16 {
        (&self.head[at..]).get_i16()
    }

    fn i32_at(&self, at: usize) -> i32 {
        (&self.head[at..]).get_i32()
    }

    fn i64_at(&self, at: usize) -> i64 {
        (&self.head[at..]).get_i64()
    }

    /// The offset of the batch's first record.
    pub fn base_offset(&self) -> i64 {
        self.i64_at(0)
    }

    /// The offset of the batch's last record.
    pub fn last_offset(&self) -> i64 {
        self.base_offset().wrapping_add(i64::from(self.last_offset_delta()))
    }

    /// How far the last record's offset is from the first's.
    pub fn last_offset_delta(&self) -> i32 {
        self.i32_at(LAST_OFFSET_DELTA_AT)
    }

    /// The epoch of the leader that appended the batch.
    pub fn leader_epoch(&self) -> i32 {
        self.i32_at(LEADER_EPOCH_AT)
    }

    /// The checksum as stored: CRC-32C of everything after it.
    pub fn crc(&self) -> u32 {
        (&self.head[CRC_AT..]).get_u32()
    }

    /// The checksum as it should be.
    pub fn computed_crc(&self) -> u32 {
        crc32c::crc32c_append(crc32c::crc32c(&self.head[ATTRIBUTES_AT..]), &self.tail)
    }

    /// The attribute bits.
    pub fn attributes(&self) -> i16 {
        self.i16_at(ATTRIBUTES_AT)
    }

    /// How the records are compressed; the bits themselves when they name no codec.
    ///
    /// # Errors
    ///
    /// The codec bits are 5, 6 or 7.
    pub fn codec(&self) -> Result<Codec, u8> {
        Codec::from_bits(codec_bits(self.attributes()))
    }

    /// Who set the timestamps.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.attributes() & TIMESTAMP_TYPE_MASK == 0 {
            TimestampType::CreateTime
        } else {
            TimestampType::LogAppendTime
        }
    }

    /// Whether the batch belongs to a transaction.
    pub fn is_transactional(&self) -> bool {
        is_transactional(self.attributes())
    }

    /// Whether the batch holds a transaction's marker instead of data.
    pub fn is_control(&self) -> bool {
        self.attributes() & CONTROL_MASK != 0
    }

    /// From when on compaction drops the batch's tombstones, in milliseconds since 1970: the log cleaner wrote it when it met
    /// them first (KIP-534).
    pub fn delete_horizon_ms(&self) -> Option<i64> {
        (self.attributes() & DELETE_HORIZON_MASK != 0).then(|| self.base_timestamp())
    }

    /// The timestamp that the records' timestamp deltas are relative to, in milliseconds.
    pub fn base_timestamp(&self) -> i64 {
        self.i64_at(BASE_TIMESTAMP_AT)
    }

    /// The largest timestamp of the batch, in milliseconds; -1 when it has none.
    pub fn max_timestamp(&self) -> i64 {
        self.i64_at(MAX_TIMESTAMP_AT)
    }

    /// The idempotent producer's id; -1 when there is none.
    pub fn producer_id(&self) -> i64 {
        self.i64_at(PRODUCER_ID_AT)
    }

    /// Whether an idempotent producer wrote the batch (`RecordBatch.hasProducerId`: any id above -1).
    pub fn has_producer_id(&self) -> bool {
        self.producer_id() > NO_PRODUCER_ID
    }

    /// The idempotent producer's epoch; -1 when there is none.
    pub fn producer_epoch(&self) -> i16 {
        self.i16_at(PRODUCER_EPOCH_AT)
    }

    /// The sequence number of the first record; -1 when there is none.
    pub fn base_sequence(&self) -> i32 {
        self.i32_at(BASE_SEQUENCE_AT)
    }

    /// The sequence number of the last record, wrapping from `i32::MAX` to 0; -1 when there is none.
    pub fn last_sequence(&self) -> i32 {
        match self.base_sequence() {
            -1 => -1,
            base => super::producers::add_sequence(base, self.last_offset_delta()),
        }
    }

    /// How many records the header claims.
    pub fn record_count(&self) -> i32 {
        self.i32_at(RECORD_COUNT_AT)
    }

    /// The batch's size in bytes, its header included.
    pub fn size(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// The records' bytes, still compressed.
    pub fn record_bytes(&self) -> Bytes {
        if self.tail.is_empty() {
            self.head.slice(HEADER_SIZE..)
        } else {
            self.tail.clone()
        }
    }

    /// The batch's bytes in order: one slice or two, the second empty when there is only one.
    pub fn chunks(&self) -> [Bytes; 2] {
        [self.head.clone(), self.tail.clone()]
    }

    /// The records' bytes, decompressed: at most 256 MiB.
    ///
    /// # Errors
    ///
    /// The codec is unknown, or its stream is broken or too long.
    pub(super) fn plain_records(&self) -> Result<Bytes, RecordError> {
        let codec = self.codec().map_err(RecordError::Codec)?;
        let bytes = self.record_bytes();
        if codec == Codec::None {
            return Ok(bytes);
        }
        let mut plain = Vec::new();
        let reader = codec.reader(&bytes).map_err(RecordError::Decompress)?;
        let read = reader.take(MAX_DECOMPRESSED + 1).read_to_end(&mut plain);
        match read.map_err(RecordError::Decompress)? as u64 {
            ..=MAX_DECOMPRESSED => Ok(plain.into()),
            _ => Err(RecordError::TooMuch),
        }
    }

    /// The records one by one, in [`plain_records`](Self::plain_records).
    ///
    /// # Errors
    ///
    /// One of them is malformed.
    pub(super) fn locate(&self, plain: &[u8]) -> Result<Vec<Located>, RecordError> {
        let append_time = match self.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(self.max_timestamp()),
        };
        let records = Records::new(
            Codec::None,
            plain,
            self.record_count(),
            self.base_timestamp(),
            append_time,
        )?;
        records.located().collect()
    }

    /// The batch with other records, compressed as said: the rest of its header stays.
    pub(super) fn with_records(&self, records: &[u8], codec: Codec, changed: &Rebuilt) -> Self {
        let mut bytes = BytesMut::with_capacity(HEADER_SIZE + records.len());
        bytes.extend_from_slice(&self.head[..HEADER_SIZE]);
        bytes.extend_from_slice(records);
        let length = (bytes.len() - LOG_OVERHEAD) as i32;
        let mut attributes =
            self.attributes() & (TRANSACTIONAL_MASK | CONTROL_MASK | TIMESTAMP_TYPE_MASK) | codec as i16;
        if changed.is_delete_horizon {
            attributes |= DELETE_HORIZON_MASK;
        }
        bytes[8..LEADER_EPOCH_AT].copy_from_slice(&length.to_be_bytes());
        bytes[ATTRIBUTES_AT..LAST_OFFSET_DELTA_AT].copy_from_slice(&attributes.to_be_bytes());
        bytes[BASE_TIMESTAMP_AT..MAX_TIMESTAMP_AT].copy_from_slice(&changed.base_timestamp.to_be_bytes());
        bytes[MAX_TIMESTAMP_AT..PRODUCER_ID_AT].copy_from_slice(&changed.max_timestamp.to_be_bytes());
        bytes[RECORD_COUNT_AT..HEADER_SIZE].copy_from_slice(&changed.count.to_be_bytes());
        let crc = crc32c::crc32c(&bytes[ATTRIBUTES_AT..]);
        bytes[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        Self {
            head: bytes.freeze(),
            tail: Bytes::new(),
        }
    }

    /// Walks the records, decompressing them as a stream.
    ///
    /// # Errors
    ///
    /// The codec is unknown, or its stream does not begin as one.
    pub fn records(&self) -> Result<Records<'_>, RecordError> {
        let bytes = if self.tail.is_empty() {
            &self.head[HEADER_SIZE..]
        } else {
            &self.tail[..]
        };
        let codec = self.codec().map_err(RecordError::Codec)?;
        let append_time = match self.timestamp_type() {
            TimestampType::CreateTime => None,
            TimestampType::LogAppendTime => Some(self.max_timestamp()),
        };
        Records::new(codec, bytes, self.record_count(), self.base_timestamp(), append_time)
    }

    /// The batch with another base offset and leader epoch, and, when `stamp` says so, other timestamps.
    ///
    /// The records' bytes are shared, never copied. The checksum covers neither offset nor epoch, so it is only
    /// computed again when the timestamp type or the maximum timestamp changes.
    pub(crate) fn rewritten(self, base_offset: i64, leader_epoch: i32, stamp: (TimestampType, i64)) -> Self {
        let (kind, max_timestamp) = stamp;
        let restamp = self.timestamp_type() != kind || self.max_timestamp() != max_timestamp;
        let (mut head, tail) = match self.head.try_into_mut() {
            Ok(head) => (head, self.tail),
            Err(mut shared) => {
                let header = BytesMut::from(&shared[..HEADER_SIZE]);
                shared.advance(HEADER_SIZE);
                (header, if shared.is_empty() { self.tail } else { shared })
            }
        };
        head[..8].copy_from_slice(&base_offset.to_be_bytes());
        head[LEADER_EPOCH_AT..MAGIC_AT].copy_from_slice(&leader_epoch.to_be_bytes());
        if restamp {
            let mut attributes = (&head[ATTRIBUTES_AT..]).get_i16() & KNOWN_ATTRIBUTES & !TIMESTAMP_TYPE_MASK;
            if kind == TimestampType::LogAppendTime {
                attributes |= TIMESTAMP_TYPE_MASK;
            }
            head[ATTRIBUTES_AT..LAST_OFFSET_DELTA_AT].copy_from_slice(&attributes.to_be_bytes());
            head[MAX_TIMESTAMP_AT..PRODUCER_ID_AT].copy_from_slice(&max_timestamp.to_be_bytes());
            let crc = crc32c::crc32c_append(crc32c::crc32c(&head[ATTRIBUTES_AT..]), &tail);
            head[CRC_AT..ATTRIBUTES_AT].copy_from_slice(&crc.to_be_bytes());
        }
        Self {
            head: head.freeze(),
            tail,
        }
    }
}
