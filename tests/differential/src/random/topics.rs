//! Blocks that make topics and delete them, with the waits for what takes effect behind its answer: ids that name nothing any
//! more, configurations that were set at creation, replicas that were placed by hand.

use fastrand::Rng;

use super::generate::{pick, until_read};
use super::offered::Offered;

/// Topics that a sequence has made.
#[derive(Debug, Default)]
pub(super) struct Made(usize);

impl Made {
    /// The lines of a block.
    pub(super) fn step(&mut self, rng: &mut Rng, offered: &Offered) -> Vec<String> {
        self.0 += 1;
        let name = format!("~q{}", self.0);
        match rng.u8(0..3) {
            0 => created(rng, offered, &name),
            _ => stale(rng, offered, &name, self.0),
        }
    }
}

fn version(rng: &mut Rng, offered: &Offered, api: &str, default: i16) -> i16 {
    offered.version(rng, api).map_or(default, |(_, version)| version)
}

fn created(rng: &mut Rng, offered: &Offered, name: &str) -> Vec<String> {
    let shape = pick(
        rng,
        &[
            "numPartitions: 3, replicationFactor: 1",
            "numPartitions: -1, replicationFactor: -1, assignments: [{partitionIndex: 0, brokerIds: [1]} {partitionIndex: 1, brokerIds: [1]}]",
            "numPartitions: -1, replicationFactor: -1, assignments: [{partitionIndex: 1, brokerIds: [1]} {partitionIndex: 0, brokerIds: [1]}]",
        ],
    );
    let config = pick(
        rng,
        &[
            "",
            "{name: retention.ms, value: \"-1\"}",
            "{name: cleanup.policy, value: \"compact,delete\"} {name: segment.bytes, value: \"1048576\"}",
            "{name: min.insync.replicas, value: \"2\"}",
            "{name: compression.type, value: zstd}",
            "{name: message.timestamp.type, value: LogAppendTime}",
        ],
    );
    let version = version(rng, offered, "CreateTopics", 7);
    vec![
        format!(
            "a: CreateTopics {version} {{topics: [{{name: {name}, {shape}, configs: [{config}]}} {{name: ~t, numPartitions: 1, replicationFactor: 1}}], timeoutMs: 10000}}"
        ),
        until_read(name, 0),
        until_read(name, 1),
        format!(
            "a: Produce {} {{acks: {}, timeoutMs: 10000, topicData: [{{name: {name}, partitionData: [{{index: {}, records: batch{{records: [a]}}}}]}}]}}",
            rng.i16(3..=12),
            pick(rng, &["-1", "1"]),
            pick(rng, &["0", "1"])
        ),
        format!(
            "b: DescribeConfigs {} {{resources: [{{resourceType: 2, resourceName: {name}, configurationKeys: null}}], includeSynonyms: {}, includeDocumentation?: false}}",
            self::version(rng, offered, "DescribeConfigs", 4),
            rng.bool()
        ),
        format!("b: Metadata {} {{topics: [{{name: {name}}}]}}", rng.i16(1..=13)),
    ]
}

