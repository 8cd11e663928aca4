use super::*;
use crate::schema::{self, FieldType, Kind};
use crate::text::parse_value;
use crate::tree::{Field, Value};

fn tree(text: &str) -> Value {
    parse_value(text).unwrap()
}

#[test]
fn a_heartbeat_has_the_bytes_of_its_version() {
    let heartbeat = &schema::by_name("Heartbeat").unwrap().request;
    let body = tree(r#"{groupId: g, generationId: 2, memberId: m, groupInstanceId?: i}"#);
    let old = encode(heartbeat, 0, &body).unwrap();
    assert_eq!(old, b"\0\x01g\0\0\0\x02\0\x01m");
    let new = encode(heartbeat, 4, &body).unwrap();
    assert_eq!(new, b"\x02g\0\0\0\x02\x02m\x02i\0");
    assert_eq!(
        decode(heartbeat, 4, &new).unwrap().at("groupInstanceId"),
        Some(&Value::text("i"))
    );
}

#[test]
fn a_tree_that_is_no_message_says_where() {
    let heartbeat = &schema::by_name("Heartbeat").unwrap().request;
    let said = |body, version| encode(heartbeat, version, &tree(body)).unwrap_err().to_string();
    assert!(said("{groupInstanceId: i}", 2).starts_with("version 2 has no field groupInstanceId"));
    assert_eq!(
        said("{generationId: x}", 2),
        "generationId takes a whole number, not \"x\""
    );
    assert_eq!(
        said("{generationId: 2147483648}", 2),
        "generationId takes a number of its size, not 2147483648"
    );
}

#[test]
fn bytes_that_are_no_message_are_refused() {
    let response = &schema::by_name("Heartbeat").unwrap().response;
    assert_eq!(
        decode(response, 0, b"\0"),
        Err(DecodeError::Short("errorCode".to_owned()))
    );
    assert_eq!(decode(response, 0, b"\0\0\0"), Err(DecodeError::Trailing(1)));
    assert_eq!(
        decode(
            &schema::by_name("FindCoordinator").unwrap().response,
            0,
            b"\0\0\0\0\0\x01\xff\xff\0\0\0\0"
        ),
        Err(DecodeError::Null("host".to_owned()))
    );
}

#[test]
fn a_tag_that_nobody_knows_is_shown() {
    let response = &schema::by_name("Heartbeat").unwrap().response;
    let decoded = decode(response, 4, b"\0\0\0\0\0\0\x01\x07\x01x").unwrap();
    assert_eq!(decoded.at("tag7"), Some(&Value::Bytes(b"x".to_vec())));
}

/// A value of a field that is not its default, wherever there is one.
fn sample(field: &FieldType, version: i16) -> Value {
    fn of(kind: &Kind, version: i16) -> Value {
        match kind {
            Kind::Bool => Value::Bool(true),
            Kind::Int8 | Kind::Int16 | Kind::Uint16 | Kind::Int32 | Kind::Int64 => Value::Int(7),
            Kind::Float64 => Value::Float(1.5),
            Kind::Uuid => Value::text("01234567-89ab-cdef-0123-456789abcdef"),
            Kind::Text => Value::text("t".repeat(200)),
            Kind::Bytes | Kind::Records => Value::Bytes(vec![0, 1, 0xff]),
            Kind::Array(element) => Value::List(vec![of(element, version), of(element, version)]),
            Kind::Struct(types) => Value::Struct(
                types
                    .iter()
                    .filter(|t| t.versions.contains(&version))
                    .map(|t| Field::new(&t.name, sample(t, version)))
                    .collect(),
            ),
        }
    }
    of(&field.kind, version)
}

#[test]
fn every_message_of_every_version_comes_back_as_it_went() {
    let mut messages = 0;
    for api in schema::all() {
        for message in [&api.request, &api.response] {
            for version in message.versions.clone() {
                let whole = FieldType {
                    kind: Kind::Struct(message.fields.clone()),
                    ..message
                        .fields
                        .first()
                        .cloned()
                        .unwrap_or_else(|| schema::by_key(12).unwrap().request.fields[0].clone())
                };
                let body = sample(&whole, version);
                let bytes = encode(message, version, &body).unwrap();
                assert_eq!(
                    decode(message, version, &bytes).as_ref(),
                    Ok(&body),
                    "{} {version}",
                    api.name
                );
                messages += 1;
            }
        }
    }
    assert!(messages > 400, "{messages}");
}
