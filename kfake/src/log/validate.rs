//! Whether a client's record bytes may be appended: `ProduceRequest.validateRecords`, then
//! `UnifiedLog.analyzeAndValidateRecords`, then `LogValidator`, in the order in which Apache Kafka asks.

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use thiserror::Error;

use super::batch::{
    self, ATTRIBUTES_AT, BatchError, HEADER_SIZE, NO_TIMESTAMP, RecordBatch, TimestampType, attributes_of, codec_bits,
    first_batch,
};
use super::compression::{Codec, Level};
use super::producers::Sequences;
use super::rebuild::{Shape, rebuild};
use super::records::{RecordError, RecordMeta};

/// What a topic's configuration asks of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// `max.message.bytes`: the largest batch, header included. Kafka's default is 1048588.
    pub max_message_bytes: usize,
    /// `segment.bytes`: a batch larger than a segment cannot be stored. Kafka's default is 1073741824.
    pub segment_bytes: usize,
    /// Whether `cleanup.policy` contains `compact`: then every record needs a key.
    pub compacted: bool,
    /// `message.timestamp.type`.
    pub timestamp_type: TimestampType,
    /// `message.timestamp.before.max.ms`: how far a record may lie in the past (KIP-937).
    pub timestamp_before_max_ms: i64,
    /// `message.timestamp.after.max.ms`: how far a record may lie in the future. Kafka's default is one hour.
    pub timestamp_after_max_ms: i64,
    /// `compression.type`: what every batch is compressed with; `None` leaves that to the producer.
    pub compression: Option<Codec>,
    /// `max.decompressed.message.bytes`: the largest record of a compressed batch. Kafka's default is 2147483639.
    pub max_decompressed_message_bytes: i32,
    /// `compression.gzip.level` and so on (KIP-390).
    pub level: Level,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            max_message_bytes: 1_048_588,
            segment_bytes: 1 << 30,
            compacted: false,
            timestamp_type: TimestampType::CreateTime,
            timestamp_before_max_ms: i64::MAX,
            timestamp_after_max_ms: 3_600_000,
            compression: None,
            max_decompressed_message_bytes: 2_147_483_639,
            level: Level::default(),
        }
    }
}

/// One record that its topic's configuration refuses, as Produce version 8 and up report it (KIP-467).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordRejection {
    /// Which record of the batch, counted from 0.
    pub batch_index: i32,
    /// Why.
    pub reason: Rejection,
}

/// Why a topic's configuration refuses a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rejection {
    /// A compacted topic takes no record without a key.
    NoKey,
    /// The timestamp is out of the range that the topic takes (KIP-937).
    OutOfRange {
        /// The record's timestamp.
        timestamp: i64,
        /// The record's offset delta.
        offset: i32,
        /// The earliest timestamp that is taken.
        oldest: i64,
        /// The latest.
        newest: i64,
    },
    /// A producer may not say that the log set the time.
    LogAppendTime(RecordMeta),
}

impl RecordRejection {
    /// What Apache Kafka says (`LogValidator`), in a batch for `partition`, a topic's name and a partition's number.
    pub fn message(&self, partition: &str) -> String {
        match self.reason {
            Rejection::NoKey => {
                format!("Compacted topic cannot accept message without key in topic partition {partition}")
            }
            Rejection::OutOfRange {
                timestamp,
                offset,
                oldest,
                newest,
            } => format!(
                "Timestamp {timestamp} of message with offset {offset} is out of range. The timestamp should be within [{oldest}, {newest}]"
            ),
            Rejection::LogAppendTime(record) => format!(
                "Invalid timestamp type in message DefaultRecord(offset={}, timestamp={}, key={} bytes, value={} bytes). Producer should not set timestamp type to LogAppendTime.",
                record.offset_delta, record.timestamp, record.sizes.0, record.sizes.1
            ),
        }
    }
}