/// An id that was a topic's, or a topic of the same name that is another.
fn stale(rng: &mut Rng, offered: &Offered, name: &str, n: usize) -> Vec<String> {
    let mut lines = vec![
        format!("topic {name} 2"),
        format!("a: Metadata 12 {{topics: [{{name: {name}}}]}}"),
        "let o = topics[0].topicId".to_owned(),
    ];
    if rng.bool() {
        lines.push(format!(
            "a: Produce 9 {{acks: -1, timeoutMs: 10000, topicData: [{{name: {name}, partitionData: [{{index: 0, records: batch{{records: [a, b]}}}}]}}]}}"
        ));
    }
    let session = rng.bool();
    if session {
        let version = rng.i16(7..=18);
        let topic = match version {
            ..13 => format!("topic: {name}"),
            _ => "topicId: $o".to_owned(),
        };
        lines.push(format!(
            "a: Fetch {version} {{maxWaitMs: 0, minBytes: 0, sessionId: 0, sessionEpoch: 0, topics: [{{{topic}, partitions: [{{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000}} {{partition: 1, fetchOffset: 0, partitionMaxBytes: 10000}}]}}]}}"
        ));
        lines.push(format!("let s{n} = sessionId"));
    }
    if rng.bool() {
        lines.push(format!(
            "a: OffsetCommit {} {{groupId: ~n, generationIdOrMemberEpoch: -1, topics: [{{name: {name}, partitions: [{{partitionIndex: 0, committedOffset: 1, committedMetadata: m}}]}}]}}",
            rng.i16(2..=9)
        ));
    }
    let version = version(rng, offered, "DeleteTopics", 6);
    let topics = match (version, rng.bool()) {
        (..6, _) => format!("topicNames: [{name} ~x]"),
        (_, true) => format!("topics: [{{name: {name}}}]"),
        _ => {
            "topics: [{name: null, topicId: $o} {name: null, topicId: 11111111-2222-3333-4444-555555555555}]".to_owned()
        }
    };
    lines.push(format!("b: DeleteTopics {version} {{{topics}, timeoutMs: 10000}}"));
    lines.push(format!(
        "until topics[0].errorCode = 3 b: Metadata 4 {{topics: [{{name: {name}}}]}}"
    ));
    // Its logs are gone when a topic that is made afterwards is there.
    lines.push(match rng.bool() {
        true => format!("topic {name} 1"),
        false => format!("topic ~qz{n}"),
    });
    for _ in 0..rng.usize(1..5) {
        lines.push(asked(rng, name, n, session));
    }
    lines
}

fn asked(rng: &mut Rng, name: &str, n: usize, session: bool) -> String {
    match rng.u8(0..9) {
        0 => format!(
            "a: Fetch {} {{maxWaitMs: 0, minBytes: 0, topics: [{{topicId: $o, partitions: [{{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000}}]}}]}}",
            rng.i16(13..=18)
        ),
        1 | 2 if session => {
            let version = rng.i16(7..=18);
            let topics = match (version, rng.bool()) {
                (_, true) => String::new(),
                (..13, _) => format!("{{topic: {name}, partitions: [{{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000}}]}}"),
                _ => "{topicId: $o, partitions: [{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000}]}".to_owned(),
            };
            format!(
                "a: Fetch {version} {{maxWaitMs: 0, minBytes: 0, sessionId: $s{n}, sessionEpoch: {}, topics: [{topics}]}}",
                pick(rng, &["1", "1", "2", "0", "-1"])
            )
        }
        3 => "a: Produce 13 {acks: -1, timeoutMs: 10000, topicData: [{topicId: $o, partitionData: [{index: 0, records: batch{records: [a]}}]}]}".to_owned(),
        4 => format!("a: Metadata {} {{topics: [{{name: null, topicId: $o}}]}}", rng.i16(12..=13)),
        5 => format!(
            "a: ListOffsets {} {{replicaId: -1, topics: [{{name: {name}, partitions: [{{partitionIndex: 0, timestamp: -1}} {{partitionIndex: 1, timestamp: -2}}]}}]}}",
            rng.i16(1..=10)
        ),
        6 => format!(
            "a: OffsetFetch {} {{groups: [{{groupId: ~n, topics: [{{name: {name}, partitionIndexes: [0]}}]}}]}}",
            rng.i16(8..=9)
        ),
        7 => "a: OffsetCommit 10 {groupId: ~n, generationIdOrMemberEpoch: -1, topics: [{topicId: $o, partitions: [{partitionIndex: 0, committedOffset: 1, committedMetadata: m}]}]}".to_owned(),
        _ => "a: DeleteTopics 6 {topics: [{name: null, topicId: $o}], timeoutMs: 10000}".to_owned(),
    }
}
