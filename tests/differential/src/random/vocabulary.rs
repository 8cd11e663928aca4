//! What the fields of requests hold: by API and path where that matters, else by the field's name alone. Where a value would
//! reach other sequences or be a race between a cluster's threads, the field is fixed to what does not.

use fastrand::Rng;

use super::generate::pick;
use crate::text::parse_value;
use crate::tree::{Field, Value};

/// The APIs whose bodies are made from their definitions, and how often.
pub(super) const APIS: &[(&str, u8)] = &[
    ("ListOffsets", 6),
    ("Metadata", 3),
    ("OffsetCommit", 6),
    ("OffsetFetch", 6),
    ("FindCoordinator", 3),
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

/// Values by the field's path and API; an empty API is any. The first that fits counts. A path fits those that end with it.
const VALUES: &[(&str, &str, &[&str])] = &[
    // Names of topics, and what is none.
    ("CreateTopics", "topics.configs", &[]),
    (
        "CreateTopics",
        "topics.name",
        &[
            "~v",
            "~v",
            "~w",
            "~t",
            "~t",
            "\"a b\"",
            "\"\"",
            ".",
            "..",
            "~a.b",
            "__consumer_offsets",
        ],
    ),
    (
        "CreateTopics",
        "numPartitions",
        &["1", "1", "2", "-1", "-1", "0", "-2", "2147483647"],
    ),
    (
        "CreateTopics",
        "replicationFactor",
        &["1", "1", "-1", "-1", "0", "-2", "2", "32767"],
    ),
    (
        "CreateTopics",
        "assignments",
        &[
            "{partitionIndex: 0, brokerIds: [1]}",
            "{partitionIndex: 0, brokerIds: [1]}",
            "{partitionIndex: 1, brokerIds: [1]}",
            "{partitionIndex: 0, brokerIds: [1, 1]}",
            "{partitionIndex: 0, brokerIds: [7]}",
            "{partitionIndex: 0, brokerIds: []}",
            "{partitionIndex: -1, brokerIds: [1]}",
            "{partitionIndex: 0, brokerIds: [1, 7]}",
        ],
    ),
    (
        "DeleteTopics",
        "topics",
        &[
            "{name: ~y}",
            "{name: null}",
            "{name: null, topicId: 00000000-0000-0000-0000-000000000001}",
            "{name: null, topicId: 11111111-2222-3333-4444-555555555555}",
            "{name: ~y, topicId: 11111111-2222-3333-4444-555555555555}",
            "{name: \"a b\"}",
            "{name: \"\"}",
            "{name: ~y, topicId: 00000000-0000-0000-0000-000000000000}",
        ],
    ),
    (
        "DeleteTopics",
        "topicNames",
        &["~y", "~y", "~z", "\"a b\"", "\"\"", ".", "ä"],
    ),
    ("DeleteTopics", "topicId", &["00000000-0000-0000-0000-000000000000"]),
    (
        "CreatePartitions",
        "count",
        &["1", "2", "3", "3", "0", "-1", "5", "2147483647"],
    ),
    (
        "CreatePartitions",
        "assignments",
        &[
            "null",
            "null",
            "{brokerIds: [1]}",
            "{brokerIds: [1]}",
            "{brokerIds: [1, 1]}",
            "{brokerIds: [7]}",
            "{brokerIds: []}",
            "{brokerIds: [-1]}",
        ],
    ),
    (
        "DescribeTopicPartitions",
        "responsePartitionLimit",
        &["2000", "1", "2", "3", "0", "-1"],
    ),
    (
        "DescribeTopicPartitions",
        "cursor",
        &[
            "null",
            "null",
            "{topicName: ~t, partitionIndex: 0}",
            "{topicName: ~t, partitionIndex: 1}",
            "{topicName: ~t, partitionIndex: 5}",
            "{topicName: ~t, partitionIndex: -1}",
            "{topicName: ~u, partitionIndex: 0}",
            "{topicName: ~a, partitionIndex: 0}",
            "{topicName: ~x, partitionIndex: 1}",
            "{topicName: \"\", partitionIndex: 0}",
        ],
    ),
    (
        "DescribeQuorum",
        "topicName",
        &["__cluster_metadata", "__cluster_metadata", "~t", "~x", "\"\""],
    ),
    ("AlterPartitionReassignments", "replicas", &["1", "1", "1", "7", "-1"]),
    (
        "AlterPartitionReassignments",
        "topics.name",
        &["~t", "~t", "~u", "~x", "\"\"", "__consumer_offsets"],
    ),
    (
        "Metadata",
        "topics",
        &[
            "{name: ~t}",
            "{name: ~t}",
            "{name: ~u}",
            "{name: ~x}",
            "{name: ~x}",
            "{name: \"a b\"}",
            "{name: \"\"}",
            "{name: null, topicId: $i}",
            "{name: null, topicId: $i}",
            "{name: null, topicId: 11111111-2222-3333-4444-555555555555}",
            "{name: null}",
            "{name: ~t, topicId: $i}",
        ],
    ),
    // Configurations.
    (
        "DescribeConfigs",
        "resources",
        &[
            "{resourceType: 2, resourceName: ~t}",
            "{resourceType: 2, resourceName: ~t}",
            "{resourceType: 2, resourceName: ~u}",
            "{resourceType: 2, resourceName: ~x}",
            "{resourceType: 2, resourceName: \"\"}",
            "{resourceType: 2, resourceName: \"a b\"}",
            "{resourceType: 2, resourceName: __consumer_offsets}",
            "{resourceType: 4, resourceName: \"1\", configurationKeys: [log.retention.ms, num.io.threads]}",
            "{resourceType: 4, resourceName: \"\", configurationKeys: [message.max.bytes]}",
            "{resourceType: 4, resourceName: \"7\"}",
            "{resourceType: 4, resourceName: x}",
            "{resourceType: 4, resourceName: \"-1\"}",
            "{resourceType: 8, resourceName: \"1\", configurationKeys: [kafka.nothing]}",
            "{resourceType: 8, resourceName: \"\"}",
            "{resourceType: 8, resourceName: \"7\"}",
            "{resourceType: 16, resourceName: ~c}",
            "{resourceType: 16, resourceName: \"\"}",
            "{resourceType: 32, resourceName: ~g}",
            "{resourceType: 32, resourceName: ~h}",
            "{resourceType: 32, resourceName: \"\"}",
            "{resourceType: 0, resourceName: ~t}",
            "{resourceType: 3, resourceName: ~t}",
            "{resourceType: -1, resourceName: ~t}",
        ],
    ),
    (
        "DescribeConfigs",
        "configurationKeys",
        &[
            "null",
            "retention.ms",
            "cleanup.policy",
            "max.message.bytes",
            "segment.bytes",
            "nothing",
            "\"\"",
            "compression.type",
            "min.insync.replicas",
            "interval.ms",
            "consumer.session.timeout.ms",
        ],
    ),
    (
        "",
        "resources",
        &[
            "{resourceType: 2, resourceName: ~t}",
            "{resourceType: 2, resourceName: ~t}",
            "{resourceType: 2, resourceName: ~t}",
            "{resourceType: 2, resourceName: ~u}",
            "{resourceType: 2, resourceName: ~x}",
            "{resourceType: 2, resourceName: \"\"}",
            "{resourceType: 4, resourceName: \"1\"}",
            "{resourceType: 4, resourceName: \"1\"}",
            "{resourceType: 4, resourceName: \"\"}",
            "{resourceType: 4, resourceName: \"7\"}",
            "{resourceType: 4, resourceName: x}",
            "{resourceType: 8, resourceName: \"1\"}",
            "{resourceType: 8, resourceName: \"7\"}",
            "{resourceType: 16, resourceName: ~c}",
            "{resourceType: 16, resourceName: \"\"}",
            "{resourceType: 32, resourceName: ~g}",
            "{resourceType: 32, resourceName: \"\"}",
            "{resourceType: 0, resourceName: ~t}",
            "{resourceType: 3, resourceName: ~t}",
        ],
    ),
    ("", "configOperation", &["0", "0", "0", "0", "1", "2", "3", "4"]),
    ("", "validateOnly", &["true"]),
    (
        "ListConfigResources",
        "resourceTypes",
        &["2", "4", "8", "16", "32", "0", "3", "-1"],
    ),
    // Quotas.
    (
        "AlterClientQuotas",
        "entity",
        &[
            "{entityType: user, entityName: ~u}",
            "{entityType: user, entityName: ~u}",
            "{entityType: client-id, entityName: ~c}",
            "{entityType: ip, entityName: \"127.0.0.9\"}",
            "{entityType: ip, entityName: \"not an address\"}",
            "{entityType: user, entityName: \"\"}",
            "{entityType: client-id, entityName: \"\"}",
            "{entityType: group, entityName: ~g}",
            "{entityType: \"\", entityName: ~g}",
        ],
    ),
    (
        "AlterClientQuotas",
        "key",
        &[
            "producer_byte_rate",
            "consumer_byte_rate",
            "request_percentage",
            "controller_mutation_rate",
            "connection_creation_rate",
            "nothing",
            "\"\"",
        ],
    ),
    (
        "AlterClientQuotas",
        "value",
        &["1000000000.0", "1.5", "0.0", "-1.0", "1000000.0", "0.25"],
    ),
    (
        "DescribeClientQuotas",
        "components",
        &[
            "{entityType: user, matchType: 0, match: ~u}",
            "{entityType: user, matchType: 0, match: ~u}",
            "{entityType: client-id, matchType: 0, match: ~c}",
            "{entityType: client-id, matchType: 0, match: ~none}",
            "{entityType: ip, matchType: 0, match: \"127.0.0.9\"}",
            "{entityType: user, matchType: 0, match: null}",
            "{entityType: user, matchType: 3, match: ~u}",
            "{entityType: user, matchType: -1, match: ~u}",
            "{entityType: other, matchType: 0, match: ~u}",
            "{entityType: \"\", matchType: 0, match: ~u}",
        ],
    ),
    // Features and brokers.
    (
        "UpdateFeatures",
        "feature",
        &[
            "metadata.version",
            "transaction.version",
            "group.version",
            "kraft.version",
            "nothing",
            "\"\"",
            "eligible.leader.replicas.version",
            "share.version",
            "streams.version",
        ],
    ),
    (
        "UpdateFeatures",
        "maxVersionLevel",
        &["0", "1", "2", "3", "-1", "7", "20", "32767"],
    ),
    ("UpdateFeatures", "upgradeType", &["1", "1", "2", "3", "0", "4"]),
    ("DescribeCluster", "endpointType", &["1", "1", "2", "0", "-1", "3"]),
    ("UnregisterBroker", "brokerId", &["7", "0", "-1", "2147483647", "2"]),
    ("ElectLeaders", "electionType", &["0", "0", "1", "2", "-1"]),
    ("AlterReplicaLogDirs", "path", &["\"/nowhere\"", "relative", "\"\""]),
    // Groups.
    ("FindCoordinator", "keyType", &["0", "0", "1", "1", "2", "3", "-1"]),
    ("FindCoordinator", "key", &["~g", "~g", "~h", "\"\"", "\"~g:topic:0\""]),
    (
        "FindCoordinator",
        "coordinatorKeys",
        &["~g", "~g", "~h", "\"\"", "x:y:0", "\"11111111\""],
    ),
    (
        "ListGroups",
        "statesFilter",
        &[
            "Stable",
            "stable",
            "Empty",
            "Dead",
            "PreparingRebalance",
            "CompletingRebalance",
            "Assigning",
            "nothing",
            "\"\"",
            "Unknown",
            "NotReady",
        ],
    ),
    (
        "ListGroups",
        "typesFilter",
        &[
            "classic", "Classic", "consumer", "share", "streams", "unknown", "nothing", "\"\"",
        ],
    ),
    (
        "LeaveGroup",
        "members",
        &[
            "{memberId: $m}",
            "{memberId: $m}",
            "{memberId: nobody}",
            "{memberId: \"\"}",
            "{memberId: \"\", groupInstanceId: i}",
            "{memberId: \"\", groupInstanceId: j}",
            "{memberId: $m, groupInstanceId: i}",
            "{memberId: nobody, groupInstanceId: i}",
        ],
    ),
    (
        "",
        "groupInstanceId",
        &["null", "null", "null", "null", "i", "j", "\"\""],
    ),
    ("", "generationId", &["1", "1", "1", "2", "0", "-1"]),
    ("", "memberEpoch", &["-1", "-1", "0", "1"]),
    (
        "TxnOffsetCommit",
        "generationIdOrMemberEpoch",
        &["-1", "-1", "1", "1", "2", "0"],
    ),
    ("TxnOffsetCommit", "memberId", &["\"\"", "\"\"", "$m", "$m", "nobody"]),
    (
        "OffsetCommit",
        "generationIdOrMemberEpoch",
        &["-1", "1", "1", "1", "2", "0"],
    ),
    ("OffsetCommit", "memberId", &["\"\"", "$m", "$m", "$m", "nobody"]),
    (
        "OffsetFetch",
        "groups.memberId",
        &["null", "null", "\"\"", "$m", "nobody"],
    ),
    ("OffsetFetch", "topics", &["null"]),
    ("OffsetFetch", "groups.topics", &["null"]),
    ("", "memberId", &["$m", "$m", "$m", "$m", "nobody", "\"\""]),
    ("", "groupId", &["~g", "~g", "~g", "~g", "~h", "~k", "\"\""]),
    ("", "groups", &["~g", "~g", "~h", "\"\"", "~k"]),
    (
        "OffsetFetch",
        "groups",
        &[
            "{groupId: ~g}",
            "{groupId: ~g}",
            "{groupId: ~h}",
            "{groupId: \"\"}",
            "{groupId: ~k}",
        ],
    ),
    ("", "groupsNames", &["~g", "~h", "~h", "\"\"", "~k"]),
    ("", "committedOffset", &["0", "1", "5", "-1", "9"]),
    ("", "committedLeaderEpoch", &["-1", "-1", "0", "7"]),
    (
        "",
        "committedMetadata",
        &["m", "\"\"", "null", "repeat[m 4096]", "repeat[m 4097]"],
    ),
    ("", "retentionTimeMs", &["-1", "-1", "0", "1000000"]),
    // Producers.
    (
        "InitProducerId",
        "transactionalId",
        &["null", "null", "~x", "~x", "~y", "\"\""],
    ),
    (
        "InitProducerId",
        "transactionTimeoutMs",
        &["60000", "60000", "60000", "0", "-1", "900000", "900001"],
    ),
    ("InitProducerId", "producerId", &["-1", "-1", "$q", "$q", "900009"]),
    ("InitProducerId", "producerEpoch", &["-1", "-1", "$e", "$e", "0"]),
    ("", "transactionalId", &["~x", "~x", "~x", "~y", "\"\""]),
    ("", "v3AndBelowTransactionalId", &["~x", "~x", "~x", "~y", "\"\""]),
    ("", "transactionalIds", &["~x", "~x", "~y", "\"\""]),
    ("", "producerId", &["$q", "$q", "$q", "$p", "900009", "-1"]),
    ("", "v3AndBelowProducerId", &["$q", "$q", "$q", "$p", "900009", "-1"]),
    ("", "producerEpoch", &["$e", "$e", "$e", "0", "1", "-1"]),
    ("", "v3AndBelowProducerEpoch", &["$e", "$e", "$e", "0", "1", "-1"]),
    ("", "coordinatorEpoch", &["0", "0", "1", "-1"]),
    ("WriteTxnMarkers", "transactionVersion", &["0", "1", "2"]),
    (
        "ListTransactions",
        "stateFilters",
        &[
            "Ongoing",
            "Empty",
            "CompleteCommit",
            "CompleteAbort",
            "PrepareCommit",
            "Dead",
            "Other",
            "\"\"",
            "ongoing",
        ],
    ),
    (
        "ListTransactions",
        "producerIdFilters",
        &["$q", "$q", "$p", "900009", "-1", "0"],
    ),
    (
        "ListTransactions",
        "durationFilter",
        &["-1", "-1", "0", "1000000", "-2"],
    ),
    (
        "ListTransactions",
        "transactionalIdPattern",
        &[
            "null",
            "null",
            "\"\"",
            "\".*\"",
            "\".*x\"",
            "\".*[xy]$\"",
            "\"(\"",
            "\"[a\"",
            "x",
            "\"^d.*-x$\"",
            "\".+\\\\-x\"",
            "\"*\"",
            "\"a{2\"",
            "\"\\\\d+\"",
            "\"\\\\w+-x\"",
            "\"(?i)D.*X\"",
        ],
    ),
    // Records and offsets.
    ("ListOffsets", "replicaId", &["-1"]),
    ("ListOffsets", "isolationLevel", &["0", "0", "1"]),
    (
        "",
        "timestamp",
        &[
            "-1",
            "-2",
            "-3",
            "-4",
            "-5",
            "-6",
            "-7",
            "0",
            "1600000000000",
            "1600000000003",
            "1600000000006",
            "9223372036854775807",
            "-9223372036854775808",
        ],
    ),
    ("DeleteRecords", "offset", &["-1", "0", "1", "1", "2", "3", "9", "-2"]),
    ("", "replicaId", &["-1", "-1", "-2", "-3"]),
    ("", "currentLeaderEpoch", &["-1", "-1", "-1", "0", "0", "1", "-2"]),
    ("", "leaderEpoch", &["0", "0", "1", "-1", "-2", "2147483647"]),
    (
        "ApiVersions",
        "clientSoftwareName",
        &[
            "a",
            "apache-kafka-java",
            "\"\"",
            "\"a b\"",
            "\"-a\"",
            "\"a-\"",
            "\"a.b-c\"",
        ],
    ),
    (
        "ApiVersions",
        "clientSoftwareVersion",
        &["\"1\"", "\"1.0\"", "\"\"", "\"1 0\"", "\".1\""],
    ),
    ("ApiVersions", "clusterId", &["null", "null", "other"]),
    ("ApiVersions", "nodeId", &["-1", "-1", "7"]),
    ("PushTelemetry", "compressionType", &["0", "0", "1", "4", "9", "-1"]),
    ("", "timeoutMs", &["10000"]),
    (
        "",
        "topicId",
        &[
            "$i",
            "$i",
            "$i",
            "$j",
            "$o",
            "00000000-0000-0000-0000-000000000000",
            "11111111-2222-3333-4444-555555555555",
        ],
    ),
    ("", "name", TOPICS),
    ("", "topic", TOPICS),
    ("", "topicName", TOPICS),
    ("", "partitionIndex", PARTITIONS),
    ("", "partition", PARTITIONS),
    ("", "partitions", PARTITIONS),
    ("", "partitionIndexes", PARTITIONS),
];

const TOPICS: &[&str] = &["~t", "~t", "~t", "~t", "~u", "~u", "~x", "\"\""];
const PARTITIONS: &[&str] = &["0", "0", "0", "0", "1", "1", "2", "-1"];

/// Fields that never have an odd value.
const FIXED: &[(&str, &str)] = &[
    // Time that runs out is a race.
    ("", "timeoutMs"),
    // What takes effect would be everyone's, or takes effect behind its answer.
    ("", "validateOnly"),
    ("", "brokerId"),
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

fn fits(entry: (&str, &str), api: &str, path: &str) -> bool {
    let (of, end) = entry;
    let ends = path
        .strip_suffix(end)
        .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    (of.is_empty() || of == api) && ends
}

/// What a field may hold, where something is known of it.
pub(super) fn values(api: &str, path: &str) -> Option<&'static [&'static str]> {
    let of_api = VALUES
        .iter()
        .find(|(of, end, _)| !of.is_empty() && fits((of, end), api, path));
    let known = of_api.or_else(|| {
        VALUES
            .iter()
            .find(|(of, end, _)| of.is_empty() && fits((of, end), api, path))
    });
    known.map(|(_, _, values)| *values).filter(|values| !values.is_empty())
}

pub(super) fn is_fixed(api: &str, path: &str) -> bool {
    FIXED.iter().any(|entry| fits(*entry, api, path))
}

/// Lists in which nothing may be named twice: Apache Kafka answers never. By the fields that name.
const DISTINCT: &[(&str, &str, &[&str])] = &[("AlterConfigs", "resources", &["resourceType", "resourceName"])];

/// A list without what must not be named twice.
pub(super) fn distinct(api: &str, path: &str, list: Vec<Value>) -> Vec<Value> {
    let Some((_, _, names)) = DISTINCT.iter().find(|(of, end, _)| fits((of, end), api, path)) else {
        return list;
    };
    let mut seen: Vec<Vec<Option<Value>>> = Vec::new();
    let is_new = |one: &Value| {
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
    let mut is_new = is_new;
    list.into_iter().filter(|one| is_new(one)).collect()
}

pub(super) fn is_alone(api: &str, path: &str) -> bool {
    ALONE.iter().any(|entry| fits(*entry, api, path))
}

pub(super) fn is_never_empty(api: &str, path: &str) -> bool {
    NEVER_EMPTY.iter().any(|entry| fits(*entry, api, path))
}

/// Configurations by the kind of their values.
const LONGS: &[&str] = &[
    "retention.ms",
    "retention.bytes",
    "flush.messages",
    "flush.ms",
    "delete.retention.ms",
    "file.delete.delay.ms",
    "min.compaction.lag.ms",
    "max.compaction.lag.ms",
    "segment.ms",
    "segment.jitter.ms",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "local.retention.ms",
    "local.retention.bytes",
];
const INTS: &[&str] = &[
    "segment.bytes",
    "max.message.bytes",
    "index.interval.bytes",
    "segment.index.bytes",
    "min.insync.replicas",
    "compression.gzip.level",
    "compression.lz4.level",
    "compression.zstd.level",
];
const BOOLS: &[&str] = &[
    "preallocate",
    "unclean.leader.election.enable",
    "remote.storage.enable",
    "remote.log.copy.disable",
    "remote.log.delete.on.disable",
];
const WORDS: &[&str] = &[
    "cleanup.policy",
    "compression.type",
    "message.timestamp.type",
    "leader.replication.throttled.replicas",
    "follower.replication.throttled.replicas",
    "min.cleanable.dirty.ratio",
];
const BROKER: &[&str] = &[
    "log.retention.ms",
    "log.retention.bytes",
    "num.io.threads",
    "num.network.threads",
    "background.threads",
    "log.cleaner.threads",
    "max.connections",
    "max.connections.per.ip",
    "message.max.bytes",
    "log.cleanup.policy",
    "compression.type",
    "log.segment.bytes",
    "log.message.timestamp.type",
    "min.insync.replicas",
    "num.partitions",
    "broker.id",
    "node.id",
    "log.dirs",
    "auto.create.topics.enable",
    "follower.replication.throttled.rate",
    "log.cleaner.io.buffer.load.factor",
    "unclean.leader.election.enable",
    "max.connections.per.ip.overrides",
    "nothing",
];
const GROUP: &[&str] = &[
    "consumer.session.timeout.ms",
    "consumer.heartbeat.interval.ms",
    "share.session.timeout.ms",
    "share.heartbeat.interval.ms",
    "share.record.lock.duration.ms",
    "share.auto.offset.reset",
    "share.isolation.level",
    "streams.session.timeout.ms",
    "streams.num.standby.replicas",
    "nothing",
    "\"\"",
];
const CLIENT: &[&str] = &["metrics", "interval.ms", "match", "nothing"];
const LOGGER: &[&str] = &["kafka.nothing", "root", "\"\"", "nothing"];

const NUMBERS: &[&str] = &[
    "\"1\"",
    "\"0\"",
    "\"-1\"",
    "\"-2\"",
    "\"100\"",
    "\"1000\"",
    "\"45000\"",
    "\"5000\"",
    "\"1048576\"",
    "\"2147483647\"",
    "\"2147483648\"",
    "\"9223372036854775807\"",
    "\"9223372036854775808\"",
    "\" 5 \"",
    "\"+5\"",
    "\"1.0\"",
    "\"1e3\"",
    "x",
    "\"\"",
    "null",
    "\"0x10\"",
];
const TRUTHS: &[&str] = &[
    "\"true\"",
    "\"false\"",
    "\"TRUE\"",
    "\" true \"",
    "\"1\"",
    "yes",
    "\"\"",
    "null",
];
const LISTED: &[&str] = &[
    "delete",
    "compact",
    "\"compact,delete\"",
    "\"delete,compact,delete\"",
    "\" compact , delete \"",
    "\"\"",
    "\",\"",
    "\"delete,\"",
    "other",
    "\"Delete\"",
    "none",
    "null",
    "gzip",
    "GZIP",
    "uncompressed",
    "producer",
    "zstd",
    "CreateTime",
    "LogAppendTime",
    "createtime",
    "\"*\"",
    "\"0:1\"",
    "\"0:1,1:1\"",
    "\"0:1,\"",
    "\"0:\"",
    "\":1\"",
    "\"a:b\"",
    "\"0:1, 1:1\"",
    "\"0.5\"",
    "\"1.0\"",
    "\"1.1\"",
    "\"-0.1\"",
    "\"NaN\"",
    "\"5e-1\"",
    "\"0.5f\"",
    "\"1\"",
];
const OTHERS: &[&str] = &[
    "earliest",
    "latest",
    "none",
    "read_committed",
    "read_uncommitted",
    "\"by_duration:PT1H\"",
    "\"by_duration:x\"",
    "DEBUG",
    "WARN",
    "debug",
    "NOISY",
    "\"\"",
    "null",
    "\"client_id=a\"",
    "\"client_id=[\"",
    "\"nothing=a\"",
    "\"org.apache.kafka.\"",
    "\"*\"",
    "\"127.0.0.1:5\"",
    "\"45000\"",
];

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
    let (name, values) = match kind {
        4 => (pick(rng, BROKER), [NUMBERS, NUMBERS, TRUTHS, LISTED][rng.usize(0..4)]),
        8 => (pick(rng, LOGGER), OTHERS),
        16 => (pick(rng, CLIENT), [NUMBERS, OTHERS][rng.usize(0..2)]),
        32 => (pick(rng, GROUP), [NUMBERS, NUMBERS, OTHERS][rng.usize(0..3)]),
        _ => match rng.u8(0..12) {
            0..4 => (pick(rng, LONGS), NUMBERS),
            4..7 => (pick(rng, INTS), NUMBERS),
            7 => (pick(rng, BOOLS), TRUTHS),
            8..11 => (pick(rng, WORDS), LISTED),
            _ => (
                pick(
                    rng,
                    &[
                        "nothing",
                        "message.format.version",
                        "\"\"",
                        "Retention.ms",
                        "\" retention.ms\"",
                    ],
                ),
                NUMBERS,
            ),
        },
    };
    let value = |text: &str| parse_value(text).unwrap_or_else(|_| Value::text(text));
    let mut fields = vec![
        Field::new("name", value(name)),
        Field::new("value", value(pick(rng, values))),
    ];
    if api == "IncrementalAlterConfigs" {
        let operation = pick(rng, &["0", "0", "0", "0", "0", "1", "2", "3", "4", "-1"]);
        fields.push(Field::new("configOperation", value(operation)));
    }
    Value::Struct(fields)
}