/// Why a partition's record bytes were refused.
#[derive(Debug, Error)]
pub enum ValidateError {
    /// There is not one whole batch.
    #[error("a Produce request must hold a record batch for each partition")]
    NoBatch,
    /// The batch is of an older message format, which Produce requests from version 3 on may not hold.
    #[error("a Produce request may only hold batches of message format 2, not {0}")]
    Format(i8),
    /// What follows the batch is the beginning of none.
    #[error("what follows the batch: {0}")]
    Second(BatchError),
    /// There is more than one batch.
    #[error("a Produce request may only hold one record batch for each partition")]
    SeveralBatches,
    /// The bytes are no sequence of batches.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// The batch is so short that its producer id is missing.
    #[error("the batch of {0} bytes ends inside its header")]
    Header(usize),
    /// Zstandard came with a Produce version before 7 (KIP-110).
    #[error("Produce version {0} may not use zstd")]
    Zstd(i16),
    /// The attribute bits name no codec, which a Produce version before 7 has to ask for zstd's sake.
    #[error("the attributes name the unknown codec {0}")]
    UnknownCodec(u8),
    /// The batch is larger than `max.message.bytes`.
    #[error("the batch of {size} bytes is larger than max.message.bytes ({max})")]
    TooLarge {
        /// The batch's size.
        size: usize,
        /// The topic's limit.
        max: usize,
    },
    /// The batch is shorter than its header.
    #[error("the batch of {0} bytes is shorter than a header")]
    Short(usize),
    /// The checksum does not match.
    #[error("the stored checksum {stored:#010x} is not the computed {computed:#010x}")]
    Checksum {
        /// What the header says.
        stored: u32,
        /// What the bytes say.
        computed: u32,
    },
    /// A client may not choose offsets.
    #[error("the base offset must be 0, not {0}")]
    BaseOffset(i64),
    /// The record count is not positive, or is not what the offsets span.
    #[error("the header counts {count} records and spans {span} offsets")]
    Count {
        /// The record count.
        count: i32,
        /// Last offset delta plus one.
        span: i64,
    },
    /// A client may not write transaction markers.
    #[error("clients may not write control records")]
    Control,
    /// A batch with a producer id needs a sequence number.
    #[error("producer {producer_id} sent the sequence number {sequence}")]
    Sequence {
        /// The producer's id.
        producer_id: i64,
        /// The negative sequence number.
        sequence: i32,
    },
    /// What is compressed anew is written as by a producer, whom this batch lacks (`MemoryRecordsBuilder.validateProducerState`).
    #[error("the batch has no producer, or no epoch of it, and cannot be written again")]
    Producer,
    /// The records cannot be read.
    #[error(transparent)]
    Records(#[from] RecordError),
    /// A compressed record's offset is not its place in the batch.
    #[error("compressed record {index} has the offset delta {delta}")]
    OffsetDelta {
        /// The record's place.
        index: i32,
        /// Its offset delta.
        delta: i32,
    },
    /// The batch is larger than a log segment.
    #[error("the batch of {size} bytes is larger than segment.bytes ({max})")]
    LargerThanSegment {
        /// The batch's size.
        size: usize,
        /// The topic's limit.
        max: usize,
    },
    /// The topic's configuration refuses some records.
    #[error("the topic's configuration refuses {} records", .rejections.len())]
    Rejected {
        /// Whether one of them was refused for its timestamp.
        timestamp: bool,
        /// Each refused record.
        rejections: Vec<RecordRejection>,
    },
}

/// How many refused records a message shows.
const SHOWN_REJECTIONS: usize = 3;

impl ValidateError {
    /// The error code that a Produce response carries.
    ///
    /// `UNKNOWN_SERVER_ERROR` is no oversight: it is what Apache Kafka 4.4 answers where its parser or its
    /// decompressor throws something that is no Kafka error.
    pub fn code(&self) -> ResponseError {
        match self {
            Self::Batch(BatchError::Overflow(_))
            | Self::Header(_)
            | Self::UnknownCodec(_)
            | Self::OffsetDelta { .. }
            | Self::Producer
            | Self::Records(RecordError::Length | RecordError::Codec(_) | RecordError::Decompress(_)) => {
                ResponseError::UnknownServerError
            }
            Self::Second(BatchError::Overflow(_)) => ResponseError::UnknownServerError,
            Self::Batch(_) | Self::Second(_) | Self::Short(_) | Self::Checksum { .. } => ResponseError::CorruptMessage,
            Self::Zstd(_) => ResponseError::UnsupportedCompressionType,
            Self::TooLarge { .. } => ResponseError::MessageTooLarge,
            Self::LargerThanSegment { .. } => ResponseError::RecordListTooLarge,
            Self::Rejected { timestamp: true, .. } => ResponseError::InvalidTimestamp,
            Self::NoBatch
            | Self::Format(_)
            | Self::SeveralBatches
            | Self::BaseOffset(_)
            | Self::Count { .. }
            | Self::Control
            | Self::Sequence { .. }
            | Self::Records(_)
            | Self::Rejected { .. } => ResponseError::InvalidRecord,
        }
    }

