//! Steps of transactions: two producers that share a transactional id and fence each other, at old and at new versions, and
//! what is nearly valid. Apache Kafka writes markers behind its answer, so whatever may end a transaction is followed by a step
//! that waits for the end.

use fastrand::Rng;

use super::generate::{partition, pick, records, topic};

/// The transactional id's first producer: its id is `$q`, its epoch `$e`.
pub(super) fn begin() -> Vec<String> {
    vec![
        "until errorCode = 0 a: InitProducerId 4 {transactionalId: ~x, transactionTimeoutMs: 60000}".to_owned(),
        "let q = producerId".to_owned(),
        "let e = producerEpoch".to_owned(),
        // What the second producer has, until it has begun.
        "let r = producerId".to_owned(),
        "let f = producerEpoch".to_owned(),
    ]
}

const SETTLE: &str = "settle a: DescribeTransactions 0 {transactionalIds: [~x]}";

/// One of the two producers: the variables of its id and of its epoch.
fn producer(rng: &mut Rng) -> (&'static str, &'static str) {
    match rng.u8(0..16) {
        0..9 => ("$q", "$e"),
        9..13 => ("$r", "$f"),
        13 => ("$q", pick(rng, &["0", "1", "2", "-1"])),
        14 => ("$p", "0"),
        _ => ("900009", "0"),
    }
}

fn id(rng: &mut Rng) -> &'static str {
    pick(rng, &["~x", "~x", "~x", "~x", "~x", "~x", "~x", "~x", "~y", "\"\""])
}

/// A step, and what belongs to it.
pub(super) fn step(rng: &mut Rng, on: &str) -> String {
    match rng.u8(0..22) {
        20 | 21 => offsets_in_between(rng, on).join("\n"),
        0..6 => produce(rng, on),
        6..8 => add_partitions(rng, on),
        8 => add_offsets(rng, on),
        9..11 => commit_offsets(rng, on),
        11..14 => end(rng, on).join("\n"),
        14..16 => initialize(rng, on).join("\n"),
        16 => read_committed(rng, on),
        17 => stable_offsets(rng, on),
        18 => markers(rng, on),
        _ => look(rng, on),
    }
}

fn produce(rng: &mut Rng, on: &str) -> String {
    let version = pick(rng, &["3", "9", "10", "11", "11", "12", "12", "12"]);
    let (q, e) = producer(rng);
    let sequence = pick(rng, &["0", "0", "0", "1", "1", "2", "3", "-1"]);
    let transactional = pick(rng, &["true", "true", "true", "true", "true", "true", "false"]);
    let transactional_id = pick(rng, &["~x", "~x", "~x", "~x", "~x", "~x", "~x", "null", "~y"]);
    format!(
        "{on}: Produce {version} {{transactionalId: {transactional_id}, acks: -1, timeoutMs: 10000, topicData: [{{name: {}, partitionData: [{{index: {}, records: batch{{transactional: {transactional}, baseTimestamp: $now, producerId: {q}, producerEpoch: {e}, baseSequence: {sequence}, records: [{}]}}}}]}}]}}",
        topic(rng),
        partition(rng),
        records(rng)
    )
}

fn add_partitions(rng: &mut Rng, on: &str) -> String {
    let (q, e) = producer(rng);
    let id = id(rng);
    let topics = pick(
        rng,
        &[
            "{name: ~t, partitions: [0]}",
            "{name: ~t, partitions: [0]}",
            "{name: ~t, partitions: [0, 1]}",
            "{name: ~u, partitions: [0]}",
            "{name: ~t, partitions: [0]} {name: ~u, partitions: [0]}",
            "{name: ~t, partitions: [0, 9]}",
            "{name: ~x, partitions: [0]}",
            "",
        ],
    );
    match rng.i16(0..=5) {
        version @ ..4 => format!(
            "{on}: AddPartitionsToTxn {version} {{v3AndBelowTransactionalId: {id}, v3AndBelowProducerId: {q}, v3AndBelowProducerEpoch: {e}, v3AndBelowTopics: [{topics}]}}"
        ),
        version => format!(
            "{on}: AddPartitionsToTxn {version} {{transactions: [{{transactionalId: {id}, producerId: {q}, producerEpoch: {e}, verifyOnly: {}, topics: [{topics}]}}]}}",
            rng.bool()
        ),
    }
}

