//! What two clusters cannot have in common is masked: ids, times, addresses, and the order that nobody promised.
//!
//! An id becomes `<topic 1>`: its kind, and its place among the first appearances of its kind in the scenario. So two answers are
//! equal only where the same id comes again in the same places.

use std::collections::{BTreeMap, BTreeSet};

use crate::records;
use crate::schema::{self, NIL_UUID};
use crate::side::Side;
use crate::tree::{Field, Value};

/// Fields whose value is an id, by kind.
const IDS: &[(&str, &str)] = &[
    ("topicId", "topic"),
    ("memberId", "member"),
    ("leader", "member"),
    ("producerId", "producer"),
    ("sessionId", "session"),
    ("clusterId", "cluster"),
    ("clientInstanceId", "client"),
    ("subscriptionId", "subscription"),
];

/// Fields that hold a time, where they hold today's.
const TIMES: &[&str] = &[
    "timestamp",
    "baseTimestamp",
    "maxTimestamp",
    "logAppendTimeMs",
    "lastTimestamp",
    "transactionStartTimeMs",
    "lastFetchTimestamp",
    "lastCaughtUpTimestamp",
];
/// Offsets that DescribeQuorum names.
const OFFSETS: &[&str] = &["highWatermark", "logEndOffset"];
/// A time this near to now, in milliseconds, is today's.
const NEAR: i64 = 24 * 3600 * 1000;

/// Fields that name a broker.
const NODES: &[&str] = &[
    "nodeId",
    "leaderId",
    "controllerId",
    "replicaNodes",
    "isrNodes",
    "offlineReplicas",
    "preferredReadReplica",
    "eligibleLeaderReplicas",
    "lastKnownElr",
    "replicas",
    "addingReplicas",
    "removingReplicas",
];

/// Lists in an order that Apache Kafka does not promise (hash maps, and DeleteTopics, which shuffles its answers so that they do
/// not tell what exists), by API.
const UNORDERED: &[(&str, &str)] = &[
    ("AddPartitionsToTxn", "resultsByTopicV3AndBelow"),
    ("AddPartitionsToTxn", "topicResults"),
    ("AddPartitionsToTxn", "resultsByPartition"),
    ("DescribeProducers", "activeProducers"),
    ("DescribeProducers", "topics"),
    ("DescribeProducers", "partitions"),
    ("DescribeTransactions", "topics"),
    ("DescribeTransactions", "partitions"),
    ("ListTransactions", "transactionStates"),
    ("ListTransactions", "unknownStateFilters"),
    ("TxnOffsetCommit", "topics"),
    ("WriteTxnMarkers", "topics"),
    ("WriteTxnMarkers", "partitions"),
    ("WriteTxnMarkers", "markers"),
    ("Metadata", "brokers"),
    ("Metadata", "topics"),
    ("Metadata", "partitions"),
    ("CreatePartitions", "results"),
    ("ElectLeaders", "replicaElectionResults"),
    ("CreateTopics", "configs"),
    ("AlterClientQuotas", "entries"),
    ("AlterReplicaLogDirs", "results"),
    ("AlterReplicaLogDirs", "partitions"),
    ("DeleteGroups", "results"),
    ("DeleteRecords", "topics"),
    ("DeleteRecords", "partitions"),
    ("DeleteTopics", "responses"),
    ("DescribeClientQuotas", "entries"),
    ("DescribeClientQuotas", "entity"),
    ("DescribeClientQuotas", "values"),
    ("DescribeCluster", "brokers"),
    ("DescribeConfigs", "configs"),
    ("DescribeGroups", "members"),
    ("DescribeLogDirs", "topics"),
    ("DescribeLogDirs", "partitions"),
    ("JoinGroup", "members"),
    ("ListConfigResources", "configResources"),
    ("ListGroups", "groups"),
    ("ListOffsets", "topics"),
    ("ListOffsets", "partitions"),
    ("OffsetCommit", "topics"),
    ("OffsetFetch", "topics"),
    ("OffsetFetch", "partitions"),
    ("Produce", "responses"),
    ("Produce", "partitionResponses"),
    ("ApiVersions", "supportedFeatures"),
    ("ApiVersions", "finalizedFeatures"),
];