    /// Whether the Produce response names the log start offset beside this error: it does once the log itself
    /// has judged the batch (`ReplicaManager.appendRecordsToLeader`), -1 before that.
    pub fn names_log_start(&self) -> bool {
        !matches!(
            self,
            Self::NoBatch
                | Self::Format(_)
                | Self::SeveralBatches
                | Self::Batch(_)
                | Self::Second(_)
                | Self::Header(_)
                | Self::Zstd(_)
                | Self::UnknownCodec(_)
                | Self::TooLarge { .. }
                | Self::LargerThanSegment { .. }
                | Self::Short(_)
                | Self::Checksum { .. }
        )
    }

    /// What Apache Kafka says beside the error code, of a batch for `partition`; it leaves most errors to the code.
    pub fn explanation(&self, partition: &str) -> Option<String> {
        match self {
            Self::Batch(error @ (BatchError::Length(_) | BatchError::Magic(_))) => Some(error.to_string()),
            // `LogValidator.processRecordErrors`.
            Self::Rejected { timestamp: true, .. } => {
                Some("One or more records have been rejected due to invalid timestamp".to_owned())
            }
            Self::Rejected { rejections, .. } => {
                let shown = rejections.iter().take(SHOWN_REJECTIONS).map(|rejection| {
                    let message = rejection.message(partition);
                    format!("RecordError(batchIndex={}, message='{message}')", rejection.batch_index)
                });
                Some(format!(
                    "One or more records have been rejected due to {} record errors in total, and only showing the first three errors at most: [{}]",
                    rejections.len(),
                    shown.collect::<Vec<_>>().join(", ")
                ))
            }
            _ => None,
        }
    }

    /// The refused records, where the topic's configuration refused some.
    pub fn rejections(&self) -> &[RecordRejection] {
        match self {
            Self::Rejected { rejections, .. } => rejections,
            _ => &[],
        }
    }
}

/// A batch that may be appended: what [`Rules::validate`] makes of a client's bytes.
#[derive(Debug)]
pub struct ValidBatch {
    pub(super) batch: RecordBatch,
    /// The timestamp type and the maximum timestamp that the stored header will have.
    pub(super) stamp: (TimestampType, i64),
    /// When the batch was judged, in milliseconds since 1970.
    pub(super) now_ms: i64,
}

impl ValidBatch {
    /// How many records the batch holds: at least one.
    pub fn record_count(&self) -> i32 {
        self.batch.record_count()
    }

    /// The batch's size in bytes.
    pub fn size(&self) -> usize {
        self.batch.size()
    }

    /// Whether the batch belongs to a transaction. The log does not judge that; its caller must.
    pub fn is_transactional(&self) -> bool {
        self.batch.is_transactional()
    }

