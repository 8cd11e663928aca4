//! What configurations are set to: at the start, and while the cluster runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use super::logs::{Inherited, LogConfig};
use super::table::{self, Definition, Kind};
use crate::cluster::quotas::limits::ConnectionLimits;
use crate::cluster::state::Broker;
use crate::cluster::topics::BrokerId;

/// Values by the configurations' names.
pub(crate) type Values = BTreeMap<String, String>;

/// What the brokers, groups and subscriptions are set to. A topic carries its own ([`TopicConfig`]).
///
/// [`TopicConfig`]: crate::cluster::topic_config::TopicConfig
#[derive(Debug)]
pub(crate) struct Configs {
    /// What every broker was started with.
    fixed: Values,
    /// What one broker was started with: who it is and where it listens.
    own: BTreeMap<BrokerId, Values>,
    /// A lock that is taken after that of the topics.
    changed: RwLock<Changed>,
}

/// What clients have set.
#[derive(Debug)]
pub(crate) struct Changed {
    /// For all brokers.
    pub brokers: Values,
    /// For one broker.
    pub broker: BTreeMap<BrokerId, Values>,
    pub groups: BTreeMap<String, Values>,
    pub subscriptions: BTreeMap<String, Values>,
    /// Levels by the loggers' names, where they are not the parents'.
    pub loggers: BTreeMap<BrokerId, Values>,
    /// What topics inherit from the brokers.
    pub logs: Arc<Inherited>,
}

impl Configs {
    /// Configurations of brokers that were started with `fixed`.
    pub fn new(fixed: Values, brokers: &[Broker]) -> Self {
        let own = brokers.iter().map(|broker| (broker.id, own(broker))).collect();
        let default = table::find(Kind::Broker, MIN_INSYNC_REPLICAS).and_then(Definition::default);
        let insync = fixed.get(MIN_INSYNC_REPLICAS).map(String::as_str).or(default);
        let changed = Changed {
            // A new cluster of Kafka 4 sets this one, for its eligible leader replicas (KIP-966,
            // `ConfigurationControlManager.maybeGenerateElrSafetyRecords`).
            brokers: Values::from([(MIN_INSYNC_REPLICAS.to_owned(), insync.unwrap_or("1").to_owned())]),
            broker: BTreeMap::new(),
            groups: BTreeMap::new(),
            subscriptions: BTreeMap::new(),
            loggers: BTreeMap::new(),
            logs: Arc::default(),
        };
        let configs = Self {
            fixed,
            own,
            changed: RwLock::new(changed),
        };
        let logs = {
            let changed = configs.read();
            configs.logs_of(&changed.brokers, &changed.broker)
        };
        configs.write().logs = Arc::new(logs);
        configs
    }

    pub fn read(&self) -> RwLockReadGuard<'_, Changed> {
        self.changed.read()
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Changed> {
        self.changed.write()
    }

    /// What topics inherit now.
    pub fn logs(&self) -> Arc<Inherited> {
        self.read().logs.clone()
    }

    /// What topics inherit from brokers that are set to this, all and one by one.
    pub fn logs_of(&self, brokers: &Values, broker: &BTreeMap<BrokerId, Values>) -> Inherited {
        let config = |own: Option<&Values>| {
            LogConfig::of_brokers(|name| {
                let set = own.and_then(|own| own.get(name));
                let set = set.or_else(|| brokers.get(name)).or_else(|| self.fixed.get(name));
                set.cloned()
                    .or_else(|| Some(table::find(Kind::Broker, name)?.default()?.to_owned()))
            })
        };
        let all = config(None);
        let apart = broker.iter().map(|(id, own)| (*id, config(Some(own))));
        let apart = apart.filter(|(_, config)| *config != all).collect();
        Inherited { all, apart }
    }

    /// What a broker was started with.
    pub fn fixed(&self, broker: BrokerId, name: &str) -> Option<&String> {
        self.own
            .get(&broker)
            .and_then(|own| own.get(name))
            .or_else(|| self.fixed.get(name))
    }

    /// A broker's value now: its own, that of all brokers, what it was started with, the default.
    pub fn of_broker(&self, changed: &Changed, broker: BrokerId, name: &str) -> Option<String> {
        let own = changed.broker.get(&broker).and_then(|own| own.get(name));
        let set = own
            .or_else(|| changed.brokers.get(name))
            .or_else(|| self.fixed(broker, name));
        match set {
            Some(value) => Some(value.clone()),
            None => Some(table::find(Kind::Broker, name)?.default()?.to_owned()),
        }
    }
}

impl Configs {
    /// How many connections each broker takes now.
    pub fn limits(&self, changed: &Changed) -> impl Iterator<Item = (BrokerId, ConnectionLimits)> {
        self.own.keys().map(move |broker| {
            let limits = ConnectionLimits::of(|name| self.of_broker(changed, *broker, name));
            (*broker, limits)
        })
    }
}

const MIN_INSYNC_REPLICAS: &str = "min.insync.replicas";

/// Who a broker is, in Apache Kafka's configurations.
fn own(broker: &Broker) -> Values {
    let host = match broker.host.contains(':') {
        true => format!("[{}]", broker.host),
        false => broker.host.clone(),
    };
    let listener = format!("PLAINTEXT://{host}:{}", broker.port);
    let pairs = [
        ("node.id", broker.id.to_string()),
        ("broker.id", broker.id.to_string()),
        ("process.roles", "broker".to_owned()),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("listeners", listener.clone()),
        ("advertised.listeners", listener),
    ];
    let rack = broker.rack.iter().map(|rack| ("broker.rack", rack.clone()));
    pairs
        .into_iter()
        .chain(rack)
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

/// The configurations that say who a broker is: kfake itself sets them.
pub(crate) const OWN: &[&str] = &[
    "advertised.listeners",
    "broker.id",
    "controller.listener.names",
    "listeners",
    "node.id",
    "process.roles",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn configs(fixed: &[(&str, &str)]) -> Configs {
        let broker = Broker {
            id: BrokerId(1),
            host: "::1".to_owned(),
            port: 9092,
            rack: None,
            bound: None,
        };
        let fixed = fixed.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Configs::new(fixed, &[broker])
    }

    #[test]
    fn a_brokers_own_value_comes_before_that_of_all_and_both_before_the_start() {
        let configs = configs(&[("message.max.bytes", "3")]);
        let value = || configs.of_broker(&configs.read(), BrokerId(1), "message.max.bytes");
        assert_eq!(value().as_deref(), Some("3"));
        let set = Values::from([("message.max.bytes".to_owned(), "2".to_owned())]);
        configs.write().brokers.extend(set.clone());
        assert_eq!(value().as_deref(), Some("2"));
        let own = Values::from([("message.max.bytes".to_owned(), "1".to_owned())]);
        configs.write().broker.insert(BrokerId(1), own);
        assert_eq!(value().as_deref(), Some("1"));
    }

    #[test]
    fn a_broker_says_who_it_is() {
        let configs = configs(&[]);
        let own = own(&Broker {
            id: BrokerId(1),
            host: String::new(),
            port: 1,
            rack: None,
            bound: None,
        });
        assert!(own.keys().map(String::as_str).eq(OWN.iter().copied()));
        let listeners = configs.fixed(BrokerId(1), "listeners").unwrap();
        assert_eq!(listeners, "PLAINTEXT://[::1]:9092");
    }
}
