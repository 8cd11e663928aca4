//! How a cluster is described and started.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::SystemTime;

use thiserror::Error;
use tokio::net::TcpListener;

use super::config::{self, BrokerConfig, ConfigError};
use super::creation::{self, TopicSpec};
use super::exits::Exits;
use super::handle::Cluster;
use super::internal::Internal;
use super::releases::{Offered, Release, UnknownRelease};
use super::state::{Broker, Shared};
use super::topics::{BrokerId, TopicError};
use crate::api::versions::{self, VersionError};
use crate::group::registry::Groups;
use crate::net::tcp;
use crate::txn::coordinator::Transactions;

/// The port that brokers without a port of their own are said to have.
const MEMORY_PORT: u16 = 9092;

/// Why a cluster did not start. Nothing is left behind: no port listens, no task runs.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port is taken.
    #[error("address in use: {0}")]
    AddressInUse(SocketAddr),
    /// A port cannot be bound for another reason.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// A cluster needs a broker.
    #[error("a cluster needs at least one broker")]
    NoBrokers,
    /// More brokers than [`Builder::MAX_BROKERS`].
    #[error("{brokers} brokers: a cluster has at most {}", Builder::MAX_BROKERS)]
    TooManyBrokers {
        /// How many were asked for.
        brokers: usize,
    },
    /// More partitions in one topic than [`Builder::MAX_PARTITIONS`].
    #[error(
        "{partitions} partitions of {topic}: a topic is created with at most {}",
        Builder::MAX_PARTITIONS
    )]
    TooManyPartitions {
        /// The topic's name.
        topic: String,
        /// How many were asked for.
        partitions: i32,
    },
    /// More replicas of all partitions than [`Builder::MAX_REPLICAS`].
    #[error(
        "{replicas} replicas of all topics' partitions: a cluster starts with at most {}",
        Builder::MAX_REPLICAS
    )]
    TooManyReplicas {
        /// How many were asked for.
        replicas: u64,
    },
    /// More ports than brokers.
    #[error("{ports} ports for {brokers} brokers: the i-th port is the i-th broker's")]
    TooManyPorts {
        /// How many ports were given.
        ports: usize,
        /// How many brokers.
        brokers: usize,
    },
    /// A broker configuration cannot be taken.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A highest version cannot be taken.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// A release that is not known.
    #[error(transparent)]
    Release(#[from] UnknownRelease),
    /// A topic cannot be created.
    #[error("cannot create topic {name}: {source}")]
    Topic {
        /// The topic's name.
        name: String,
        /// Kafka's reason.
        source: TopicError,
    },
}

/// Describes a cluster; [`start`](Self::start) starts it.
///
/// ```
/// # async fn example() -> Result<(), kfake::StartError> {
/// let cluster = kfake::Cluster::builder()
///     .brokers(3)
///     .topic("orders", 6)
///     .broker_config("group.initial.rebalance.delay.ms", "100")
///     .start()
///     .await?;
/// # cluster.close().await; Ok(()) }
/// ```
#[derive(Debug, Clone)]
#[must_use = "a builder does nothing before `start`"]
pub struct Builder {
    brokers: usize,
    first_node: u16,
    listen: IpAddr,
    ports: Vec<u16>,
    racks: Vec<String>,
    in_memory: bool,
    cluster_id: Option<String>,
    topics: Vec<TopicSpec>,
    configs: BTreeMap<String, String>,
    as_version: Option<String>,
    max_versions: BTreeMap<i16, i16>,
    seed: Option<u64>,
    time_of_day: Option<SystemTime>,
    #[cfg(feature = "plants")]
    plant: Option<super::exits::Plant>,
}

impl Default for Builder {
    fn default() -> Self {
        Self {
            brokers: 3,
            first_node: 1,
            listen: Ipv4Addr::LOCALHOST.into(),
            ports: Vec::new(),
            racks: Vec::new(),
            in_memory: false,
            cluster_id: None,
            topics: Vec::new(),
            configs: BTreeMap::new(),
            as_version: None,
            max_versions: BTreeMap::new(),
            seed: None,
            time_of_day: None,
            #[cfg(feature = "plants")]
            plant: None,
        }
    }
}

