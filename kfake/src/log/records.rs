//! The records of a batch, walked without being copied: what validation and lookups by time need of each.

use std::io::{self, BufRead};
use std::ops::Range;

use thiserror::Error;

use super::compression::Codec;

/// How many bytes a batch may decompress to: a compressed batch of the default `max.message.bytes` (1 MiB) may
/// expand 256-fold. Apache Kafka has no such limit; without one, a request of a megabyte keeps a core busy for a minute.
pub(crate) const MAX_DECOMPRESSED: u64 = 256 << 20;

/// What a walk tells of one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecordMeta {
    /// Relative to the batch's base offset.
    pub offset_delta: i32,
    /// In milliseconds: the record's own, or the batch's maximum when the broker set it.
    pub timestamp: i64,
    /// Whether the record has a key.
    pub has_key: bool,
    /// The key's and the value's size in bytes; 0 where there is none.
    pub sizes: (i32, i32),
}

/// Where in a batch's uncompressed records one of them lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Located {
    pub offset_delta: i32,
    /// As [`RecordMeta::timestamp`].
    pub timestamp: i64,
    pub key: Option<Range<usize>>,
    pub has_value: bool,
    /// The record from its key's length to its end.
    pub rest: Range<usize>,
}

/// Why a batch's records cannot be read.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The records end before the last one does, or more follow than the header counts.
    #[error("the records' bytes do not hold exactly the {0} records that the header counts")]
    Count(i32),
    /// A record's length is no varint.
    #[error("a record's length is not a varint")]
    Length,
    /// A record's fields do not fill its length, or one of them cannot be.
    #[error("a record is malformed: {0}")]
    Malformed(&'static str),
    /// The attribute bits name no codec.
    #[error("the attributes name the unknown codec {0}")]
    Codec(u8),
    /// The compressed stream is broken.
    #[error("the records cannot be decompressed: {0}")]
    Decompress(#[source] io::Error),
    /// The records cannot be compressed again.
    #[error("the records cannot be compressed: {0}")]
    Compress(#[source] io::Error),
    /// A compressed record is larger than the topic takes.
    #[error("a record of {size} bytes is larger than max.decompressed.message.bytes ({max})")]
    TooLarge {
        /// The record's size, without that of its length.
        size: i32,
        /// The topic's limit.
        max: i32,
    },
    /// The compressed stream goes on beyond what a broker should have to read.
    #[error("the records decompress to more than {MAX_DECOMPRESSED} bytes")]
    TooMuch,
}

/// Where records are read from: bytes in memory, or a stream that decompresses.
enum Source<'a> {
    Plain { bytes: &'a [u8], at: usize },
    Stream { reader: Box<dyn BufRead + 'a>, at: u64 },
}

/// Why a field could not be read.
enum FieldError {
    End,
    Varint,
    Io(io::Error),
    TooMuch,
}

impl Source<'_> {
    fn byte(&mut self) -> Result<u8, FieldError> {
        match self {
            Self::Plain { bytes, at } => {
                let byte = *bytes.get(*at).ok_or(FieldError::End)?;
                *at += 1;
                Ok(byte)
            }
            Self::Stream { reader, at } => {
                let byte = *reader
                    .fill_buf()
                    .map_err(FieldError::Io)?
                    .first()
                    .ok_or(FieldError::End)?;
                reader.consume(1);
                advance(at, 1)?;
                Ok(byte)
            }
        }
    }

    /// Skips `length` bytes; none when it is negative, which stands for null.
    fn skip(&mut self, length: i32) -> Result<(), FieldError> {
        let Ok(mut left) = usize::try_from(length) else {
            return Ok(());
        };
        match self {
            Self::Plain { bytes, at } => {
                if left > bytes.len() - *at {
                    return Err(FieldError::End);
                }
                *at += left;
            }
            Self::Stream { reader, at } => {
                while left > 0 {
                    let step = reader.fill_buf().map_err(FieldError::Io)?.len().min(left);
                    if step == 0 {
                        return Err(FieldError::End);
                    }
                    reader.consume(step);
                    advance(at, step)?;
                    left -= step;
                }
            }
        }
        Ok(())
    }

    /// How many bytes have been read; meant for bytes in memory.
    fn position(&self) -> usize {
        match self {
            Self::Plain { at, .. } => *at,
            Self::Stream { at, .. } => *at as usize,
        }
    }

    fn at_end(&mut self) -> Result<bool, FieldError> {
        match self {
            Self::Plain { bytes, at } => Ok(*at == bytes.len()),
            Self::Stream { reader, .. } => Ok(reader.fill_buf().map_err(FieldError::Io)?.is_empty()),
        }
    }

    fn varint(&mut self) -> Result<i32, FieldError> {
        let raw = self.unsigned(5)? as u32;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn varlong(&mut self) -> Result<i64, FieldError> {
        let raw = self.unsigned(10)?;
        Ok((raw >> 1).cast_signed() ^ -(raw & 1).cast_signed())
    }

    fn unsigned(&mut self, longest: u32) -> Result<u64, FieldError> {
        let mut value = 0u64;
        for nth in 0..longest {
            let byte = self.byte()?;
            value |= u64::from(byte & 0x7f) << (7 * nth);
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(FieldError::Varint)
    }
}

fn advance(at: &mut u64, by: usize) -> Result<(), FieldError> {
    *at += by as u64;
    if *at > MAX_DECOMPRESSED {
        Err(FieldError::TooMuch)
    } else {
        Ok(())
    }
}

/// A walk over a batch's records, in order. It ends after the first error.
///
/// Uncompressed records are checked as `DefaultRecord.readFrom` checks them, compressed ones as
/// `DefaultRecord.readPartiallyFrom` does, which trusts a record's length field; Apache Kafka validates with these two.
/// Nothing is allocated by a length that the bytes claim.
pub struct Records<'a> {
    source: Source<'a>,
    count: i32,
    left: i32,
    base_timestamp: i64,
    append_time: Option<i64>,
    /// Where the last record's key lies, whether it has a value, and where its key's length is.
    key: Range<usize>,
    has_value: bool,
    rest_from: usize,
    /// The largest record, where they are compressed.
    largest: i32,
}

impl<'a> Records<'a> {
    pub(crate) fn new(
        codec: Codec,
        bytes: &'a [u8],
        count: i32,
        base_timestamp: i64,
        append_time: Option<i64>,
    ) -> Result<Self, RecordError> {
        let source = match codec {
            Codec::None => Source::Plain { bytes, at: 0 },
            compressed => Source::Stream {
                reader: compressed.reader(bytes).map_err(RecordError::Decompress)?,
                at: 0,
            },
        };
        Ok(Self {
            source,
            count,
            left: count,
            base_timestamp,
            append_time,
            key: 0..0,
            has_value: false,
            rest_from: 0,
            largest: i32::MAX,
        })
    }

    /// Refuses compressed records that are larger than this (`max.decompressed.message.bytes`).
    pub(super) fn at_most(mut self, largest: i32) -> Self {
        self.largest = largest;
        self
    }

    /// The records' places instead of what they are. Only for uncompressed ones.
    pub(super) fn located(mut self) -> impl Iterator<Item = Result<Located, RecordError>> + use<'a> {
        std::iter::from_fn(move || {
            let next = self.next()?;
            Some(next.map(|record| Located {
                offset_delta: record.offset_delta,
                timestamp: record.timestamp,
                key: record.has_key.then(|| self.key.clone()),
                has_value: self.has_value,
                rest: self.rest_from..self.source.position(),
            }))
        })
    }

    fn read(&mut self) -> Result<RecordMeta, RecordError> {
        let size = self.source.varint().map_err(|error| match error {
            FieldError::Varint => RecordError::Length,
            other => self.broken(other),
        })?;
        let start = match &self.source {
            Source::Plain { bytes, at } => {
                // A negative size passes here and fails below, where it does not match what was read.
                if usize::try_from(size).is_ok_and(|size| size > bytes.len() - at) {
                    return Err(RecordError::Malformed("it is longer than the batch"));
                }
                Some(*at)
            }
            Source::Stream { .. } if size > self.largest => {
                return Err(RecordError::TooLarge {
                    size,
                    max: self.largest,
                });
            }
            Source::Stream { .. } => None,
        };
        let record = self.fields().map_err(|error| self.broken(error))??;
        if let (Some(start), Source::Plain { at, .. }) = (start, &self.source)
            && i64::try_from(at - start) != Ok(i64::from(size))
        {
            return Err(RecordError::Malformed("its fields do not fill its length"));
        }
        if self.left == 1 && !self.source.at_end().map_err(|error| self.broken(error))? {
            return Err(RecordError::Count(self.count));
        }
        Ok(record)
    }

    /// The fields after a record's length.
    fn fields(&mut self) -> Result<Result<RecordMeta, RecordError>, FieldError> {
        let source = &mut self.source;
        let _attributes = source.byte()?;
        let timestamp_delta = source.varlong()?;
        let offset_delta = source.varint()?;
        self.rest_from = source.position();
        let key = source.varint()?;
        let key_from = source.position();
        source.skip(key)?;
        self.key = key_from..source.position();
        let value = source.varint()?;
        self.has_value = value >= 0;
        source.skip(value)?;
        let headers = source.varint()?;
        if headers < 0 {
            return Ok(Err(RecordError::Malformed("its header count is negative")));
        }
        for _ in 0..headers {
            let name = source.varint()?;
            if name < 0 {
                return Ok(Err(RecordError::Malformed("a header has no name")));
            }
            source.skip(name)?;
            let value = source.varint()?;
            source.skip(value)?;
        }
        let timestamp = self
            .append_time
            .unwrap_or(self.base_timestamp.wrapping_add(timestamp_delta));
        Ok(Ok(RecordMeta {
            offset_delta,
            timestamp,
            has_key: key >= 0,
            sizes: (key.max(0), value.max(0)),
        }))
    }

    fn broken(&self, error: FieldError) -> RecordError {
        match error {
            FieldError::End => RecordError::Count(self.count),
            FieldError::Varint => RecordError::Malformed("a varint is too long"),
            FieldError::Io(error) => RecordError::Decompress(error),
            FieldError::TooMuch => RecordError::TooMuch,
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Result<RecordMeta, RecordError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        let record = self.read();
        self.left = if record.is_ok() { self.left - 1 } else { 0 };
        Some(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::testing::{compress, record, varint};

    fn walk(codec: Codec, bytes: &[u8], count: i32) -> Result<Vec<RecordMeta>, RecordError> {
        Records::new(codec, bytes, count, 1_000, None)?.collect()
    }

    fn fault(codec: Codec, bytes: &[u8], count: i32) -> String {
        walk(codec, bytes, count)
            .expect_err("the records are broken")
            .to_string()
    }

    #[test]
    fn a_walk_tells_each_records_offset_timestamp_and_key() {
        let bytes = [record(0, 5, Some(b"k"), b"v"), record(1, -3, None, b"w")].concat();
        for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
            let packed = if codec == Codec::None {
                bytes.clone()
            } else {
                compress(codec, &bytes)
            };
            let expected = [
                RecordMeta {
                    offset_delta: 0,
                    timestamp: 1_005,
                    has_key: true,
                    sizes: (1, 1),
                },
                RecordMeta {
                    offset_delta: 1,
                    timestamp: 997,
                    has_key: false,
                    sizes: (0, 1),
                },
            ];
            assert_eq!(walk(codec, &packed, 2).unwrap(), expected, "{codec:?}");
        }
    }

    #[test]
    fn too_few_and_too_many_records_are_told() {
        let bytes = [record(0, 0, None, b""), record(1, 0, None, b"")].concat();
        for (codec, packed) in [
            (Codec::None, bytes.clone()),
            (Codec::Gzip, compress(Codec::Gzip, &bytes)),
        ] {
            for count in [1, 3] {
                let expected = RecordError::Count(count).to_string();
                assert_eq!(fault(codec, &packed, count), expected, "{codec:?}");
            }
        }
    }

    #[test]
    fn a_record_whose_fields_do_not_fill_its_length_is_malformed() {
        let mut short = record(0, 0, Some(b"k"), b"v");
        short[0] -= 2;
        short.extend(record(1, 0, None, b""));
        assert!(fault(Codec::None, &short, 2).contains("do not fill"));
        let mut negative = record(0, 0, Some(b"k"), b"v");
        negative[0] = 1;
        assert!(fault(Codec::None, &negative, 1).contains("do not fill"));
        let mut long = record(0, 0, Some(b"k"), b"v");
        long[0] += 2;
        assert!(fault(Codec::None, &long, 1).contains("longer than the batch"));
    }

    #[test]
    fn a_compressed_records_length_field_is_trusted_as_apache_kafka_does() {
        let mut bytes = record(0, 0, Some(b"k"), b"v");
        bytes[0] -= 2;
        assert_eq!(walk(Codec::Gzip, &compress(Codec::Gzip, &bytes), 1).unwrap().len(), 1);
    }

    #[test]
    fn varints_that_do_not_end_are_told_apart_from_a_length_that_does_not() {
        assert!(matches!(walk(Codec::None, &[0xff; 10], 1), Err(RecordError::Length)));
        let inner = [vec![24, 0], vec![0xff; 11]].concat();
        assert!(fault(Codec::None, &inner, 1).contains("too long"));
    }

    #[test]
    fn headers_are_walked_and_their_faults_told() {
        let fields = |headers: &[u8]| {
            let body = [&[0, 0, 0, 1, 1][..], headers].concat();
            [varint(body.len() as i64), body].concat()
        };
        // One header: name "h", value null.
        assert_eq!(walk(Codec::None, &fields(&[2, 2, b'h', 1]), 1).unwrap().len(), 1);
        assert!(fault(Codec::None, &fields(&[1]), 1).contains("count is negative"));
        assert!(fault(Codec::None, &fields(&[2, 1, 1]), 1).contains("no name"));
        assert_eq!(
            fault(Codec::None, &fields(&[4, 2, b'h', 1]), 1),
            RecordError::Count(1).to_string()
        );
    }

    #[test]
    fn a_compressed_bomb_is_left_alone_at_the_limit() {
        let size = MAX_DECOMPRESSED as i64 + 100;
        let mut bomb = Vec::new();
        {
            use std::io::Write;
            let mut encoder = zstd::stream::write::Encoder::new(&mut bomb, 1).unwrap();
            encoder
                .write_all(&[varint(size), vec![0, 0, 0, 1], varint(size)].concat())
                .unwrap();
            let zeros = vec![0u8; 1 << 20];
            for _ in 0..=(MAX_DECOMPRESSED >> 20) {
                encoder.write_all(&zeros).unwrap();
            }
            encoder.finish().unwrap();
        }
        assert!(bomb.len() < 1 << 20, "a bomb fits a request: {} bytes", bomb.len());
        assert!(matches!(walk(Codec::Zstd, &bomb, 1), Err(RecordError::TooMuch)));
    }
}
