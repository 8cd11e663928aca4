//! One of the clusters that are compared, and the questions that the runner has of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::codec;
use crate::connection::{Connection, Reply, body_of};
use crate::random::Offered;
use crate::schema;
use crate::tree::Value;

/// How long a cluster may take to do what it must do.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// Between two questions of one kind.
const PAUSE: Duration = Duration::from_millis(5);

/// A running cluster.
#[derive(Debug, Clone)]
pub struct Side {
    /// Its brokers, the first first.
    pub brokers: Vec<SocketAddr>,
    /// Their places, counted from 1, by their node ids.
    pub places: BTreeMap<i64, usize>,
    /// Whether answers are compared with the brokers that they name, even where there are several.
    pub shows_brokers: bool,
    /// How its brokers are stopped and started, where they can be.
    pub steering: Option<Arc<dyn Steering>>,
}

/// How a cluster's brokers are stopped and started.
pub trait Steering: std::fmt::Debug + Send + Sync {
    /// Ends a broker, as a crash does. It need not be known to the others when this returns.
    ///
    /// # Errors
    ///
    /// Why it does not end, for people.
    fn stop(&self, place: usize) -> Result<(), String>;

    /// Starts it again, as it was.
    ///
    /// # Errors
    ///
    /// Why it does not start, for people.
    fn start(&self, place: usize) -> Result<(), String>;
}

/// An address of this machine for brokers that are stopped and started again. Their ports are free meanwhile, and of 127.0.0.1 the kernel
/// gives any free port to whoever connects somewhere.
pub fn own_loopback() -> IpAddr {
    let [_, high, middle, low] = std::process::id().to_be_bytes();
    match cfg!(target_os = "linux") {
        // All of 127.0.0.0/8 is the machine itself; process ids have 22 bits at most.
        true => Ipv4Addr::new(127, 64 + high % 64, middle, low).into(),
        false => Ipv4Addr::LOCALHOST.into(),
    }
}

impl Side {
    /// Waits until every broker is known, groups and transactions have coordinators and producers get ids.
    ///
    /// # Errors
    ///
    /// What does not come to be, for people.
    pub fn ready(brokers: Vec<SocketAddr>) -> Result<Self, String> {
        let mut side = Self {
            brokers,
            places: BTreeMap::new(),
            shows_brokers: false,
            steering: None,
        };
        let count = side.brokers.len() as i64;
        let metadata = side.until(
            1,
            "Metadata",
            1,
            &Value::record([("topics", Value::List(Vec::new()))]),
            |answer| matches!(answer.at("brokers"), Some(Value::List(list)) if list.len() as i64 == count),
        )?;
        let Some(Value::List(known)) = metadata.at("brokers") else {
            return Err("no brokers".to_owned());
        };
        for broker in known {
            let (Some(Value::Int(id)), Some(Value::Int(port))) = (broker.at("nodeId"), broker.at("port")) else {
                return Err(format!("no broker: {broker}"));
            };
            let place = side.brokers.iter().position(|b| i64::from(b.port()) == *port);
            side.places
                .insert(*id, place.ok_or_else(|| format!("no broker has port {port}"))? + 1);
        }
        // Enough groups that each partition of the offsets topic has one.
        for group in 0..if count == 1 { 1 } else { 32 } {
            let group = format!("warm-up-{group}");
            let place = side.coordinator(&group)?;
            let body = Value::record([("groups", Value::List(vec![Value::text(&group)]))]);
            side.until(place, "DescribeGroups", 5, &body, |answer| {
                answer.at("groups[0].errorCode") == Some(&Value::Int(0))
            })?;
        }
        for place in 1..=side.brokers.len() {
            let body = Value::record([
                ("transactionalId", Value::Null),
                ("transactionTimeoutMs", Value::Int(1000)),
            ]);
            side.until(place, "InitProducerId", 1, &body, |answer| {
                answer.at("errorCode") == Some(&Value::Int(0))
            })?;
        }
        // And as many transactional ids, for those of the topic of transactions.
        for id in 0..if count == 1 { 1 } else { 32 } {
            let id = format!("warm-up-{id}");
            let place = side.transactions(&id)?;
            let body = Value::record([("transactionalIds", Value::List(vec![Value::text(&id)]))]);
            side.until(place, "DescribeTransactions", 0, &body, |answer| {
                // TRANSACTIONAL_ID_NOT_FOUND
                answer.at("transactionStates[0].errorCode") == Some(&Value::Int(105))
            })?;
        }
        Ok(side)
    }

    /// The place of the broker that coordinates a group.
    ///
    /// # Errors
    ///
    /// Where there is none in time.
    pub fn coordinator(&self, group: &str) -> Result<usize, String> {
        self.coordinator_of(group, 0)
    }

    /// The place of the broker that coordinates a transactional id.
    ///
    /// # Errors
    ///
    /// Where there is none in time.
    pub fn transactions(&self, id: &str) -> Result<usize, String> {
        self.coordinator_of(id, 1)
    }

