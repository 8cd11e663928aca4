//! What the cluster's tasks share.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicI64, Ordering};

use leakcheck::TaskTracker;
use parking_lot::{Mutex, RwLock};
use uuid::Uuid;

use super::config::BrokerConfig;
use super::exits::Exits;
use super::topics::{BrokerId, Topics};
use crate::api::VersionLimits;
use crate::group::registry::Groups;

/// A broker: its node id and the address that clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The node id, from 1.
    pub id: BrokerId,
    /// The host that Metadata names.
    pub host: String,
    /// The port that Metadata names.
    pub port: u16,
}

impl Broker {
    pub(crate) fn at(id: BrokerId, address: SocketAddr) -> Self {
        Self {
            id,
            host: address.ip().to_string(),
            port: address.port(),
        }
    }
}

/// The tracked groups that the cluster's own tasks belong to.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub all: TaskTracker,
    pub listeners: TaskTracker,
    pub connections: TaskTracker,
}

/// The state of the cluster. A lock in here is never held across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    pub cluster_id: String,
    pub config: BrokerConfig,
    pub brokers: Vec<Broker>,
    pub topics: RwLock<Topics>,
    pub groups: Groups,
    pub versions: VersionLimits,
    pub exits: Exits,
    pub tasks: Tasks,
    random: Mutex<fastrand::Rng>,
    next_producer_id: AtomicI64,
}

impl Shared {
    pub fn new(
        cluster_id: String,
        config: BrokerConfig,
        brokers: Vec<Broker>,
        versions: VersionLimits,
        exits: Exits,
        seed: u64,
    ) -> Self {
        let all = TaskTracker::named("kfake").cancelled_by(exits.token());
        Self {
            cluster_id,
            config,
            brokers,
            topics: RwLock::default(),
            groups: Groups::default(),
            versions,
            exits,
            tasks: Tasks {
                listeners: all.group("listener"),
                connections: all.group("connection"),
                all,
            },
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            next_producer_id: AtomicI64::new(0),
        }
    }

    /// The next id from the cluster's seeded generator, marked as a random UUID (RFC 9562, version 4).
    pub fn new_uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.random.lock().u128(..).to_be_bytes()).into_uuid()
    }

    /// A producer id that was never given out before. Kafka's also count up.
    pub fn next_producer_id(&self) -> i64 {
        self.next_producer_id.fetch_add(1, Ordering::Relaxed)
    }

    pub fn broker_ids(&self) -> Vec<BrokerId> {
        self.brokers.iter().map(|b| b.id).collect()
    }

    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.iter().find(|b| b.id == id)
    }
}
