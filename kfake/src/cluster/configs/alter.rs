//! How configurations are changed: first what the asked broker looks at (`ConfigAdminManager.preprocess`), then what the
//! controller does (`ConfigurationControlManager`), a resource at a time. A resource is changed as a whole or not at all.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::error::AlterError;
use super::store::{Changed, Configs, Values};
use super::table::{self, Kind, Type};
use super::{brokers, groups, loggers, subscription};
use crate::cluster::topic_config::{self, TopicConfig};
use crate::cluster::topics::{BrokerId, Topic, Topics, check_name};
use crate::group::registry::Groups;
use crate::hash_order::hash_map_order_by;

/// `ConfigResource.Type`, as requests write it.
pub(crate) mod resource {
    pub(crate) const TOPIC: i8 = 2;
    pub(crate) const BROKER: i8 = 4;
    pub(crate) const BROKER_LOGGER: i8 = 8;
    pub(crate) const CLIENT_METRICS: i8 = 16;
    pub(crate) const GROUP: i8 = 32;
}

/// What is done to one configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    Set,
    Delete,
    /// To a list.
    Append,
    /// From a list.
    Subtract,
    /// There is none with this number.
    Unknown(i8),
}

impl Operation {
    /// `AlterConfigOp.OpType`.
    pub fn of(number: i8) -> Self {
        match number {
            0 => Self::Set,
            1 => Self::Delete,
            2 => Self::Append,
            3 => Self::Subtract,
            other => Self::Unknown(other),
        }
    }
}

/// One configuration's change.
#[derive(Debug)]
pub(crate) struct Change<'a> {
    pub name: &'a str,
    pub operation: Operation,
    pub value: Option<&'a str>,
}

impl Change<'_> {
    /// The value, which is there for everything but a deletion.
    pub fn value(&self) -> &str {
        self.value.unwrap_or_default()
    }
}

/// One resource's changes.
#[derive(Debug)]
pub(crate) struct Alteration<'a> {
    /// See [`resource`].
    pub kind: i8,
    pub name: &'a str,
    pub changes: Vec<Change<'a>>,
}

/// How the changes are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// IncrementalAlterConfigs: what is not named stays.
    Incremental,
    /// AlterConfigs: what is not named is deleted; there are no loggers.
    Replace,
}

/// Changes resources, or only says what would come of it. The answers are in the order of the resources.
pub(crate) fn alter(
    groups: &Arc<Groups>,
    asked: BrokerId,
    all: &[Alteration<'_>],
    mode: Mode,
    validate_only: bool,
) -> Vec<Result<(), AlterError>> {
    let mut times: BTreeMap<(i8, &str), usize> = BTreeMap::new();
    for one in all {
        *times.entry((one.kind, one.name)).or_default() += 1;
    }
    let shared = &groups.shared;
    let mut topics = shared.topics.write();
    let mut changed = shared.configs.write();
    let mut altering = Altering {
        configs: &shared.configs,
        topics: &mut topics,
        changed: &mut changed,
        asked,
        controller: shared.controller(),
        mode,
        validate_only,
    };
    let once = |one: &&Alteration<'_>| times[&(one.kind, one.name)] == 1;
    let fails_inside = altering.fails_inside(all.iter().filter(once));
    let answers = all.iter().map(|one| match times[&(one.kind, one.name)] {
        1 if fails_inside && one.kind != resource::BROKER_LOGGER => {
            altering.preprocess(one).and(Err(AlterError::Inside))
        }
        1 => altering.resource(one),
        _ => Err(AlterError::InvalidRequest(
            "Each resource must appear at most once.".to_owned(),
        )),
    });
    let answers = answers.collect();
    if !validate_only && all.iter().any(|one| one.kind == resource::BROKER) {
        shared.limit_connections(&changed);
    }
    let decided = groups.decide_owed(&mut topics);
    drop((changed, topics));
    if decided {
        groups.changed();
    }
    if !validate_only {
        shared.housekeeping.look_at_all(shared);
    }
    answers
}

struct Altering<'a> {
    configs: &'a Configs,
    topics: &'a mut Topics,
    changed: &'a mut Changed,
    asked: BrokerId,
    controller: BrokerId,
    mode: Mode,
    validate_only: bool,
}

