//! How many connections an address may open a second (`connection_creation_rate`, KIP-612). Each broker counts by itself.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::entity::Part;
use super::limits::address as address_of;
use super::rate::Windows;
use super::store::{Quotas, REMEMBERED};
use crate::cluster::topics::BrokerId;

const KEY: &str = "connection_creation_rate";

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
                Some(name) if address.is_some() && address_of(name) == address => return Some(*limit),
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
        quotas.forget_of(BrokerId(2));
        assert_eq!(connects("10.0.0.9"), Duration::from_secs(1));
        set(&quotas, None, 0.1);
        assert_eq!(
            connects("10.0.0.9"),
            WINDOWS.size,
            "a hundred seconds, and a window at most"
        );
        quotas.forget_of(BrokerId(1));
        assert_eq!(connects("10.0.0.9"), Duration::ZERO);
    }
}