/// Lists of everything that there is, with the field that says whose it is: what other scenarios made is left out.
const EVERYTHING: &[(&str, &str, &str)] = &[
    ("Metadata", "topics", "name"),
    ("ListGroups", "groups", "groupId"),
    ("ListTransactions", "transactionStates", "transactionalId"),
    ("ListConfigResources", "configResources", "resourceName"),
    ("ElectLeaders", "replicaElectionResults", "topic"),
    ("ListPartitionReassignments", "topics", "name"),
];

/// One scenario's masks.
#[derive(Debug)]
pub struct Canonical<'a> {
    side: &'a Side,
    prefix: &'a str,
    now_ms: i64,
    numbers: BTreeMap<(&'static str, String), usize>,
    literals: BTreeSet<String>,
}

impl<'a> Canonical<'a> {
    /// Begins a scenario, whose names begin with `prefix`.
    pub fn new(side: &'a Side, prefix: &'a str, now_ms: i64) -> Self {
        Self {
            side,
            prefix,
            now_ms,
            numbers: BTreeMap::new(),
            literals: BTreeSet::new(),
        }
    }

    /// What the scenario itself writes is no id that a cluster chose.
    pub fn written(&mut self, value: &Value) {
        for (_, leaf) in value.leaves() {
            if let Value::Text(text) = leaf {
                self.literals.insert(text.clone());
            }
        }
    }

    /// Masks an answer.
    pub fn answer(&mut self, api: &str, value: &Value) -> Value {
        let ordered = self.ordered(api, "", value);
        self.masked("", &ordered)
    }

    /// Everything but the masks: records are read, lists put in order, others' things left out.
    fn ordered(&self, api: &str, name: &str, value: &Value) -> Value {
        match value {
            Value::Bytes(bytes) if name == "records" => records::batches(bytes),
            Value::Struct(fields) => {
                let of_offsets = value.field("name") == Some(&Value::text("__consumer_offsets"));
                let fields = fields.iter().map(|f| match (api, &f.value) {
                    // Where a transaction began is an offset among whatever else the coordinator has written.
                    ("DescribeProducers", Value::List(list)) if f.name == "partitions" && of_offsets => {
                        let list = list.iter().map(without_starts).collect();
                        Field::new(&f.name, self.ordered(api, &f.name, &Value::List(list)))
                    }
                    ("ApiVersions", Value::List(list)) if f.name == "apiKeys" => Field::new(&f.name, by_api(list)),
                    // Offsets of the controllers' log.
                    ("DescribeQuorum", Value::Int(n)) if OFFSETS.contains(&&*f.name) && *n > 0 => {
                        Field::new(&f.name, Value::Masked("offset".to_owned()))
                    }
                    // The controllers elect again where they are kept waiting.
                    ("DescribeQuorum", Value::Int(n)) if f.name == "leaderEpoch" && *n > 0 => {
                        Field::new(&f.name, Value::Masked("epoch".to_owned()))
                    }
                    _ => Field::new(&f.name, self.ordered(api, &f.name, &f.value)),
                });
                Value::Struct(fields.collect())
            }
            Value::List(list) => {
                let mut list: Vec<Value> = list.iter().map(|v| self.ordered(api, "", v)).collect();
                if let Some((_, _, field)) = EVERYTHING.iter().find(|(a, n, _)| (*a, *n) == (api, name)) {
                    list.retain(|item| match item.field(field) {
                        Some(Value::Text(text)) => text.starts_with(self.prefix) || self.literals.contains(text),
                        _ => true,
                    });
                }
                if UNORDERED.contains(&(api, name)) {
                    list.sort_by_cached_key(|item| self.known(item));
                }
                Value::List(list)
            }
            other => other.clone(),
        }
    }