impl Altering<'_> {
    /// An operation that there is not makes the controller fail at all that it was handed (`ControllerApis`), unless another error
    /// of its resource comes first.
    fn fails_inside<'a>(&mut self, all: impl Iterator<Item = &'a Alteration<'a>>) -> bool {
        let has_unknown = |one: &&Alteration<'_>| {
            let mut operations = one.changes.iter().map(|change| change.operation);
            operations.any(|operation| matches!(operation, Operation::Unknown(_)))
        };
        let validate_only = std::mem::replace(&mut self.validate_only, true);
        let mut suspects = all.filter(has_unknown);
        let fails = suspects.any(|one| matches!(self.resource(one), Err(AlterError::Inside)));
        self.validate_only = validate_only;
        fails
    }

    /// What the asked broker looks at (`ConfigAdminManager.preprocess`).
    fn preprocess(&self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let refused = |why: String| Err(AlterError::InvalidRequest(why));
        let mut names = HashSet::new();
        if one.changes.iter().any(|change| !names.insert(change.name)) {
            return refused("Error due to duplicate config keys".to_owned());
        }
        let nulls = one.changes.iter();
        let nulls = nulls.filter(|change| change.operation != Operation::Delete && change.value.is_none());
        let nulls: Vec<_> = nulls.map(|change| change.name).collect();
        if !nulls.is_empty() {
            return refused(format!("Null value not supported for : {}", nulls.join(", ")));
        }
        match one.kind {
            resource::BROKER_LOGGER if self.mode == Mode::Incremental => Ok(()),
            resource::BROKER => self.broker_values(one).map(drop),
            resource::TOPIC | resource::CLIENT_METRICS | resource::GROUP => Ok(()),
            unknown => refused(format!("Unknown resource type {unknown}")),
        }
    }

    fn resource(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        self.preprocess(one)?;
        match one.kind {
            resource::BROKER_LOGGER => self.loggers(one),
            resource::BROKER => self.broker(one),
            resource::TOPIC => self.topic(one),
            resource::CLIENT_METRICS => self.subscription(one),
            _ => self.group(one),
        }
    }

    fn topic(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let topic = self.topics.by_name(one.name).cloned();
        let set = topic
            .as_ref()
            .map(|topic| topic.config.set().clone())
            .unwrap_or_default();
        let set = self.new_values(Some(Kind::Topic), set, one)?;
        check_lengths(&set)?;
        if one.name.is_empty() {
            let why = "Default topic resources are not allowed.";
            return Err(AlterError::InvalidRequest(why.to_owned()));
        }
        check_name(one.name).map_err(AlterError::InvalidTopic)?;
        topic_config::check(&set).map_err(AlterError::InvalidConfig)?;
        let topic = topic.ok_or_else(|| AlterError::UnknownTopic(one.name.to_owned()))?;
        if !self.validate_only {
            let config = TopicConfig::new(set, &self.changed.logs);
            self.topics.replace(Arc::new(Topic {
                config,
                ..(*topic).clone()
            }));
        }
        Ok(())
    }

    /// Which broker is meant, where it is one; what is set of it, and what would be.
    fn broker_values(&self, one: &Alteration<'_>) -> Result<(Option<BrokerId>, Values, Values), AlterError> {
        let broker = match one.name {
            "" => None,
            name => Some(self.asked_broker(name, "Unexpected broker id, expected {}, but received {}")?),
        };
        let before = match broker {
            None => self.changed.brokers.clone(),
            Some(broker) => self.changed.broker.get(&broker).cloned().unwrap_or_default(),
        };
        brokers::check_operations(one)?;
        let set = self.new_values(Some(Kind::Broker), before.clone(), one)?;
        let current = |name: &str| self.configs.of_broker(self.changed, self.asked, name);
        brokers::check(&set, broker.is_some(), current)?;
        Ok((broker, before, set))
    }

    fn broker(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let (broker, before, set) = self.broker_values(one)?;
        brokers::check_in_sync(&before, &set, broker.is_some())?;
        check_lengths(&set)?;
        if self.validate_only {
            return Ok(());
        }
        match broker {
            Some(broker) => {
                self.changed.broker.insert(broker, set);
            }
            None => self.changed.brokers = set,
        }
        self.inherit();
        Ok(())
    }

    /// Topics without values of their own get those of the brokers that lead their partitions.
    fn inherit(&mut self) {
        let logs = self.configs.logs_of(&self.changed.brokers, &self.changed.broker);
        if logs == *self.changed.logs {
            return;
        }
        self.changed.logs = Arc::new(logs);
        let all: Vec<_> = self.topics.iter().cloned().collect();
        for topic in all {
            let config = topic.config.over(&self.changed.logs);
            self.topics.replace(Arc::new(Topic {
                config,
                ..(*topic).clone()
            }));
        }
    }

    fn group(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let before = self.changed.groups.get(one.name).cloned().unwrap_or_default();
        let set = self.new_values(None, before, one)?;
        if one.name.is_empty() {
            let why = "Default group resources are not allowed.";
            return Err(AlterError::InvalidRequest(why.to_owned()));
        }
        let broker = |name: &str| self.configs.of_broker(self.changed, self.controller, name);
        groups::check(&set, broker).map_err(AlterError::InvalidConfig)?;
        self.keep(one.name, set, |changed| &mut changed.groups);
        Ok(())
    }

    fn subscription(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let before = self.changed.subscriptions.get(one.name).cloned().unwrap_or_default();
        let set = self.new_values(None, before, one)?;
        subscription::check(one.name, &set)?;
        self.keep(one.name, set, |changed| &mut changed.subscriptions);
        Ok(())
    }

    /// A resource without values is none.
    fn keep(&mut self, name: &str, set: Values, of: impl Fn(&mut Changed) -> &mut BTreeMap<String, Values>) {
        if self.validate_only {
            return;
        }
        match set.is_empty() {
            true => of(self.changed).remove(name),
            false => of(self.changed).insert(name.to_owned(), set),
        };
    }

    /// `RuntimeLoggerManager.applyChangesForResource` (KIP-412).
    fn loggers(&mut self, one: &Alteration<'_>) -> Result<(), AlterError> {
        let broker = self.asked_broker(one.name, "Unexpected node id. Expected {}, but received {}")?;
        for change in &one.changes {
            let refused = |why: &str| {
                let why = format!("{why} is not allowed for the BROKER_LOGGER resource");
                Err(AlterError::InvalidRequest(why))
            };
            match change.operation {
                Operation::Set => loggers::check(change.name, Some(change.value()))?,
                Operation::Delete => loggers::check(change.name, None)?,
                Operation::Append => return refused("APPEND operation"),
                Operation::Subtract => return refused("SUBTRACT operation"),
                Operation::Unknown(number) => return refused(&format!("Unknown operation type {number}")),
            }
        }
        if !self.validate_only {
            let levels = self.changed.loggers.entry(broker).or_default();
            for change in &one.changes {
                match change.operation {
                    Operation::Delete => levels.remove(change.name),
                    _ => levels.insert(change.name.to_owned(), change.value().to_owned()),
                };
            }
        }
        Ok(())
    }

    /// A broker's own resources are those of the broker that is asked.
    fn asked_broker(&self, name: &str, unexpected: &str) -> Result<BrokerId, AlterError> {
        let Ok(id) = name.parse::<i32>() else {
            return Err(AlterError::InvalidRequest(format!(
                "Node id must be an integer, but it is: {name}"
            )));
        };
        match BrokerId(id) == self.asked {
            true => Ok(self.asked),
            false => {
                let why = unexpected
                    .replacen("{}", &self.asked.to_string(), 1)
                    .replacen("{}", name, 1);
                Err(AlterError::InvalidRequest(why))
            }
        }
    }

    /// What a resource is set to after the changes. Of resources without a kind no value counts as a list
    /// (`KafkaConfigSchema.isSplittable`).
    fn new_values(&self, kind: Option<Kind>, before: Values, one: &Alteration<'_>) -> Result<Values, AlterError> {
        let mut set = match self.mode {
            Mode::Incremental => before,
            Mode::Replace => Values::new(),
        };
        // The controller is handed them in a map.
        for change in hash_map_order_by(one.changes.iter(), |change| change.name) {
            let definition = kind.and_then(|kind| table::find(kind, change.name));
            let list = |set: &Values| {
                let listed = definition.filter(|definition| definition.of == Type::List);
                let listed = listed.ok_or_else(|| {
                    let verb = if change.operation == Operation::Append {
                        "APPEND"
                    } else {
                        "SUBTRACT"
                    };
                    AlterError::InvalidConfig(format!(
                        "Can't {verb} to key {} because its type is not LIST.",
                        change.name
                    ))
                })?;
                let value = set.get(change.name).map(String::as_str).or(listed.default());
                let words = value.unwrap_or_default().split(',').filter(|word| !word.is_empty());
                Ok::<Vec<String>, AlterError>(words.map(str::to_owned).collect())
            };
            let value = match change.operation {
                Operation::Set => change.value().to_owned(),
                Operation::Delete => {
                    set.remove(change.name);
                    continue;
                }
                Operation::Append => {
                    let mut words = list(&set)?;
                    for word in change.value().split(',') {
                        if !words.iter().any(|other| other == word) {
                            words.push(word.to_owned());
                        }
                    }
                    words.join(",")
                }
                Operation::Subtract => {
                    let mut words = list(&set)?;
                    for word in change.value().split(',') {
                        if let Some(found) = words.iter().position(|other| other == word) {
                            words.remove(found);
                        }
                    }
                    words.join(",")
                }
                Operation::Unknown(_) => return Err(AlterError::Inside),
            };
            set.insert(change.name.to_owned(), value);
        }
        Ok(set)
    }
}

/// The most characters of a value, each as many as it is in UTF-16 (`Short.MAX_VALUE`): a longer one could not be in an answer.
const LONGEST: usize = 32_767;

/// Values that grow may not become too long (`ConfigurationControlManager.validateAlterConfig`, KAFKA-18020). Only lists do.
fn check_lengths(set: &Values) -> Result<(), AlterError> {
    let is_long = |value: &String| value.len() > LONGEST && value.encode_utf16().count() > LONGEST;
    match set.values().any(is_long) {
        true => Err(AlterError::InvalidConfig(format!(
            "The configuration value cannot be added because it exceeds the maximum value size of {LONGEST} bytes."
        ))),
        false => Ok(()),
    }
}