fn add_offsets(rng: &mut Rng, on: &str) -> String {
    let (q, e) = producer(rng);
    format!(
        "{on}: AddOffsetsToTxn {} {{transactionalId: {}, producerId: {q}, producerEpoch: {e}, groupId: {}}}",
        rng.i16(0..=4),
        id(rng),
        pick(rng, &["~g", "~g", "~h", "\"\""])
    )
}

fn commit_offsets(rng: &mut Rng, on: &str) -> String {
    let (q, e) = producer(rng);
    let version = rng.i16(0..=5);
    let member = match version {
        3.. => pick(
            rng,
            &[
                "",
                "",
                "generationIdOrMemberEpoch: 1, memberId: $m, ",
                "generationIdOrMemberEpoch: 2, memberId: $m, ",
                "generationIdOrMemberEpoch: 1, memberId: nobody, ",
            ],
        ),
        _ => "",
    };
    format!(
        "{on}: TxnOffsetCommit {version} {{transactionalId: {}, groupId: {}, producerId: {q}, producerEpoch: {e}, {member}topics: [{{name: {}, partitions: [{{partitionIndex: {}, committedOffset: {}, committedMetadata: m}}]}}]}}",
        id(rng),
        pick(rng, &["~g", "~g", "~h", "\"\""]),
        topic(rng),
        partition(rng),
        rng.i8(0..9)
    )
}

/// A group's offsets while it is not decided whether they count, and afterwards.
fn offsets_in_between(rng: &mut Rng, on: &str) -> Vec<String> {
    let group = pick(rng, &["~h", "~h", "~g", "~i"]);
    let partitions = pick(
        rng,
        &[
            "{partitionIndex: 0, committedOffset: 3}",
            "{partitionIndex: 0, committedOffset: 1} {partitionIndex: 1, committedOffset: 2}",
        ],
    );
    let fetch = |rng: &mut Rng| {
        let topics = pick(
            rng,
            &[
                "null",
                "[{name: ~t, partitionIndexes: [0, 1]}]",
                "[{name: ~u, partitionIndexes: [0]} {name: ~t, partitionIndexes: [0]}]",
            ],
        );
        match rng.i16(7..=9) {
            7 => format!(
                "b: OffsetFetch 7 {{groupId: {group}, requireStable: {}, topics: {topics}}}",
                rng.bool()
            ),
            version => format!(
                "b: OffsetFetch {version} {{requireStable: {}, groups: [{{groupId: {group}, topics: {topics}}} {{groupId: ~k, topics: null}}]}}",
                rng.bool()
            ),
        }
    };
    let version = rng.i16(0..=5);
    let mut lines = Vec::new();
    if version < 5 {
        lines.push(format!(
            "{on}: AddOffsetsToTxn {} {{transactionalId: ~x, producerId: $q, producerEpoch: $e, groupId: {group}}}",
            rng.i16(0..=4)
        ));
    }
    lines.push(format!(
        "{on}: TxnOffsetCommit {version} {{transactionalId: ~x, groupId: {group}, producerId: $q, producerEpoch: $e, topics: [{{name: ~t, partitions: [{partitions}]}}]}}"
    ));
    lines.push(fetch(rng));
    lines.push(match rng.u8(0..4) {
        0 => format!("{on}: OffsetDelete 0 {{groupId: {group}, topics: [{{name: ~t, partitions: [{{partitionIndex: 0}}]}}]}}"),
        1 => format!("{on}: DeleteGroups {} {{groupsNames: [{group}]}}", rng.i16(0..=2)),
        2 => format!(
            "{on}: OffsetCommit {} {{groupId: {group}, generationIdOrMemberEpoch: -1, topics: [{{name: ~t, partitions: [{{partitionIndex: 0, committedOffset: 7}}]}}]}}",
            rng.i16(2..=9)
        ),
        _ => fetch(rng),
    });
    lines.push(fetch(rng));
    if rng.bool() {
        lines.push(format!(
            "{on}: EndTxn {} {{transactionalId: ~x, producerId: $q, producerEpoch: $e, committed: {}}}",
            rng.i16(0..=4),
            rng.bool()
        ));
        lines.push(SETTLE.to_owned());
        lines.push(fetch(rng));
        lines.push(format!("b: DescribeGroups {} {{groups: [{group}]}}", rng.i16(0..=6)));
    }
    lines
}