    /// A value with the ids that are new left out, to order by.
    fn known(&self, value: &Value) -> String {
        let mut known = Self {
            side: self.side,
            prefix: self.prefix,
            now_ms: self.now_ms,
            numbers: self.numbers.clone(),
            literals: self.literals.clone(),
        };
        let seen = self.numbers.len();
        let text = known.masked("", value).to_string();
        match known.numbers.len() == seen {
            true => text,
            false => {
                // Ids that appear here first must not decide.
                let new = known.numbers.iter().filter(|(key, _)| !self.numbers.contains_key(*key));
                new.fold(text, |text, ((kind, _), number)| {
                    text.replace(&format!("<{kind} {number}>"), "<new>")
                })
            }
        }
    }

    fn masked(&mut self, name: &str, value: &Value) -> Value {
        match value {
            Value::Struct(fields) => Value::Struct(
                fields
                    .iter()
                    .map(|f| Field::new(&f.name, self.masked(&f.name, &f.value)))
                    .collect(),
            ),
            Value::List(list) => Value::List(list.iter().map(|v| self.masked(name, v)).collect()),
            // An offset of the controllers' log.
            Value::Int(n) if name == "finalizedFeaturesEpoch" && *n > 0 => Value::Masked("epoch".to_owned()),
            // Where logs are, and how large the volume is.
            Value::Text(_) if name == "logDir" => Value::Masked("directory".to_owned()),
            Value::Int(_) if matches!(name, "totalBytes" | "usableBytes") => Value::Masked("bytes".to_owned()),
            Value::Int(_) if name == "throttleTimeMs" => Value::Masked("throttle".to_owned()),
            Value::Int(n) if TIMES.contains(&name) && (n - self.now_ms).abs() < NEAR => {
                Value::Masked("time".to_owned())
            }
            Value::Int(n) if NODES.contains(&name) && *n >= 0 => match self.side.places.get(n) {
                // Any broker, where there are several.
                Some(_) if name == "controllerId" && self.side.brokers.len() > 1 => Value::Masked("broker".to_owned()),
                Some(place) if self.side.brokers.len() == 1 || self.side.shows_brokers => {
                    Value::Masked(format!("broker {place}"))
                }
                Some(_) => Value::Masked("broker".to_owned()),
                None => Value::Int(*n),
            },
            Value::Int(n) if name == "port" && *n > 0 => Value::Masked("port".to_owned()),
            Value::Text(text) if name == "host" && !text.is_empty() => Value::Masked("host".to_owned()),
            Value::Int(_) | Value::Text(_) => match IDS.iter().find(|(field, _)| *field == name) {
                Some((_, kind)) => self.id(kind, value),
                None => match value {
                    Value::Text(text) => Value::Text(self.readable(text)),
                    other => other.clone(),
                },
            },
            Value::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => Value::Bytes(self.readable(text).into_bytes()),
                Err(_) => value.clone(),
            },
            other => other.clone(),
        }
    }

    fn id(&mut self, kind: &'static str, value: &Value) -> Value {
        let text = match value {
            Value::Text(text) => text.clone(),
            other => other.to_string(),
        };
        let is_none = matches!(value, Value::Int(n) if *n <= 0) || text.is_empty() || text == NIL_UUID;
        // The session and the producer 0 exist nowhere but as "none"; Apache Kafka's first producer id is 0.
        let is_none = is_none && !(kind == "producer" && text == "0");
        // A subscription's id is a checksum, as often below zero as above.
        let is_none = is_none && !(kind == "subscription" && text != "0");
        if is_none || self.literals.contains(&text) {
            return match value {
                Value::Text(text) => Value::Text(self.readable(text)),
                other => other.clone(),
            };
        }
        let next = self.numbers.keys().filter(|(k, _)| *k == kind).count() + 1;
        let number = *self.numbers.entry((kind, text)).or_insert(next);
        Value::Masked(format!("{kind} {number}"))
    }

    /// Text with the scenario's own names as it wrote them, and ids as they are masked.
    fn readable(&self, text: &str) -> String {
        let mut text = self.without_times(&text.replace(self.prefix, "~"));
        for ((kind, id), number) in &self.numbers {
            if id.len() >= 16 {
                text = text.replace(id, &format!("<{kind} {number}>"));
                if *kind == "topic" {
                    text = text.replace(&base64(id), &format!("<{kind} {number}>"));
                }
            }
        }
        text
    }
}