impl Builder {
    /// The most brokers of a cluster: each listens on a port of its own.
    pub const MAX_BROKERS: usize = 1_000;
    /// The most partitions that a topic is created with, Apache Kafka's `ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`.
    pub const MAX_PARTITIONS: i32 = creation::MAX_PARTITIONS as i32;
    /// The most replicas of all topics' partitions that a cluster starts with. Clients may create more.
    pub const MAX_REPLICAS: u64 = 1_000_000;

    /// How many brokers; their node ids count from [`first_node`](Self::first_node). Default: 3. At most
    /// [`MAX_BROKERS`](Self::MAX_BROKERS).
    pub fn brokers(mut self, brokers: usize) -> Self {
        self.brokers = brokers;
        self
    }

    /// The first broker's node id; each further one's is one more. Apache Kafka allows 0 and up (`node.id`), and clusters of
    /// before KRaft often began with 0. Default: 1.
    ///
    /// ```
    /// # async fn example() -> Result<(), kfake::StartError> {
    /// let cluster = kfake::Cluster::builder().brokers(2).first_node(0).start().await?;
    /// let first = cluster.client(kfake::BrokerId(0));
    /// # drop(first); cluster.close().await; Ok(()) }
    /// ```
    pub fn first_node(mut self, id: u16) -> Self {
        self.first_node = id;
        self
    }

    /// The address to listen on, which Metadata also names; for 0.0.0.0 and :: it names the loopback address. Default:
    /// 127.0.0.1.
    pub fn listen(mut self, address: IpAddr) -> Self {
        self.listen = address;
        self
    }

    /// The i-th port is the i-th broker's. Port 0, and a broker without a port, take any free one.
    pub fn ports(mut self, ports: impl IntoIterator<Item = u16>) -> Self {
        self.ports = ports.into_iter().collect();
        self
    }

    /// The i-th rack is the i-th broker's (`broker.rack`); brokers beyond have none. Metadata names them. With
    /// `replica.selector.class` set to Kafka's `RackAwareReplicaSelector`, a consumer whose `client.rack` a follower has is sent
    /// there (KIP-392).
    ///
    /// ```
    /// let builder = kfake::Cluster::builder().racks(["a", "b", "c"]).broker_config(
    ///     "replica.selector.class",
    ///     "org.apache.kafka.common.replica.RackAwareReplicaSelector",
    /// );
    /// # let _ = builder;
    /// ```
    pub fn racks<R: Into<String>>(mut self, racks: impl IntoIterator<Item = R>) -> Self {
        self.racks = racks.into_iter().map(Into::into).collect();
        self
    }

    /// No sockets: clients connect with [`Cluster::connect`] alone. For tests under a paused clock, which real sockets
    /// and tokio's auto-advance spoil. Two runs of one scenario are then the same to the byte, as far as no time of day is in
    /// it (see [`start_time`](Self::start_time)).
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// The cluster's id. Default: one from the seed, of the form of Kafka's own.
    pub fn cluster_id(mut self, id: impl Into<String>) -> Self {
        self.cluster_id = Some(id.into());
        self
    }

    /// A topic with that many partitions, at most [`MAX_PARTITIONS`](Self::MAX_PARTITIONS), and the default number of replicas.
    pub fn topic(self, name: impl Into<String>, partitions: i32) -> Self {
        self.topic_spec(name, Some(partitions), None)
    }

    /// A topic; what is `None` is the broker's default (`num.partitions`, `default.replication.factor`).
    pub fn topic_spec(mut self, name: impl Into<String>, partitions: Option<i32>, replicas: Option<i32>) -> Self {
        self.topics.push(TopicSpec {
            name: name.into(),
            partitions,
            replicas,
        });
        self
    }

