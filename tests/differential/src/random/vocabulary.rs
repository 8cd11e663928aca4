//! What the fields of requests hold. Where a value would reach other sequences or be a race between a cluster's threads, the field is
//! fixed to what does not.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use fastrand::Rng;

use crate::text::parse_value;
use crate::tree::{Field, Value};

static VOCABULARY: LazyLock<Vocabulary> = LazyLock::new(|| read(include_str!("vocabulary.txt")));

/// `vocabulary.txt`, which says itself what it is.
#[derive(Default)]
struct Vocabulary {
    /// The API (none is any), the end of the path, and the values.
    fields: Vec<(Option<&'static str>, &'static str, Vec<Value>)>,
    /// Names and values of configurations.
    configs: BTreeMap<&'static str, Vec<Value>>,
}

fn read(text: &'static str) -> Vocabulary {
    let mut read = Vocabulary::default();
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let (names, values) = line.split_once(": ").expect("a line has a colon");
        let (of, name) = names.split_once(' ').expect("a line begins with whose it is");
        let Ok(Value::List(values)) = parse_value(&format!("[{values}]")) else {
            panic!("no values: {line}")
        };
        match of {
            "=" => drop(read.configs.insert(name, values)),
            "*" => read.fields.push((None, name, values)),
            api => read.fields.push((Some(api), name, values)),
        }
    }
    read
}

/// The APIs whose bodies are made from their definitions, and how often.
pub(super) const APIS: &[(&str, u8)] = &[
    ("ListOffsets", 6),
    ("Metadata", 3),
    ("OffsetCommit", 6),
    ("OffsetFetch", 6),
    ("FindCoordinator", 3),
    ("JoinGroup", 4),
    ("SyncGroup", 3),
    ("Heartbeat", 3),
    ("LeaveGroup", 3),
    ("DescribeGroups", 3),
    ("ListGroups", 3),
    ("ApiVersions", 2),
    ("CreateTopics", 8),
    ("DeleteTopics", 3),
    ("DeleteRecords", 4),
    ("InitProducerId", 4),
    ("OffsetForLeaderEpoch", 4),
    ("AddPartitionsToTxn", 3),
    ("AddOffsetsToTxn", 2),
    ("EndTxn", 3),
    ("WriteTxnMarkers", 3),
    ("TxnOffsetCommit", 4),
    ("DescribeConfigs", 6),
    ("AlterConfigs", 6),
    ("AlterReplicaLogDirs", 2),
    ("DescribeLogDirs", 2),
    ("CreatePartitions", 4),
    ("DeleteGroups", 2),
    ("ElectLeaders", 3),
    ("IncrementalAlterConfigs", 10),
    ("AlterPartitionReassignments", 4),
    ("ListPartitionReassignments", 2),
    ("OffsetDelete", 3),
    ("DescribeClientQuotas", 4),
    ("AlterClientQuotas", 6),
    ("DescribeQuorum", 2),
    ("UpdateFeatures", 3),
    ("DescribeCluster", 2),
    ("DescribeProducers", 3),
    ("UnregisterBroker", 1),
    ("DescribeTransactions", 2),
    ("ListTransactions", 3),
    ("GetTelemetrySubscriptions", 1),
    ("PushTelemetry", 1),
    ("ListConfigResources", 2),
    ("DescribeTopicPartitions", 5),
];

/// Fields that never have an odd value.
const FIXED: &[(&str, &str)] = &[
    // Time that runs out is a race.
    ("", "timeoutMs"),
    // What takes effect would be everyone's, or takes effect behind its answer.
    ("", "validateOnly"),
    ("", "brokerId"),
    // Who joins a group that has members waits for them.
    ("JoinGroup", "groupId"),
    ("UpdateFeatures", "featureUpdates"),
    ("AlterClientQuotas", "entity"),
    ("AlterClientQuotas", "entityName"),
    ("DescribeClientQuotas", "components"),
    ("DescribeClientQuotas", "matchType"),
    ("DescribeClientQuotas", "match"),
    ("DescribeClientQuotas", "entityType"),
    ("DescribeLogDirs", "topics"),
    ("ListPartitionReassignments", "topics"),
    ("DescribeTopicPartitions", "topics"),
    ("DescribeTopicPartitions", "cursor"),
    ("DeleteTopics", "topics"),
    ("DeleteTopics", "topicNames"),
    ("ListOffsets", "replicaId"),
    ("AlterReplicaLogDirs", "path"),
    ("AlterPartitionReassignments", "topics"),
    ("ElectLeaders", "topicPartitions"),
    // All topics are many.
    ("Metadata", "topics"),
];

/// Lists of which the empty one stands for everything that there is.
const NEVER_EMPTY: &[(&str, &str)] = &[
    ("DescribeClientQuotas", "components"),
    ("DescribeTopicPartitions", "topics"),
    ("DescribeLogDirs", "topics"),
    // Apache Kafka answers never.
    ("AddPartitionsToTxn", "transactions"),
];