impl Canonical<'_> {
    /// Text in which today's times, and what is as far below them as a time can be, are masked: messages name the times that
    /// a broker takes.
    fn without_times(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some(start) = rest.find(|c: char| c.is_ascii_digit()) {
            let end = rest[start..]
                .find(|c: char| !c.is_ascii_digit())
                .map_or(rest.len(), |length| start + length);
            let negative = rest[..start].ends_with('-');
            let number: i128 = rest[start..end].parse().unwrap_or(0);
            let number = if negative { -number } else { number };
            let far = number + i128::from(i64::MAX);
            let is_near = |n: i128| (n - i128::from(self.now_ms)).abs() < i128::from(NEAR);
            if is_near(number) || is_near(far) {
                out.push_str(rest[..start].strip_suffix('-').unwrap_or(&rest[..start]));
                out.push_str(if negative { "<ever>" } else { "<time>" });
            } else {
                out.push_str(&rest[..end]);
            }
            rest = &rest[end..];
        }
        out + rest
    }
}

/// A value in which the offsets of open transactions are masked.
fn without_starts(value: &Value) -> Value {
    match value {
        Value::Struct(fields) => Value::Struct(
            fields
                .iter()
                .map(|f| match f.value {
                    Value::Int(offset) if f.name == "currentTxnStartOffset" && offset >= 0 => {
                        Field::new(&f.name, Value::Masked("offset".to_owned()))
                    }
                    _ => Field::new(&f.name, without_starts(&f.value)),
                })
                .collect(),
        ),
        Value::List(list) => Value::List(list.iter().map(without_starts).collect()),
        other => other.clone(),
    }
}

/// What is offered, by the API's name.
fn by_api(list: &[Value]) -> Value {
    let fields = list.iter().map(|row| {
        let key = match row.field("apiKey") {
            Some(Value::Int(key)) => *key,
            _ => -1,
        };
        let api = i16::try_from(key).ok().and_then(schema::by_key);
        let name = api.map_or_else(|| format!("key{key}"), |api| api.name.clone());
        let versions =
            ["minVersion", "maxVersion"].map(|name| row.field(name).map(Value::to_string).unwrap_or_default());
        (key, Field::new(&name, Value::text(versions.join(".."))))
    });
    let mut fields: Vec<_> = fields.collect();
    fields.sort_by_key(|(key, _)| *key);
    Value::Struct(fields.into_iter().map(|(_, field)| field).collect())
}