    /// A broker configuration by its Kafka name, for every broker. A name that Apache Kafka does not know, or a
    /// value that it does not take, fails the start. Three defaults are not Kafka's: `auto.create.topics.enable=false`,
    /// `num.partitions=10` and `group.initial.rebalance.delay.ms=0`.
    pub fn broker_config(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.configs.insert(name.into(), value.into());
        self
    }

    /// Whether a Metadata request creates the topics it names: `auto.create.topics.enable`. Default: no.
    pub fn auto_create_topics(self, create: bool) -> Self {
        self.broker_config("auto.create.topics.enable", create.to_string())
    }

    /// Offers what the brokers of a release of Apache Kafka do, as far as kfake has it: `3.9`, or with a patch number. From 0.11
    /// on every minor release is known; up to 3.2 a broker is one with ZooKeeper, later with KRaft. Default: the newest.
    ///
    /// What a client can ask for changes, and the features that it is told of; what is answered to a version of a request is
    /// what the newest release answers to it. A name that is not known fails the start.
    pub fn as_version(mut self, release: impl Into<String>) -> Self {
        self.as_version = Some(release.into());
        self
    }

    /// The highest version of an API that the brokers offer. It limits what [`as_version`](Self::as_version) offers. A version that kfake does not have fails the start.
    pub fn max_version(mut self, api_key: i16, version: i16) -> Self {
        self.max_versions.insert(api_key, version);
        self
    }

    /// Seeds every random choice: topic ids, member ids, fetch session ids. Default: 0 in memory, where a run then
    /// repeats exactly; else another seed each time, so that a client of yesterday's cluster is no member of today's.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The time of day at the start, from which tokio's clock counts on: what `LogAppendTime` writes and record timestamps
    /// are held against. Default: the machine's. Set it, and runs in memory repeat to the byte.
    pub fn start_time(mut self, time_of_day: SystemTime) -> Self {
        self.time_of_day = Some(time_of_day);
        self
    }

    #[cfg(feature = "plants")]
    #[doc(hidden)]
    pub fn plant(mut self, plant: super::exits::Plant) -> Self {
        self.plant = Some(plant);
        self
    }

    /// Starts the cluster. When this returns, every port accepts connections.
    ///
    /// # Errors
    ///
    /// See [`StartError`]; after an error nothing is left behind.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O (unless [`in_memory`](Self::in_memory)) and time enabled.
    pub async fn start(self) -> Result<Cluster, StartError> {
        if self.brokers == 0 {
            return Err(StartError::NoBrokers);
        }
        if self.brokers > Self::MAX_BROKERS {
            return Err(StartError::TooManyBrokers { brokers: self.brokers });
        }
        if self.ports.len() > self.brokers {
            return Err(StartError::TooManyPorts {
                ports: self.ports.len(),
                brokers: self.brokers,
            });
        }
        let given = config::read(&self.configs)?;
        self.check_sizes(&given.config)?;
        versions::check(&self.max_versions)?;
        let release = match &self.as_version {
            Some(name) => Release::named(name)?,
            None => Release::newest(),
        };
        let seed = match self.seed {
            Some(seed) => seed,
            None if self.in_memory => 0,
            None => fastrand::u64(..),
        };
        let (brokers, listeners) = self.bind()?;
        #[cfg(feature = "plants")]
        let exits = Exits::with_plant(self.plant);
        #[cfg(not(feature = "plants"))]
        let exits = Exits::default();
        let cluster_id = self.cluster_id.unwrap_or_else(|| random_cluster_id(seed));
        let shared = Arc::new(Shared::new(
            cluster_id,
            given,
            brokers,
            Offered::new(release, self.max_versions),
            exits,
            seed,
            self.time_of_day,
        ));
        for topic in &self.topics {
            creation::create(&shared, topic, &|_| Ok(())).map_err(|source| StartError::Topic {
                name: topic.name.clone(),
                source,
            })?;
        }
        let groups = Arc::new(Groups::new(shared));
        let transactions = Arc::new(Transactions::new(groups));
        for (broker, listener) in listeners {
            tcp::listen(&transactions, broker, listener);
        }
        Ok(Cluster::new(transactions))
    }

