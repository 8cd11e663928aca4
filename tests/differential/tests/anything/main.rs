//! Whole sequences of requests that no client would send, on one cluster, with everything that a test may do to it in between: whatever
//! comes, no task panics, each answer is one of its version, and a connection is closed only where its request could not be read.
//!
//! An ordinary run takes a few sequences that are always the same. `ANYTHING_SEQUENCES=10000` takes more of them, and
//! `ANYTHING_FIRST=1234` begins with that one; a failure names its sequence.

mod ask;
mod make;
#[path = "../../../tests/protocol/warnings.rs"]
mod warnings;

use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use ask::{Asked, Connection, Watch};
use fastrand::Rng;
use kfake::{BrokerId, Builder, Cluster};
use kfake_differential::schema::{self, Api};
use kfake_differential::tree::Value;
use leakcheck::leakcheck;
use make::Maker;

/// How many sequences an ordinary run takes.
const SEQUENCES: u64 = 40;
/// How many clusters an ordinary run lets several clients at, at once.
const CROWDS: u64 = 2;
/// How many these are.
const CROWD: u64 = 4;
/// How many steps a sequence has.
const STEPS: usize = 150;
/// How many connections a sequence has at a time.
const CONNECTIONS: usize = 6;

/// The longest name that a client can have.
static LONG_NAME: [u8; i16::MAX as usize] = [b'x'; i16::MAX as usize];

/// From the environment, for a longer run.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a whole number"))
}

#[leakcheck(start_paused)]
async fn no_sequence_of_requests_makes_a_task_panic_or_an_answer_that_cannot_be_read() {
    let first = number("ANYTHING_FIRST", 0);
    for seed in first..first + number("ANYTHING_SEQUENCES", SEQUENCES) {
        let mut sequence = Sequence::begin(seed, Clock::Paused).await;
        for _ in 0..STEPS {
            if let Err(wrong) = sequence.step().await {
                panic!("sequence {seed}: {wrong}\n{}", sequence.tail());
            }
        }
        if let Err(wrong) = sequence.end().await {
            panic!("sequence {seed}: {wrong}");
        }
    }
}

/// The same from several threads: requests and what is done to the cluster meet in the middle of each other. A lock that is never given
/// back is a hang, and a panic is leakcheck's to see.
#[leakcheck(flavor = "multi_thread", worker_threads = 4, timeout = "600s")]
async fn no_requests_that_meet_make_a_task_panic_or_wait_for_ever() {
    let first = number("ANYTHING_FIRST", 0);
    for seed in first..first + number("ANYTHING_CROWDS", CROWDS) {
        let begun = Sequence::begin(seed, Clock::Real).await;
        let crowd = (0..CROWD).map(|nth| {
            let mut one = begun.beside(seed * CROWD + nth);
            tokio::spawn(async move {
                for _ in 0..STEPS {
                    if let Err(wrong) = one.step().await {
                        panic!("crowd {seed}: {wrong}\n{}", one.tail());
                    }
                }
            })
        });
        for one in crowd.collect::<Vec<_>>() {
            one.await.unwrap();
        }
        begun.end().await.unwrap();
    }
}

/// The check itself: a task that panics over a request, one that answers with other bytes, and one that just leaves.
#[leakcheck(start_paused, panics = "allow")]
async fn a_broker_that_panics_or_answers_nonsense_is_found() {
    for (plant, wanted) in [
        ("panic", "panicked"),
        ("nonsense", "cannot be read"),
        ("leave", "for no reason"),
    ] {
        let watch = Watch::begin();
        let (near, mut far) = tokio::io::duplex(1 << 16);
        let broker = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let size = far.read_u32().await.unwrap();
            let mut frame = vec![0; size as usize];
            far.read_exact(&mut frame).await.unwrap();
            match plant {
                "panic" => panic!("planted"),
                "nonsense" => far.write_all(&[0, 0, 0, 6, 0, 0, 0, 1, 9, 9]).await.unwrap(),
                _ => {}
            }
        });
        let mut connection = Connection::over(near);
        let heartbeat = schema::by_name("Heartbeat").unwrap();
        let mut maker = Maker::new(1);
        let body = maker.body(&heartbeat.request, 1);
        connection.send(heartbeat, 1, Some(b"c1"), &body).await;
        let answer = connection.receive(Duration::from_secs(1)).await;
        let judged = watch.judge(&answer, "Heartbeat");
        let _ = broker.await;
        assert!(
            judged.clone().is_err_and(|said| said.contains(wanted)),
            "{plant}: {judged:?}"
        );
    }
}

