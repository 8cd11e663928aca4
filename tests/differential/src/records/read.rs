//! From an answer's record bytes to a tree.

use super::compress::decompress;
use super::{CODECS, CRC_AT, HEADER, LENGTH_FROM};
use crate::tree::{Field, Value};

/// Every batch of some record bytes. What is no whole batch stands at the end, as bytes.
pub fn batches(mut bytes: &[u8]) -> Value {
    let mut list = Vec::new();
    while bytes.len() >= HEADER && bytes[16] == 2 {
        let length = i32::from_be_bytes(at(bytes, 8));
        let Ok(length) = usize::try_from(length) else { break };
        let Some((batch, rest)) = bytes.split_at_checked(length.saturating_add(LENGTH_FROM)) else {
            break;
        };
        if batch.len() < HEADER {
            break;
        }
        list.push(one(batch));
        bytes = rest;
    }
    if !bytes.is_empty() {
        list.push(Value::Bytes(cut(bytes)));
    }
    Value::List(list)
}

/// The beginning of a batch. A marker's, which the broker itself writes, is without its times and the checksum over them.
fn cut(bytes: &[u8]) -> Vec<u8> {
    const CONTROL: u8 = 1 << 5;
    const TIMES: std::ops::Range<usize> = 27..43;
    let mut bytes = bytes.to_vec();
    let is_markers = bytes.get(16) == Some(&2) && bytes.get(22).is_none_or(|attributes| attributes & CONTROL != 0);
    if is_markers {
        let of_its_time = (CRC_AT..CRC_AT + 4).chain(TIMES);
        for at in of_its_time {
            if let Some(byte) = bytes.get_mut(at) {
                *byte = 0;
            }
        }
    }
    bytes
}

fn at<const N: usize>(bytes: &[u8], from: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[from..from + N]);
    out
}

fn one(batch: &[u8]) -> Value {
    let attributes = i16::from_be_bytes(at(batch, 21));
    let codec = CODECS.get(usize::from(attributes as u16 & 7)).copied().unwrap_or("?");
    let base_timestamp = i64::from_be_bytes(at(batch, 27));
    let count = i32::from_be_bytes(at(batch, 57));
    let int32 = |from| Value::Int(i32::from_be_bytes(at(batch, from)).into());
    let crc_is_right = u32::from_be_bytes(at(batch, CRC_AT)) == crc32c::crc32c(&batch[CRC_AT + 4..]);
    let mut fields = vec![
        Field::new("baseOffset", Value::Int(i64::from_be_bytes(at(batch, 0)))),
        Field::new("partitionLeaderEpoch", int32(12)),
        Field::new("crcIsRight", Value::Bool(crc_is_right)),
        Field::new("compression", Value::text(codec)),
        Field::new("attributes", Value::Int((attributes & !7).into())),
        Field::new("lastOffsetDelta", int32(23)),
        Field::new("baseTimestamp", Value::Int(base_timestamp)),
        Field::new("maxTimestamp", Value::Int(i64::from_be_bytes(at(batch, 35)))),
        Field::new("producerId", Value::Int(i64::from_be_bytes(at(batch, 43)))),
        Field::new("producerEpoch", Value::Int(i16::from_be_bytes(at(batch, 51)).into())),
        Field::new("baseSequence", int32(53)),
    ];
    let body = decompress(codec, &batch[HEADER..]).ok();
    let records = body.and_then(|body| records(&body, count, base_timestamp));
    fields.push(match records {
        Some(records) => Field::new("records", Value::List(records)),
        None => Field::new("body", Value::Bytes(batch[HEADER..].to_vec())),
    });
    Value::Struct(fields)
}

fn records(mut body: &[u8], count: i32, base_timestamp: i64) -> Option<Vec<Value>> {
    let mut list = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(varint(&mut body)?).ok()?;
        let (mut record, rest) = body.split_at_checked(length)?;
        body = rest;
        let (_attributes, behind) = record.split_first()?;
        record = behind;
        let timestamp = base_timestamp.wrapping_add(varint(&mut record)?);
        let offset_delta = varint(&mut record)?;
        let key = blob(&mut record)?;
        let value = blob(&mut record)?;
        let mut headers = Vec::new();
        for _ in 0..varint(&mut record)? {
            let (key, value) = (blob(&mut record)?, blob(&mut record)?);
            headers.push(Value::record([("key", key), ("value", value)]));
        }
        list.push(Value::record([
            ("offsetDelta", Value::Int(offset_delta)),
            ("timestamp", Value::Int(timestamp)),
            ("key", key),
            ("value", value),
            ("headers", Value::List(headers)),
        ]));
    }
    body.is_empty().then_some(list)
}

fn blob(bytes: &mut &[u8]) -> Option<Value> {
    let length = varint(bytes)?;
    if length == -1 {
        return Some(Value::Null);
    }
    let (blob, rest) = bytes.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Value::Bytes(blob.to_vec()))
}

fn varint(bytes: &mut &[u8]) -> Option<i64> {
    let mut n = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        n |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some((n >> 1) as i64 ^ -((n & 1) as i64));
        }
    }
    None
}
