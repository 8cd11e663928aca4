//! Steps that change topics: records deleted, partitions added, configurations set. What takes effect behind its answer is
//! followed by a step that waits for it.

use fastrand::Rng;

use super::generate::{partition, pick, topic, until_read};

/// What has been changed so far.
#[derive(Debug)]
pub(super) struct Admin {
    /// Of the topic `~t`.
    partitions: usize,
    /// Topics created to wait for what was changed before.
    waits: usize,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            partitions: 2,
            waits: 0,
        }
    }
}

impl Admin {
    /// A step, and what belongs to it.
    pub(super) fn step(&mut self, rng: &mut Rng, on: &str) -> String {
        match rng.u8(0..12) {
            0..2 => delete_records(rng, on),
            2 => self.create_partitions(rng, on).join("\n"),
            3 => wrong_partitions(rng, on),
            4 | 11 => self.set(rng, on).join("\n"),
            5 => leader_epoch(rng, on),
            6 => delete_offsets(rng, on),
            7 => wrong_config(rng, on),
            8 | 9 => self.quotas(rng, on).join("\n"),
            _ => group(rng, on).join("\n"),
        }
    }

    fn create_partitions(&mut self, rng: &mut Rng, on: &str) -> Vec<String> {
        if self.partitions >= 5 {
            return vec![wrong_partitions(rng, on)];
        }
        self.partitions += 1;
        vec![
            format!(
                "{on}: CreatePartitions {} {{topics: [{{name: ~t, count: {}, assignments: null}}], timeoutMs: 10000}}",
                rng.i16(0..=3),
                self.partitions
            ),
            until_read("~t", self.partitions - 1),
        ]
    }

    /// A value that changes how the next batches are judged, stored or read.
    fn set(&mut self, rng: &mut Rng, on: &str) -> Vec<String> {
        let (name, value) = match rng.u8(0..13) {
            0 => ("max.message.bytes", "100"),
            1 => ("max.message.bytes", "1000000"),
            2 => ("message.timestamp.type", "LogAppendTime"),
            3 => ("message.timestamp.type", "CreateTime"),
            4 => ("message.timestamp.after.max.ms", "10"),
            5 => ("cleanup.policy", "compact"),
            6 => ("compression.type", "gzip"),
            7 => ("compression.type", "zstd"),
            8 => ("compression.zstd.level", "-1"),
            9 => ("min.insync.replicas", "2"),
            10 => ("min.insync.replicas", "1"),
            11 => ("message.timestamp.before.max.ms", "1000"),
            _ => ("cleanup.policy", "compact,delete"),
        };
        let change = match rng.bool() {
            true => format!(
                "{on}: IncrementalAlterConfigs {} {{resources: [{{resourceType: 2, resourceName: ~t, configs: [{{name: {name}, configOperation: 0, value: \"{value}\"}}]}}]}}",
                rng.i16(0..=1)
            ),
            false => format!(
                "{on}: AlterConfigs {} {{resources: [{{resourceType: 2, resourceName: ~t, configs: [{{name: {name}, value: \"{value}\"}}]}}]}}",
                rng.i16(0..=2)
            ),
        };
        let wait = format!(
            "until results[0].configs has {{value: \"{value}\", configSource: 1}} a: DescribeConfigs 4 {{resources: [{{resourceType: 2, resourceName: ~t, configurationKeys: [{name}]}}]}}"
        );
        // The configurations are described a moment before the logs have them: what is created afterwards is known afterwards.
        self.waits += 1;
        vec![change, wait, format!("topic ~z{}", self.waits)]
    }

    /// Quotas of names that are this sequence's, then what is set. They are known when a topic that is made afterwards is.
    fn quotas(&mut self, rng: &mut Rng, on: &str) -> Vec<String> {
        let entity = |rng: &mut Rng| {
            pick(
                rng,
                &[
                    "{entityType: user, entityName: ~u}",
                    "{entityType: user, entityName: ~u} {entityType: client-id, entityName: ~c}",
                    "{entityType: client-id, entityName: ~c}",
                    "{entityType: user, entityName: ~u} {entityType: client-id, entityName: null}",
                ],
            )
        };
        let ops = |rng: &mut Rng| {
            pick(
                rng,
                &[
                    "{key: producer_byte_rate, value: 1000000000.0}",
                    "{key: producer_byte_rate, value: 2000000000.0} {key: request_percentage, value: 1000.5}",
                    "{key: consumer_byte_rate, value: 0.5}",
                    "{key: producer_byte_rate, value: 0.0, remove: true}",
                    "{key: request_percentage, value: -1.0, remove: true} {key: controller_mutation_rate, value: 1000000.25}",
                    "{key: nothing, value: 1.0, remove: true}",
                    "{key: connection_creation_rate, value: 1000.0}",
                ],
            )
        };
        let entries = |rng: &mut Rng| format!("{{entity: [{}], ops: [{}]}}", entity(rng), ops(rng));
        let mut all = vec![entries(rng)];
        if rng.bool() {
            all.push(entries(rng));
        }
        self.waits += 1;
        let components = pick(
            rng,
            &[
                "{entityType: user, matchType: 0, match: ~u}",
                "{entityType: client-id, matchType: 0, match: ~c}",
                "{entityType: user, matchType: 0, match: ~u} {entityType: client-id, matchType: 0, match: ~c}",
                "{entityType: user, matchType: 0, match: ~u} {entityType: client-id, matchType: 1, match: null}",
                "{entityType: user, matchType: 0, match: ~u} {entityType: client-id, matchType: 2, match: null}",
                "{entityType: client-id, matchType: 0, match: ~c} {entityType: user, matchType: 2, match: null}",
            ],
        );
        vec![
            format!(
                "{on}: AlterClientQuotas {} {{entries: [{}]}}",
                rng.i16(0..=1),
                all.join(" ")
            ),
            format!("topic ~z{}", self.waits),
            format!(
                "{on}: DescribeClientQuotas {} {{components: [{components}], strict: {}}}",
                rng.i16(0..=1),
                rng.bool()
            ),
        ]
    }
}

