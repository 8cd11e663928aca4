//! The quotas that are set, and what who has one has used.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::alter::Change;
use super::entity::{Entity, Part};
use super::mutations::Bucket;
use super::rate::{Rate, Windows};
use crate::cluster::topics::BrokerId;

/// Numbers by their keys: `producer_byte_rate`.
pub(crate) type Limits = BTreeMap<String, f64>;

/// The user of every client, while nobody says who he is.
const ANONYMOUS: &str = "ANONYMOUS";

/// The most users and clients whose use is remembered: names are a client's own, and it may have many.
pub(super) const REMEMBERED: usize = 10_000;

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Resource {
    Produced,
    Fetched,
    /// The time of a thread that requests take.
    Requests,
    /// Partitions that are created and deleted.
    Mutations,
}

impl Resource {
    fn key(self) -> &'static str {
        match self {
            Self::Produced => "producer_byte_rate",
            Self::Fetched => "consumer_byte_rate",
            Self::Requests => "request_percentage",
            Self::Mutations => "controller_mutation_rate",
        }
    }
}

/// Every quota of the cluster.
#[derive(Debug, Default)]
pub(crate) struct Quotas {
    /// Whether there is one: most clusters have none, and pay for none.
    any: AtomicBool,
    pub(super) limits: Mutex<BTreeMap<Entity, Limits>>,
    used: Mutex<HashMap<Used, Rate>>,
    pub(super) buckets: Mutex<HashMap<Holder, Bucket>>,
    /// By the broker and the address.
    pub(super) connections: Mutex<HashMap<(BrokerId, String), Rate>>,
}

/// Whose use counts together: a user's, a client's, or one's with the other. What is empty does not matter.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Holder {
    user: String,
    client: String,
}

impl Holder {
    /// Makes room for one more.
    pub fn forget_many<T>(all: &mut HashMap<Self, T>, one: &Self) {
        if all.len() >= REMEMBERED && !all.contains_key(one) {
            all.clear();
        }
    }
}

/// Whose use it is: brokers count by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Used {
    broker: BrokerId,
    resource: Resource,
    holder: Holder,
}

