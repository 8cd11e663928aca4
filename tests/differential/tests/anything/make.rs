//! Requests as no client would make them: every field is something that an answer has named, something likely, or something extreme.

use std::collections::BTreeMap;

use fastrand::Rng;
use kfake_differential::records;
use kfake_differential::schema::{FieldType, Kind, Message, NIL_UUID};
use kfake_differential::tree::{Field, Value};

/// How many values of a name are kept: the newest.
const MOST_KNOWN: usize = 4;

/// What answers have named: ids, epochs and offsets, by the names of their fields.
#[derive(Debug, Default)]
pub struct Known {
    by_class: BTreeMap<String, Vec<Value>>,
    /// Members and producers: what only goes together.
    identities: Vec<BTreeMap<String, Value>>,
}

impl Known {
    /// Takes over what an answer names, and whom it makes of who asked.
    pub fn learn(&mut self, request: &Value, answer: &Value) {
        let is_producer = answer.field("producerId").is_some_and(|id| *id != Value::Int(-1));
        if is_producer || answer.field("generationId").is_some() {
            let both = [request, answer].into_iter().flat_map(Value::leaves);
            let identity = both.filter_map(|(path, value)| {
                let class = class(&path).filter(|class| IDENTITY.contains(class))?;
                Some((class.to_owned(), value.clone()))
            });
            self.identities.push(identity.collect());
            if self.identities.len() > MOST_KNOWN {
                self.identities.remove(0);
            }
        }
        for (path, value) in answer.leaves() {
            if let Some(class) = class(path.rsplit('.').next().unwrap_or_default()) {
                let known = self.by_class.entry(class.to_owned()).or_default();
                known.retain(|before| before != value);
                known.push(value.clone());
                if known.len() > MOST_KNOWN {
                    known.remove(0);
                }
            }
        }
    }

    /// The newest more often than others.
    fn any(&self, rng: &mut Rng, name: &str) -> Option<Value> {
        let known = self.by_class.get(class(name)?)?;
        let places = 0..known.len();
        known.get(rng.usize(places.clone()).max(rng.usize(places))).cloned()
    }
}

/// What makes a member or a producer.
const IDENTITY: [&str; 7] = [
    "producerId",
    "producerEpoch",
    "transactionalId",
    "groupId",
    "groupInstanceId",
    "memberId",
    "generationId",
];

/// What one answer names under one name, and another request asks for under another.
fn class(name: &str) -> Option<&str> {
    Some(match name.split('[').next().unwrap_or_default() {
        "producerId" | "v3AndBelowProducerId" | "producerIdFilters" => "producerId",
        "producerEpoch" | "v3AndBelowProducerEpoch" => "producerEpoch",
        "generationId" | "generationIdOrMemberEpoch" | "memberEpoch" => "generationId",
        "memberId" | "leader" => "memberId",
        "topicId" => "topicId",
        "transactionalId" | "v3AndBelowTransactionalId" => "transactionalId",
        "groupId" => "groupId",
        "groupInstanceId" => "groupInstanceId",
        "sessionId" => "sessionId",
        "clientInstanceId" => "clientInstanceId",
        "subscriptionId" => "subscriptionId",
        "currentLeaderEpoch" | "leaderEpoch" | "committedLeaderEpoch" | "lastFetchedEpoch" => "leaderEpoch",
        "baseOffset" | "fetchOffset" | "offset" | "committedOffset" | "highWatermark" | "endOffset" => "offset",
        _ => return None,
    })
}

/// Makes the bodies of one sequence's requests.
#[derive(Debug)]
pub struct Maker {
    /// What they are drawn from.
    pub rng: Rng,
    /// What has been answered so far.
    pub known: Known,
    /// How many values of the request that is being made are more than likely, of a hundred: few, so that it gets far, but for the rest.
    wildness: u8,
    /// As whom it is sent.
    identity: BTreeMap<String, Value>,
}