/// A group's own configurations.
fn group(rng: &mut Rng, on: &str) -> Vec<String> {
    let (name, value) = match rng.u8(0..4) {
        0 => ("consumer.session.timeout.ms", "50000"),
        1 => ("consumer.heartbeat.interval.ms", "6000"),
        2 => ("share.auto.offset.reset", "earliest"),
        _ => ("share.isolation.level", "read_committed"),
    };
    let group = pick(rng, &["~g", "~h"]);
    vec![
        format!(
            "{on}: IncrementalAlterConfigs {} {{resources: [{{resourceType: 32, resourceName: {group}, configs: [{{name: {name}, configOperation: 0, value: \"{value}\"}}]}}]}}",
            rng.i16(0..=1)
        ),
        format!(
            "until results[0].configs[0].value = \"{value}\" a: DescribeConfigs 4 {{resources: [{{resourceType: 32, resourceName: {group}, configurationKeys: [{name}]}}]}}"
        ),
        format!(
            "b: DescribeConfigs {} {{resources: [{{resourceType: 32, resourceName: {group}, configurationKeys: null}}], includeSynonyms: {}}}",
            rng.i16(1..=4),
            rng.bool()
        ),
        format!(
            "{on}: AlterConfigs {} {{resources: [{{resourceType: 32, resourceName: {group}, configs: []}}]}}",
            rng.i16(0..=2)
        ),
        format!(
            "b: ListConfigResources 1 {{resourceTypes: [{}]}}",
            pick(rng, &["2", "2 2", "8", "4"])
        ),
    ]
}

fn delete_records(rng: &mut Rng, on: &str) -> String {
    format!(
        "{on}: DeleteRecords {} {{topics: [{{name: {}, partitions: [{{partitionIndex: {}, offset: {}}}]}}], timeoutMs: 10000}}",
        rng.i16(0..=2),
        topic(rng),
        partition(rng),
        pick(rng, &["-1", "0", "1", "1", "2", "3", "9", "-2"])
    )
}

fn leader_epoch(rng: &mut Rng, on: &str) -> String {
    format!(
        "{on}: OffsetForLeaderEpoch {} {{replicaId?: -1, topics: [{{topic: {}, partitions: [{{partition: {}, currentLeaderEpoch: {}, leaderEpoch: {}}}]}}]}}",
        rng.i16(2..=4),
        topic(rng),
        partition(rng),
        pick(rng, &["-1", "-1", "0", "1"]),
        pick(rng, &["0", "0", "1", "-1"])
    )
}

fn delete_offsets(rng: &mut Rng, on: &str) -> String {
    format!(
        "{on}: OffsetDelete 0 {{groupId: {}, topics: [{{name: {}, partitions: [{{partitionIndex: {}}}]}}]}}",
        pick(rng, &["~g", "~g", "~h", "\"\""]),
        topic(rng),
        partition(rng)
    )
}

fn wrong_partitions(rng: &mut Rng, on: &str) -> String {
    let (name, count) = (
        pick(rng, &["~t", "~t", "~x", "\"a b\""]),
        pick(rng, &["0", "-1", "1", "2"]),
    );
    let assignments = pick(
        rng,
        &[
            "null",
            "null",
            "[]",
            "[{brokerIds: [1]}]",
            "[{brokerIds: [1, 1]}]",
            "[{brokerIds: [7]}]",
        ],
    );
    format!(
        "{on}: CreatePartitions {} {{topics: [{{name: {name}, count: {count}, assignments: {assignments}}}], timeoutMs: 10000, validateOnly: {}}}",
        rng.i16(0..=3),
        rng.bool()
    )
}

fn wrong_config(rng: &mut Rng, on: &str) -> String {
    let config = pick(
        rng,
        &[
            "{name: retention.ms, configOperation: 0, value: x}",
            "{name: retention.ms, configOperation: 0, value: null}",
            "{name: nothing, configOperation: 0, value: \"1\"}",
            "{name: retention.ms, configOperation: 2, value: \"1\"}",
            "{name: cleanup.policy, configOperation: 2, value: other}",
            "{name: cleanup.policy, configOperation: 3, value: delete}",
            "{name: cleanup.policy, configOperation: 7, value: delete}",
            "{name: retention.ms, configOperation: 0, value: \"1\"} {name: retention.ms, configOperation: 1, value: null}",
            "",
        ],
    );
    format!(
        "{on}: IncrementalAlterConfigs {} {{resources: [{{resourceType: {}, resourceName: {}, configs: [{config}]}}], validateOnly: true}}",
        rng.i16(0..=1),
        pick(rng, &["2", "2", "2", "4", "8", "3"]),
        pick(rng, &["~t", "~t", "~x", "\"1\""])
    )
}
