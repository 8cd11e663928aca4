//! What the cluster's tasks share.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use leakcheck::TaskTracker;
use parking_lot::{Mutex, RwLock};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;
use uuid::Uuid;

use super::config::{BrokerConfig, Given};
use super::configs::store::{Changed, Configs};
use super::controller::Controller;
use super::exits::Exits;
use super::features::Features;
use super::fetch_sessions::FetchSessions;
use super::housekeeping::Housekeeping;
use super::lifeline::Lifeline;
use super::quotas::slots::Slots;
use super::quotas::store::Quotas;
use super::releases::Offered;
use super::telemetry::Telemetry;
use super::topics::{BrokerId, Topics};

/// A broker: its node id and the address that clients are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broker {
    /// The node id, from 1.
    pub id: BrokerId,
    /// The host that Metadata names.
    pub host: String,
    /// The port that Metadata names.
    pub port: u16,
    /// The rack that the broker is in: `broker.rack`.
    pub rack: Option<String>,
    /// Where it listens; `None` in memory.
    pub(crate) bound: Option<SocketAddr>,
}

impl Broker {
    /// A broker that listens on every address is one that clients reach on this machine: the loopback address is named.
    pub(crate) fn at(id: BrokerId, address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        Self {
            id,
            host: ip.to_string(),
            port: address.port(),
            rack: None,
            bound: Some(address),
        }
    }
}

/// The tracked groups that the cluster's own tasks belong to.
#[derive(Debug)]
pub(crate) struct Tasks {
    pub all: TaskTracker,
    pub listeners: TaskTracker,
    pub connections: TaskTracker,
    pub housekeeping: TaskTracker,
    /// Compressing what a topic wants compressed.
    pub compression: TaskTracker,
}

/// The time of day, read once and then carried on by tokio's clock.
#[derive(Debug)]
struct Clock {
    unix_ms: i64,
    since: Instant,
}

impl Clock {
    fn start(time_of_day: Option<SystemTime>) -> Self {
        #[expect(clippy::disallowed_methods, reason = "read once; from then on tokio's clock counts")]
        let time_of_day = time_of_day.unwrap_or_else(SystemTime::now);
        // A clock before 1970 counts as 1970.
        let since_1970 = time_of_day.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            unix_ms: i64::try_from(since_1970.as_millis()).unwrap_or(i64::MAX),
            since: Instant::now(),
        }
    }

    fn now_ms(&self) -> i64 {
        let passed = i64::try_from(self.since.elapsed().as_millis()).unwrap_or(i64::MAX);
        self.unix_ms.saturating_add(passed)
    }
}

/// The state of the cluster. A lock in here is never held across an await.
#[derive(Debug)]
pub(crate) struct Shared {
    pub cluster_id: String,
    pub config: BrokerConfig,
    /// Every configuration, as clients see and change it.
    pub configs: Configs,
    pub quotas: Quotas,
    pub telemetry: Telemetry,
    /// The levels of features that are others than in a new cluster, and how often they were changed.
    pub features: Mutex<Features>,
    pub brokers: Vec<Broker>,
    controller: Controller,
    pub topics: RwLock<Topics>,
    /// What the brokers were told to offer.
    pub versions: Offered,
    pub exits: Exits,
    pub tasks: Tasks,
    pub housekeeping: Housekeeping,
    /// Who compacts a log holds it.
    pub cleaner: Semaphore,
    /// Where the cluster was started: its tasks run there, whoever asks for them.
    pub runtime: Handle,
    clock: Clock,
    lifelines: Vec<(BrokerId, Lifeline)>,
    fetch_sessions: Vec<(BrokerId, Mutex<FetchSessions>)>,
    slots: Vec<(BrokerId, Arc<Slots>)>,
    random: Mutex<fastrand::Rng>,
    next_producer_id: AtomicI64,
}

#[cfg(test)]
impl Shared {
    /// What a cluster of one broker in memory shares, for tests that need no more of it.
    pub fn of_one_broker() -> Self {
        let broker = Broker {
            id: BrokerId(1),
            host: "broker".to_owned(),
            port: 9092,
            rack: None,
            bound: None,
        };
        let (given, exits, offered) = (Given::default(), Exits::default(), Offered::default());
        Self::new("id".to_owned(), given, vec![broker], offered, exits, 0, None)
    }
}