impl Maker {
    /// Makes the bodies that belong to a seed.
    pub fn new(seed: u64) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            known: Known::default(),
            wildness: 0,
            identity: BTreeMap::new(),
        }
    }

    /// The body of a request.
    pub fn body(&mut self, message: &Message, version: i16) -> Value {
        self.wildness = [0, 12, 100][self.rng.usize(..3)];
        let places = 0..self.known.identities.len().max(1);
        let newest = self.rng.usize(places.clone()).max(self.rng.usize(places));
        self.identity = self
            .known
            .identities
            .get(newest)
            .filter(|_| self.wildness < 100)
            .cloned()
            .unwrap_or_default();
        self.fields(&message.fields, version, "")
    }

    fn fields(&mut self, types: &[FieldType], version: i16, parent: &str) -> Value {
        let here = types.iter().filter(|field| field.versions.contains(&version));
        let fields = here.map(|field| {
            if let Some(mine) = class(&field.name).and_then(|class| self.identity.get(class).cloned())
                && !matches!(field.kind, Kind::Array(_))
                && (mine != Value::Null || field.nullable.contains(&version))
                && !self.is_wild()
            {
                return Field::new(&field.name, mine);
            }
            // Some are null where they may not be.
            let is_null = match field.nullable.contains(&version) {
                true => self.rng.u8(..6) == 0,
                false => self.is_wild() && can_be_null(&field.kind) && self.rng.u8(..40) == 0,
            };
            let value = match is_null {
                true => Value::Null,
                false => self.value(&field.kind, version, &field.name, parent),
            };
            Field::new(&field.name, value)
        });
        Value::Struct(fields.collect())
    }

    fn value(&mut self, kind: &Kind, version: i16, name: &str, parent: &str) -> Value {
        if !matches!(kind, Kind::Array(_) | Kind::Struct(_))
            && self.rng.u8(..10) < 8
            && let Some(known) = self.known.any(&mut self.rng, name)
        {
            return known;
        }
        match kind {
            Kind::Bool => Value::Bool(self.rng.bool()),
            Kind::Int8 => Value::Int(self.number(name, i8::MIN.into(), i8::MAX.into())),
            Kind::Int16 => Value::Int(self.number(name, i16::MIN.into(), i16::MAX.into())),
            Kind::Uint16 => Value::Int(self.number(name, 0, u16::MAX.into())),
            Kind::Int32 => Value::Int(self.number(name, i32::MIN.into(), i32::MAX.into())),
            Kind::Int64 => Value::Int(self.number(name, i64::MIN, i64::MAX)),
            Kind::Float64 => Value::Float(self.pick(FLOATS)),
            Kind::Uuid => Value::text(match self.rng.u8(..3) {
                0 => NIL_UUID,
                1 => "00000000-0000-0000-0000-000000000001",
                _ => "ffffffff-ffff-ffff-ffff-ffffffffffff",
            }),
            Kind::Text => self.text(name, parent),
            Kind::Bytes => Value::Bytes(self.bytes()),
            Kind::Records => Value::Bytes(self.records()),
            Kind::Array(element) => {
                let count = self.pick(&[1, 1, 2, 1, 3, 0]);
                let mut list: Vec<Value> = Vec::new();
                for _ in 0..count {
                    // The same twice is something to refuse.
                    match list.last().filter(|_| self.is_wild() && self.rng.u8(..4) == 0).cloned() {
                        Some(again) => list.push(again),
                        None => list.push(self.value(element, version, name, name)),
                    }
                }
                Value::List(list)
            }
            Kind::Struct(types) => self.fields(types, version, parent),
        }
    }

    fn is_wild(&mut self) -> bool {
        self.rng.u8(..100) < self.wildness
    }

    /// What comes first more often than others.
    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let places = 0..from.len();
        let first = self.rng.usize(places.clone());
        let wild = self.is_wild();
        from[match wild {
            true => first,
            false => first.min(self.rng.usize(places)),
        }]
    }

    fn number(&mut self, name: &str, least: i64, most: i64) -> i64 {
        let likely: &[i64] = match name {
            "acks" => &[-1, -1, 0, 1, 2],
            "resourceType" | "resourceTypes" => &[2, 4, 8, 16, 32, 1, 0],
            "compressionType" => &[0, 0, 1, 2, 3, 4, 5],
            "keyType" | "configOperation" | "electionType" | "matchType" | "isolationLevel" | "upgradeType" => {
                &[0, 1, 2, 3]
            }
            "timestamp" => &[-1, -2, -3, -4, -5, -6, 0, NOW],
            "numPartitions" | "count" => &[-1, 0, 1, 2, 5],
            "replicationFactor" => &[-1, 0, 1, 2, 3, 4],
            "replicaId" => &[-1, -1, -1, 1, 2, -2],
            "sessionTimeoutMs" | "rebalanceTimeoutMs" => &[6000, 10_000, 30_000, 1_800_000, 1],
            "maxWaitMs" | "timeoutMs" | "transactionTimeoutMs" => &[0, 1, 500, 60_000, 900_000],
            "maxBytes" | "partitionMaxBytes" => &[1 << 20, 100, 1, 0],
            "v3AndBelowProducerEpoch"
            | "producerEpoch"
            | "index"
            | "partition"
            | "partitionIndex"
            | "partitionIndexes" => &[0, 0, 0, 1, 2, -1, 3],
            "currentLeaderEpoch" | "lastFetchedEpoch" => &[-1, -1, 0, 1],
            "brokerId" | "brokerIds" | "nodeId" | "replicas" => &[1, 2, 3, 4, 0],
            "sessionEpoch" => &[0, -1, 1, 2, 3],
            _ => &[0, 0, 0, 1, 1, 2, -1, 3, 10],
        };
        let n = match self.rng.u8(..10) {
            _ if !self.is_wild() => self.pick(likely),
            0..7 => self.pick(likely),
            7 | 8 => self.pick(&[
                least,
                least + 1,
                -1,
                most / 2,
                most - 1,
                most,
                i32::MAX.into(),
                i32::MIN.into(),
            ]),
            _ => self.rng.i64(least..=most),
        };
        // More partitions than anybody has are work, and no fault.
        let most = match name {
            "numPartitions" | "count" if self.rng.u8(..4) > 0 => 20,
            _ => most,
        };
        n.clamp(least, most)
    }

    fn text(&mut self, name: &str, parent: &str) -> Value {
        if self.is_wild() && self.rng.u8(..6) == 0 {
            return match self.rng.u8(..5) {
                0 => Value::text(""),
                1 => Value::text("x".repeat(self.rng.usize(200..32_768))),
                2 => Value::text("ünï\u{0}\n,:="),
                3 => Value::Bytes(vec![0xc3, 0x28]),
                _ => Value::text("."),
            };
        }
        let likely: &[&str] = match (name, parent) {
            ("name", "configs") | ("configurationKeys", _) => CONFIGS,
            ("value", _) => VALUES,
            ("name", "topics" | "topicData" | "resources" | "") | ("topic" | "topicName" | "topicNames", _) => TOPICS,
            ("resourceName", _) => &["orders", "compacted", "1", "2", "", "g1", "metrics", "9"],
            ("groupId" | "groups" | "groupsNames", _) => &["g1", "g1", "g2", "g3", "", "orders"],
            ("key" | "coordinatorKeys", "keyNames" | "coordinatorKeys" | "") => &["g1", "g2", "t1", "t2", "a:b:0", ""],
            ("key", _) => &[
                "producer_byte_rate",
                "consumer_byte_rate",
                "request_percentage",
                "controller_mutation_rate",
                "connection_creation_rate",
                "nothing",
            ],
            ("transactionalId" | "v3AndBelowTransactionalId" | "transactionalIds", _) => &["t1", "t1", "t2", "t3"],
            ("groupInstanceId", _) => &["i1", "i2"],
            ("protocolType", _) => &["consumer", "consumer", "connect"],
            ("protocolName", _) | ("name", "protocols") => &["range", "sticky"],
            ("entityType", _) => &["client-id", "user", "ip", "group"],
            ("entityName" | "match", _) => &["c1", "c2", "127.0.0.1", "nowhere"],
            ("feature", _) => &[
                "metadata.version",
                "transaction.version",
                "group.version",
                "kraft.version",
                "x",
            ],
            ("statesFilter" | "stateFilters", _) => &[
                "Stable",
                "Empty",
                "Dead",
                "Ongoing",
                "PrepareCommit",
                "CompleteAbort",
                "x",
            ],
            ("typesFilter", _) => &["classic", "consumer", "x"],
            ("transactionalIdPattern", _) => &["t.*", "", "(", "[", "t{1000000000}", "(a|a)*b", "\\Q"],
            ("rackId", _) => &["r1", "r2", ""],
            ("path", _) => &["/tmp/kafka-logs", "/x"],
            ("clientSoftwareName" | "clientSoftwareVersion", _) => &["kfake", "1.0", "a b"],
            ("memberId", _) => &["", "", "m1"],
            _ => &["orders", "", "x"],
        };
        Value::text(self.pick(likely))
    }

    fn bytes(&mut self) -> Vec<u8> {
        let size = self.pick(&[0, 0, 1, 7, 40, 1000]);
        match self.rng.u8(..3) {
            // A consumer's subscription that claims any number of topics.
            0 => [&[0, 1][..], &self.pick(&[0, 1, -1, i32::MAX, i32::MIN]).to_be_bytes()].concat(),
            1 => b"\0\x01\0\0\0\x01\0\x06orders\xff\xff\xff\xff".to_vec(),
            _ => (0..size).map(|_| self.rng.u8(..)).collect(),
        }
    }

    /// A batch, or several, that are right or wrong in any way.
    fn records(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        for _ in 0..self.pick(&[1, 1, 1, 1, 2, 0]) {
            let kinds = if self.is_wild() { 0..8 } else { 2..3 };
            all.extend(match self.rng.u8(kinds) {
                0 => self.bytes(),
                1 => {
                    let magic = self.pick(&[0, 1]);
                    records::message(&Value::record([("magic", Value::Int(magic))])).expect("a message")
                }
                _ => self.batch(),
            });
        }
        all
    }

    fn batch(&mut self) -> Vec<u8> {
        let mut fields = Vec::new();
        let records = (0..self.pick(&[1, 1, 2, 5, 0])).map(|_| {
            let mut fields = Vec::new();
            if self.rng.u8(..4) > 0 {
                fields.push(Field::new("key", Value::text(self.pick(&["a", "b", "c", ""]))));
            }
            let value = match self.rng.u8(..4) {
                0 => Value::Null,
                _ => Value::text("value"),
            };
            fields.push(Field::new("value", value));
            for (name, rarity) in [
                ("timestamp", 3),
                ("offsetDelta", 10),
                ("length", 20),
                ("headerCount", 20),
            ] {
                if self.is_wild() && self.rng.u8(..rarity) == 0 {
                    fields.push(Field::new(name, Value::Int(self.number(name, i64::MIN, i64::MAX))));
                }
            }
            Value::Struct(fields)
        });
        fields.push(Field::new("records", Value::List(records.collect())));
        if self.rng.bool() {
            for name in ["producerId", "producerEpoch"] {
                let mine = self.identity.get(name).cloned();
                let known = mine.or_else(|| self.known.any(&mut self.rng, name));
                fields.push(Field::new(name, known.unwrap_or(Value::Int(0))));
            }
            let sequence = self.pick(&[0, 0, 1, 2, 3, -1, i64::from(i32::MAX), i64::from(i32::MAX) - 1]);
            fields.push(Field::new("baseSequence", Value::Int(sequence)));
            fields.push(Field::new("transactional", Value::Bool(self.rng.bool())));
        }
        if self.rng.u8(..3) == 0 {
            let codec = self.pick(&["gzip", "snappy", "lz4", "zstd"]);
            fields.push(Field::new("compression", Value::text(codec)));
            if self.is_wild() && self.rng.u8(..4) == 0 {
                fields.push(Field::new("body", Value::Bytes(self.bytes())));
            }
        }
        for name in BATCH_NUMBERS {
            if self.is_wild() && self.rng.u8(..12) == 0 {
                fields.push(Field::new(name, Value::Int(self.number(name, i64::MIN, i64::MAX))));
            }
        }
        records::batch(&Value::Struct(fields)).expect("every field is a batch's")
    }
}

