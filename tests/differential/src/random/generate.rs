//! A sequence from a seed. Requests that wait for others, or whose effect another broker's clock decides, are not among them:
//! what differs is to be an answer and not a race. All times lie within a week: Apache Kafka begins another segment after one,
//! and a fetch ends with its segment, which kfake's logs do not have.

use fastrand::Rng;

use super::admin::Admin;
use super::transactions;

/// The steps of a scenario. One may be several lines, of which none can be left out.
pub fn sequence(seed: u64) -> Vec<String> {
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
    ];
    if rng.bool() {
        lines.extend([
            "a: JoinGroup 3 {groupId: ~g, sessionTimeoutMs: 30000, rebalanceTimeoutMs: 30000, memberId: \"\", protocolType: consumer, protocols: [{name: range, metadata: m}]}".to_owned(),
            "let m = memberId".to_owned(),
        ]);
    } else {
        lines.extend([
            "a: JoinGroup 5 {groupId: ~g, sessionTimeoutMs: 30000, rebalanceTimeoutMs: 30000, memberId: \"\", groupInstanceId: i, protocolType: consumer, protocols: [{name: range, metadata: m}]}".to_owned(),
            "let m = memberId".to_owned(),
        ]);
    }
    if rng.bool() {
        lines.extend([
            "a: Fetch 7 {maxWaitMs: 0, minBytes: 0, sessionId: 0, sessionEpoch: 0, topics: [{topic: ~t, partitions: [{partition: 0, fetchOffset: 0, partitionMaxBytes: 10000} {partition: 1, fetchOffset: 0, partitionMaxBytes: 10000}]}]}".to_owned(),
            "let s = sessionId".to_owned(),
        ]);
    } else {
        lines.extend([
            "a: Fetch 7 {maxWaitMs: 0, minBytes: 0, topics: []}".to_owned(),
            "let s = sessionId".to_owned(),
        ]);
    }
    // Half of them have a transactional id, and most of their steps are about it.
    let is_transactional = rng.bool();
    if is_transactional {
        lines.extend(transactions::begin());
    }
    let mut admin = Admin::default();
    for _ in 0..rng.usize(3..25) {
        let on = pick(&mut rng, &["a", "a", "b"]);
        match rng.u8(0..10) {
            0..5 if is_transactional => lines.push(transactions::step(&mut rng, on)),
            5 => lines.push(admin.step(&mut rng, on)),
            _ => lines.push(step(&mut rng, on)),
        }
    }
    lines
}

pub(super) fn pick<'a>(rng: &mut Rng, choices: &[&'a str]) -> &'a str {
    choices[rng.usize(..choices.len())]
}

fn step(rng: &mut Rng, on: &str) -> String {
    match rng.u8(0..13) {
        0..=3 => produce(rng, on),
        4 | 5 => fetch(rng, on),
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

fn produce(rng: &mut Rng, on: &str) -> String {
    let version = rng.i16(3..=12);
    let acks = pick(rng, &["-1", "-1", "1", "3"]);
    let (topic, index) = (topic(rng), partition(rng));
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
    format!(
        "{on}: Produce {version} {{acks: {acks}, timeoutMs: 10000, topicData: [{{name: {topic}, partitionData: [{{index: {index}, records: batch{{{}}}}}]}}]}}",
        fields.join(", ")
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
    let version = rng.i16(4..=12);
    let session = match version {
        7.. => pick(
            rng,
            &[
                "",
                "",
                "sessionId: 0, sessionEpoch: 0, ",
                "sessionId: $s, sessionEpoch: 1, ",
                "sessionId: $s, sessionEpoch: 2, ",
                "sessionId: $s, sessionEpoch: 1, forgottenTopicsData: [{topic: ~t, partitions: [0]}], ",
                "sessionId: $s, sessionEpoch: -1, ",
                "sessionId: $s, sessionEpoch: 0, ",
            ],
        ),
        _ => "",
    };
    let epoch = match version {
        9.. => pick(rng, &["", "", "currentLeaderEpoch: 0, ", "currentLeaderEpoch: 3, "]),
        _ => "",
    };
    let limit = pick(rng, &["", "", "maxBytes: 0, ", "maxBytes: 100, "]);
    let isolation = pick(rng, &["", "isolationLevel: 1, "]);
    let wanted = |rng: &mut Rng| {
        format!(
            "{{partition: {}, {epoch}fetchOffset: {}, partitionMaxBytes: {}}}",
            partition(rng),
            pick(rng, &["0", "0", "1", "2", "3", "9", "-1"]),
            pick(rng, &["10000", "10000", "80", "0"])
        )
    };
    let topics = match rng.u8(0..4) {
        0 => String::new(),
        1 => format!(
            "{{topic: {}, partitions: [{} {}]}}",
            topic(rng),
            wanted(rng),
            wanted(rng)
        ),
        _ => format!("{{topic: {}, partitions: [{}]}}", topic(rng), wanted(rng)),
    };
    format!("{on}: Fetch {version} {{maxWaitMs: 0, minBytes: 0, {limit}{isolation}{session}topics: [{topics}]}}")
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
