//! From a tree to bytes.

use thiserror::Error;

use crate::schema::{FieldType, Kind, Message, NIL_UUID};
use crate::tree::{Field, Value};

/// Why a tree is not a message of its version.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum EncodeError {
    /// The message has no such field in this version.
    #[error("version {version} has no field {path} (name?: leaves it out where it is not)")]
    NoSuchField {
        /// Where.
        path: String,
        /// The version.
        version: i16,
    },
    /// The value is not of its field's type.
    #[error("{path} takes {expected}, not {value}")]
    Type {
        /// Where.
        path: String,
        /// The field's type.
        expected: &'static str,
        /// What was given.
        value: String,
    },
}

/// Writes a message's body. Fields that are not given have their defaults.
///
/// # Errors
///
/// See [`EncodeError`].
pub fn encode(message: &Message, version: i16, body: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut writer = Writer {
        version,
        flexible: version >= message.flexible_from,
        bytes: Vec::new(),
    };
    writer.fields(&message.fields, body, "")?;
    Ok(writer.bytes)
}

struct Writer {
    version: i16,
    flexible: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn fields(&mut self, types: &[FieldType], body: &Value, path: &str) -> Result<(), EncodeError> {
        let given: &[Field] = match body {
            Value::Struct(fields) => fields,
            other => return Err(wrong(path, "a struct", other)),
        };
        for field in given {
            let exists = types
                .iter()
                .any(|t| t.name == field.name && t.versions.contains(&self.version));
            if !exists && !field.optional {
                return Err(EncodeError::NoSuchField {
                    path: join(path, &field.name),
                    version: self.version,
                });
            }
        }
        let version = self.version;
        let mut tagged = Vec::new();
        for kind in types.iter().filter(|t| t.versions.contains(&version)) {
            let given = given.iter().find(|f| f.name == kind.name).map(|f| &f.value);
            let path = join(path, &kind.name);
            match &kind.tag {
                Some((tag, versions)) if versions.contains(&self.version) => {
                    if let Some(value) = given.filter(|value| **value != kind.default) {
                        let mut inner = Writer {
                            version: self.version,
                            flexible: true,
                            bytes: Vec::new(),
                        };
                        inner.value(kind, value, &path)?;
                        tagged.push((*tag, inner.bytes));
                    }
                }
                _ => self.value(kind, given.unwrap_or(&kind.default), &path)?,
            }
        }
        if self.flexible {
            tagged.sort();
            self.unsigned(tagged.len());
            for (tag, bytes) in tagged {
                self.unsigned(tag as usize);
                self.unsigned(bytes.len());
                self.bytes.extend(bytes);
            }
        }
        Ok(())
    }

    fn value(&mut self, field: &FieldType, value: &Value, path: &str) -> Result<(), EncodeError> {
        if matches!(field.kind, Kind::Struct(_)) && field.nullable.contains(&self.version) {
            self.bytes.push(if *value == Value::Null { 0xff } else { 1 });
            if *value == Value::Null {
                return Ok(());
            }
        }
        self.kind(&field.kind, value, path)
    }

    fn kind(&mut self, kind: &Kind, value: &Value, path: &str) -> Result<(), EncodeError> {
        match (kind, value) {
            (Kind::Bool, Value::Bool(b)) => self.bytes.push(u8::from(*b)),
            (Kind::Int8, Value::Int(n)) => self.number::<i8, 1>(*n, path, i8::to_be_bytes)?,
            (Kind::Int16, Value::Int(n)) => self.number::<i16, 2>(*n, path, i16::to_be_bytes)?,
            (Kind::Uint16, Value::Int(n)) => self.number::<u16, 2>(*n, path, u16::to_be_bytes)?,
            (Kind::Int32, Value::Int(n)) => self.number::<i32, 4>(*n, path, i32::to_be_bytes)?,
            (Kind::Int64, Value::Int(n)) => self.bytes.extend(n.to_be_bytes()),
            (Kind::Float64, Value::Float(n)) => self.bytes.extend(n.to_be_bytes()),
            (Kind::Uuid, Value::Text(text)) => {
                let uuid = uuid(text).ok_or_else(|| wrong(path, "a UUID", value))?;
                self.bytes.extend(uuid);
            }
            (Kind::Text, Value::Text(text)) => self.counted(text.as_bytes(), 2),
            (Kind::Text, Value::Bytes(bytes)) => self.counted(bytes, 2),
            (Kind::Text, Value::Null) => self.null(2),
            (Kind::Bytes | Kind::Records, Value::Text(text)) => self.counted(text.as_bytes(), 4),
            (Kind::Bytes | Kind::Records, Value::Bytes(bytes)) => self.counted(bytes, 4),
            (Kind::Bytes | Kind::Records | Kind::Array(_), Value::Null) => self.null(4),
            (Kind::Array(element), Value::List(list)) => {
                self.length(list.len(), 4);
                for (index, value) in list.iter().enumerate() {
                    self.kind(element, value, &format!("{path}[{index}]"))?;
                }
            }
            (Kind::Struct(types), body) => self.fields(types, body, path)?,
            (kind, value) => return Err(wrong(path, name(kind), value)),
        }
        Ok(())
    }

    fn number<T: TryFrom<i64>, const N: usize>(
        &mut self,
        n: i64,
        path: &str,
        bytes: fn(T) -> [u8; N],
    ) -> Result<(), EncodeError> {
        let n = T::try_from(n).map_err(|_| wrong(path, "a number of its size", &Value::Int(n)))?;
        self.bytes.extend(bytes(n));
        Ok(())
    }

    fn counted(&mut self, bytes: &[u8], width: usize) {
        self.length(bytes.len(), width);
        self.bytes.extend(bytes);
    }

    fn length(&mut self, length: usize, width: usize) {
        match self.flexible {
            true => self.unsigned(length + 1),
            false => self.bytes.extend(&(length as u64).to_be_bytes()[8 - width..]),
        }
    }

    fn null(&mut self, width: usize) {
        match self.flexible {
            true => self.bytes.push(0),
            false => self.bytes.extend(&[0xff; 4][..width]),
        }
    }

    fn unsigned(&mut self, mut n: usize) {
        while n >= 0x80 {
            self.bytes.push((n as u8) | 0x80);
            n >>= 7;
        }
        self.bytes.push(n as u8);
    }
}

fn join(path: &str, name: &str) -> String {
    match path {
        "" => name.to_owned(),
        _ => format!("{path}.{name}"),
    }
}

fn wrong(path: &str, expected: &'static str, value: &Value) -> EncodeError {
    EncodeError::Type {
        path: path.to_owned(),
        expected,
        value: value.to_string(),
    }
}

fn name(kind: &Kind) -> &'static str {
    match kind {
        Kind::Bool => "true or false",
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => "a whole number",
        Kind::Float64 => "a number with a point",
        Kind::Uuid => "a UUID",
        Kind::Text => "text",
        Kind::Bytes | Kind::Records => "bytes",
        Kind::Array(_) => "a list",
        Kind::Struct(_) => "a struct",
    }
}

/// A UUID as Kafka's nil one is written: with dashes.
fn uuid(text: &str) -> Option<[u8; 16]> {
    if text.len() != NIL_UUID.len() {
        return None;
    }
    let bits = u128::from_str_radix(&text.replace('-', ""), 16).ok()?;
    Some(bits.to_be_bytes())
}