fn can_be_null(kind: &Kind) -> bool {
    matches!(kind, Kind::Text | Kind::Bytes | Kind::Records | Kind::Array(_))
}

/// 2020-09-13.
const NOW: i64 = 1_600_000_000_000;

const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    100.0,
    1e-300,
    5e-324,
    1e308,
    f64::NAN,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::MAX,
    9_007_199_254_740_993.0,
];

const TOPICS: &[&str] = &[
    "orders",
    "orders",
    "orders",
    "orders",
    "compacted",
    "compacted",
    "appended",
    "new",
    "nowhere",
    "__consumer_offsets",
    "__transaction_state",
    "a.b",
    "a_b",
];

const CONFIGS: &[&str] = &[
    "retention.ms",
    "retention.bytes",
    "segment.ms",
    "segment.bytes",
    "segment.jitter.ms",
    "cleanup.policy",
    "min.cleanable.dirty.ratio",
    "min.compaction.lag.ms",
    "max.compaction.lag.ms",
    "delete.retention.ms",
    "max.message.bytes",
    "message.timestamp.type",
    "message.timestamp.before.max.ms",
    "message.timestamp.after.max.ms",
    "min.insync.replicas",
    "compression.type",
    "unclean.leader.election.enable",
    "file.delete.delay.ms",
    "log.retention.ms",
    "log.cleaner.delete.retention.ms",
    "max.connections",
    "max.connections.per.ip",
    "max.connections.per.ip.overrides",
    "max.connection.creation.rate",
    "transaction.partition.verification.enable",
    "producer.id.expiration.ms",
    "interval.ms",
    "metrics",
    "match",
    "consumer.session.timeout.ms",
    "consumer.heartbeat.interval.ms",
    "org.apache.kafka",
    "root",
    "nothing",
];