    /// The idempotent producer's claim, if one wrote the batch.
    pub fn sequences(&self) -> Option<Sequences> {
        self.batch.has_producer_id().then(|| Sequences {
            producer_id: self.batch.producer_id(),
            epoch: self.batch.producer_epoch(),
            first: self.batch.base_sequence(),
            last: self.batch.last_sequence(),
        })
    }
}

impl Rules {
    /// Judges the record bytes of one partition of a Produce request of version `version`, at `now_ms`.
    ///
    /// Bytes after the first batch that hold no whole second one are dropped, as Apache Kafka drops them.
    ///
    /// Every record is walked, compressed ones too: as in Apache Kafka, the declared count, the keys of a compacted
    /// topic and the timestamps are checked against the records themselves, and the stored maximum timestamp is the
    /// walked one. A walk allocates nothing for uncompressed records and costs about 20 ns each; compressed ones cost
    /// what their decompression does, which `benches/log.rs` finds to be a few times the checksum.
    ///
    /// # Errors
    ///
    /// Apache Kafka would refuse the bytes; [`ValidateError::code`] is the code it gives. Two things it does not refuse:
    /// records that decompress to more than 256 MiB, and a Snappy block whose claim no Snappy stream can keep.
    pub fn validate(&self, mut records: Bytes, version: i16, now_ms: i64) -> Result<ValidBatch, ValidateError> {
        records.truncate(single_batch(&records, version)?);
        let size = records.len();
        let base_offset = i64::from_be_bytes(*records.first_chunk().ok_or(ValidateError::NoBatch)?);
        if base_offset != 0 {
            return Err(ValidateError::BaseOffset(base_offset));
        }
        if size > self.max_message_bytes {
            return Err(ValidateError::TooLarge {
                size,
                max: self.max_message_bytes,
            });
        }
        if size < HEADER_SIZE {
            return Err(ValidateError::Short(size));
        }
        let batch = RecordBatch::parse(records).ok_or(ValidateError::NoBatch)?;
        let (stored, computed) = (batch.crc(), batch.computed_crc());
        if stored != computed {
            return Err(ValidateError::Checksum { stored, computed });
        }
        let codec = batch.codec().map_err(RecordError::Codec)?;
        check_header(&batch)?;
        let target = self.compression.unwrap_or(codec);
        let (batch, walked_max) = match target == codec {
            true => {
                let walked_max = self.check_records(&batch, codec, now_ms)?;
                (batch, walked_max)
            }
            false => self.recompress(&batch, target, now_ms)?,
        };
        let size = batch.size();
        if size > self.max_message_bytes {
            return Err(ValidateError::TooLarge {
                size,
                max: self.max_message_bytes,
            });
        }
        if size > self.segment_bytes {
            return Err(ValidateError::LargerThanSegment {
                size,
                max: self.segment_bytes,
            });
        }
        let stamp = match self.timestamp_type {
            TimestampType::CreateTime => (TimestampType::CreateTime, walked_max),
            TimestampType::LogAppendTime => (TimestampType::LogAppendTime, now_ms),
        };
        Ok(ValidBatch { batch, stamp, now_ms })
    }

    /// Whether [`validate`](Self::validate) compresses these records anew: work that takes its time.
    pub fn recompresses(&self, records: &[u8]) -> bool {
        let attributes = records.get(ATTRIBUTES_AT..ATTRIBUTES_AT + 2);
        let codec = attributes.map(|bits| Codec::from_bits(codec_bits(i16::from(bits[1]))));
        self.compression.is_some_and(|target| codec != Some(Ok(target)))
    }

    /// The batch compressed as the topic wants it, and its records' largest timestamp
    /// (`LogValidator.buildRecordsAndAssignOffsets`). Records whose offsets are not their places are put right.
    fn recompress(&self, batch: &RecordBatch, target: Codec, now_ms: i64) -> Result<(RecordBatch, i64), ValidateError> {
        let plain = batch.plain_records()?;
        let mut records = batch.locate(&plain)?;
        // As if nothing were compressed: what is misplaced does not matter.
        let walked_max = self.check_records(batch, Codec::None, now_ms)?;
        let lacks_producer = match batch.has_producer_id() {
            true => batch.producer_epoch() < 0,
            false => batch.is_transactional(),
        };
        if lacks_producer {
            return Err(ValidateError::Producer);
        }
        for (record, place) in records.iter_mut().zip(0..) {
            record.offset_delta = place;
        }
        let shape = Shape {
            codec: target,
            level: self.level,
            delete_horizon_ms: None,
        };
        Ok((rebuild(batch, &plain, &records, &shape)?, walked_max))
    }

    /// Walks the records: their largest timestamp (`LogValidator.validateRecord`).
    fn check_records(&self, batch: &RecordBatch, codec: Codec, now_ms: i64) -> Result<i64, ValidateError> {
        let mut max_timestamp = NO_TIMESTAMP;
        let mut misplaced = None;
        let mut rejections = Vec::new();
        let mut for_timestamp = false;
        let records = batch.records()?.at_most(self.max_decompressed_message_bytes);
        for (record, index) in records.zip(0..) {
            let record = record?;
            if self.compacted && !record.has_key {
                rejections.push(RecordRejection {
                    batch_index: index,
                    reason: Rejection::NoKey,
                });
            } else if let Some(reason) = self.timestamp_fault(batch, record, now_ms) {
                rejections.push(RecordRejection {
                    batch_index: index,
                    reason,
                });
                for_timestamp = true;
            } else if codec != Codec::None && record.offset_delta != index && misplaced.is_none() {
                misplaced = Some(ValidateError::OffsetDelta {
                    index,
                    delta: record.offset_delta,
                });
            }
            max_timestamp = max_timestamp.max(record.timestamp);
        }
        if !rejections.is_empty() {
            return Err(ValidateError::Rejected {
                timestamp: for_timestamp,
                rejections,
            });
        }
        // Uncompressed records may have any offset delta: Apache Kafka does not look at it. Compressed ones it
        // tries to rebuild, and fails.
        misplaced.map_or(Ok(max_timestamp), Err)
    }

