//! The wire shape of requests: a frame is walked before it is decoded.
//!
//! The decoder of kafka-protocol reserves room for as many elements as an array's prefix claims. The walk makes sure that
//! nothing is decoded unless every length in the frame is covered by bytes that did arrive, so a claim alone allocates
//! nothing. It reads lengths only: record bytes are skipped, not read.
//!
//! The shapes are Apache Kafka's own message definitions, see `tests/oracle/shapes.py`.

use once_cell::sync::Lazy;
use thiserror::Error;

use crate::lines::{Lines, text};

/// Nested structs in Kafka's messages reach five levels; a shape deeper than this is not one of them.
const MAX_DEPTH: usize = 16;

/// Why a frame is not a request of its API and version.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ShapeError {
    /// The frame ends within a field.
    #[error("the frame ends within a field")]
    Truncated,
    /// A length below zero that does not mean null.
    #[error("a field has the length {0}")]
    NegativeLength(i64),
    /// An array that claims more elements than bytes are left.
    #[error("an array claims {claimed} elements in {remaining} bytes")]
    ArrayTooLong {
        /// What its prefix says.
        claimed: u64,
        /// The bytes behind the prefix.
        remaining: usize,
    },
    /// A string longer than any version before the flexible ones could say.
    #[error("a string claims {0} bytes")]
    StringTooLong(usize),
    /// A tagged field whose size is not that of its content.
    #[error("the tagged field {0} has the wrong size")]
    TagSize(u32),
    /// A varint of more than five bytes.
    #[error("a varint is longer than five bytes")]
    Varint,
    /// No definition of this API.
    #[error("no definition of API key {0}")]
    UnknownApi(i16),
}

#[derive(Debug)]
enum Kind {
    Fixed(usize),
    Str,
    Bytes,
    Array(Vec<Field>),
    Struct(Vec<Field>),
    /// A struct behind a byte that says whether there is one: negative is null.
    Nullable(Vec<Field>),
}

#[derive(Debug)]
struct Field {
    kind: Kind,
    since: i16,
    until: i16,
    tag: Option<u32>,
    /// An element of an array of structs, or a struct: ends with tagged fields in flexible versions.
    fields_of_struct: bool,
}

#[derive(Debug)]
struct Message {
    flexible_since: i16,
    fields: Vec<Field>,
}

static MESSAGES: Lazy<Messages> = Lazy::new(Messages::new);

/// The shapes, by their APIs' keys.
struct Messages {
    lines: Lines<i16, Message>,
    /// Which line is that of a key: keys are few and small, and every request asks.
    line_of: Vec<Option<u8>>,
}

impl Messages {
    fn new() -> Self {
        let lines = Lines::new(text!(include_str!("shapes.txt")), key, message);
        let mut line_of = Vec::new();
        for (line, key) in lines.keys().enumerate() {
            if let (Ok(line), Ok(key)) = (u8::try_from(line), usize::try_from(key)) {
                line_of.resize(line_of.len().max(key + 1), None);
                line_of[key] = Some(line);
            }
        }
        Self { lines, line_of }
    }

    fn get(&self, api_key: i16) -> Option<&Message> {
        let line = *self.line_of.get(usize::try_from(api_key).ok()?)?;
        self.lines.row(line?.into())
    }
}

/// Checks that `body` has the shape of a request, and returns how many bytes it takes.
///
/// Bytes behind the request are not an error: Apache Kafka ignores them as well.
pub(crate) fn check(api_key: i16, version: i16, body: &[u8]) -> Result<usize, ShapeError> {
    let message = MESSAGES.get(api_key).ok_or(ShapeError::UnknownApi(api_key))?;
    let mut walk = Walk {
        rest: body,
        version,
        flexible: version >= message.flexible_since,
    };
    walk.fields(&message.fields, true)?;
    Ok(body.len() - walk.rest.len())
}