    fn coordinator_of(&self, key: &str, key_type: i64) -> Result<usize, String> {
        let body = Value::record([("key", Value::text(key)), ("keyType", Value::Int(key_type))]);
        let answer = self.until(1, "FindCoordinator", 1, &body, |answer| {
            answer.at("errorCode") == Some(&Value::Int(0))
        })?;
        self.place(answer.at("nodeId"))
    }

    /// The place of the broker that leads a partition.
    ///
    /// # Errors
    ///
    /// Where there is none in time.
    pub fn leader(&self, topic: &str, partition: i32) -> Result<usize, String> {
        let named = Value::record([("name", Value::text(topic))]);
        let body = Value::record([("topics", Value::List(vec![named]))]);
        let leader = |answer: &Value| {
            let Some(Value::List(partitions)) = answer.at("topics[0].partitions") else {
                return None;
            };
            let index = Value::Int(partition.into());
            let partition = partitions.iter().find(|p| p.at("partitionIndex") == Some(&index))?;
            self.place(partition.at("leaderId")).ok()
        };
        let answer = self.until(1, "Metadata", 4, &body, |answer| leader(answer).is_some())?;
        leader(&answer).ok_or_else(|| format!("no leader of {topic}/{partition}"))
    }

    /// Creates a topic and waits until each partition's leader can read its log: Apache Kafka's Metadata names a topic before
    /// its log exists.
    ///
    /// # Errors
    ///
    /// Where it cannot be created.
    pub fn create_topic(
        &self,
        name: &str,
        partitions: i64,
        replicas: i64,
        configs: &[(String, String)],
    ) -> Result<(), String> {
        let configs = configs
            .iter()
            .map(|(key, value)| Value::record([("name", Value::text(key)), ("value", Value::text(value))]));
        let topic = Value::record([
            ("name", Value::text(name)),
            ("numPartitions", Value::Int(partitions)),
            ("replicationFactor", Value::Int(replicas)),
            ("configs", Value::List(configs.collect())),
        ]);
        let body = Value::record([("topics", Value::List(vec![topic]))]);
        // Apache Kafka's brokers hand it on; others want it asked of the controller itself.
        let none = Value::record([("topics", Value::List(Vec::new()))]);
        let controller = self.place(self.ask(1, "Metadata", 1, &none)?.at("controllerId"))?;
        let answer = self.ask(controller, "CreateTopics", 5, &body)?;
        if answer.at("topics[0].errorCode") != Some(&Value::Int(0)) {
            return Err(format!("cannot create topic {name}: {answer}"));
        }
        for partition in 0..partitions {
            let asked = Value::record([("partitionIndex", Value::Int(partition)), ("timestamp", Value::Int(-2))]);
            let topic = Value::record([("name", Value::text(name)), ("partitions", Value::List(vec![asked]))]);
            let body = Value::record([("replicaId", Value::Int(-1)), ("topics", Value::List(vec![topic]))]);
            let leader = self.leader(name, partition as i32)?;
            self.until(leader, "ListOffsets", 2, &body, |answer| {
                answer.at("topics[0].partitions[0].errorCode") == Some(&Value::Int(0))
            })?;
        }
        // Every broker knows it: what is asked of another than the leader is a question of leadership alone.
        let named = Value::record([("name", Value::text(name))]);
        let body = Value::record([("topics", Value::List(vec![named]))]);
        for place in 1..=self.brokers.len() {
            self.until(place, "Metadata", 4, &body, |answer| {
                matches!(answer.at("topics[0].partitions"), Some(Value::List(list)) if list.len() as i64 == partitions)
            })?;
        }
        Ok(())
    }

    /// Asks for every topic whose name begins so to be deleted, and does not wait until it is.
    ///
    /// # Errors
    ///
    /// Where the cluster does not answer.
    pub fn delete_topics(&self, prefix: &str) -> Result<(), String> {
        let all = Value::record([("topics", Value::Null)]);
        let known = self.ask(1, "Metadata", 4, &all)?;
        let Some(Value::List(topics)) = known.at("topics") else {
            return Err("no topics".to_owned());
        };
        let names = topics.iter().filter_map(|topic| match topic.at("name") {
            Some(Value::Text(name)) if name.starts_with(prefix) => Some(Value::text(name)),
            _ => None,
        });
        let body = Value::record([
            ("topicNames", Value::List(names.collect())),
            ("timeoutMs", Value::Int(10_000)),
        ]);
        self.ask(1, "DeleteTopics", 4, &body).map(drop)
    }

    /// The versions that the first broker offers.
    ///
    /// # Errors
    ///
    /// Where it does not answer.
    pub fn offered(&self) -> Result<Offered, String> {
        let answer = self.ask(1, "ApiVersions", 0, &Value::Struct(Vec::new()))?;
        Ok(Offered::of(&answer))
    }

    fn steering(&self) -> Result<&dyn Steering, String> {
        let steering = self.steering.as_deref();
        steering.ok_or_else(|| "this cluster's brokers cannot be stopped".to_owned())
    }