/// Lists of one thing alone. Apache Kafka never answers a marker for a partition that it is told of twice, nor one without partitions
/// that it has behind others.
const ALONE: &[(&str, &str)] = &[
    ("WriteTxnMarkers", "markers"),
    ("WriteTxnMarkers", "partitionIndexes"),
    ("WriteTxnMarkers", "topics"),
];

/// Lists in which nothing may be named twice: Apache Kafka answers never. By the fields that name.
const DISTINCT: &[(&str, &str, &[&str])] = &[
    ("AlterConfigs", "resources", &["resourceType", "resourceName"]),
    ("JoinGroup", "protocols", &["name"]),
];

fn fits(entry: (&str, &str), api: &str, path: &str) -> bool {
    let (of, end) = entry;
    let ends = path
        .strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    (of.is_empty() || of == api) && ends
}

/// What a field may hold, where something is known of it.
pub(super) fn values(api: &str, path: &str) -> Option<&'static [Value]> {
    let of = |wanted: Option<&str>| {
        let mut fields = VOCABULARY.fields.iter();
        let found = fields.find(|(of, end, _)| *of == wanted && fits(("", end), api, path));
        found.map(|(_, _, values)| values.as_slice())
    };
    of(Some(api)).or_else(|| of(None))
}

/// One of some values.
pub(super) fn one_of(rng: &mut Rng, values: &[Value]) -> Value {
    values[rng.usize(..values.len())].clone()
}

pub(super) fn is_fixed(api: &str, path: &str) -> bool {
    FIXED.iter().any(|entry| fits(*entry, api, path))
}

/// A list without what must not be named twice.
pub(super) fn distinct(api: &str, path: &str, list: Vec<Value>) -> Vec<Value> {
    let Some((_, _, names)) = DISTINCT.iter().find(|(of, end, _)| fits((of, end), api, path)) else {
        return list;
    };
    let mut seen: Vec<Vec<Option<Value>>> = Vec::new();
    let mut is_new = |one: &Value| {
        // What is no type of a resource is the same as another that is none.
        let known = |value: &Value| !matches!(value, Value::Int(kind) if ![2, 4, 8, 16, 32].contains(kind));
        let named = names
            .iter()
            .map(|name| one.field(name).cloned().filter(known))
            .collect();
        let is_new = !seen.contains(&named);
        seen.push(named);
        is_new
    };
    list.into_iter().filter(|one| is_new(one)).collect()
}

pub(super) fn is_alone(api: &str, path: &str) -> bool {
    ALONE.iter().any(|entry| fits(*entry, api, path))
}

pub(super) fn is_never_empty(api: &str, path: &str) -> bool {
    NEVER_EMPTY.iter().any(|entry| fits(*entry, api, path))
}

/// The configurations of a resource: names that it mostly has, with values that mostly are of their kind.
pub(super) fn configs(rng: &mut Rng, api: &str, path: &str, given: &[Field]) -> Option<Field> {
    let is_topic = api == "CreateTopics" && path == "topics";
    let is_altered = matches!(api, "AlterConfigs" | "IncrementalAlterConfigs") && path == "resources";
    if !is_topic && !is_altered {
        return None;
    }
    let of = given.iter().find(|f| f.name == "resourceType").map(|f| &f.value);
    let kind = match of {
        Some(Value::Int(kind)) => *kind,
        _ => 2,
    };
    let count = match is_topic {
        true => rng.usize(0..3),
        false => [0, 1, 1, 1, 2, 2, 3][rng.usize(0..7)],
    };
    let configs: Vec<Value> = (0..count).map(|_| config(rng, api, kind)).collect();
    Some(Field::new("configs", Value::List(configs)))
}

fn config(rng: &mut Rng, api: &str, kind: i64) -> Value {
    // Now and then a name of another kind of resource.
    let kind = match rng.u8(0..12) {
        0 => [2, 4, 8, 16, 32][rng.usize(0..5)],
        _ => kind,
    };
    let (names, values) = match kind {
        4 => ("broker", ["numbers", "numbers", "truths", "listed"][rng.usize(0..4)]),
        8 => ("logger", "others"),
        16 => ("client", ["numbers", "others"][rng.usize(0..2)]),
        32 => ("group", ["numbers", "numbers", "others"][rng.usize(0..3)]),
        _ => match rng.u8(0..12) {
            0..4 => ("longs", "numbers"),
            4..7 => ("ints", "numbers"),
            7 => ("bools", "truths"),
            8..11 => ("words", "listed"),
            _ => ("misspelt", "numbers"),
        },
    };
    let known = |name: &str| {
        VOCABULARY
            .configs
            .get(name)
            .map(Vec::as_slice)
            .expect("it is in the file")
    };
    let mut fields = vec![
        Field::new("name", one_of(rng, known(names))),
        Field::new("value", one_of(rng, known(values))),
    ];
    if api == "IncrementalAlterConfigs" {
        let operation = [0, 0, 0, 0, 0, 1, 2, 3, 4, -1][rng.usize(0..10)];
        fields.push(Field::new("configOperation", Value::Int(operation)));
    }
    Value::Struct(fields)
}