fn end(rng: &mut Rng, on: &str) -> Vec<String> {
    let (q, e) = producer(rng);
    let version = rng.i16(0..=5);
    let mut lines = vec![
        format!(
            "{on}: EndTxn {version} {{transactionalId: {}, producerId: {q}, producerEpoch: {e}, committed: {}}}",
            id(rng),
            rng.bool()
        ),
        SETTLE.to_owned(),
    ];
    if version >= 5 && e == "$e" && rng.u8(0..4) > 0 {
        // After the wait: the answer that is kept is the last. It has the id and the epoch of the next transaction.
        lines.insert(1, "let q = producerId".to_owned());
        lines.insert(2, "let e = producerEpoch".to_owned());
    }
    lines
}

fn initialize(rng: &mut Rng, on: &str) -> Vec<String> {
    let version = rng.i16(0..=5);
    let had = match version {
        3.. if rng.bool() => {
            let (q, e) = producer(rng);
            format!(", producerId: {q}, producerEpoch: {e}")
        }
        _ => String::new(),
    };
    let first = format!(
        "{on}: InitProducerId {version} {{transactionalId: ~x, transactionTimeoutMs: {}{had}}}",
        pick(rng, &["60000", "60000", "60000", "0", "-1", "900001"])
    );
    // The second producer comes, or the first begins anew.
    let (id, epoch) = match rng.u8(0..3) {
        0 => ("r", "f"),
        _ => ("q", "e"),
    };
    vec![
        first,
        format!("let {id} = producerId"),
        format!("let {epoch} = producerEpoch"),
        SETTLE.to_owned(),
    ]
}

fn read_committed(rng: &mut Rng, on: &str) -> String {
    format!(
        "{on}: Fetch {} {{maxWaitMs: 0, minBytes: 0, isolationLevel: 1, topics: [{{topic: {}, partitions: [{{partition: {}, fetchOffset: {}, partitionMaxBytes: {}}}]}}]}}",
        rng.i16(4..=12),
        topic(rng),
        partition(rng),
        pick(rng, &["0", "0", "0", "1", "2", "3"]),
        pick(rng, &["10000", "10000", "10000", "80"])
    )
}

fn stable_offsets(rng: &mut Rng, on: &str) -> String {
    let topics = pick(rng, &["null", "[{name: ~t, partitionIndexes: [0, 1]}]"]);
    format!(
        "{on}: OffsetFetch 7 {{groupId: {}, requireStable: {}, topics: {topics}}}",
        pick(rng, &["~g", "~g", "~h"]),
        rng.bool()
    )
}

/// As an administrator ends what hangs.
fn markers(rng: &mut Rng, on: &str) -> String {
    let (q, e) = producer(rng);
    let version = rng.i16(1..=2);
    format!(
        "{on}: WriteTxnMarkers {version} {{markers: [{{producerId: {q}, producerEpoch: {e}, transactionResult: {}, coordinatorEpoch: {}, transactionVersion?: {}, topics: [{{name: {}, partitionIndexes: [{}]}}]}}]}}",
        rng.bool(),
        pick(rng, &["0", "0", "1"]),
        pick(rng, &["0", "1", "2"]),
        pick(rng, &["~t", "~u"]),
        pick(rng, &["0", "0", "1", "5"])
    )
}

fn look(rng: &mut Rng, on: &str) -> String {
    match rng.u8(0..3) {
        0 => format!("{on}: DescribeTransactions 0 {{transactionalIds: [{}]}}", id(rng)),
        1 => format!(
            "{on}: DescribeProducers 0 {{topics: [{{name: {}, partitionIndexes: [0]}}]}}",
            topic(rng)
        ),
        _ => format!(
            "{on}: ListTransactions 0 {{stateFilters: [{}]}}",
            pick(rng, &["", "Ongoing", "CompleteCommit, CompleteAbort", "Empty", "Other"])
        ),
    }
}