/// How often an API is asked, of eight.
fn weight(api: &str) -> u8 {
    match api {
        "Produce" | "Fetch" | "JoinGroup" | "SyncGroup" | "Heartbeat" | "OffsetCommit" | "TxnOffsetCommit" => 8,
        "InitProducerId" | "AddPartitionsToTxn" | "AddOffsetsToTxn" | "EndTxn" => 8,
        "DeleteTopics" | "DeleteGroups" | "UnregisterBroker" | "UpdateFeatures" | "LeaveGroup" => 1,
        _ => 3,
    }
}

/// Changes, cuts off or adds bytes.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    match rng.u8(..6) {
        0 => bytes.truncate(rng.usize(..=bytes.len())),
        1 => bytes.extend((0..rng.usize(1..20)).map(|_| rng.u8(..))),
        _ if bytes.is_empty() => {}
        _ => {
            for _ in 0..rng.usize(1..4) {
                let at = rng.usize(..bytes.len());
                bytes[at] = [0, 1, 0x7f, 0x80, 0xff, rng.u8(..)][rng.usize(..6)];
            }
        }
    }
}

/// Starts a cluster as anybody may want it. What it refuses to begin with is left out.
async fn start(builder: Builder, rng: &mut Rng) -> Cluster {
    let mut any = builder.clone();
    for _ in 0..rng.usize(..4) {
        let name = make::START[rng.usize(..make::START.len())];
        any = any.broker_config(name, make::VALUES[rng.usize(..make::VALUES.len())]);
    }
    if rng.u8(..4) == 0 {
        any = any.as_version(["0.11", "1.1", "2.8", "3.9"][rng.usize(..4)]);
    }
    if rng.u8(..8) == 0 {
        // The last that a timestamp can say, and after it.
        let last = Duration::from_millis(i64::MAX as u64 - rng.u64(..1_000_000_000));
        any = any.start_time(UNIX_EPOCH + last);
    }
    match any.start().await {
        Ok(cluster) => cluster,
        Err(_) => builder.start().await.expect("it starts"),
    }
}

/// One cluster and what is sent to it.
struct Sequence {
    cluster: Arc<Cluster>,
    offered: Vec<(&'static Api, std::ops::RangeInclusive<i16>)>,
    connections: Vec<Option<Connection>>,
    maker: Maker,
    /// Where all happens on this thread.
    watch: Option<Watch>,
    sent: Vec<String>,
    /// Whether a request has asked for fewer connections: then they may be closed without a word.
    limits_connections: bool,
}

/// Whose time passes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clock {
    /// A paused clock, on one thread.
    Paused,
    /// The time of day, on several threads.
    Real,
}