/// Values of any configuration.
pub const VALUES: &[&str] = &[
    "0",
    "1",
    "-1",
    "-2",
    "1000",
    "2147483647",
    "-2147483648",
    "9223372036854775807",
    "-9223372036854775808",
    "9223372036854775808",
    "0.5",
    "1e308",
    "NaN",
    "Infinity",
    "true",
    "compact",
    "delete",
    "compact,delete",
    "LogAppendTime",
    "CreateTime",
    "zstd",
    "producer",
    "uncompressed",
    "127.0.0.1:5,::1:2147483647",
    "a=b,c",
    "DEBUG",
    "",
];

/// What a cluster may be started with.
pub const START: &[&str] = &[
    "group.initial.rebalance.delay.ms",
    "group.min.session.timeout.ms",
    "group.max.session.timeout.ms",
    "group.max.size",
    "offset.metadata.max.bytes",
    "offsets.retention.minutes",
    "offsets.retention.check.interval.ms",
    "log.retention.check.interval.ms",
    "log.initial.task.delay.ms",
    "log.cleaner.backoff.ms",
    "log.segment.bytes",
    "log.roll.ms",
    "log.message.timestamp.type",
    "log.index.size.max.bytes",
    "message.max.bytes",
    "compression.type",
    "producer.id.expiration.ms",
    "producer.id.expiration.check.interval.ms",
    "transactional.id.expiration.ms",
    "transaction.max.timeout.ms",
    "quota.window.num",
    "quota.window.size.seconds",
    "controller.quota.window.num",
    "controller.quota.window.size.seconds",
    "fetch.max.bytes",
    "max.incremental.fetch.session.cache.slots",
    "max.request.partition.size.limit",
    "min.insync.replicas",
    "transaction.state.log.min.isr",
    "offsets.topic.replication.factor",
    "auto.create.topics.enable",
    "delete.topic.enable",
];

const BATCH_NUMBERS: &[&str] = &[
    "baseOffset",
    "length",
    "partitionLeaderEpoch",
    "magic",
    "crc",
    "attributes",
    "lastOffsetDelta",
    "baseTimestamp",
    "maxTimestamp",
    "count",
    "cut",
];