/// The size of a section of tagged fields, as a header of version 2 ends with.
pub(crate) fn tagged_fields(bytes: &[u8]) -> Result<usize, ShapeError> {
    let mut walk = Walk {
        rest: bytes,
        version: 0,
        flexible: true,
    };
    walk.tags(&[])?;
    Ok(bytes.len() - walk.rest.len())
}

struct Walk<'a> {
    rest: &'a [u8],
    version: i16,
    flexible: bool,
}

impl Walk<'_> {
    fn fields(&mut self, fields: &[Field], ends_with_tags: bool) -> Result<(), ShapeError> {
        for field in fields {
            if field.tag.is_none() && self.has(field) {
                self.value(field)?;
            }
        }
        if ends_with_tags && self.flexible {
            self.tags(fields)?;
        }
        Ok(())
    }

    fn has(&self, field: &Field) -> bool {
        field.since <= self.version && self.version <= field.until
    }

    fn value(&mut self, field: &Field) -> Result<(), ShapeError> {
        match &field.kind {
            Kind::Fixed(size) => self.skip(*size),
            Kind::Str => match self.length(2)? {
                // Flexible versions could say more, and Apache Kafka refuses it.
                Some(size) if size > i16::MAX as usize => Err(ShapeError::StringTooLong(size)),
                Some(size) => self.skip(size),
                None => Ok(()),
            },
            Kind::Bytes => match self.length(4)? {
                Some(size) => self.skip(size),
                None => Ok(()),
            },
            Kind::Struct(fields) => self.fields(fields, true),
            Kind::Nullable(fields) => {
                let [present] = self.take()?;
                match present.cast_signed() {
                    ..0 => Ok(()),
                    0.. => self.fields(fields, true),
                }
            }
            Kind::Array(fields) => {
                let Some(count) = self.length(4)? else {
                    return Ok(());
                };
                // Every element takes a byte at least, so a longer array cannot be whole.
                if count > self.rest.len() {
                    return Err(ShapeError::ArrayTooLong {
                        claimed: count as u64,
                        remaining: self.rest.len(),
                    });
                }
                for _ in 0..count {
                    self.fields(fields, field.fields_of_struct)?;
                }
                Ok(())
            }
        }
    }

    fn tags(&mut self, fields: &[Field]) -> Result<(), ShapeError> {
        let count = self.varint()?;
        for _ in 0..count {
            let tag = self.varint()?;
            let size = self.varint()? as usize;
            let known = fields.iter().find(|f| f.tag == Some(tag) && self.has(f));
            match known {
                None => self.skip(size)?,
                Some(field) => {
                    let before = self.rest.len();
                    if size > before {
                        return Err(ShapeError::Truncated);
                    }
                    self.value(field)?;
                    if before - self.rest.len() != size {
                        return Err(ShapeError::TagSize(tag));
                    }
                }
            }
        }
        Ok(())
    }

    /// A length prefix: `None` is null. `width` is the prefix's size in versions that are not flexible.
    fn length(&mut self, width: usize) -> Result<Option<usize>, ShapeError> {
        if self.flexible {
            return Ok((self.varint()? as usize).checked_sub(1));
        }
        let length = match width {
            2 => i64::from(i16::from_be_bytes(self.take()?)),
            _ => i64::from(i32::from_be_bytes(self.take()?)),
        };
        match length {
            -1 => Ok(None),
            0.. => Ok(Some(length as usize)),
            _ => Err(ShapeError::NegativeLength(length)),
        }
    }

    fn varint(&mut self) -> Result<u32, ShapeError> {
        let mut value: u64 = 0;
        for shift in 0..5 {
            let [byte] = self.take()?;
            value |= u64::from(byte & 0x7f) << (7 * shift);
            if byte & 0x80 == 0 {
                return u32::try_from(value).map_err(|_| ShapeError::Varint);
            }
        }
        Err(ShapeError::Varint)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], ShapeError> {
        let (head, rest) = self.rest.split_first_chunk::<N>().ok_or(ShapeError::Truncated)?;
        self.rest = rest;
        Ok(*head)
    }

    fn skip(&mut self, size: usize) -> Result<(), ShapeError> {
        self.rest = self.rest.get(size..).ok_or(ShapeError::Truncated)?;
        Ok(())
    }
}