impl Sequence {
    async fn begin(seed: u64, clock: Clock) -> Self {
        let watch = (clock == Clock::Paused).then(Watch::begin);
        // With one broker it is always the right one that is asked.
        let brokers = if seed.is_multiple_of(2) { 1 } else { 3 };
        let builder = Cluster::builder()
            .in_memory()
            .brokers(brokers)
            .seed(seed)
            .racks(["r1", "r2", "r1"]);
        let builder = builder.topic("orders", 3).topic_spec("compacted", Some(1), None);
        let builder = builder.topic_spec("appended", Some(2), Some(i32::from(brokers > 1) + 1));
        let mut maker = Maker::new(seed);
        let configs = [
            ("group.initial.rebalance.delay.ms", "100"),
            // So that what is done to the first partition is done to every group and transaction.
            ("offsets.topic.num.partitions", "1"),
            ("transaction.state.log.num.partitions", "1"),
        ];
        let builder = configs
            .into_iter()
            .fold(builder, |builder, (name, value)| builder.broker_config(name, value));
        let cluster = start(builder, &mut maker.rng).await;
        let mut connection = Connection::over(cluster.connect(BrokerId(1)).expect("it is open"));
        let versions = schema::by_name("ApiVersions").expect("it is an API");
        connection.send(versions, 0, None, &Value::Struct(Vec::new())).await;
        let Asked::Answer(_, answer) = connection.receive(Duration::from_secs(1)).await else {
            panic!("no answer to ApiVersions");
        };
        let number = |value: &Value, name| match value.field(name) {
            Some(Value::Int(n)) => *n as i16,
            other => panic!("{name} is {other:?}"),
        };
        let Some(Value::List(keys)) = answer.field("apiKeys") else {
            panic!("no API is offered");
        };
        let offered = keys.iter().map(|row| {
            let api = schema::by_key(number(row, "apiKey")).expect("a known API");
            (api, number(row, "minVersion")..=number(row, "maxVersion"))
        });
        // Clients are told of these only while there is something to send.
        let telemetry = ["GetTelemetrySubscriptions", "PushTelemetry"].map(schema::by_name);
        let telemetry = telemetry.into_iter().flatten().map(|api| (api, 0..=0));
        let offered: Vec<_> = offered.chain(telemetry).collect();
        assert!(offered.len() > 20, "only {} APIs are offered", offered.len());
        Self {
            cluster: Arc::new(cluster),
            offered,
            connections: (0..CONNECTIONS).map(|_| None).collect(),
            maker,
            limits_connections: false,
            watch,
            sent: Vec::new(),
        }
    }

    /// Another at the same cluster.
    fn beside(&self, seed: u64) -> Self {
        Self {
            cluster: self.cluster.clone(),
            offered: self.offered.clone(),
            connections: (0..CONNECTIONS).map(|_| None).collect(),
            maker: Maker::new(seed),
            limits_connections: false,
            watch: None,
            sent: Vec::new(),
        }
    }

    /// The last steps, for people.
    fn tail(&self) -> String {
        let from = self.sent.len().saturating_sub(12);
        self.sent[from..].join("\n")
    }

    async fn step(&mut self) -> Result<(), String> {
        match self.maker.rng.u8(..20) {
            0 => self.steer().await,
            _ => self.ask().await?,
        }
        self.watch.as_ref().map_or(Ok(()), Watch::no_panic)
    }

