//! Moving what clients talk to: each partition of a topic gets another leader, as an operator would move it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, anyhow, bail, ensure};
use kfake_differential::codec;
use kfake_differential::connection::{Connection, Reply, body_of};
use kfake_differential::schema;
use kfake_differential::tree::Value;

use super::cluster::LIMIT;

const METADATA: (&str, i16) = ("Metadata", 1);
const REASSIGN: (&str, i16) = ("AlterPartitionReassignments", 0);

/// Moves each partition of a topic to the broker behind its leader, the last one's to the first, and waits until it leads there. A
/// group's or a transaction's coordinator moves with Kafka's own topics.
pub fn move_all(addresses: &str, topic: &str) -> anyhow::Result<()> {
    let address = addresses.split(',').next().unwrap_or_default();
    let address = address.parse().with_context(|| format!("{address:?} is no address"))?;
    let mut broker = Broker(Connection::open(address)?, address);
    let (brokers, before) = broker.leaders(topic)?;
    ensure!(brokers.len() > 1, "there is no other broker");
    ensure!(!before.is_empty(), "{topic} has no partitions");
    let behind = |leader: i64| brokers.iter().copied().find(|id| *id > leader).unwrap_or(brokers[0]);
    let wanted: BTreeMap<i64, i64> = before.iter().map(|(index, leader)| (*index, behind(*leader))).collect();
    broker.reassign(topic, &wanted)?;
    let end = Instant::now() + LIMIT;
    loop {
        let (_, now) = broker.leaders(topic)?;
        if now == wanted {
            return Ok(());
        }
        ensure!(Instant::now() < end, "{topic} is led by {now:?}, not by {wanted:?}");
        // A cluster has nothing that tells when it is done.
        thread::sleep(Duration::from_millis(5));
    }
}

struct Broker(Connection, SocketAddr);

impl Broker {
    fn ask(&mut self, (name, version): (&str, i16), body: &Value) -> anyhow::Result<Value> {
        let api = schema::by_name(name).with_context(|| format!("no API is named {name}"))?;
        self.0.send(api, version, &codec::encode(&api.request, version, body)?);
        match self.0.receive(LIMIT) {
            Reply::Frame(frame) => body_of(api, version, &frame).map_err(|error| anyhow!("{name}: {error}")),
            other => bail!("{name}: {other:?} from {}", self.1),
        }
    }

    /// The brokers, and the leader of each of a topic's partitions.
    fn leaders(&mut self, topic: &str) -> anyhow::Result<(Vec<i64>, BTreeMap<i64, i64>)> {
        let names = Value::List(vec![Value::record([("name", Value::text(topic))])]);
        let answer = self.ask(METADATA, &Value::record([("topics", names)]))?;
        let mut brokers = Vec::new();
        for broker in list(&answer, "brokers")? {
            brokers.push(number(broker, "nodeId")?);
        }
        brokers.sort_unstable();
        let mut leaders = BTreeMap::new();
        for partition in list(&answer, "topics[0].partitions")? {
            leaders.insert(number(partition, "partitionIndex")?, number(partition, "leaderId")?);
        }
        Ok((brokers, leaders))
    }

    fn reassign(&mut self, topic: &str, leaders: &BTreeMap<i64, i64>) -> anyhow::Result<()> {
        let partition = |(index, leader): (&i64, &i64)| {
            Value::record([
                ("partitionIndex", Value::Int(*index)),
                ("replicas", Value::List(vec![Value::Int(*leader)])),
            ])
        };
        let partitions = Value::List(leaders.iter().map(partition).collect());
        let topics = Value::record([("name", Value::text(topic)), ("partitions", partitions)]);
        let body = Value::record([("timeoutMs", Value::Int(30_000)), ("topics", Value::List(vec![topics]))]);
        let answer = self.ask(REASSIGN, &body)?;
        ensure!(number(&answer, "errorCode")? == 0, "{topic} is not moved: {answer}");
        for partition in list(&answer, "responses[0].partitions")? {
            ensure!(
                number(partition, "errorCode")? == 0,
                "{topic} is not moved: {partition}"
            );
        }
        Ok(())
    }
}

fn list<'a>(value: &'a Value, path: &str) -> anyhow::Result<&'a [Value]> {
    match value.at(path) {
        Some(Value::List(list)) => Ok(list),
        other => bail!("{path} is {other:?}, no list"),
    }
}

fn number(value: &Value, path: &str) -> anyhow::Result<i64> {
    match value.at(path) {
        Some(Value::Int(number)) => Ok(*number),
        other => bail!("{path} is {other:?}, no number"),
    }
}
