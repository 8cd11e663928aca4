//! A sequence from a seed. Requests that wait for others, or whose effect another broker's clock decides, are not among them:
//! what differs is to be an answer and not a race. All times lie within a week: Apache Kafka begins another segment after one,
//! and a fetch ends with its segment, which kfake's logs do not have.

use fastrand::Rng;

use super::admin::Admin;
use super::body::Body;
use super::groups::Groups;
use super::offered::Offered;
use super::topics::Made;
use super::{transactions, vocabulary};

/// The steps of a scenario. One may be several lines, of which none can be left out.
pub fn sequence(seed: u64, offered: &Offered) -> Vec<String> {
    let mut rng = Rng::with_seed(seed);
    let mut lines = vec![
        "topic ~t 2".to_owned(),
        match rng.u8(0..4) {
            0 => "topic ~u 1 1 cleanup.policy=compact".to_owned(),
            1 => "topic ~u 1 1 message.timestamp.type=LogAppendTime".to_owned(),
            2 => "topic ~u 1 1 max.message.bytes=120".to_owned(),
            _ => "topic ~u 1".to_owned(),
        },
        "a: InitProducerId 4 {transactionalId: null, transactionTimeoutMs: 1000}".to_owned(),
        "let p = producerId".to_owned(),
        "let q = producerId".to_owned(),
        "let e = producerEpoch".to_owned(),
        "a: Metadata 12 {topics: [{name: ~t}]}".to_owned(),
        "let i = topics[0].topicId".to_owned(),
        "a: Metadata 12 {topics: [{name: ~u}]}".to_owned(),
        "let j = topics[0].topicId".to_owned(),
        // An id that names nothing, once a topic has been deleted.
        "let o = topics[0].topicId".to_owned(),
    ];
    let instance = match rng.bool() {
        true => "3 {groupId: ~g, ",
        false => "5 {groupId: ~g, groupInstanceId: i, ",
    };
    lines.extend([
        format!(
            "a: JoinGroup {instance}sessionTimeoutMs: 30000, rebalanceTimeoutMs: 30000, memberId: \"\", protocolType: consumer, protocols: [{{name: range, metadata: m}}]}}"
        ),
        "let m = memberId".to_owned(),
    ]);
    lines.extend(session(&mut rng));
    // A third of them have a transactional id, and many of their steps are about it.
    let is_transactional = rng.u8(0..3) == 0;
    if is_transactional {
        lines.extend(transactions::begin());
    }
    let (mut admin, mut groups, mut made) = (Admin::default(), Groups::default(), Made::default());
    for _ in 0..rng.usize(3..40) {
        let on = pick(&mut rng, &["a", "a", "b"]);
        match rng.u8(0..32) {
            0..8 if is_transactional => lines.push(transactions::step(&mut rng, on)),
            8 | 9 => lines.push(admin.step(&mut rng, on)),
            10 => lines.push(groups.step(&mut rng).join("\n")),
            11 => lines.push(made.step(&mut rng, offered).join("\n")),
            12..23 => lines.extend(by_definition(&mut rng, offered, on)),
            _ => lines.push(step(&mut rng, on)),
        }
    }
    lines
}

/// A fetch session, or none: `$s` in any case.
fn session(rng: &mut Rng) -> Vec<String> {
    let partitions = "[{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000} {partition: 1, fetchOffset: 0, partitionMaxBytes: 10000}]";
    let fetch = match rng.u8(0..3) {
        0 => "a: Fetch 7 {maxWaitMs: 0, minBytes: 0, topics: []}".to_owned(),
        1 => format!(
            "a: Fetch {} {{maxWaitMs: 0, minBytes: 0, sessionId: 0, sessionEpoch: 0, topics: [{{topic: ~t, partitions: {partitions}}}]}}",
            rng.i16(7..=12)
        ),
        _ => format!(
            "a: Fetch {} {{maxWaitMs: 0, minBytes: 0, sessionId: 0, sessionEpoch: 0, topics: [{{topicId: $i, partitions: {partitions}}}]}}",
            rng.i16(13..=18)
        ),
    };
    vec![fetch, "let s = sessionId".to_owned()]
}

