//! Configurations as DescribeConfigs shows them (`ConfigHelper`): values, where they come from, and what else would be used.

use super::brokers::of_listener;
use super::loggers;
use super::logs::{in_unit, inherited, other_names};
use super::store::{Changed, Configs, Values};
use super::table::{self, Definition, Kind, Scope};
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::topics::BrokerId;

/// `DescribeConfigsResponse.ConfigSource`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i8)]
pub(crate) enum Source {
    Topic = 1,
    Broker = 2,
    AllBrokers = 3,
    Start = 4,
    Default = 5,
    Logger = 6,
    Subscription = 7,
    Group = 8,
}

/// A value that is used where the ones before it are not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Synonym {
    pub name: String,
    pub value: Option<String>,
    pub source: Source,
}

/// One configuration of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub name: String,
    /// `None`: null, or not to be seen.
    pub value: Option<String>,
    pub source: Source,
    pub read_only: bool,
    pub sensitive: bool,
    pub synonyms: Vec<Synonym>,
    /// `None` where Apache Kafka does not define it.
    pub definition: Option<&'static Definition>,
}

impl Row {
    fn of(definition: &'static Definition, value: Option<String>, synonyms: Vec<Synonym>) -> Self {
        let sensitive = definition.is_sensitive();
        Self {
            name: definition.name.to_owned(),
            value: value.filter(|_| !sensitive),
            source: synonyms.first().map_or(Source::Default, |first| first.source),
            read_only: false,
            sensitive,
            synonyms,
            definition: Some(definition),
        }
    }
}

/// A value as Apache Kafka writes what it has read.
fn written(definition: &Definition, value: &str) -> String {
    definition.parse(value).unwrap_or_else(|_| value.to_owned())
}

fn shown(kind: Kind) -> impl Iterator<Item = &'static Definition> {
    table::all(kind).filter(|definition| !definition.internal)
}

/// Names that stand for the same, the ones that count more first (`DynamicBrokerConfig.brokerConfigSynonyms`).
const SAME: &[&[&str]] = &[
    &["log.retention.ms", "log.retention.minutes", "log.retention.hours"],
    &["log.roll.ms", "log.roll.hours"],
    &["log.roll.jitter.ms", "log.roll.jitter.hours"],
];

fn same(name: &str) -> Vec<&str> {
    match SAME.iter().find(|names| names.contains(&name)) {
        Some(names) => names.to_vec(),
        None if name == "log.flush.interval.ms" => vec![name, "log.flush.scheduler.interval.ms"],
        // A listener's own comes before that of all (`DynamicBrokerConfig.brokerConfigSynonyms`).
        None => std::iter::once(name).chain(of_listener(name)).collect(),
    }
}

/// A broker's configuration, or the one that a listener has for itself under this name.
fn meant(name: &str) -> Option<&'static Definition> {
    let find = |name| table::find(Kind::Broker, name);
    find(name).or_else(|| find(of_listener(name)?))
}

