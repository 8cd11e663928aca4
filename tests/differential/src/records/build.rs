//! From a tree to a batch's bytes. What would be computed can be given, so that a batch can be wrong in any way.

use thiserror::Error;

use super::compress::compress;
use super::{CODECS, CRC_AT, HEADER, LENGTH_FROM};
use crate::tree::{Field, Value};

/// A tree that is no batch.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum RecordError {
    /// There is no such field.
    #[error("{0} has no field {1}")]
    NoSuchField(&'static str, String),
    /// A value of the wrong type.
    #[error("{field} takes {expected}, not {value}")]
    Type {
        /// The field.
        field: String,
        /// Its type.
        expected: &'static str,
        /// What was given.
        value: String,
    },
    /// The codec failed.
    #[error("cannot compress: {0}")]
    Compress(String),
}

/// Reads one struct's fields.
struct Given<'a> {
    fields: &'a [Field],
}

impl<'a> Given<'a> {
    fn of(what: &'static str, value: &'a Value, names: &[&str]) -> Result<Self, RecordError> {
        let Value::Struct(fields) = value else {
            return Err(wrong(what, "a struct", value));
        };
        match fields.iter().find(|f| !names.contains(&f.name.as_str())) {
            Some(unknown) => Err(RecordError::NoSuchField(what, unknown.name.clone())),
            None => Ok(Self { fields }),
        }
    }

    fn get(&self, name: &str) -> Option<&'a Value> {
        self.fields.iter().find(|f| f.name == name).map(|f| &f.value)
    }

    fn number(&self, name: &str, default: i64) -> Result<i64, RecordError> {
        match self.get(name) {
            None => Ok(default),
            Some(Value::Int(n)) => Ok(*n),
            Some(other) => Err(wrong(name, "a whole number", other)),
        }
    }

    fn flag(&self, name: &str) -> Result<bool, RecordError> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(b)) => Ok(*b),
            Some(other) => Err(wrong(name, "true or false", other)),
        }
    }

    fn list(&self, name: &str) -> Result<&'a [Value], RecordError> {
        match self.get(name) {
            None => Ok(&[]),
            Some(Value::List(list)) => Ok(list),
            Some(other) => Err(wrong(name, "a list", other)),
        }
    }

    fn bytes(&self, name: &str) -> Result<Option<Vec<u8>>, RecordError> {
        self.get(name).map_or(Ok(None), |value| bytes(name, value))
    }
}

fn bytes(name: &str, value: &Value) -> Result<Option<Vec<u8>>, RecordError> {
    match value {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text.clone().into_bytes())),
        Value::Bytes(bytes) => Ok(Some(bytes.clone())),
        other => Err(wrong(name, "text or bytes", other)),
    }
}

fn wrong(field: &str, expected: &'static str, value: &Value) -> RecordError {
    RecordError::Type {
        field: field.to_owned(),
        expected,
        value: value.to_string(),
    }
}

/// The time of records that name none: 2020-09-13.
const SOME_TIME: i64 = 1_600_000_000_000;

const BATCH_FIELDS: &[&str] = &[
    "baseOffset",
    "length",
    "partitionLeaderEpoch",
    "magic",
    "crc",
    "compression",
    "timestampType",
    "transactional",
    "control",
    "attributes",
    "lastOffsetDelta",
    "baseTimestamp",
    "maxTimestamp",
    "producerId",
    "producerEpoch",
    "baseSequence",
    "count",
    "records",
    "body",
    "cut",
    "tail",
];