/// What may end a transaction: the markers come behind the answer.
const ENDS: &[&str] = &[
    "InitProducerId",
    "EndTxn",
    "AddPartitionsToTxn",
    "AddOffsetsToTxn",
    "TxnOffsetCommit",
];

/// A request of any API that both have, whose body is made from its definition.
fn by_definition(rng: &mut Rng, offered: &Offered, on: &str) -> Option<String> {
    let all: u32 = vocabulary::APIS.iter().map(|(_, weight)| u32::from(*weight)).sum();
    let mut nth = rng.u32(0..all);
    let (name, _) = vocabulary::APIS.iter().find(|(_, weight)| {
        let is_it = nth < u32::from(*weight);
        nth = nth.saturating_sub(u32::from(*weight));
        is_it
    })?;
    let (api, version) = offered.version(rng, name)?;
    // The first version of UpdateFeatures has no validation alone: it would change the cluster for all.
    let version = if api.name == "UpdateFeatures" {
        version.max(1)
    } else {
        version
    };
    let mut body = Body::new(rng, api, version).made().to_string();
    if api.name == "JoinGroup" {
        body = body.replace("\"~f\"", &format!("~f{}", rng.u32(..)));
    }
    let mut line = format!("{on}: {name} {version} {body}");
    if ENDS.contains(name) {
        for id in ["~x", "~y"] {
            if body.contains(&format!("\"{id}\"")) {
                line += &format!("\nsettle a: DescribeTransactions 0 {{transactionalIds: [{id}]}}");
            }
        }
    }
    Some(line)
}

pub(super) fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(..choices.len())]
}

fn step(rng: &mut Rng, on: &str) -> String {
    match rng.u8(0..16) {
        0..=3 => produce(rng, on),
        4 | 5 | 13 | 14 => fetch(rng, on),
        15 => unanswered(rng),
        6 => list_offsets(rng, on),
        7 => metadata(rng, on),
        8 | 9 => offsets(rng, on),
        10 | 11 => group(rng, on),
        _ => create_topics(rng, on),
    }
}

pub(super) fn topic(rng: &mut Rng) -> &'static str {
    pick(rng, &["~t", "~t", "~t", "~u", "~u", "~x"])
}

pub(super) fn partition(rng: &mut Rng) -> &'static str {
    pick(rng, &["0", "0", "0", "1", "2", "-1"])
}

/// Waits until a partition that was just made can be read.
pub(super) fn until_read(topic: &str, partition: usize) -> String {
    format!(
        "until topics[0].partitions[0].errorCode = 0 a: ListOffsets 2 {{replicaId: -1, topics: [{{name: {topic}, partitions: [{{partitionIndex: {partition}, timestamp: -1}}]}}]}}"
    )
}

