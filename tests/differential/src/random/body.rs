//! A request's body by its definition: each field a value that fits, now and then one that does not quite.

use fastrand::Rng;

use super::generate::pick;
use super::vocabulary;
use crate::schema::{Api, FieldType, Kind};
use crate::text::parse_value;
use crate::tree::{Field, Value};

/// One body.
pub(super) struct Body<'a> {
    rng: &'a mut Rng,
    api: &'a Api,
    version: i16,
    /// Of so many values one is taken from the edges of its type; 0: none is.
    odd: u8,
}

impl<'a> Body<'a> {
    /// Half of the bodies have nothing odd, so that the steps after them find something.
    pub(super) fn new(rng: &'a mut Rng, api: &'a Api, version: i16) -> Self {
        let odd = match rng.u8(0..4) {
            0 => 6,
            1 => 12,
            _ => 0,
        };
        Self { rng, api, version, odd }
    }

    /// The body, in the scenarios' format.
    pub(super) fn made(mut self) -> Value {
        let fields = &self.api.request.fields;
        self.fields(fields, "", Vec::new())
    }

    fn fields(&mut self, types: &[FieldType], path: &str, given: Vec<Field>) -> Value {
        let mut fields = given;
        for kind in types {
            let is_given = fields.iter().any(|f| f.name == kind.name);
            let is_there = kind.versions.contains(&self.version);
            if !is_there {
                fields.retain(|f| f.name != kind.name);
            }
            if is_given || !is_there {
                continue;
            }
            // What is tagged is rarely said.
            let is_tagged = kind
                .tag
                .as_ref()
                .is_some_and(|(_, versions)| versions.contains(&self.version));
            if is_tagged && self.rng.u8(0..8) > 0 {
                continue;
            }
            let path = match path {
                "" => kind.name.clone(),
                path => format!("{path}.{}", kind.name),
            };
            fields.push(Field::new(&kind.name, self.value(kind, &path)));
        }
        Value::Struct(fields)
    }

    fn value(&mut self, field: &FieldType, path: &str) -> Value {
        if vocabulary::is_fixed(&self.api.name, path) {
            return self.usual(&field.kind, path);
        }
        let is_alone = vocabulary::is_alone(&self.api.name, path);
        let is_odd = !is_alone && self.odd > 0 && self.rng.u8(0..self.odd) == 0;
        if is_odd && field.nullable.contains(&self.version) && self.rng.u8(0..3) == 0 {
            return Value::Null;
        }
        let value = match is_odd {
            true => self.odd(&field.kind, path),
            false => self.usual(&field.kind, path),
        };
        match value {
            Value::List(list) => Value::List(vocabulary::distinct(&self.api.name, path, list)),
            Value::Null if !field.nullable.contains(&self.version) => match &field.default {
                Value::Null => self.odd(&field.kind, path),
                default => default.clone(),
            },
            value => value,
        }
    }

    /// A value that says something here.
    fn usual(&mut self, kind: &Kind, path: &str) -> Value {
        let known = vocabulary::values(&self.api.name, path);
        match kind {
            Kind::Array(element) => {
                if known.is_some_and(|known| known.contains(&Value::Null)) && self.rng.u8(0..4) == 0 {
                    return Value::Null;
                }
                let length = match self.rng.u8(0..10) {
                    _ if vocabulary::is_alone(&self.api.name, path) => 1,
                    0 if !vocabulary::is_never_empty(&self.api.name, path) => 0,
                    0..6 => 1,
                    6..9 => 2,
                    _ => 3,
                };
                Value::List((0..length).map(|_| self.element(element, path)).collect())
            }
            Kind::Struct(types) => match known {
                Some(known) => self.structure(types, path, known),
                None => self.inside(types, path, Vec::new()),
            },
            _ => match known {
                Some(known) => vocabulary::one_of(self.rng, known),
                None => plain(self.rng, kind),
            },
        }
    }

    /// What belongs together is chosen together; the rest is filled in.
    fn structure(&mut self, types: &[FieldType], path: &str, known: &[Value]) -> Value {
        match vocabulary::one_of(self.rng, known) {
            Value::Struct(given) => self.inside(types, path, given),
            Value::Null => Value::Null,
            // What is known is of a field of the same name that is no struct.
            _ => self.inside(types, path, Vec::new()),
        }
    }

