//! How a topic comes to be: the controller's checks, in its order (`ReplicationControlManager.createTopic`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::state::Shared;
use super::topic_config::TopicConfig;
use uuid::Uuid;

use super::topics::{Assignment, BrokerId, Topic, TopicError, Topics};

/// A topic to create at the start. Numbers left out are the broker's defaults.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TopicSpec {
    pub name: String,
    pub partitions: Option<i32>,
    pub replicas: Option<i32>,
}

/// A topic as a request wants it. -1 stands for the broker's default, or for an assignment that is given.
#[derive(Debug)]
pub(crate) struct Wanted<'a> {
    pub name: &'a str,
    pub partitions: i32,
    pub replicas: i32,
    pub assigned: Vec<(i32, Vec<BrokerId>)>,
    pub configs: Vec<(&'a str, Option<&'a str>)>,
}

/// A topic that can be created, and was unless validation alone was asked for.
#[derive(Debug)]
pub(crate) struct Plan {
    pub id: Uuid,
    pub assignment: Assignment,
    pub config: TopicConfig,
}

/// Creates a topic of the builder's, or one that a Metadata request names.
pub(crate) fn create(shared: &Shared, spec: &TopicSpec) -> Result<Arc<Topic>, TopicError> {
    let id = shared.new_uuid();
    let mut topics = shared.topics.write();
    topics.check_new_name(&spec.name)?;
    let (partitions, replicas) = (spec.partitions.unwrap_or(-1), spec.replicas.unwrap_or(-1));
    let assignment = spread(shared, &topics, partitions, replicas)?;
    let config = TopicConfig::new(BTreeMap::new(), &shared.configs.logs());
    Ok(topics.insert(&spec.name, id, assignment, config))
}

/// Creates the topics of a request, as one step.
pub(crate) fn create_all(shared: &Shared, all: &[Wanted<'_>], validate_only: bool) -> Vec<Result<Plan, TopicError>> {
    let mut topics = shared.topics.write();
    // Names of one request may collide with each other: Apache Kafka looks at those that there were before.
    let names: Vec<_> = all.iter().map(|wanted| topics.check_new_name(wanted.name)).collect();
    let plans = all.iter().zip(names);
    plans
        .map(|(wanted, name)| name.and_then(|()| create_as(shared, &mut topics, wanted, validate_only)))
        .collect()
}

fn create_as(
    shared: &Shared,
    topics: &mut Topics,
    wanted: &Wanted<'_>,
    validate_only: bool,
) -> Result<Plan, TopicError> {
    let id = shared.new_uuid();
    let config =
        TopicConfig::read(wanted.configs.iter().copied(), &shared.configs.logs()).map_err(TopicError::InvalidConfig)?;
    let assignment = match wanted.assigned.is_empty() {
        true => spread(shared, topics, wanted.partitions, wanted.replicas)?,
        false => assigned(shared, wanted)?,
    };
    if !validate_only {
        topics.insert(wanted.name, id, assignment.clone(), config.clone());
    }
    Ok(Plan { id, assignment, config })
}

/// The controller's checks of the two numbers, `ReplicationControlManager.createTopic`.
fn spread(shared: &Shared, topics: &Topics, partitions: i32, replicas: i32) -> Result<Assignment, TopicError> {
    if replicas < -1 || replicas == 0 {
        return Err(TopicError::InvalidReplicationFactor(
            "Replication factor must be larger than 0, or -1 to use the default value.".to_owned(),
        ));
    }
    if partitions < -1 || partitions == 0 {
        return Err(TopicError::InvalidPartitions(
            "Number of partitions was set to an invalid non-positive value.".to_owned(),
        ));
    }
    let defaulted = |given: i32, default: i32| if given == -1 { default } else { given };
    let replicas = defaulted(replicas, shared.config.default_replication_factor.0) as usize;
    let partitions = defaulted(partitions, shared.config.num_partitions.0) as usize;
    let brokers = shared.broker_ids();
    if replicas > brokers.len() {
        return Err(TopicError::InvalidReplicationFactor(format!(
            "Unable to replicate the partition {replicas} time(s): The target replication factor of {replicas} cannot be reached because only {} broker(s) are registered or some brokers have all their log directories cordoned.",
            brokers.len()
        )));
    }
    Ok(topics.spread(&brokers, partitions, replicas))
}

/// A manual assignment: partitions 0 to n-1, each with the same number of known and different brokers.
fn assigned(shared: &Shared, wanted: &Wanted<'_>) -> Result<Assignment, TopicError> {
    let invalid = |why: String| Err(TopicError::InvalidReplicaAssignment(why));
    if wanted.replicas != -1 {
        return Err(TopicError::InvalidRequest(
            "A manual partition assignment was specified, but replication factor was not set to -1.".to_owned(),
        ));
    }
    if wanted.partitions != -1 {
        return Err(TopicError::InvalidRequest(
            "A manual partition assignment was specified, but numPartitions was not set to -1.".to_owned(),
        ));
    }
    let mut partitions: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
    let mut width = None;
    for (index, replicas) in &wanted.assigned {
        if replicas.is_empty() {
            return invalid("The manual partition assignment includes an empty replica list.".to_owned());
        }
        if let Some(unknown) = replicas.iter().find(|b| shared.broker(**b).is_none()) {
            return invalid(format!(
                "The manual partition assignment includes broker {unknown}, but no such broker is registered."
            ));
        }
        let distinct: BTreeSet<_> = replicas.iter().collect();
        if distinct.len() < replicas.len() {
            let twice = replicas.iter().enumerate().find(|(i, b)| replicas[..*i].contains(b));
            let twice = twice.map_or(replicas[0], |(_, b)| *b);
            return invalid(format!(
                "The manual partition assignment includes the broker {twice} more than once."
            ));
        }
        if *width.get_or_insert(replicas.len()) != replicas.len() {
            let width = width.unwrap_or_default();
            return invalid(format!(
                "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous partitions, which have {width} replica(s).",
                replicas.len()
            ));
        }
        if partitions.insert(*index, replicas.clone()).is_some() {
            return invalid(format!(
                "Found multiple manual partition assignments for partition {index}"
            ));
        }
    }
    if !(0..).zip(partitions.keys()).all(|(expected, index)| expected == *index) {
        return invalid("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    Ok(partitions.into_values().collect())
}