impl Shared {
    pub fn new(
        cluster_id: String,
        given: Given,
        brokers: Vec<Broker>,
        versions: Offered,
        exits: Exits,
        seed: u64,
        time_of_day: Option<SystemTime>,
    ) -> Self {
        let sessions = |broker: &Broker| {
            (
                broker.id,
                Mutex::new(FetchSessions::new(given.config.fetch_session_slots)),
            )
        };
        let lifeline = |broker: &Broker| (broker.id, Lifeline::new(broker.bound));
        let lifelines = brokers.iter().map(lifeline).collect();
        let fetch_sessions = brokers.iter().map(sessions).collect();
        let configs = Configs::new(given.fixed, &brokers);
        let slots = {
            let changed = configs.read();
            let limits = configs.limits(&changed);
            limits
                .map(|(broker, limits)| (broker, Slots::new(broker, limits, given.config.windows())))
                .collect()
        };
        let all = TaskTracker::named("kfake").cancelled_by(exits.token());
        Self {
            cluster_id,
            config: given.config,
            configs,
            controller: Controller::new(brokers[0].id),
            brokers,
            topics: RwLock::default(),
            versions,
            exits,
            tasks: Tasks {
                listeners: all.group("listener"),
                connections: all.group("connection"),
                housekeeping: all.group("housekeeping"),
                compression: all.group("compression"),
                all,
            },
            quotas: Quotas::default(),
            telemetry: Telemetry::default(),
            features: Mutex::default(),
            housekeeping: Housekeeping::default(),
            cleaner: Semaphore::new(1),
            clock: Clock::start(time_of_day),
            lifelines,
            fetch_sessions,
            slots,
            runtime: Handle::current(),
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

    /// The time of day in milliseconds since 1970. It advances as tokio's clock does, so a paused clock stops it.
    pub fn now_ms(&self) -> i64 {
        self.clock.now_ms()
    }

    /// The time of day at the cluster's start, in milliseconds since 1970.
    pub fn start_ms(&self) -> i64 {
        self.clock.unix_ms
    }

    /// The moment of tokio's clock at which it is this time of day, in milliseconds since 1970.
    pub fn instant_at(&self, unix_ms: i64) -> Instant {
        let after_start = u64::try_from(unix_ms.saturating_sub(self.clock.unix_ms)).unwrap_or(0);
        // Tokio sleeps for 30 years at most in one go; so long as that nobody waits.
        let after_start = Duration::from_millis(after_start).min(Duration::from_secs(30 * 365 * 86_400));
        self.clock.since + after_start
    }

    /// A random number from 0 to below `limit`, which is above 0.
    pub fn random_below(&self, limit: i64) -> i64 {
        self.random.lock().i64(0..limit)
    }

    /// What a broker's tasks live by.
    pub fn lifeline(&self, broker: BrokerId) -> Option<&Lifeline> {
        let of_broker = self.lifelines.iter().find(|(id, _)| *id == broker);
        of_broker.map(|(_, lifeline)| lifeline)
    }

    /// A broker's connections.
    pub fn slots(&self, broker: BrokerId) -> Option<&Arc<Slots>> {
        let of_broker = self.slots.iter().find(|(id, _)| *id == broker);
        of_broker.map(|(_, slots)| slots)
    }

    /// What a broker has in memory alone is gone once it starts again: what it has measured of its clients, its fetch sessions, what it
    /// knows of clients that send their metrics, the levels of its loggers. The broker has no tasks meanwhile.
    pub fn forget_of(&self, broker: BrokerId) {
        if let Some(slots) = self.slots(broker) {
            slots.forget_rate();
        }
        self.quotas.forget_of(broker);
        if self.controller() == broker {
            self.quotas.forget_mutations();
        }
        if let Some(sessions) = self.fetch_sessions(broker) {
            *sessions.lock() = FetchSessions::new(self.config.fetch_session_slots);
        }
        self.telemetry.forget_of(broker);
        self.configs.write().loggers.remove(&broker);
    }

    /// Has the brokers follow the limits of connections that are set now.
    pub fn limit_connections(&self, changed: &Changed) {
        for (broker, limits) in self.configs.limits(changed) {
            if let Some(slots) = self.slots(broker) {
                slots.limit(limits);
            }
        }
    }

    /// A broker's incremental fetch sessions.
    pub fn fetch_sessions(&self, broker: BrokerId) -> Option<&Mutex<FetchSessions>> {
        let of_broker = self.fetch_sessions.iter().find(|(id, _)| *id == broker);
        of_broker.map(|(_, sessions)| sessions)
    }

    /// A fetch session's id: random and positive (`FetchSessionCache.newSessionId`).
    pub fn new_fetch_session_id(&self) -> i32 {
        self.random.lock().i32(1..)
    }

    /// The active controller, which clients are told and whose configurations count where the controller's do. No lock.
    pub fn controller(&self) -> BrokerId {
        self.controller.active().0
    }

    /// The active controller, and the epoch in which it leads the others. No lock.
    pub fn controller_in_epoch(&self) -> (BrokerId, i32) {
        self.controller.active()
    }

    /// Looks for another controller where the active one is down. Whoever changes which brokers are up calls it before the lock of
    /// the topics is released.
    pub fn elect_controller(&self, topics: &Topics) {
        let brokers = self.brokers.iter().map(|broker| broker.id);
        let before = self.controller();
        self.controller.elect(brokers, |broker| topics.is_active(broker));
        if self.controller() != before {
            // The controller counts, and the next one has counted nothing.
            self.quotas.forget_mutations();
        }
    }

    /// The end of the controllers' log, which grows by a record each `metadata.max.idle.interval.ms` while nothing else happens.
    pub fn metadata_end(&self) -> i64 {
        const IDLE_MS: u128 = 500;
        i64::try_from(self.clock.since.elapsed().as_millis() / IDLE_MS).map_or(i64::MAX, |records| records + 1)
    }

    pub fn broker_ids(&self) -> Vec<BrokerId> {
        self.brokers.iter().map(|b| b.id).collect()
    }

    pub fn broker(&self, id: BrokerId) -> Option<&Broker> {
        self.brokers.iter().find(|b| b.id == id)
    }
}