impl Configs {
    /// A topic's configurations, as a broker shows them.
    pub fn topic(&self, changed: &Changed, broker: BrokerId, topic: &TopicConfig) -> Vec<Row> {
        let row = |definition: &'static Definition| {
            let set = topic.set().get(definition.name);
            let own = set.map(|value| written(definition, value));
            let inherited = || inherited(definition, |name| self.of_broker(changed, broker, name));
            let value = own.clone().or_else(|| Some(written(definition, &inherited()?)));
            let mut synonyms = Vec::new();
            if own.is_some() {
                synonyms.push(synonym(definition.name, own, Source::Topic));
            }
            if let Some(name) = definition.synonym {
                synonyms.extend(self.synonyms(changed, Some(broker), name, definition.is_sensitive()));
            }
            Row::of(definition, value, synonyms)
        };
        shown(Kind::Topic).map(row).collect()
    }

    /// A group's configurations, as a broker shows them (KIP-848, KIP-932, KIP-1071).
    pub fn group(&self, changed: &Changed, broker: BrokerId, group: &str) -> Vec<Row> {
        let set = changed.groups.get(group);
        let row = |definition: &'static Definition| {
            let own = set.and_then(|set| set.get(definition.name));
            let own = own.map(|value| written(definition, value));
            let value = own.clone().or_else(|| self.of_group(changed, broker, definition));
            let mut synonyms = Vec::new();
            if own.is_some() {
                synonyms.push(synonym(definition.name, own, Source::Group));
            }
            match definition.synonym {
                Some(name) => synonyms.extend(self.synonyms(changed, Some(broker), name, false)),
                None => synonyms.extend(
                    definition
                        .default()
                        .map(|value| synonym(definition.name, Some(value.to_owned()), Source::Default)),
                ),
            }
            Row::of(definition, value, synonyms)
        };
        shown(Kind::Group).map(row).collect()
    }

    /// What a group without a value of its own has.
    pub fn of_group(&self, changed: &Changed, broker: BrokerId, definition: &Definition) -> Option<String> {
        let value = inherited(definition, |name| self.of_broker(changed, broker, name))?;
        match definition.name {
            // Of the broker's assignors the first.
            "streams.assignor.name" => value.split(',').next().map(|first| first.trim().to_owned()),
            _ => Some(written(definition, &value)),
        }
    }

    /// A subscription to clients' metrics (KIP-714). One that does not exist has the defaults.
    pub fn subscription(&self, changed: &Changed, name: &str) -> Vec<Row> {
        let set = changed.subscriptions.get(name);
        let row = |definition: &'static Definition| {
            let own = set.and_then(|set| set.get(definition.name));
            let own = own.map(|value| written(definition, value));
            let synonyms = own
                .iter()
                .map(|value| synonym(definition.name, Some(value.clone()), Source::Subscription));
            let synonyms = synonyms.collect();
            let value = own.or_else(|| definition.default().map(str::to_owned));
            Row::of(definition, value, synonyms)
        };
        shown(Kind::ClientMetrics).map(row).collect()
    }

    /// A broker's configurations.
    pub fn broker(&self, changed: &Changed, broker: BrokerId) -> Vec<Row> {
        let known = shown(Kind::Broker).map(|definition| {
            let value = self.of_broker(changed, broker, definition.name);
            let value = value.map(|value| written(definition, &value));
            self.broker_row(changed, Some(broker), definition.name, value)
        });
        let own = changed.broker.get(&broker);
        let unknown: Values = changed
            .brokers
            .iter()
            .chain(own.into_iter().flatten())
            .filter(|(name, _)| table::find(Kind::Broker, name).is_none())
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        let unknown = unknown
            .into_iter()
            .map(|(name, value)| self.broker_row(changed, Some(broker), &name, Some(value)));
        known.chain(unknown).collect()
    }

    /// What all brokers are set to while they run.
    pub fn all_brokers(&self, changed: &Changed) -> Vec<Row> {
        let row = |(name, value): (&String, &String)| self.broker_row(changed, None, name, Some(value.clone()));
        changed.brokers.iter().map(row).collect()
    }

    /// What Apache Kafka does not define could be a secret (`AbstractKafkaConfig.maybeSensitive`).
    fn broker_row(&self, changed: &Changed, broker: Option<BrokerId>, name: &str, value: Option<String>) -> Row {
        let definition = meant(name);
        let sensitive = definition.is_none_or(Definition::is_sensitive);
        let is_dynamic = |definition: &Definition| definition.name == name && definition.scope != Scope::ReadOnly;
        let mut synonyms = self.synonyms(changed, broker, name, sensitive);
        if broker.is_none() {
            synonyms.retain(|synonym| synonym.source == Source::AllBrokers);
        }
        Row {
            name: name.to_owned(),
            value: value.filter(|_| !sensitive),
            source: synonyms.first().map_or(Source::Default, |first| first.source),
            read_only: !definition.is_some_and(is_dynamic),
            sensitive,
            synonyms,
            definition,
        }
    }

    /// A broker's loggers, with the levels that they have (KIP-412).
    pub fn loggers(&self, changed: &Changed, broker: BrokerId) -> Vec<Row> {
        let row = |(name, level): (&'static str, String)| Row {
            name: name.to_owned(),
            value: Some(level),
            source: Source::Logger,
            read_only: false,
            sensitive: false,
            synonyms: Vec::new(),
            definition: None,
        };
        loggers::levels(changed.loggers.get(&broker)).map(row).collect()
    }

    /// Everything that a broker's configuration is set to, what counts first: `ConfigHelper.configSynonyms`.
    fn synonyms(&self, changed: &Changed, broker: Option<BrokerId>, name: &str, sensitive: bool) -> Vec<Synonym> {
        let names = same(name);
        let mut found = Vec::new();
        let mut level = |source, value: &dyn Fn(&str) -> Option<String>| {
            for name in &names {
                if let Some(value) = value(name) {
                    found.push(synonym(name, Some(value).filter(|_| !sensitive), source));
                }
            }
        };
        if let Some(broker) = broker {
            level(Source::Broker, &|name| changed.broker.get(&broker)?.get(name).cloned());
        }
        level(Source::AllBrokers, &|name| changed.brokers.get(name).cloned());
        if let Some(broker) = broker {
            level(Source::Start, &|name| self.fixed(broker, name).cloned());
        }
        level(Source::Default, &|name| {
            Some(table::find(Kind::Broker, name)?.default()?.to_owned())
        });
        // Another name alone is not shown.
        let own = found.iter().position(|synonym| synonym.name == name);
        found.drain(..own.unwrap_or(found.len()));
        found
    }

    /// A new topic's configurations, as CreateTopics shows them: the controller's view (`KafkaConfigSchema`), in which a
    /// broker's other names count.
    pub fn created(
        &self,
        changed: &Changed,
        controller: BrokerId,
        topic: &TopicConfig,
    ) -> Vec<(&'static str, String, Source)> {
        let row = |definition: &'static Definition| {
            if let Some(value) = topic.set().get(definition.name) {
                return (definition.name, value.clone(), Source::Topic);
            }
            let names = definition
                .synonym
                .into_iter()
                .flat_map(|name| std::iter::once((name, 1)).chain(other_names(name).iter().copied()));
            let names: Vec<_> = names.collect();
            let at = |source, value: &dyn Fn(&str) -> Option<String>| {
                names.iter().find_map(|(name, unit)| {
                    let value = value(name)?;
                    let value = if *unit == 1 { value } else { in_unit(&value, *unit) };
                    Some((definition.name, value, source))
                })
            };
            at(Source::Broker, &|name| {
                changed.broker.get(&controller)?.get(name).cloned()
            })
            .or_else(|| at(Source::AllBrokers, &|name| changed.brokers.get(name).cloned()))
            .or_else(|| at(Source::Start, &|name| self.fixed(controller, name).cloned()))
            .unwrap_or_else(|| {
                let default = definition.default().unwrap_or_default();
                (definition.name, default.to_owned(), Source::Default)
            })
        };
        shown(Kind::Topic).map(row).collect()
    }
}