fn produce(rng: &mut Rng, on: &str) -> String {
    let version = rng.i16(3..=13);
    let acks = pick(rng, &["-1", "-1", "1", "3"]);
    let named = |rng: &mut Rng| match version {
        ..13 => format!("name: {}", topic(rng)),
        _ => format!("topicId: {}", topic_id(rng)),
    };
    let (topic, index) = (named(rng), partition(rng));
    let mut fields = vec![format!("records: [{}]", records(rng))];
    if rng.bool() {
        let id = pick(rng, &["$p", "$p", "$p", "900007"]);
        let epoch = pick(rng, &["0", "0", "0", "1", "-1"]);
        let sequence = pick(rng, &["0", "0", "1", "1", "2", "3", "4", "-1", "2147483647"]);
        fields.push(format!(
            "producerId: {id}, producerEpoch: {epoch}, baseSequence: {sequence}"
        ));
    }
    if rng.u8(0..3) == 0 {
        fields.push(format!(
            "compression: {}",
            pick(rng, &["gzip", "snappy", "lz4", "zstd"])
        ));
    }
    if rng.u8(0..4) == 0 {
        let wrong = [
            "crc: 5",
            "baseOffset: 3",
            "magic: 1",
            "magic: 9",
            "length: 10",
            "length: 60",
            "count: 2",
            "count: 0",
            "lastOffsetDelta: 7",
            "control: true",
            "transactional: true",
            "timestampType: LogAppendTime",
            "baseTimestamp: 9000000000000",
            "baseTimestamp: -1",
            "maxTimestamp: 3",
            "cut: 70",
            "tail: hex\"00\"",
            "body: hex\"0102\"",
            "attributes: 5",
            "attributes: 64",
            "partitionLeaderEpoch: 7",
        ];
        fields.push(pick(rng, &wrong).to_owned());
    }
    let batch = format!("batch{{{}}}", fields.join(", "));
    // Bytes that are no batch, or more than one.
    let batch = match rng.u8(0..16) {
        0 => format!("concat[{batch} batch{{records: [{}]}}]", records(rng)),
        1 => pick(
            rng,
            &[
                "message{magic: 1, value: a}",
                "message{magic: 0, key: k, value: b}",
                "b\"\"",
                "hex\"00\"",
                "hex\"0000000000000000000000\"",
                "hex\"000000000000000000000000\"",
                "hex\"00000000000000007fffffff\"",
                "hex\"0000000000000000ffffffff0000000002\"",
            ],
        )
        .to_owned(),
        _ => batch,
    };
    // More than one partition, or one twice.
    let mut partitions = vec![format!("{{index: {index}, records: {batch}}}")];
    if rng.u8(0..5) == 0 {
        partitions.push(format!(
            "{{index: {}, records: batch{{records: [{}]}}}}",
            partition(rng),
            records(rng)
        ));
    }
    let mut topics = vec![format!("{{{topic}, partitionData: [{}]}}", partitions.join(" "))];
    if rng.u8(0..6) == 0 {
        topics.push(format!(
            "{{{}, partitionData: [{{index: 0, records: batch{{records: [{}]}}}}]}}",
            named(rng),
            records(rng)
        ));
    }
    format!(
        "{on}: Produce {version} {{acks: {acks}, timeoutMs: 10000, topicData: [{}]}}",
        topics.join(" ")
    )
}

/// Without an answer. On a connection of its own: one that is closed for it shows.
fn unanswered(rng: &mut Rng) -> String {
    format!(
        "send u d: Produce {} {{acks: 0, timeoutMs: 10000, topicData: [{{name: {}, partitionData: [{{index: {}, records: batch{{records: [{}]}}}}]}}]}}\nsilent d\nclose d",
        rng.i16(3..=12),
        topic(rng),
        partition(rng),
        records(rng)
    )
}

pub(super) fn topic_id(rng: &mut Rng) -> &'static str {
    pick(
        rng,
        &[
            "$i",
            "$i",
            "$i",
            "$j",
            "$o",
            "11111111-2222-3333-4444-555555555555",
            "00000000-0000-0000-0000-000000000000",
        ],
    )
}

pub(super) fn records(rng: &mut Rng) -> String {
    let record = |rng: &mut Rng| {
        pick(
            rng,
            &[
                "a",
                "{key: k, value: b}",
                "{key: k, value: null}",
                "{value: c, timestamp: 1600000000005}",
                "{value: d, headers: [{key: h, value: x}]}",
                "{key: k, value: e, timestamp: 1600000100000}",
                "{value: f, offsetDelta: 3}",
            ],
        )
    };
    (0..rng.usize(0..4)).map(|_| record(rng)).collect::<Vec<_>>().join(", ")
}