/// The API's key that a line begins with.
fn key(line: &'static str) -> i16 {
    let digits = line.bytes().take_while(u8::is_ascii_digit);
    digits.fold(0, |key, digit| key * 10 + i16::from(digit - b'0'))
}

/// A line: the API's key, its name, the first flexible version, and the fields.
fn message(line: &'static str) -> Option<Message> {
    let mut words = line.split(' ').skip(2);
    let flexible_since = match words.next()? {
        "-" => i16::MAX,
        version => version.parse().ok()?,
    };
    let mut words = words.peekable();
    Some(Message {
        flexible_since,
        fields: parse_fields(&mut words, 0),
    })
}

/// Reads fields up to the end of the line or the closing bracket, which stays for the caller.
fn parse_fields<'a>(words: &mut std::iter::Peekable<impl Iterator<Item = &'a str>>, depth: usize) -> Vec<Field> {
    assert!(depth < MAX_DEPTH, "a shape in shapes.txt is nested too deep");
    let mut fields = Vec::new();
    while let Some(word) = words.next_if(|w| !w.starts_with([']', ')'])) {
        if word.is_empty() {
            continue;
        }
        let (kind, fields_of_struct, suffix) = match word {
            "[" | "(" | "(?" => {
                let inner = parse_fields(words, depth + 1);
                let closing = words.next().unwrap_or("]");
                let kind = match word {
                    "[" => Kind::Array(inner),
                    "(?" => Kind::Nullable(inner),
                    _ => Kind::Struct(inner),
                };
                (kind, true, &closing[1..])
            }
            _ => match word.strip_prefix('[').and_then(|w| w.split_once(']')) {
                Some((element, suffix)) => {
                    let element = field(scalar(element), "", false);
                    (Kind::Array(vec![element]), false, suffix)
                }
                None => {
                    let end = word.find(['@', '#']).unwrap_or(word.len());
                    (scalar(&word[..end]), false, &word[end..])
                }
            },
        };
        fields.push(field(kind, suffix, fields_of_struct));
    }
    fields
}

fn scalar(word: &str) -> Kind {
    match word {
        "s" => Kind::Str,
        "b" => Kind::Bytes,
        size => Kind::Fixed(size.parse().unwrap_or(0)),
    }
}

/// `suffix` is `#TAG` and `@SINCE-UNTIL` or `@SINCE+`, each optional.
fn field(kind: Kind, suffix: &str, fields_of_struct: bool) -> Field {
    let (tag, versions) = suffix.split_once('@').unwrap_or((suffix, "0+"));
    let (since, until) = match versions.strip_suffix('+') {
        Some(since) => (since, None),
        None => versions
            .split_once('-')
            .map_or((versions, Some(versions)), |(a, b)| (a, Some(b))),
    };
    Field {
        kind,
        since: since.parse().unwrap_or(0),
        until: until.and_then(|v| v.parse().ok()).unwrap_or(i16::MAX),
        tag: tag.strip_prefix('#').and_then(|t| t.parse().ok()),
        fields_of_struct,
    }
}

#[cfg(test)]
mod tests {
    use bytes::{BufMut, BytesMut};
    use kafka_protocol::messages::describe_topic_partitions_request::Cursor;
    use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
    use kafka_protocol::messages::{ApiKey, DescribeTopicPartitionsRequest, FetchRequest, MetadataRequest, TopicName};
    use kafka_protocol::protocol::{Encodable, VersionRange};
    use proptest::prelude::*;