    /// Stops a broker, and waits until all but the `stopped` ones know of those alone that run.
    ///
    /// # Errors
    ///
    /// Where that does not come to be in time.
    pub fn stop(&self, place: usize, stopped: &BTreeSet<usize>) -> Result<(), String> {
        self.steering()?.stop(place)?;
        self.until_known(stopped)
    }

    /// Starts a broker, and waits until all but the `stopped` ones know of it and it is in sync with them everywhere. Who leads a
    /// partition of which another replica is down, if anybody does, the scenario waits for.
    ///
    /// # Errors
    ///
    /// Where that does not come to be in time.
    pub fn start(&self, place: usize, stopped: &BTreeSet<usize>) -> Result<(), String> {
        self.steering()?.start(place)?;
        self.until_known(stopped)?;
        let down = self.nodes(stopped);
        let in_sync = |partition: &Value| {
            let (Some(Value::List(replicas)), Some(Value::List(in_sync))) =
                (partition.at("replicaNodes"), partition.at("isrNodes"))
            else {
                return false;
            };
            let mut up = replicas.iter().filter(|replica| !down.contains(replica));
            let may_wait =
                partition.at("leaderId") == Some(&Value::Int(-1)) && replicas.iter().any(|r| down.contains(r));
            may_wait || up.all(|replica| in_sync.contains(replica))
        };
        self.until_partitions(stopped, in_sync)
    }

    /// Makes the first replica of every partition its leader, and waits until every broker knows.
    ///
    /// # Errors
    ///
    /// Where that does not come to be in time.
    pub fn elect_preferred(&self) -> Result<(), String> {
        let body = Value::record([("topicPartitions", Value::Null), ("timeoutMs", Value::Int(30_000))]);
        self.until(1, "ElectLeaders", 2, &body, |answer| {
            answer.at("errorCode") == Some(&Value::Int(0))
        })?;
        self.until_partitions(&BTreeSet::new(), |partition| {
            partition.at("leaderId").is_some() && partition.at("leaderId") == partition.at("replicaNodes[0]")
        })
    }

    fn nodes(&self, places: &BTreeSet<usize>) -> Vec<Value> {
        let nodes = self.places.iter().filter(|(_, place)| places.contains(place));
        nodes.map(|(id, _)| Value::Int(*id)).collect()
    }

    /// Waits until each broker that runs knows those alone.
    fn until_known(&self, stopped: &BTreeSet<usize>) -> Result<(), String> {
        let none = Value::record([("topics", Value::List(Vec::new()))]);
        let running = self.brokers.len() - stopped.len();
        for place in (1..=self.brokers.len()).filter(|place| !stopped.contains(place)) {
            self.until(
                place,
                "Metadata",
                1,
                &none,
                |answer| matches!(answer.at("brokers"), Some(Value::List(list)) if list.len() == running),
            )?;
        }
        Ok(())
    }

    /// Waits until all partitions are as they should be, by each broker that runs.
    fn until_partitions(&self, stopped: &BTreeSet<usize>, holds: impl Fn(&Value) -> bool) -> Result<(), String> {
        let all = Value::record([("topics", Value::Null)]);
        for place in (1..=self.brokers.len()).filter(|place| !stopped.contains(place)) {
            self.until(place, "Metadata", 4, &all, |answer| {
                let Some(Value::List(topics)) = answer.at("topics") else {
                    return false;
                };
                topics.iter().all(|topic| match topic.at("partitions") {
                    Some(Value::List(partitions)) => partitions.iter().all(&holds),
                    _ => false,
                })
            })?;
        }
        Ok(())
    }

    fn place(&self, node: Option<&Value>) -> Result<usize, String> {
        match node {
            Some(Value::Int(id)) => self
                .places
                .get(id)
                .copied()
                .ok_or_else(|| format!("no broker has the id {id}")),
            _ => Err("no broker".to_owned()),
        }
    }

    fn until(
        &self,
        place: usize,
        api: &str,
        version: i16,
        body: &Value,
        holds: impl Fn(&Value) -> bool,
    ) -> Result<Value, String> {
        let begin = Instant::now();
        loop {
            let answer = self.ask(place, api, version, body);
            match answer {
                Ok(answer) if holds(&answer) => return Ok(answer),
                answer if begin.elapsed() > PATIENCE => {
                    return Err(match answer {
                        Ok(answer) => format!("{api} still answers {answer}"),
                        Err(error) => error,
                    });
                }
                _ => std::thread::sleep(PAUSE),
            }
        }
    }

    fn ask(&self, place: usize, api: &str, version: i16, body: &Value) -> Result<Value, String> {
        let api = schema::by_name(api).ok_or("no such API")?;
        let address = *self.brokers.get(place - 1).ok_or("no such broker")?;
        let mut connection = Connection::open(address).map_err(|error| format!("{address}: {error}"))?;
        let body = codec::encode(&api.request, version, body).map_err(|error| error.to_string())?;
        connection.send(api, version, &body);
        match connection.receive(PATIENCE) {
            Reply::Frame(frame) => body_of(api, version, &frame),
            other => Err(format!("{}: {other:?}", api.name)),
        }
    }
}
