//! Record batches for this room's tests, right ones and wrong ones.

use std::io::Write;

use bytes::Bytes;

use super::compression::Codec;

/// `value` as a zigzag varint.
pub(crate) fn varint(value: i64) -> Vec<u8> {
    let mut left = ((value << 1) ^ (value >> 63)) as u64;
    let mut out = Vec::new();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out
}

/// One record without headers.
pub(crate) fn record(offset_delta: i64, timestamp_delta: i64, key: Option<&[u8]>, value: &[u8]) -> Vec<u8> {
    let mut body = vec![0];
    body.extend(varint(timestamp_delta));
    body.extend(varint(offset_delta));
    body.extend(varint(key.map_or(-1, |key| key.len() as i64)));
    body.extend(key.unwrap_or_default());
    body.extend(varint(value.len() as i64));
    body.extend(value);
    body.extend(varint(0));
    [varint(body.len() as i64), body].concat()
}

/// `data` compressed as the Java client does.
pub(crate) fn compress(codec: Codec, data: &[u8]) -> Vec<u8> {
    match codec {
        Codec::None => data.to_vec(),
        Codec::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(data).unwrap();
            encoder.finish().unwrap()
        }
        Codec::Snappy => {
            let mut out = b"\x82SNAPPY\0\0\0\0\x01\0\0\0\x01".to_vec();
            for block in data.chunks(32 * 1024) {
                let block = snap::raw::Encoder::new().compress_vec(block).unwrap();
                out.extend((block.len() as u32).to_be_bytes());
                out.extend(block);
            }
            out
        }
        Codec::Lz4 => {
            let mut encoder = lz4::EncoderBuilder::new().build(Vec::new()).unwrap();
            encoder.write_all(data).unwrap();
            let (out, finished) = encoder.finish();
            finished.unwrap();
            out
        }
        Codec::Zstd => zstd::encode_all(data, 1).unwrap(),
    }
}

/// A batch under construction: right unless a field says otherwise.
#[derive(Debug, Clone)]
pub(crate) struct BatchSpec {
    pub(crate) records: Vec<Vec<u8>>,
    /// Instead of the records' own bytes.
    pub(crate) raw: Option<Vec<u8>>,
    pub(crate) base_offset: i64,
    pub(crate) length: Option<i32>,
    pub(crate) leader_epoch: i32,
    pub(crate) magic: i8,
    pub(crate) crc: Option<u32>,
    pub(crate) attributes: i16,
    pub(crate) last_offset_delta: Option<i32>,
    pub(crate) base_timestamp: i64,
    pub(crate) max_timestamp: i64,
    pub(crate) producer_id: i64,
    pub(crate) producer_epoch: i16,
    pub(crate) base_sequence: i32,
    pub(crate) count: Option<i32>,
}

impl BatchSpec {
    /// A batch of `records`, stamped `now`.
    pub(crate) fn new(records: Vec<Vec<u8>>, now: i64) -> Self {
        Self {
            records,
            raw: None,
            base_offset: 0,
            length: None,
            leader_epoch: -1,
            magic: 2,
            crc: None,
            attributes: 0,
            last_offset_delta: None,
            base_timestamp: now,
            max_timestamp: now,
            producer_id: -1,
            producer_epoch: -1,
            base_sequence: -1,
            count: None,
        }
    }

    /// A batch whose records have these timestamps.
    pub(crate) fn stamped(timestamps: &[i64]) -> Self {
        let records = timestamps
            .iter()
            .zip(0..)
            .map(|(time, nth)| record(nth, *time, None, b"v"))
            .collect();
        let mut spec = Self::new(records, 0);
        spec.max_timestamp = timestamps.iter().copied().max().unwrap_or(-1);
        spec
    }

    /// The same batch with its records compressed.
    pub(crate) fn compressed(mut self, codec: Codec) -> Self {
        self.attributes |= codec as i16;
        self.raw = Some(compress(codec, &self.raw.unwrap_or_else(|| self.records.concat())));
        self
    }

    pub(crate) fn bytes(&self) -> Bytes {
        let count = self.records.len() as i32;
        let mut covered = Vec::new();
        covered.extend(self.attributes.to_be_bytes());
        covered.extend(self.last_offset_delta.unwrap_or(count - 1).to_be_bytes());
        covered.extend(self.base_timestamp.to_be_bytes());
        covered.extend(self.max_timestamp.to_be_bytes());
        covered.extend(self.producer_id.to_be_bytes());
        covered.extend(self.producer_epoch.to_be_bytes());
        covered.extend(self.base_sequence.to_be_bytes());
        covered.extend(self.count.unwrap_or(count).to_be_bytes());
        covered.extend(self.raw.clone().unwrap_or_else(|| self.records.concat()));
        let mut out = Vec::new();
        out.extend(self.base_offset.to_be_bytes());
        out.extend(self.length.unwrap_or(covered.len() as i32 + 9).to_be_bytes());
        out.extend(self.leader_epoch.to_be_bytes());
        out.extend(self.magic.to_be_bytes());
        out.extend(self.crc.unwrap_or_else(|| crc32c::crc32c(&covered)).to_be_bytes());
        out.extend(covered);
        out.into()
    }
}
