//! Steps that change topics: records deleted, partitions added, configurations set. What takes effect behind its answer is
//! followed by a step that waits for it.

use fastrand::Rng;

use super::generate::{partition, pick, topic};

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
        match rng.u8(0..8) {
            0..2 => delete_records(rng, on),
            2 => self.create_partitions(rng, on).join("\n"),
            3 => wrong_partitions(rng, on),
            4 => self.set(rng, on).join("\n"),
            5 => leader_epoch(rng, on),
            6 => delete_offsets(rng, on),
            _ => wrong_config(rng, on),
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
            format!(
                "until topics[0].partitions[0].errorCode = 0 a: ListOffsets 2 {{replicaId: -1, topics: [{{name: ~t, partitions: [{{partitionIndex: {}, timestamp: -1}}]}}]}}",
                self.partitions - 1
            ),
        ]
    }

    /// A value that changes how the next batches are judged, stored or read.
    fn set(&mut self, rng: &mut Rng, on: &str) -> Vec<String> {
        let (name, value) = match rng.u8(0..7) {
            0 => ("max.message.bytes", "100"),
            1 => ("max.message.bytes", "1000000"),
            2 => ("message.timestamp.type", "LogAppendTime"),
            3 => ("message.timestamp.type", "CreateTime"),
            4 => ("message.timestamp.after.max.ms", "10"),
            5 => ("cleanup.policy", "compact"),
            _ => ("compression.type", "gzip"),
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
            "until results[0].configs[0].value = \"{value}\" a: DescribeConfigs 4 {{resources: [{{resourceType: 2, resourceName: ~t, configurationKeys: [{name}]}}]}}"
        );
        // The configurations are described a moment before the logs have them: what is created afterwards is known afterwards.
        self.waits += 1;
        vec![change, wait, format!("topic ~z{}", self.waits)]
    }
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