fn fetch(rng: &mut Rng, on: &str) -> String {
    let version = rng.i16(4..=18);
    let named = |rng: &mut Rng| match version {
        ..13 => format!("topic: {}", topic(rng)),
        _ => format!("topicId: {}", topic_id(rng)),
    };
    let session = match version {
        7.. => pick(
            rng,
            &[
                "",
                "",
                "sessionId: 0, sessionEpoch: 0, ",
                "sessionId: $s, sessionEpoch: 1, ",
                "sessionId: $s, sessionEpoch: 2, ",
                "sessionId: $s, sessionEpoch: 1, forgottenTopicsData: [FORGOTTEN], ",
                "sessionId: $s, sessionEpoch: 3, forgottenTopicsData: [FORGOTTEN], ",
                "sessionId: $s, sessionEpoch: 2147483647, ",
                "sessionId: 0, sessionEpoch: 1, ",
                "sessionId: 5, sessionEpoch: 1, ",
                "sessionId: -1, sessionEpoch: 0, ",
                "sessionId: $s, sessionEpoch: -2, ",
                "sessionId: $s, sessionEpoch: -1, ",
                "sessionId: $s, sessionEpoch: 0, ",
            ],
        ),
        _ => "",
    };
    let forgotten = format!(
        "{{{}, partitions: [{}]}}",
        named(rng),
        pick(rng, &["0", "1", "0 1", "9", ""])
    );
    let session = session.replace("FORGOTTEN", &forgotten);
    let epoch = match version {
        9.. => pick(rng, &["", "", "currentLeaderEpoch: 0, ", "currentLeaderEpoch: 3, "]),
        _ => "",
    };
    let limit = pick(
        rng,
        &[
            "",
            "",
            "",
            "maxBytes: 0, ",
            "maxBytes: 100, ",
            "maxBytes: -1, ",
            "maxBytes: 200, rackId?: r, ",
            "rackId?: \"\", ",
        ],
    );
    let isolation = pick(
        rng,
        &[
            "",
            "",
            "isolationLevel: 1, ",
            "isolationLevel: 1, ",
            "isolationLevel: 2, ",
        ],
    );
    let wait = pick(rng, &["0", "0", "0", "-1"]);
    let wanted = |rng: &mut Rng| {
        format!(
            "{{partition: {}, {epoch}fetchOffset: {}, partitionMaxBytes: {}}}",
            partition(rng),
            pick(rng, &["0", "0", "1", "2", "3", "9", "-1", "9223372036854775807"]),
            pick(rng, &["10000", "10000", "10000", "80", "0", "-1", "2147483647"])
        )
    };
    let topics = match rng.u8(0..5) {
        0 => String::new(),
        1 => format!("{{{}, partitions: [{} {}]}}", named(rng), wanted(rng), wanted(rng)),
        2 => format!(
            "{{{}, partitions: [{}]}} {{{}, partitions: [{}]}}",
            named(rng),
            wanted(rng),
            named(rng),
            wanted(rng)
        ),
        _ => format!("{{{}, partitions: [{}]}}", named(rng), wanted(rng)),
    };
    format!("{on}: Fetch {version} {{maxWaitMs: {wait}, minBytes: 0, {limit}{isolation}{session}topics: [{topics}]}}")
}

fn list_offsets(rng: &mut Rng, on: &str) -> String {
    let version = rng.i16(1..=10);
    let time = pick(
        rng,
        &[
            "-1",
            "-2",
            "-3",
            "-4",
            "-5",
            "-6",
            "0",
            "1600000000000",
            "1600000000003",
            "1600000000006",
        ],
    );
    let isolation = match version {
        2.. => pick(rng, &["", "isolationLevel: 1, "]),
        _ => "",
    };
    format!(
        "{on}: ListOffsets {version} {{replicaId: -1, {isolation}topics: [{{name: {}, partitions: [{{partitionIndex: {}, timestamp: {time}}}]}}]}}",
        topic(rng),
        partition(rng)
    )
}

fn metadata(rng: &mut Rng, on: &str) -> String {
    let version = rng.i16(1..=13);
    let topics = pick(
        rng,
        &[
            "[]",
            "null",
            "[{name: ~t}]",
            "[{name: ~t} {name: ~x}]",
            "[{name: \"a b\"}]",
            "[{name: ~u} {name: ~t} {name: ~u}]",
            "[{name: \"\"}]",
        ],
    );
    format!(
        "{on}: Metadata {version} {{topics: {topics}, allowAutoTopicCreation?: {}, includeTopicAuthorizedOperations?: {}}}",
        rng.bool(),
        rng.bool()
    )
}

fn offsets(rng: &mut Rng, on: &str) -> String {
    let group = pick(rng, &["~g", "~g", "~h"]);
    if rng.bool() {
        let version = rng.i16(2..=9);
        let member = pick(
            rng,
            &[
                "",
                "",
                "generationIdOrMemberEpoch: 1, memberId: $m, ",
                "generationIdOrMemberEpoch: 2, memberId: $m, ",
                "generationIdOrMemberEpoch: 1, memberId: nobody, ",
            ],
        );
        return format!(
            "{on}: OffsetCommit {version} {{groupId: {group}, {member}topics: [{{name: {}, partitions: [{{partitionIndex: {}, committedOffset: {}, committedMetadata: {}}}]}}]}}",
            topic(rng),
            partition(rng),
            rng.i8(-1..9),
            pick(rng, &["m", "null", "\"\""])
        );
    }
    let version = rng.i16(2..=9);
    let topics = match rng.bool() {
        true => "null".to_owned(),
        false => format!(
            "[{{name: {}, partitionIndexes: [{} 1]}}]",
            topic(rng),
            pick(rng, &["0", "2"])
        ),
    };
    match version {
        ..8 => format!("{on}: OffsetFetch {version} {{groupId: {group}, topics: {topics}}}"),
        _ => format!("{on}: OffsetFetch {version} {{groups: [{{groupId: {group}, topics: {topics}}}]}}"),
    }
}

