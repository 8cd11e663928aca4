//! From bytes to a tree.

use thiserror::Error;

use crate::schema::{FieldType, Kind, Message};
use crate::tree::{Field, Value};

/// Why bytes are not a message of their version.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// They end too early.
    #[error("{0} is not all there")]
    Short(String),
    /// Null where there may be none.
    #[error("{0} is null, which it may not be in this version")]
    Null(String),
    /// Text that is not UTF-8.
    #[error("{0} is not UTF-8")]
    Text(String),
    /// A boolean that is neither 0 nor 1.
    #[error("{0} is neither true nor false")]
    Bool(String),
    /// There is more than the message.
    #[error("{0} bytes follow the message")]
    Trailing(usize),
}

/// Reads a message's body.
///
/// # Errors
///
/// See [`DecodeError`].
pub fn decode(message: &Message, version: i16, bytes: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader {
        version,
        flexible: version >= message.flexible_from,
        bytes,
    };
    let body = reader.fields(&message.fields, "")?;
    match reader.bytes.len() {
        0 => Ok(body),
        trailing => Err(DecodeError::Trailing(trailing)),
    }
}

/// Skips a header's tagged fields, and gives what follows.
///
/// # Errors
///
/// Where they are not all there.
pub fn tagged_fields(bytes: &[u8]) -> Result<&[u8], DecodeError> {
    let mut reader = Reader {
        version: 0,
        flexible: true,
        bytes,
    };
    for _ in 0..reader.unsigned("header")? {
        reader.unsigned("header")?;
        let length = reader.unsigned("header")?;
        reader.take(length, "header")?;
    }
    Ok(reader.bytes)
}

struct Reader<'a> {
    version: i16,
    flexible: bool,
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn fields(&mut self, types: &[FieldType], path: &str) -> Result<Value, DecodeError> {
        let version = self.version;
        let mut fields = Vec::new();
        for kind in types.iter().filter(|t| t.versions.contains(&version)) {
            let tagged = kind.tag.as_ref().is_some_and(|(_, v)| v.contains(&version));
            let value = match tagged {
                true => kind.default.clone(),
                false => self.value(kind, &join(path, &kind.name))?,
            };
            fields.push(Field::new(&kind.name, value));
        }
        if self.flexible {
            for _ in 0..self.unsigned(path)? {
                let tag = self.unsigned(path)?;
                let length = self.unsigned(path)?;
                let bytes = self.take(length, path)?;
                let known = types.iter().find(|t| {
                    let number = t.tag.as_ref().filter(|(_, v)| v.contains(&self.version));
                    number.is_some_and(|(number, _)| *number as usize == tag)
                });
                let Some(kind) = known else {
                    fields.push(Field::new(&format!("tag{tag}"), Value::Bytes(bytes.to_vec())));
                    continue;
                };
                let mut inner = Reader {
                    version: self.version,
                    flexible: true,
                    bytes,
                };
                let value = inner.value(kind, &join(path, &kind.name))?;
                if !inner.bytes.is_empty() {
                    return Err(DecodeError::Trailing(inner.bytes.len()));
                }
                if let Some(field) = fields.iter_mut().find(|f| f.name == kind.name) {
                    field.value = value;
                }
            }
        }
        Ok(Value::Struct(fields))
    }

    fn value(&mut self, field: &FieldType, path: &str) -> Result<Value, DecodeError> {
        let nullable = field.nullable.contains(&self.version);
        if nullable && matches!(field.kind, Kind::Struct(_)) && self.take(1, path)?[0] == 0xff {
            return Ok(Value::Null);
        }
        let value = self.kind(&field.kind, path)?;
        match value {
            // Records are null where there are none, in every version.
            Value::Null if !nullable && field.kind != Kind::Records => Err(DecodeError::Null(path.to_owned())),
            value => Ok(value),
        }
    }

    fn kind(&mut self, kind: &Kind, path: &str) -> Result<Value, DecodeError> {
        Ok(match kind {
            Kind::Bool => match self.take(1, path)?[0] {
                0 => Value::Bool(false),
                1 => Value::Bool(true),
                _ => return Err(DecodeError::Bool(path.to_owned())),
            },
            Kind::Int8 => Value::Int(i8::from_be_bytes(self.array(path)?).into()),
            Kind::Int16 => Value::Int(i16::from_be_bytes(self.array(path)?).into()),
            Kind::Uint16 => Value::Int(u16::from_be_bytes(self.array(path)?).into()),
            Kind::Int32 => Value::Int(i32::from_be_bytes(self.array(path)?).into()),
            Kind::Int64 => Value::Int(i64::from_be_bytes(self.array(path)?)),
            Kind::Float64 => Value::Float(f64::from_be_bytes(self.array(path)?)),
            Kind::Uuid => Value::Text(uuid(u128::from_be_bytes(self.array(path)?))),
            Kind::Text => match self.length(2, path)? {
                None => Value::Null,
                Some(length) => {
                    let bytes = self.take(length, path)?.to_vec();
                    Value::Text(String::from_utf8(bytes).map_err(|_| DecodeError::Text(path.to_owned()))?)
                }
            },
            Kind::Bytes | Kind::Records => match self.length(4, path)? {
                None => Value::Null,
                Some(length) => Value::Bytes(self.take(length, path)?.to_vec()),
            },
            Kind::Array(element) => match self.length(4, path)? {
                None => Value::Null,
                Some(length) => {
                    let mut list = Vec::new();
                    for index in 0..length {
                        list.push(self.kind(element, &format!("{path}[{index}]"))?);
                    }
                    Value::List(list)
                }
            },
            Kind::Struct(types) => self.fields(types, path)?,
        })
    }

    /// None: null.
    fn length(&mut self, width: usize, path: &str) -> Result<Option<usize>, DecodeError> {
        if self.flexible {
            return Ok(self.unsigned(path)?.checked_sub(1));
        }
        let length = match width {
            2 => i32::from(i16::from_be_bytes(self.array(path)?)),
            _ => i32::from_be_bytes(self.array(path)?),
        };
        match length {
            -1 => Ok(None),
            _ => usize::try_from(length)
                .map(Some)
                .map_err(|_| DecodeError::Short(path.to_owned())),
        }
    }

    fn unsigned(&mut self, path: &str) -> Result<usize, DecodeError> {
        let mut n = 0;
        for shift in (0..35).step_by(7) {
            let byte = self.take(1, path)?[0];
            n |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(n);
            }
        }
        Err(DecodeError::Short(path.to_owned()))
    }

    fn array<const N: usize>(&mut self, path: &str) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self
            .bytes
            .split_first_chunk()
            .ok_or_else(|| DecodeError::Short(path.to_owned()))?;
        self.bytes = rest;
        Ok(*bytes)
    }

    fn take(&mut self, length: usize, path: &str) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self
            .bytes
            .split_at_checked(length)
            .ok_or_else(|| DecodeError::Short(path.to_owned()))?;
        self.bytes = rest;
        Ok(bytes)
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn uuid(bits: u128) -> String {
    let hex = format!("{bits:032x}");
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}