    /// `LogValidator.validateTimestamp`, where a batch that claims to be stamped by the broker passes when the
    /// claimed time does.
    fn timestamp_fault(&self, batch: &RecordBatch, record: RecordMeta, now_ms: i64) -> Option<Rejection> {
        let timestamp = record.timestamp;
        if self.timestamp_type == TimestampType::CreateTime && timestamp != NO_TIMESTAMP {
            let age = now_ms.wrapping_sub(timestamp);
            let (before, after) = (self.timestamp_before_max_ms, self.timestamp_after_max_ms);
            (age > before || age.wrapping_neg() > after).then(|| Rejection::OutOfRange {
                timestamp,
                offset: record.offset_delta,
                oldest: now_ms.saturating_sub(before),
                newest: now_ms.saturating_add(after),
            })
        } else {
            (batch.timestamp_type() == TimestampType::LogAppendTime).then_some(Rejection::LogAppendTime(record))
        }
    }
}

/// What can be said of a partition's record bytes before it is known whether the partition takes them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// Whether the batch belongs to a transaction.
    pub transactional: bool,
    /// The producer's id; -1 when there is none.
    pub producer_id: i64,
    /// The producer's epoch; -1 when there is none.
    pub producer_epoch: i16,
    /// The sequence number of the first record; -1 when there is none.
    pub base_sequence: i32,
}

/// Whether the first batch of `records` belongs to a transaction. Constant time, and no other question.
///
/// # Errors
///
/// The bytes cannot be the beginning of a batch.
pub fn begins_transactional(records: &[u8]) -> Result<bool, BatchError> {
    let first = first_batch(records)?.filter(|(_, magic)| *magic == 2);
    Ok(first.is_some_and(|(size, _)| batch::is_transactional(attributes_of(&records[..size]))))
}

/// Checks that `records`, of a Produce request of version `version`, are one batch of message format 2.
///
/// Apache Kafka asks this first, before it looks for the partition's leader. It takes constant time.
///
/// # Errors
///
/// They are not. [`Rules::validate`] would say the same.
pub fn check_envelope(records: &[u8], version: i16) -> Result<Envelope, ValidateError> {
    let size = single_batch(records, version)?;
    Ok(Envelope {
        transactional: batch::is_transactional(attributes_of(&records[..size])),
        ..batch::producer_of(&records[..size])
    })
}

/// The size of the only batch in `records` (`ProduceRequest.validateRecords`).
fn single_batch(records: &[u8], version: i16) -> Result<usize, ValidateError> {
    let (size, magic) = first_batch(records)?.ok_or(ValidateError::NoBatch)?;
    let (first, rest) = records.split_at(size);
    if magic != 2 {
        return Err(ValidateError::Format(magic));
    }
    if version < 7 {
        match Codec::from_bits(codec_bits(attributes_of(first))) {
            Ok(Codec::Zstd) => return Err(ValidateError::Zstd(version)),
            Ok(_) => {}
            Err(bits) => return Err(ValidateError::UnknownCodec(bits)),
        }
    }
    if first_batch(rest).map_err(ValidateError::Second)?.is_some() {
        return Err(ValidateError::SeveralBatches);
    }
    if !batch::holds_producer_id(first) {
        return Err(ValidateError::Header(size));
    }
    Ok(size)
}

/// `LogValidator.validateBatch` for a client's append.
fn check_header(batch: &RecordBatch) -> Result<(), ValidateError> {
    let (count, span) = (batch.record_count(), i64::from(batch.last_offset_delta()) + 1);
    if count <= 0 || i64::from(count) != span {
        return Err(ValidateError::Count { count, span });
    }
    if batch.is_control() {
        return Err(ValidateError::Control);
    }
    if batch.has_producer_id() && batch.base_sequence() < 0 {
        let (producer_id, sequence) = (batch.producer_id(), batch.base_sequence());
        return Err(ValidateError::Sequence { producer_id, sequence });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