    /// An element of a list, which is never null.
    fn element(&mut self, kind: &Kind, path: &str) -> Value {
        let known = vocabulary::values(&self.api.name, path).unwrap_or_default();
        let known: Vec<Value> = known.iter().filter(|value| **value != Value::Null).cloned().collect();
        match kind {
            Kind::Struct(types) if known.is_empty() => self.inside(types, path, Vec::new()),
            Kind::Struct(types) => self.structure(types, path, &known),
            kind if known.is_empty() => plain(self.rng, kind),
            _ => vocabulary::one_of(self.rng, &known),
        }
    }

    fn inside(&mut self, types: &[FieldType], path: &str, given: Vec<Field>) -> Value {
        // Of these the values depend on what was chosen.
        let mut given = given;
        if let Some(configs) = vocabulary::configs(self.rng, &self.api.name, path, &given) {
            given.push(configs);
        }
        self.fields(types, path, given)
    }

    /// A value from the edges of its type.
    fn odd(&mut self, kind: &Kind, path: &str) -> Value {
        let rng = &mut *self.rng;
        let number = |rng: &mut Rng, choices: &[i64]| Value::Int(choices[rng.usize(..choices.len())]);
        match kind {
            Kind::Bool => Value::Bool(rng.bool()),
            Kind::Int8 => number(rng, &[0, -1, 1, 2, 3, i8::MAX.into(), i8::MIN.into()]),
            Kind::Int16 => number(rng, &[0, -1, 1, 2, i16::MAX.into(), i16::MIN.into()]),
            Kind::Uint16 => number(rng, &[0, 1, u16::MAX.into()]),
            Kind::Int32 => number(rng, &[0, -1, 1, 2, -2, i32::MAX.into(), i32::MIN.into()]),
            Kind::Int64 => number(rng, &[0, -1, 1, 2, -2, i32::MAX.into(), i64::MAX, i64::MIN]),
            Kind::Float64 => {
                let choices = [0.0, -1.0, 0.5, 1.0, 123_456_789_012.5, -0.0];
                Value::Float(choices[rng.usize(..choices.len())])
            }
            Kind::Uuid => Value::text(pick(
                rng,
                &[
                    "00000000-0000-0000-0000-000000000000",
                    "00000000-0000-0000-0000-000000000001",
                    "11111111-2222-3333-4444-555555555555",
                ],
            )),
            Kind::Text => {
                let text = pick(
                    rng,
                    &[
                        "\"\"",
                        "\" \"",
                        "\"a b\"",
                        "\".\"",
                        "\"..\"",
                        "\"ä\"",
                        "\"日本\"",
                        "\"a/b\"",
                        "\"\\x00\"",
                        "\"a\\nb\"",
                        "\"-1\"",
                        "repeat[x 249]",
                        "repeat[x 250]",
                        "~x",
                    ],
                );
                parse_value(text).unwrap_or_else(|_| Value::text(text))
            }
            Kind::Bytes | Kind::Records => Value::Bytes(match rng.u8(0..3) {
                0 => Vec::new(),
                1 => vec![0],
                _ => vec![0xff; 9],
            }),
            Kind::Array(element) => match self.rng.u8(0..3) {
                0 if !vocabulary::is_never_empty(&self.api.name, path) => Value::List(Vec::new()),
                // The same twice.
                0 | 1 => {
                    let one = self.element(element, path);
                    Value::List(vec![one.clone(), one])
                }
                _ => {
                    let (one, other) = (self.element(element, path), self.element(element, path));
                    Value::List(vec![one.clone(), other, one])
                }
            },
            Kind::Struct(_) => self.usual(kind, path),
        }
    }
}

/// A value of which nothing is known but its type.
fn plain(rng: &mut Rng, kind: &Kind) -> Value {
    match kind {
        Kind::Bool => Value::Bool(rng.bool()),
        Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => Value::Int(rng.i64(0..3)),
        Kind::Float64 => Value::Float(1000.0),
        Kind::Uuid => Value::text(crate::schema::NIL_UUID),
        Kind::Text => Value::text("a"),
        Kind::Bytes | Kind::Records => Value::Bytes(b"a".to_vec()),
        Kind::Array(_) | Kind::Struct(_) => Value::Null,
    }
}