fn synonym(name: &str, value: Option<String>, source: Source) -> Synonym {
    Synonym {
        name: name.to_owned(),
        value,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::state::Broker;

    const ONE: BrokerId = BrokerId(1);

    fn configs(fixed: &[(&str, &str)]) -> Configs {
        let broker = Broker {
            id: ONE,
            host: "localhost".to_owned(),
            port: 9092,
            rack: None,
            bound: None,
        };
        let fixed = fixed.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        Configs::new(fixed, &[broker])
    }

    fn row(rows: Vec<Row>, name: &str) -> Row {
        rows.into_iter().find(|row| row.name == name).unwrap()
    }

    fn sources(row: &Row) -> Vec<(&str, Source)> {
        row.synonyms.iter().map(|s| (s.name.as_str(), s.source)).collect()
    }

    #[test]
    fn a_topics_value_names_everything_that_would_be_used_without_it() {
        let configs = configs(&[("message.max.bytes", "9")]);
        let set = Values::from([("max.message.bytes".to_owned(), "8".to_owned())]);
        let topic = TopicConfig::new(set, &configs.logs());
        let row = row(configs.topic(&configs.read(), ONE, &topic), "max.message.bytes");
        assert_eq!((row.value.as_deref(), row.source), (Some("8"), Source::Topic));
        let of_broker = |source| ("message.max.bytes", source);
        assert_eq!(
            sources(&row),
            [
                ("max.message.bytes", Source::Topic),
                of_broker(Source::Start),
                of_broker(Source::Default)
            ]
        );
    }

    #[test]
    fn a_secret_is_never_shown() {
        let configs = configs(&[("ssl.key.password", "hush")]);
        let row = row(configs.broker(&configs.read(), ONE), "ssl.key.password");
        assert!(row.sensitive && row.value.is_none());
        assert_eq!(sources(&row), [("ssl.key.password", Source::Start)]);
        assert!(row.synonyms[0].value.is_none());
    }

    #[test]
    fn another_name_alone_is_no_synonym() {
        let configs = configs(&[("log.retention.hours", "1")]);
        let row = row(configs.broker(&configs.read(), ONE), "log.retention.ms");
        assert_eq!((row.value, row.synonyms.len()), (None, 0));
        let created = configs.created(&configs.read(), ONE, &TopicConfig::default());
        assert!(created.contains(&("retention.ms", "3600000".to_owned(), Source::Start)));
    }
}