fn group(rng: &mut Rng, on: &str) -> String {
    let group = pick(rng, &["~g", "~g", "~g", "~h", "\"\""]);
    let member = pick(rng, &["$m", "$m", "$m", "nobody", "\"\""]);
    let generation = pick(rng, &["1", "1", "1", "2", "3", "-1"]);
    let instance = |version: i16, rng: &mut Rng| match version {
        3.. => pick(rng, &["", "", ", groupInstanceId: i", ", groupInstanceId: j"]),
        _ => "",
    };
    match rng.u8(0..8) {
        0 => {
            let version = rng.i16(0..=4);
            let instance = instance(version, rng);
            format!(
                "{on}: Heartbeat {version} {{groupId: {group}, generationId: {generation}, memberId: {member}{instance}}}"
            )
        }
        1 | 2 => {
            let version = rng.i16(0..=5);
            let instance = instance(version, rng);
            format!(
                "{on}: SyncGroup {version} {{groupId: {group}, generationId: {generation}, memberId: {member}{instance}, protocolType?: consumer, protocolName?: range, assignments: [{{memberId: $m, assignment: all}}]}}"
            )
        }
        3 => match rng.i16(0..=5) {
            version @ ..3 => format!("{on}: LeaveGroup {version} {{groupId: {group}, memberId: {member}}}"),
            version => format!("{on}: LeaveGroup {version} {{groupId: {group}, members: [{{memberId: {member}}}]}}"),
        },
        4 => format!("{on}: DescribeGroups {} {{groups: [{group}, ~h]}}", rng.i16(0..=6)),
        5 => format!(
            "{on}: DeleteGroups {} {{groupsNames: [{}]}}",
            rng.i16(0..=2),
            pick(rng, &["~g", "~h", "~h ~g"])
        ),
        6 => format!("{on}: ListGroups {} {{}}", rng.i16(0..=5)),
        _ => format!(
            "{on}: JoinGroup {} {{groupId: {group}, sessionTimeoutMs: {}, rebalanceTimeoutMs: 30000, memberId: {}, protocolType: {}, protocols: [{{name: {}, metadata: {}}}]}}",
            rng.i16(1..=9),
            pick(rng, &["30000", "30000", "1"]),
            pick(rng, &["$m", "$m", "nobody"]),
            pick(rng, &["consumer", "consumer", "other", "\"\""]),
            pick(rng, &["range", "range", "sticky"]),
            pick(rng, &["m", "n"])
        ),
    }
}

fn create_topics(rng: &mut Rng, on: &str) -> String {
    let name = pick(rng, &["~t", "~v", "~w", "\"a b\"", "\"\"", "."]);
    let config = pick(
        rng,
        &[
            "",
            "",
            "{name: retention.ms, value: \"5\"}",
            "{name: retention.ms, value: x}",
            "{name: nothing, value: x}",
            "{name: segment.bytes, value: \"1\"}",
            "{name: cleanup.policy, value: \"\"}",
            "{name: preallocate, value: \"TRUE\"}",
            "{name: min.cleanable.dirty.ratio, value: \"-1\"}",
            "{name: compression.gzip.level, value: \"0\"}",
            "{name: retention.bytes, value: null}",
            "{name: max.message.bytes, value: \"-1\"}",
        ],
    );
    format!(
        "{on}: CreateTopics {} {{topics: [{{name: {name}, numPartitions: {}, replicationFactor: {}, configs: [{config}]}}], validateOnly: true}}",
        rng.i16(2..=7),
        pick(rng, &["1", "1", "-1", "0", "-2", "3"]),
        pick(rng, &["1", "1", "-1", "0", "2"])
    )
}