    use super::*;
    use crate::api;

    #[test]
    fn an_array_that_claims_more_than_the_frame_holds_is_refused() {
        let mut body = BytesMut::new();
        body.put_i32(i32::MAX);
        assert_eq!(
            check(ApiKey::Metadata as i16, 0, &body),
            Err(ShapeError::ArrayTooLong {
                claimed: i32::MAX as u64,
                remaining: 0
            })
        );
    }

    #[test]
    fn a_tagged_field_that_lies_about_its_size_is_refused() {
        let mut body = BytesMut::new();
        FetchRequest::default()
            .with_cluster_id(Some("abc".into()))
            .encode(&mut body, 12)
            .unwrap();
        assert_eq!(check(ApiKey::Fetch as i16, 12, &body), Ok(body.len()));
        // The tag section is: one field, tag 0, its size, a compact string of three bytes.
        let size = body.len() - 5;
        assert_eq!(body[size], 4);
        body[size] = 3;
        assert_eq!(check(ApiKey::Fetch as i16, 12, &body), Err(ShapeError::TagSize(0)));
    }

    #[test]
    fn a_string_longer_than_32767_bytes_is_refused_in_flexible_versions_too() {
        let name = "x".repeat(32_768);
        let topic = MetadataRequestTopic::default().with_name(Some(TopicName(name.into())));
        let mut body = BytesMut::new();
        MetadataRequest::default()
            .with_topics(Some(vec![topic]))
            .encode(&mut body, 12)
            .unwrap();
        assert_eq!(
            check(ApiKey::Metadata as i16, 12, &body),
            Err(ShapeError::StringTooLong(32_768))
        );
    }

    #[test]
    fn every_api_of_the_table_has_a_shape_and_an_empty_body_has_it_in_no_version() {
        for api in api::all() {
            for version in api.versions.min..=api.versions.max {
                let empty_is_whole = matches!(
                    (api.key, version),
                    (ApiKey::ApiVersions, 0..=2) | (ApiKey::ListGroups, 0..=2)
                );
                assert_eq!(
                    check(api.key as i16, version, &[]).is_ok(),
                    empty_is_whole,
                    "{:?} {version}",
                    api.key
                );
            }
        }
    }

    #[test]
    fn a_struct_that_may_be_null_says_whether_it_is_there() {
        let request = |cursor: Option<Cursor>| {
            let mut body = BytesMut::new();
            let request = DescribeTopicPartitionsRequest::default().with_cursor(cursor);
            request.encode(&mut body, 0).unwrap();
            body
        };
        let key = ApiKey::DescribeTopicPartitions as i16;
        let (with, without) = (request(Some(Cursor::default())), request(None));
        assert_eq!(check(key, 0, &with), Ok(with.len()));
        assert_eq!(check(key, 0, &without), Ok(without.len()));
        assert_eq!(check(key, 0, &with[..with.len() - 2]), Err(ShapeError::Truncated));
    }

    #[test]
    fn bytes_behind_the_request_are_not_its_own() {
        let mut body = BytesMut::new();
        MetadataRequest::default().encode(&mut body, 12).unwrap();
        let size = body.len();
        body.put_u64(7);
        assert_eq!(check(ApiKey::Metadata as i16, 12, &body), Ok(size));
    }

    proptest! {
        /// What passes the walk decodes or is refused by the decoder, without a panic and without a huge allocation.
        #[test]
        fn what_a_client_sends_never_panics(which in 0usize..64, version in 0i16..20, body in proptest::collection::vec(any::<u8>(), 0..256)) {
            let apis: Vec<_> = api::all().collect();
            let api = apis[which % apis.len()];
            let VersionRange { min, max } = api.versions;
            let version = min + version % (max - min + 1);
            if check(api.key as i16, version, &body).is_ok() {
                let _ = (api.decodes)(version, bytes::Bytes::from(body));
            }
        }
    }
}
