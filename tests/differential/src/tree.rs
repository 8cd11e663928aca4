//! A message as a tree: what scenarios write, what the codec reads and makes, what is compared.

use std::fmt::{self, Display, Formatter, Write};

/// A value of the text format or of a message.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `null`
    Null,
    /// `true`, `false`
    Bool(bool),
    /// Any whole number.
    Int(i64),
    /// A number with a point.
    Float(f64),
    /// `"text"`, or a bare word.
    Text(String),
    /// `hex"00ff"`, or `b"text"`.
    Bytes(Vec<u8>),
    /// `[a, b]`
    List(Vec<Value>),
    /// `{name: value}`, in the order in which it was written.
    Struct(Vec<Field>),
    /// `$name`: a value that was captured before.
    Variable(String),
    /// `name{…}`, `name[…]`, `name(…)`: bytes that are made from something.
    Call(String, Box<Value>),
    /// `<kind 1>`: an id, a time or an address, of which only the identity is compared.
    Masked(String),
}

/// A field of a struct.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Its name, as in Kafka's JSON.
    pub name: String,
    /// Its value.
    pub value: Value,
    /// `name?: value`: left out where the version has no such field.
    pub optional: bool,
}

impl Field {
    /// A field that its message must have.
    pub fn new(name: &str, value: Value) -> Self {
        Self {
            name: name.to_owned(),
            value,
            optional: false,
        }
    }
}

impl Value {
    /// Text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// A struct of fields that its message must have.
    pub fn record<const N: usize>(fields: [(&str, Value); N]) -> Self {
        Self::Struct(
            fields
                .into_iter()
                .map(|(name, value)| Field::new(name, value))
                .collect(),
        )
    }

    /// A struct's field.
    pub fn field(&self, name: &str) -> Option<&Value> {
        match self {
            Self::Struct(fields) => fields.iter().find(|f| f.name == name).map(|f| &f.value),
            _ => None,
        }
    }

    /// What a path like `topics[0].name` leads to.
    pub fn at(&self, path: &str) -> Option<&Value> {
        let mut value = self;
        for step in path.split(['.', '[']).filter(|step| !step.is_empty()) {
            value = match (step.strip_suffix(']'), value) {
                (Some(index), Self::List(list)) => list.get(index.parse::<usize>().ok()?)?,
                (None, _) => value.field(step)?,
                _ => return None,
            };
        }
        Some(value)
    }

    /// Whether it has at least the fields of a struct, with their values; anything but a struct has to be the same.
    pub fn covers(&self, wanted: &Value) -> bool {
        match wanted {
            Self::Struct(fields) => fields.iter().all(|field| self.field(&field.name) == Some(&field.value)),
            _ => self == wanted,
        }
    }

    /// Each leaf with the path that leads to it. An empty list or struct is a leaf.
    pub fn leaves(&self) -> Vec<(String, &Value)> {
        let mut leaves = Vec::new();
        self.collect(String::new(), &mut leaves);
        leaves
    }

    fn collect<'a>(&'a self, path: String, leaves: &mut Vec<(String, &'a Value)>) {
        match self {
            Self::List(list) if !list.is_empty() => {
                for (index, value) in list.iter().enumerate() {
                    value.collect(format!("{path}[{index}]"), leaves);
                }
            }
            Self::Struct(fields) if !fields.is_empty() => {
                let dot = if path.is_empty() { "" } else { "." };
                for field in fields {
                    field.value.collect(format!("{path}{dot}{}", field.name), leaves);
                }
            }
            leaf => leaves.push((path, leaf)),
        }
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(b) => b.fmt(f),
            Self::Int(n) => n.fmt(f),
            Self::Float(n) => write!(f, "{n:?}"),
            Self::Text(text) => quoted(f, text),
            Self::Bytes(bytes) => bytes_of(f, bytes),
            Self::List(list) => {
                f.write_char('[')?;
                separated(f, list.iter(), |f, value| value.fmt(f))?;
                f.write_char(']')
            }
            Self::Struct(fields) => {
                f.write_char('{')?;
                separated(f, fields.iter(), |f, field| {
                    let mark = if field.optional { "?" } else { "" };
                    write!(f, "{}{mark}: {}", field.name, field.value)
                })?;
                f.write_char('}')
            }
            Self::Variable(name) => write!(f, "${name}"),
            Self::Call(name, argument) => match &**argument {
                Self::List(_) | Self::Struct(_) => write!(f, "{name}{argument}"),
                _ => write!(f, "{name}({argument})"),
            },
            Self::Masked(what) => write!(f, "<{what}>"),
        }
    }
}

fn separated<T>(
    f: &mut Formatter<'_>,
    items: impl Iterator<Item = T>,
    mut write: impl FnMut(&mut Formatter<'_>, T) -> fmt::Result,
) -> fmt::Result {
    for (index, item) in items.enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    Ok(())
}

fn quoted(f: &mut Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\0'..='\u{1f}' | '\u{7f}' => write!(f, "\\x{:02x}", c as u32)?,
            _ => f.write_char(c)?,
        }
    }
    f.write_char('"')
}

/// Bytes that are plain text are shown as such.
fn bytes_of(f: &mut Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    if bytes.iter().all(|b| (b' '..=b'~').contains(b)) {
        f.write_char('b')?;
        return quoted(f, &String::from_utf8_lossy(bytes));
    }
    f.write_str("hex\"")?;
    for byte in bytes {
        write!(f, "{byte:02x}")?;
    }
    f.write_char('"')
}