/// A UUID as Apache Kafka's messages show it: its bytes in URL-safe base64 without padding.
pub fn base64(uuid: &str) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let bits = u128::from_str_radix(&uuid.replace('-', ""), 16).unwrap_or(0);
    (0..22)
        .map(|digit| {
            let shift = 122 - 6 * digit;
            let six = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(ALPHABET[(six & 0x3f) as usize])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::text::parse_value;

    fn side() -> Side {
        Side {
            brokers: vec!["127.0.0.1:1".parse().unwrap()],
            places: BTreeMap::from([(1, 1)]),
            shows_brokers: false,
            steering: None,
        }
    }

    fn masks(answers: &[&str]) -> Vec<String> {
        let side = side();
        let mut canonical = Canonical::new(&side, "x-", 1_000_000_000_000_000);
        canonical.written(&Value::text("mine"));
        let mask = |text: &&str| canonical.answer("JoinGroup", &parse_value(text).unwrap()).to_string();
        answers.iter().map(mask).collect()
    }

    #[test]
    fn the_same_id_again_is_the_same_id() {
        let one = masks(&["{leader: abc, memberId: abc}", "{memberId: def}", "{memberId: abc}"]);
        assert_eq!(
            one,
            [
                "{leader: <member 1>, memberId: <member 1>}",
                "{memberId: <member 2>}",
                "{memberId: <member 1>}"
            ]
        );
        assert_eq!(
            one,
            masks(&["{leader: Q, memberId: Q}", "{memberId: R}", "{memberId: Q}"])
        );
        assert_ne!(
            one,
            masks(&["{leader: Q, memberId: Q}", "{memberId: R}", "{memberId: R}"])
        );
        assert_ne!(
            one,
            masks(&["{leader: Q, memberId: R}", "{memberId: R}", "{memberId: Q}"])
        );
    }

    #[test]
    fn what_is_no_id_is_not_masked() {
        let kept = [
            "{memberId: \"\"}",
            "{memberId: \"mine\"}",
            "{producerId: -1}",
            "{sessionId: 0}",
            "{baseTimestamp: 5}",
        ];
        assert_eq!(masks(&kept), kept);
        assert_eq!(masks(&["{producerId: 0}"]), ["{producerId: <producer 1>}"]);
    }

    #[test]
    fn where_a_transaction_began_is_masked_among_the_offsets_of_groups_alone() {
        let side = side();
        let mut canonical = Canonical::new(&side, "x-", 1_000_000_000_000_000);
        let mut mask = |topic: &str, start: i64| {
            let producers = format!("activeProducers: [{{currentTxnStartOffset: {start}}}]");
            let text = format!("{{topics: [{{name: {topic}, partitions: [{{{producers}}}]}}]}}");
            let masked = canonical.answer("DescribeProducers", &parse_value(&text).unwrap());
            let path = "topics[0].partitions[0].activeProducers[0].currentTxnStartOffset";
            masked.at(path).unwrap().to_string()
        };
        assert_eq!(mask("__consumer_offsets", 0), mask("__consumer_offsets", 7));
        assert_eq!(mask("__consumer_offsets", 7), "<offset>");
        assert_eq!((&*mask("__consumer_offsets", -1), &*mask("t", 7)), ("-1", "7"));
    }

    #[test]
    fn names_are_shown_as_the_scenario_writes_them() {
        assert_eq!(
            masks(&["{errorMessage: \"no x-t here\"}"]),
            ["{errorMessage: \"no ~t here\"}"]
        );
    }

    #[test]
    fn times_in_messages_are_masked() {
        let now = 1_000_000_000_000_000i64;
        let text = |n: i64, m: i64| format!("{{errorMessage: \"5 is not within [{n}, {m}] of -7\"}}");
        assert_eq!(
            masks(&[&text(now - i64::MAX, now + 3_600_000)]),
            ["{errorMessage: \"5 is not within [<ever>, <time>] of -7\"}"]
        );
        let kept = text(-now, 1_600_000_000_000);
        assert_eq!(masks(&[&kept]).concat(), kept);
    }

    #[test]
    fn members_are_ordered_by_what_is_known_of_them() {
        let members = |a: &str, b: &str| format!("{{members: [{{memberId: {a}}}, {{memberId: {b}}}]}}");
        let first = ["{memberId: b}", "{memberId: a}"];
        let ab = masks(&[first[0], first[1], &members("a", "b")]);
        assert_eq!(ab, masks(&[first[0], first[1], &members("b", "a")]));
        assert!(ab[2].contains("[{memberId: <member 1>}"), "{ab:?}");
    }
}
