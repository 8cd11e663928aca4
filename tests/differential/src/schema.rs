//! Apache Kafka's own message definitions, in the form that `tests/oracle/schemas.py` makes of them.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value as Json;

use crate::tree::Value;

const TEXT: &str = include_str!("../schemas.jsonl");

static APIS: LazyLock<BTreeMap<i16, Api>> = LazyLock::new(read);

/// An API: its request and its response.
#[derive(Debug)]
pub struct Api {
    /// The API key.
    pub key: i16,
    /// Its name, without `Request` or `Response`.
    pub name: String,
    /// The definition of its request.
    pub request: Message,
    /// The definition of its response.
    pub response: Message,
}

/// A message's definition.
#[derive(Debug, Clone)]
pub struct Message {
    /// The versions that Apache Kafka has.
    pub versions: RangeInclusive<i16>,
    /// The first flexible version.
    pub flexible_from: i16,
    /// Its fields, in the order in which they are written.
    pub fields: Vec<FieldType>,
}

/// A field's definition.
#[derive(Debug, Clone)]
pub struct FieldType {
    /// Its name, with a small first letter.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
    /// The versions that have it.
    pub versions: RangeInclusive<i16>,
    /// The versions in which it may be null.
    pub nullable: RangeInclusive<i16>,
    /// Its tag, and the versions in which it is tagged.
    pub tag: Option<(u32, RangeInclusive<i16>)>,
    /// What stands for it where nothing is given.
    pub default: Value,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "they are the protocol's types")]
pub enum Kind {
    Bool,
    Int8,
    Int16,
    Uint16,
    Int32,
    Int64,
    Float64,
    Uuid,
    Text,
    Bytes,
    Records,
    Array(Box<Kind>),
    Struct(Vec<FieldType>),
}

impl PartialEq for FieldType {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name && self.kind == other.kind
    }
}

/// No version at all.
#[expect(clippy::reversed_empty_ranges, reason = "it is meant to be empty")]
const NEVER: RangeInclusive<i16> = 1..=0;

/// The API of a name.
pub fn by_name(name: &str) -> Option<&'static Api> {
    APIS.values().find(|api| api.name == name)
}

/// The API of a key.
pub fn by_key(key: i16) -> Option<&'static Api> {
    APIS.get(&key)
}

/// Every API that brokers have, by its key.
pub fn all() -> impl Iterator<Item = &'static Api> {
    APIS.values()
}

impl Api {
    /// Version 2 of the request's header has tagged fields.
    pub fn request_is_flexible(&self, version: i16) -> bool {
        version >= self.request.flexible_from
    }

    /// The response's header has tagged fields; that of ApiVersions never does (KIP-511).
    pub fn response_header_is_flexible(&self, version: i16) -> bool {
        self.key != 18 && version >= self.response.flexible_from
    }
}

#[derive(Deserialize)]
struct Line {
    key: i16,
    name: String,
    kind: String,
    valid: String,
    flexible: Option<i16>,
    fields: Vec<RawField>,
}

#[derive(Deserialize)]
struct RawField {
    n: String,
    t: String,
    v: String,
    u: Option<String>,
    d: Option<Json>,
    g: Option<u32>,
    w: Option<String>,
    f: Option<Vec<RawField>>,
}

fn read() -> BTreeMap<i16, Api> {
    let mut requests = BTreeMap::new();
    let mut apis = BTreeMap::new();
    for line in TEXT.lines() {
        let line: Line = serde_json::from_str(line).expect("schemas.jsonl is made by a program");
        let message = Message {
            versions: versions(&line.valid),
            flexible_from: line.flexible.unwrap_or(i16::MAX),
            fields: line.fields.into_iter().map(field).collect(),
        };
        if line.kind == "request" {
            requests.insert(line.key, message);
        } else if let Some(request) = requests.remove(&line.key) {
            let api = Api {
                key: line.key,
                name: line.name,
                request,
                response: message,
            };
            apis.insert(line.key, api);
        }
    }
    apis
}

fn versions(text: &str) -> RangeInclusive<i16> {
    let number = |text: &str| text.parse().expect("a version is a number");
    match text.split_once('-') {
        _ if text == "none" => NEVER,
        _ if text.ends_with('+') => number(text.trim_end_matches('+'))..=i16::MAX,
        Some((first, last)) => number(first)..=number(last),
        None => number(text)..=number(text),
    }
}

fn field(raw: RawField) -> FieldType {
    let kind = kind(&raw.t, raw.f);
    let default = default(&kind, raw.d.as_ref());
    FieldType {
        name: raw.n,
        versions: versions(&raw.v),
        nullable: raw.u.as_deref().map_or(NEVER, versions),
        tag: raw.g.map(|tag| (tag, versions(raw.w.as_deref().unwrap_or(&raw.v)))),
        kind,
        default,
    }
}

fn kind(name: &str, fields: Option<Vec<RawField>>) -> Kind {
    match name {
        "bool" => Kind::Bool,
        "int8" => Kind::Int8,
        "int16" => Kind::Int16,
        "uint16" => Kind::Uint16,
        "int32" => Kind::Int32,
        "int64" => Kind::Int64,
        "float64" => Kind::Float64,
        "uuid" => Kind::Uuid,
        "string" => Kind::Text,
        "bytes" => Kind::Bytes,
        "records" => Kind::Records,
        _ => match name.strip_prefix("[]") {
            Some(element) => Kind::Array(Box::new(kind(element, fields))),
            None => Kind::Struct(fields.unwrap_or_default().into_iter().map(field).collect()),
        },
    }
}

/// Kafka's message generator: without a default of its own, a field is zero, empty or false.
fn default(kind: &Kind, given: Option<&Json>) -> Value {
    let given = given.map(|json| match json {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    });
    if given.as_deref() == Some("null") {
        return Value::Null;
    }
    match kind {
        Kind::Bool => Value::Bool(given.as_deref() == Some("true")),
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => {
            let number = given.map(|text| match text.strip_prefix("0x") {
                Some(hex) => i64::from_str_radix(hex, 16),
                None => text.parse(),
            });
            Value::Int(number.map_or(0, |n| n.expect("a default is a number")))
        }
        Kind::Float64 => Value::Float(0.0),
        Kind::Uuid => Value::text(NIL_UUID),
        Kind::Text => Value::Text(given.unwrap_or_default()),
        Kind::Bytes | Kind::Records => Value::Bytes(Vec::new()),
        Kind::Array(_) => Value::List(Vec::new()),
        Kind::Struct(_) => Value::Struct(Vec::new()),
    }
}

/// How a nil UUID is written.
pub const NIL_UUID: &str = "00000000-0000-0000-0000-000000000000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_broker_api_has_a_request_and_a_response() {
        assert!(all().count() > 60);
        let fetch = by_name("Fetch").unwrap();
        assert_eq!((fetch.key, fetch.request.versions.clone()), (1, 4..=18));
        assert!(fetch.request_is_flexible(12) && !fetch.request_is_flexible(11));
        assert!(!by_key(18).unwrap().response_header_is_flexible(4));
    }
}