    /// A request on any connection, or the answer to one that has waited.
    async fn ask(&mut self) -> Result<(), String> {
        let rng = &mut self.maker.rng;
        let place = rng.usize(..CONNECTIONS);
        let patience = Duration::from_millis(match self.watch {
            Some(_) => [1, 1, 100, 2000, 40_000][rng.usize(..5)],
            None => 1,
        });
        // A peer that leaves in the middle of a wait, as often as one that waits longer.
        if self.connections[place].as_ref().is_some_and(|c| c.waits()) && rng.bool() {
            self.connections[place] = None;
        }
        let connection = match &mut self.connections[place] {
            Some(connection) => connection,
            empty => {
                let broker = BrokerId(rng.i32(1..=self.cluster.brokers().len() as i32));
                let Ok(stream) = self.cluster.connect(broker) else {
                    return Ok(());
                };
                empty.insert(Connection::over(stream))
            }
        };
        if !connection.waits() {
            // What undoes the most is asked the least.
            let (api, versions) = loop {
                let (api, versions) = &self.offered[rng.usize(..self.offered.len())];
                if rng.u8(..8) < weight(&api.name) {
                    break (*api, versions.clone());
                }
            };
            let version = rng.i16(versions);
            let clients: [Option<&[u8]>; 7] = [
                Some(b"c1"),
                Some(b"c1"),
                Some(b"c2"),
                Some(b""),
                None,
                Some(&[0xff]),
                Some(&LONG_NAME),
            ];
            // A name that is no text closes the connection, and with one that is as long as can be no member can have an id.
            let names = if rng.u8(..20) == 0 { 7 } else { 5 };
            let client = clients[rng.usize(..names)];
            let body = self.maker.body(&api.request, version);
            let sent = format!("{place}: {} {version} {body}", api.name);
            self.limits_connections |= sent.contains("max.connection") || sent.contains("connection_creation_rate");
            self.sent.push(sent);
            // Without a body that is the one that was sent, nobody knows whether a Produce is answered.
            let rng = &mut self.maker.rng;
            match rng.u8(..16) {
                0 if api.name != "Produce" => {
                    connection
                        .send_damaged(api, version, client, &body, |bytes| damage(rng, bytes))
                        .await;
                }
                _ => connection.send(api, version, client, &body).await,
            }
        }
        let asked = connection.receive(patience).await;
        // Others may have been sent since, on other connections.
        let here = format!("{place}: ");
        let sent = self.sent.iter().rev().find(|sent| sent.starts_with(&here));
        let name = sent.map_or("", String::as_str);
        match (&asked, &self.watch) {
            (Asked::Closed, Some(watch)) if self.limits_connections => watch.no_panic()?,
            (_, Some(watch)) => watch.judge(&asked, name)?,
            (Asked::Unreadable(why), None) => return Err(why.clone()),
            (_, None) => {}
        }
        match asked {
            Asked::Answer(request, answer) => self.maker.known.learn(&request, &answer),
            Asked::Waits | Asked::Silent => {}
            Asked::Closed | Asked::Unreadable(_) => self.connections[place] = None,
        }
        Ok(())
    }

    /// Something that is done to the cluster by its owner.
    async fn steer(&mut self) {
        let rng = &mut self.maker.rng;
        let (broker, other) = (BrokerId(rng.i32(1..=3)), BrokerId(rng.i32(1..=3)));
        let topics = [
            "orders",
            "compacted",
            "appended",
            "new",
            "__consumer_offsets",
            "__transaction_state",
        ];
        let topic = topics[rng.usize(..topics.len())];
        // Time alone passes by itself where it is real.
        let step = rng.u8(..if self.watch.is_some() { 16 } else { 14 });
        self.sent.push(format!("step {step} of {topic}, {broker}, {other}"));
        let cluster = &self.cluster;
        // A broker that stops closes its connections, and so does time those that are idle.
        if matches!(step, 0 | 14..) {
            self.connections.fill_with(|| None);
        }
        // What cannot be done is refused, and that is all that it has to be.
        match step {
            0 => drop(cluster.stop_broker(broker).await),
            1 | 2 => drop(cluster.start_broker(broker).await),
            3 => drop(cluster.set_leader(topic, 0, broker)),
            4 => drop(cluster.shrink_isr(topic, 0, broker)),
            5 => drop(cluster.expand_isr(topic, 0, broker)),
            6 => drop(cluster.compact(topic).await),
            7 => drop(cluster.apply_retention()),
            8 => drop(cluster.expire_producers()),
            9 => cluster.expire_offsets(),
            10 => cluster.sweep_transactions(),
            11 => cluster.hold_reassignments(rng.bool()),
            12 => drop(cluster.stall_group("g1", rng.bool())),
            13 => drop(cluster.end_group("g2").await),
            14 => tokio::time::sleep(Duration::from_secs(rng.u64(1..100_000))).await,
            _ => tokio::time::sleep(Duration::from_secs(86_400 * rng.u64(1..30))).await,
        }
    }

    /// Closes in the middle of whatever waits.
    async fn end(self) -> Result<(), String> {
        self.cluster.close().await;
        self.watch.as_ref().map_or(Ok(()), Watch::no_panic)
    }
}
