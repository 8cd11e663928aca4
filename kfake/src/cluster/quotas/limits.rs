//! What the brokers' configurations say of connections, read once a change.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

/// The limits of all listeners (KIP-402) and of all connections a second (KIP-612).
pub(crate) const MAX_CONNECTIONS: &str = "max.connections";
pub(crate) const MAX_CREATION_RATE: &str = "max.connection.creation.rate";
/// The one listener that a broker has is named PLAINTEXT: with this in front, a configuration is that listener's own.
pub(crate) const LISTENER: &str = "listener.name.plaintext.";

/// How many connections a broker takes.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ConnectionLimits {
    /// `max.connections`: where there are more, the ones used longest ago are closed.
    pub broker: usize,
    /// The same of the listener: where there are as many, the next one waits.
    pub listener: usize,
    /// `max.connection.creation.rate`: new ones a second, of the broker and of the listener, whichever is less. Both count the same
    /// connections.
    pub rate: f64,
    /// `max.connections.per.ip`
    per_address: usize,
    /// `max.connections.per.ip.overrides`
    addresses: BTreeMap<IpAddr, usize>,
}

impl ConnectionLimits {
    /// Reads a broker's values, which have been checked.
    pub fn of(value: impl Fn(&str) -> Option<String>) -> Self {
        let number = |name: &str| value(name)?.trim().parse::<usize>().ok();
        let of_listener = |name: &str| number(&format!("{LISTENER}{name}")).or_else(|| number(name));
        let broker = number(MAX_CONNECTIONS).unwrap_or(usize::MAX);
        let rates = [number(MAX_CREATION_RATE), of_listener(MAX_CREATION_RATE)];
        let rate = rates.into_iter().flatten().min().unwrap_or(usize::MAX);
        Self {
            broker,
            listener: of_listener(MAX_CONNECTIONS).unwrap_or(usize::MAX),
            rate: rate as f64,
            per_address: number("max.connections.per.ip").unwrap_or(usize::MAX),
            addresses: addresses(&value("max.connections.per.ip.overrides").unwrap_or_default()),
        }
    }

    /// How many connections an address may have.
    pub fn of_address(&self, address: &str) -> usize {
        let own = || self.addresses.get(&address.parse().ok()?);
        match self.addresses.is_empty() {
            true => self.per_address,
            false => own().copied().unwrap_or(self.per_address),
        }
    }
}

/// Numbers by their addresses, as in `127.0.0.1:5,10.0.0.9:7`; what comes last counts (`Csv.parseCsvMap`).
fn addresses(overrides: &str) -> BTreeMap<IpAddr, usize> {
    let pairs = overrides.split(',').filter_map(|one| {
        let (name, most) = one.trim().rsplit_once(':')?;
        Some((address(name.trim())?, most.trim().parse().ok()?))
    });
    pairs.collect()
}

/// The address of a name. Only that of this machine is known by name.
pub(super) fn address(name: &str) -> Option<IpAddr> {
    match name {
        "localhost" => Some(Ipv4Addr::LOCALHOST.into()),
        name => name.parse().ok(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// The limits of a broker with these values alone.
    pub fn limits(values: &[(&str, &str)]) -> ConnectionLimits {
        let value = |name: &str| values.iter().find(|(other, _)| *other == name);
        ConnectionLimits::of(|name| value(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn a_listener_has_its_own_limits_or_those_of_the_broker() {
        let all = limits(&[("max.connections", "7"), ("max.connection.creation.rate", "5")]);
        assert_eq!((all.broker, all.listener, all.rate), (7, 7, 5.0));
        let own = limits(&[
            ("max.connections", "7"),
            ("max.connection.creation.rate", "5"),
            ("listener.name.plaintext.max.connections", "9"),
            ("listener.name.plaintext.max.connection.creation.rate", "3"),
        ]);
        assert_eq!((own.broker, own.listener, own.rate), (7, 9, 3.0));
        let more = limits(&[
            ("max.connection.creation.rate", "5"),
            ("listener.name.plaintext.max.connection.creation.rate", "8"),
        ]);
        assert_eq!(more.rate, 5.0, "the broker's counts as well");
    }

    #[test]
    fn an_address_has_the_number_that_is_named_last_or_that_of_all() {
        let limits = limits(&[
            ("max.connections.per.ip", "3"),
            (
                "max.connections.per.ip.overrides",
                "localhost:5, 10.0.0.9:1,::1:4,10.0.0.9:2",
            ),
        ]);
        let of = |address| limits.of_address(address);
        assert_eq!(
            (
                of("127.0.0.1"),
                of("10.0.0.9"),
                of("::1"),
                of("10.0.0.8"),
                of("no address")
            ),
            (5, 2, 4, 3, 3)
        );
    }
}
