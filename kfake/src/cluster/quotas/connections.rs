//! How many connections an address may open a second (`connection_creation_rate`, KIP-612), and how many it may have:
//! `ConnectionQuotas`. Each broker counts by itself.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use super::entity::Part;
use super::rate::Windows;
use super::store::{Quotas, REMEMBERED};
use crate::cluster::state::Shared;
use crate::cluster::topics::BrokerId;

const KEY: &str = "connection_creation_rate";

/// How many connections of an address a broker has now (`max.connections.per.ip`, KIP-402).
#[derive(Debug, Default)]
pub(crate) struct OpenConnections(Mutex<HashMap<(BrokerId, String), usize>>);

/// A connection that is counted for as long as this lives.
#[derive(Debug)]
pub(crate) struct Counted {
    shared: Arc<Shared>,
    key: (BrokerId, String),
}

impl Counted {
    /// Counts a connection; `None` where the broker has as many of the address as it may. It is to be closed at once then.
    pub fn new(shared: &Arc<Shared>, broker: BrokerId, address: &str) -> Option<Self> {
        let most = most_of(shared, broker, address);
        let key = (broker, address.to_owned());
        let mut all = shared.open_connections.0.lock();
        if all.get(&key).copied().unwrap_or(0) >= most {
            return None;
        }
        *all.entry(key.clone()).or_default() += 1;
        drop(all);
        Some(Self {
            shared: shared.clone(),
            key,
        })
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.shared.open_connections.0.lock();
        if let Entry::Occupied(mut count) = all.entry(self.key.clone()) {
            match *count.get() {
                ..=1 => drop(count.remove()),
                _ => *count.get_mut() -= 1,
            }
        }
    }
}

/// The value for the address in `max.connections.per.ip.overrides`, as in `127.0.0.1:5,10.0.0.9:7`, or `max.connections.per.ip`.
fn most_of(shared: &Shared, broker: BrokerId, address: &str) -> usize {
    let changed = shared.configs.read();
    let value = |name| shared.configs.of_broker(&changed, broker, name).unwrap_or_default();
    let overrides = value("max.connections.per.ip.overrides");
    let of_address = overrides.split(',').find_map(|one| {
        let (name, most) = one.trim().rsplit_once(':')?;
        is(name, address.parse().ok()).then(|| most.trim().parse().ok())?
    });
    let most = of_address.or_else(|| value("max.connections.per.ip").trim().parse().ok());
    most.unwrap_or(usize::MAX)
}

/// Whether a name is that of an address.
fn is(name: &str, address: Option<IpAddr>) -> bool {
    match name {
        "localhost" => address == Some(Ipv4Addr::LOCALHOST.into()),
        name => address.is_some() && name.parse().ok() == address,
    }
}

impl Quotas {
    /// Counts a new connection from an address. One that is too many does not count; it is to be closed after so long, and at
    /// most after a window.
    pub fn connects(&self, broker: BrokerId, address: &str, windows: Windows) -> Duration {
        if !self.is_set() {
            return Duration::ZERO;
        }
        let Some(most) = self.connection_rate(address) else {
            return Duration::ZERO;
        };
        let now = Instant::now();
        let mut all = self.connections.lock();
        let key = (broker, address.to_owned());
        if all.len() >= REMEMBERED && !all.contains_key(&key) {
            all.clear();
        }
        let rate = all.entry(key).or_default();
        rate.record(1.0, now, windows);
        let wait = rate.wait(most, now, windows);
        if !wait.is_zero() {
            rate.record(-1.0, now, windows);
        }
        wait.min(windows.size)
    }

    /// The limit of the address, or of all that have none of their own.
    fn connection_rate(&self, address: &str) -> Option<f64> {
        let address: Option<IpAddr> = address.parse().ok();
        let limits = self.limits.lock();
        let mut default = None;
        for (entity, limits) in limits.iter() {
            let (Some(name), Some(limit)) = (entity.0.get(&Part::Ip), limits.get(KEY)) else {
                continue;
            };
            match name {
                Some(name) if is(name, address) => return Some(*limit),
                Some(_) => {}
                None => default = Some(*limit),
            }
        }
        default
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::cluster::quotas::alter::Change;
    use crate::cluster::quotas::entity::Entity;

    const WINDOWS: Windows = Windows {
        number: 11,
        size: Duration::from_secs(1),
    };

    fn set(quotas: &Quotas, name: Option<&str>, rate: f64) {
        let change = Change {
            key: KEY.to_owned(),
            value: Some(rate),
        };
        quotas.set(
            &Entity(BTreeMap::from([(Part::Ip, name.map(str::to_owned))])),
            &[change],
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_has_its_own_limit_or_that_of_all_and_waits_a_window_at_most() {
        let quotas = Quotas::default();
        let connects = |address| quotas.connects(BrokerId(1), address, WINDOWS);
        assert_eq!(connects("127.0.0.1"), Duration::ZERO);
        set(&quotas, None, 1.0);
        set(&quotas, Some("localhost"), 2.0);
        for _ in 0..20 {
            assert_eq!(connects("127.0.0.1"), Duration::ZERO);
        }
        assert_eq!(connects("127.0.0.1"), Duration::from_millis(500));
        assert_eq!(connects("127.0.0.1"), Duration::from_millis(500), "it did not count");
        for _ in 0..10 {
            assert_eq!(connects("10.0.0.9"), Duration::ZERO);
        }
        assert_eq!(connects("10.0.0.9"), Duration::from_secs(1));
        assert_eq!(
            quotas.connects(BrokerId(2), "10.0.0.9", WINDOWS),
            Duration::ZERO,
            "another broker"
        );
        set(&quotas, None, 0.1);
        assert_eq!(
            connects("10.0.0.9"),
            WINDOWS.size,
            "a hundred seconds, and a window at most"
        );
    }
}