/// A batch of message format 2.
///
/// # Errors
///
/// See [`RecordError`].
pub fn batch(tree: &Value) -> Result<Vec<u8>, RecordError> {
    let given = Given::of("batch", tree, BATCH_FIELDS)?;
    let base = given.number("baseTimestamp", SOME_TIME)?;
    let mut records = Vec::new();
    let mut latest = base;
    let listed = given.list("records")?;
    for (index, tree) in listed.iter().enumerate() {
        let (bytes, timestamp) = record(tree, index as i64, base)?;
        latest = latest.max(timestamp);
        records.extend(bytes);
    }
    let codec = match given.get("compression") {
        None => "none",
        Some(Value::Text(codec)) => codec,
        Some(other) => return Err(wrong("compression", "a codec", other)),
    };
    let body = match given.bytes("body")? {
        Some(body) => body,
        None => compress(codec, &records)
            .ok_or_else(|| wrong("compression", "a codec", &Value::text(codec)))?
            .map_err(|error| RecordError::Compress(error.to_string()))?,
    };
    let mut attributes = CODECS.iter().position(|known| *known == codec).unwrap_or(0) as i64;
    attributes |= match given.get("timestampType") {
        Some(Value::Text(kind)) if kind == "LogAppendTime" => 8,
        _ => 0,
    };
    attributes |= i64::from(given.flag("transactional")?) << 4 | i64::from(given.flag("control")?) << 5;
    let length = (HEADER - LENGTH_FROM + body.len()) as i64;
    let mut out = Vec::with_capacity(HEADER + body.len());
    out.extend(given.number("baseOffset", 0)?.to_be_bytes());
    out.extend((given.number("length", length)? as i32).to_be_bytes());
    out.extend((given.number("partitionLeaderEpoch", -1)? as i32).to_be_bytes());
    out.push(given.number("magic", 2)? as u8);
    out.extend([0; 4]);
    out.extend((given.number("attributes", attributes)? as i16).to_be_bytes());
    let last = listed.len() as i64 - 1;
    out.extend((given.number("lastOffsetDelta", last)? as i32).to_be_bytes());
    out.extend(base.to_be_bytes());
    out.extend(given.number("maxTimestamp", latest)?.to_be_bytes());
    out.extend(given.number("producerId", -1)?.to_be_bytes());
    out.extend((given.number("producerEpoch", -1)? as i16).to_be_bytes());
    out.extend((given.number("baseSequence", -1)? as i32).to_be_bytes());
    out.extend((given.number("count", listed.len() as i64)? as i32).to_be_bytes());
    out.extend(body);
    let crc = given.number("crc", i64::from(crc32c::crc32c(&out[CRC_AT + 4..])))?;
    out[CRC_AT..CRC_AT + 4].copy_from_slice(&(crc as u32).to_be_bytes());
    let kept = given.number("cut", out.len() as i64)?;
    out.truncate(usize::try_from(kept).unwrap_or(0));
    out.extend(given.bytes("tail")?.unwrap_or_default());
    Ok(out)
}

/// A record's bytes and its timestamp. Text alone is a record's value.
fn record(tree: &Value, index: i64, base: i64) -> Result<(Vec<u8>, i64), RecordError> {
    let only_value;
    let tree = match tree {
        Value::Text(_) | Value::Bytes(_) => {
            only_value = Value::record([("value", tree.clone())]);
            &only_value
        }
        other => other,
    };
    let names = [
        "key",
        "value",
        "headers",
        "timestamp",
        "offsetDelta",
        "attributes",
        "length",
        "tail",
        "headerCount",
    ];
    let given = Given::of("a record", tree, &names)?;
    let timestamp = given.number("timestamp", base)?;
    let mut body = vec![given.number("attributes", 0)? as u8];
    varint(&mut body, timestamp.wrapping_sub(base));
    varint(&mut body, given.number("offsetDelta", index)?);
    blob(&mut body, given.bytes("key")?);
    blob(&mut body, given.bytes("value")?);
    let headers = given.list("headers")?;
    varint(&mut body, given.number("headerCount", headers.len() as i64)?);
    for header in headers {
        let header = Given::of("a header", header, &["key", "value"])?;
        blob(&mut body, header.bytes("key")?);
        blob(&mut body, header.bytes("value")?);
    }
    body.extend(given.bytes("tail")?.unwrap_or_default());
    let mut out = Vec::new();
    varint(&mut out, given.number("length", body.len() as i64)?);
    out.extend(body);
    Ok((out, timestamp))
}

/// A message of format 0 or 1.
///
/// # Errors
///
/// See [`RecordError`].
pub fn message(tree: &Value) -> Result<Vec<u8>, RecordError> {
    let given = Given::of(
        "message",
        tree,
        &["offset", "magic", "timestamp", "key", "value", "attributes"],
    )?;
    let magic = given.number("magic", 1)?;
    let mut body = vec![magic as u8, given.number("attributes", 0)? as u8];
    if magic > 0 {
        body.extend(given.number("timestamp", SOME_TIME)?.to_be_bytes());
    }
    for name in ["key", "value"] {
        match given.bytes(name)? {
            None => body.extend((-1i32).to_be_bytes()),
            Some(bytes) => {
                body.extend((bytes.len() as i32).to_be_bytes());
                body.extend(bytes);
            }
        }
    }
    let mut crc = flate2::Crc::new();
    crc.update(&body);
    let mut out = given.number("offset", 0)?.to_be_bytes().to_vec();
    out.extend((body.len() as i32 + 4).to_be_bytes());
    out.extend(crc.sum().to_be_bytes());
    out.extend(body);
    Ok(out)
}

fn blob(out: &mut Vec<u8>, bytes: Option<Vec<u8>>) {
    match bytes {
        None => varint(out, -1),
        Some(bytes) => {
            varint(out, bytes.len() as i64);
            out.extend(bytes);
        }
    }
}

/// Zigzag, then seven bits a byte.
fn varint(out: &mut Vec<u8>, n: i64) {
    let mut n = ((n << 1) ^ (n >> 63)) as u64;
    while n >= 0x80 {
        out.push(n as u8 | 0x80);
        n >>= 7;
    }
    out.push(n as u8);
}