impl Quotas {
    /// Whether there is a quota at all.
    pub(super) fn is_set(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Every entity with its limits.
    pub fn all(&self) -> Vec<(Entity, Limits)> {
        let limits = self.limits.lock();
        limits
            .iter()
            .map(|(entity, limits)| (entity.clone(), limits.clone()))
            .collect()
    }

    /// An entity's limits.
    #[cfg(test)]
    pub fn of(&self, entity: &Entity) -> Option<Limits> {
        self.limits.lock().get(entity).cloned()
    }

    /// Takes changes that have been checked.
    pub fn set(&self, entity: &Entity, changes: &[Change]) {
        let mut all = self.limits.lock();
        let limits = all.entry(entity.clone()).or_default();
        for change in changes {
            match change.value {
                Some(value) => limits.insert(change.key.clone(), value),
                None => limits.remove(&change.key),
            };
        }
        if limits.is_empty() {
            all.remove(entity);
        }
        self.any.store(!all.is_empty(), Ordering::Release);
    }

    /// Forgets what a broker has measured of its clients.
    pub fn forget_of(&self, broker: BrokerId) {
        self.used.lock().retain(|used, _| used.broker != broker);
        self.connections.lock().retain(|(of, _), _| *of != broker);
    }

    /// Counts what a client has used, and says how long it has to wait for that.
    pub fn used(&self, broker: BrokerId, resource: Resource, client: &str, amount: f64, windows: Windows) -> Duration {
        self.charge(broker, resource, client, amount, windows, true)
    }

    /// As [`used`](Self::used), for what is not handed out if the client has to wait: then it does not count.
    pub fn would_use(
        &self,
        broker: BrokerId,
        resource: Resource,
        client: &str,
        amount: f64,
        windows: Windows,
    ) -> Duration {
        self.charge(broker, resource, client, amount, windows, false)
    }

    /// The most that a client can use at once without a wait (`ClientQuotaManager.maxValueInQuotaWindow`); `None` where nothing
    /// limits it.
    pub fn at_once(&self, resource: Resource, client: &str, windows: Windows) -> Option<f64> {
        let (limit, _) = self.limit_of(resource, client)?;
        Some(limit * windows.number.saturating_sub(1) as f64 * windows.size.as_secs_f64())
    }

    fn charge(
        &self,
        broker: BrokerId,
        resource: Resource,
        client: &str,
        amount: f64,
        windows: Windows,
        keeps: bool,
    ) -> Duration {
        let Some((limit, holder)) = self.limit_of(resource, client) else {
            return Duration::ZERO;
        };
        let used = Used {
            broker,
            resource,
            holder,
        };
        let now = Instant::now();
        let mut all = self.used.lock();
        if all.len() >= REMEMBERED && !all.contains_key(&used) {
            all.clear();
        }
        let rate = all.entry(used).or_default();
        rate.record(amount, now, windows);
        let wait = rate.wait(limit, now, windows);
        if !keeps && !wait.is_zero() {
            rate.record(-amount, now, windows);
        }
        wait
    }

    /// The limit that counts for a client, and whose use counts towards it: that which names most, in the order of
    /// `ClientQuotaManager.DefaultQuotaCallback`.
    pub(super) fn limit_of(&self, resource: Resource, client: &str) -> Option<(f64, Holder)> {
        if !self.is_set() {
            return None;
        }
        let (user, name) = (Some(ANONYMOUS), Some(client));
        let order = [
            (Some(user), Some(name)),
            (Some(user), Some(None)),
            (Some(user), None),
            (Some(None), Some(name)),
            (Some(None), Some(None)),
            (Some(None), None),
            (None, Some(name)),
            (None, Some(None)),
        ];
        let limits = self.limits.lock();
        order.into_iter().find_map(|(user, name)| {
            let entity = Entity::of(user, name);
            let limit = *limits.get(&entity)?.get(resource.key())?;
            let of = |part, name: &str| {
                if entity.has(part) {
                    name.to_owned()
                } else {
                    String::new()
                }
            };
            let holder = Holder {
                user: of(Part::User, ANONYMOUS),
                client: of(Part::ClientId, client),
            };
            Some((limit, holder))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows {
        number: 11,
        size: Duration::from_secs(1),
    };

    fn set(quotas: &Quotas, entity: &Entity, value: Option<f64>) {
        let change = Change {
            key: "producer_byte_rate".to_owned(),
            value,
        };
        quotas.set(entity, &[change]);
    }

    fn produce(quotas: &Quotas, client: &str, bytes: usize) -> Duration {
        quotas.used(BrokerId(1), Resource::Produced, client, bytes as f64, WINDOWS)
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_without_a_quota_never_waits() {
        let quotas = Quotas::default();
        set(&quotas, &Entity::of(None, Some(Some("other"))), Some(1.0));
        assert_eq!(produce(&quotas, "me", 1 << 30), Duration::ZERO);
        assert!(!produce(&quotas, "other", 1 << 30).is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn the_quota_that_names_most_counts() {
        let quotas = Quotas::default();
        set(&quotas, &Entity::of(None, Some(None)), Some(1.0));
        set(&quotas, &Entity::of(None, Some(Some("me"))), Some(1000.0));
        assert_eq!(produce(&quotas, "me", 10_000), Duration::ZERO);
        set(&quotas, &Entity::of(Some(Some(ANONYMOUS)), None), Some(100.0));
        assert_eq!(produce(&quotas, "me", 1000), Duration::ZERO);
        assert_eq!(
            produce(&quotas, "you", 100),
            Duration::from_secs(1),
            "a user's clients share his quota"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_quota_that_is_gone_limits_nobody() {
        let quotas = Quotas::default();
        let client = Entity::of(None, Some(Some("me")));
        set(&quotas, &client, Some(1.0));
        assert!(!produce(&quotas, "me", 1000).is_zero());
        set(&quotas, &client, None);
        assert!(quotas.all().is_empty());
        assert_eq!(produce(&quotas, "me", 1000), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_handed_out_does_not_count() {
        let quotas = Quotas::default();
        let change = Change {
            key: "consumer_byte_rate".to_owned(),
            value: Some(100.0),
        };
        quotas.set(&Entity::of(None, Some(None)), &[change]);
        let fetch = |bytes| quotas.would_use(BrokerId(1), Resource::Fetched, "me", f64::from(bytes), WINDOWS);
        assert_eq!(fetch(1500), Duration::from_secs(5));
        assert_eq!(fetch(1000), Duration::ZERO);
    }
}