    /// Whether what is to be created has a size that a cluster can have, Kafka's own topics among it. What else may be wrong with a
    /// topic its creation says.
    fn check_sizes(&self, config: &BrokerConfig) -> Result<(), StartError> {
        let own = [
            (Internal::Offsets, config.offsets_partitions.0),
            (Internal::Transactions, config.transaction_partitions.0),
        ];
        let own = own.into_iter().map(|(topic, partitions)| (topic.name(), partitions));
        let defaulted = |given: Option<i32>, default: i32| match given {
            None | Some(-1) => default,
            Some(number) => number,
        };
        let topics = self.topics.iter();
        let topics = topics.map(|topic| (&*topic.name, defaulted(topic.partitions, config.num_partitions.0)));
        for (topic, partitions) in own.chain(topics) {
            if partitions > Self::MAX_PARTITIONS {
                let topic = topic.to_owned();
                return Err(StartError::TooManyPartitions { topic, partitions });
            }
        }
        let replicas = self.topics.iter().map(|topic| {
            let partitions = defaulted(topic.partitions, config.num_partitions.0);
            let replicas = defaulted(topic.replicas, config.default_replication_factor.0);
            // No more of them than there are brokers are created.
            let replicas = u64::try_from(replicas).unwrap_or(0).min(self.brokers as u64);
            u64::try_from(partitions).unwrap_or(0) * replicas
        });
        let replicas = replicas.fold(0, u64::saturating_add);
        match replicas > Self::MAX_REPLICAS {
            true => Err(StartError::TooManyReplicas { replicas }),
            false => Ok(()),
        }
    }

    /// The rack of a broker: its own, or what `broker.rack` says for all.
    fn rack(&self, index: usize) -> Option<String> {
        let own = self.racks.get(index);
        own.or_else(|| self.configs.get("broker.rack")).cloned()
    }

    fn bind(&self) -> Result<(Vec<Broker>, Listeners), StartError> {
        let mut brokers = Vec::new();
        let mut listeners = Vec::new();
        for (node, index) in (i32::from(self.first_node)..).zip(0..self.brokers) {
            let id = BrokerId(node);
            if self.in_memory {
                brokers.push(Broker {
                    id,
                    host: format!("broker-{id}.memory"),
                    port: MEMORY_PORT,
                    rack: self.rack(index),
                    bound: None,
                });
                continue;
            }
            let address = SocketAddr::new(self.listen, self.ports.get(index).copied().unwrap_or(0));
            let listener = tcp::bind(address).map_err(|source| match source.kind() {
                io::ErrorKind::AddrInUse => StartError::AddressInUse(address),
                _ => StartError::Listen { address, source },
            })?;
            let bound = listener
                .local_addr()
                .map_err(|source| StartError::Listen { address, source })?;
            brokers.push(Broker {
                rack: self.rack(index),
                ..Broker::at(id, bound)
            });
            listeners.push((id, listener));
        }
        Ok((brokers, listeners))
    }
}

/// Who listens where.
type Listeners = Vec<(BrokerId, TcpListener)>;

/// 16 random bytes in the form of Kafka's `Uuid.randomUuid().toString()`.
fn random_cluster_id(seed: u64) -> String {
    base64_of(fastrand::Rng::with_seed(!seed).u128(..))
}

/// 16 bytes in URL-safe base64 without padding, as Kafka writes ids.
pub(crate) fn base64_of(bits: u128) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    // 22 digits of 6 bits hold 132; the last carries the low two bits, shifted up.
    (0..22)
        .map(|digit| {
            let shift = 122 - 6 * digit;
            let six = if shift >= 0 { bits >> shift } else { bits << -shift };
            char::from(ALPHABET[(six & 0x3f) as usize])
        })
        .collect()
}
