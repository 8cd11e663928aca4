//! How a topic comes to be: the controller's checks, in its order (`ReplicationControlManager.createTopic`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::state::Shared;
use super::topic_config::TopicConfig;
use uuid::Uuid;

use super::topics::{Assignment, BrokerId, Topic, TopicError, Topics};

/// `ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`: what one request may add.
pub(crate) const MAX_PARTITIONS: usize = 10_000;
/// What the controller says of more than [`MAX_PARTITIONS`].
pub(crate) const TOO_MANY: &str = "Excessively large number of partitions per request.";

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
pub(crate) fn create(shared: &Shared, spec: &TopicSpec, permit: Permit<'_>) -> Result<Arc<Topic>, TopicError> {
    let id = shared.new_uuid();
    let mut topics = shared.topics.write();
    topics.check_new_name(&spec.name)?;
    let (partitions, replicas) = (spec.partitions.unwrap_or(-1), spec.replicas.unwrap_or(-1));
    let assignment = spread(shared, &topics, partitions, replicas)?;
    let config = TopicConfig::new(BTreeMap::new(), &shared.configs.logs());
    permit(assignment.len())?;
    Ok(topics.insert(&spec.name, id, assignment, config))
}

/// Whether a number of partitions may be added now: the last thing that is asked, also where nothing will be added.
pub(crate) type Permit<'a> = &'a dyn Fn(usize) -> Result<(), TopicError>;

/// Creates the topics of a request, as one step.
pub(crate) fn create_all(
    shared: &Shared,
    all: &[Wanted<'_>],
    validate_only: bool,
    permit: Permit<'_>,
) -> Vec<Result<Plan, TopicError>> {
    let mut topics = shared.topics.write();
    // Names of one request may collide with each other: Apache Kafka looks at those that there were before.
    let names: Vec<_> = all.iter().map(|wanted| topics.check_new_name(wanted.name)).collect();
    let plans = all.iter().zip(names);
    plans
        .map(|(wanted, name)| name.and_then(|()| create_as(shared, &mut topics, wanted, validate_only, permit)))
        .collect()
}

fn create_as(
    shared: &Shared,
    topics: &mut Topics,
    wanted: &Wanted<'_>,
    validate_only: bool,
    permit: Permit<'_>,
) -> Result<Plan, TopicError> {
    let id = shared.new_uuid();
    let config =
        TopicConfig::read(wanted.configs.iter().copied(), &shared.configs.logs()).map_err(TopicError::InvalidConfig)?;
    let assignment = match wanted.assigned.is_empty() {
        true => spread(shared, topics, wanted.partitions, wanted.replicas)?,
        false => assigned(shared, topics, wanted)?,
    };
    permit(assignment.len())?;
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
    // Asked before of what a request of CreateTopics adds in all.
    if partitions > MAX_PARTITIONS {
        return Err(TopicError::PolicyViolation(TOO_MANY.to_owned()));
    }
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
fn assigned(shared: &Shared, topics: &Topics, wanted: &Wanted<'_>) -> Result<Assignment, TopicError> {
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
        if partitions.contains_key(index) {
            return invalid(format!(
                "Found multiple manual partition assignments for partition {index}"
            ));
        }
        check_assignment(shared, replicas, width)?;
        check_is_up(topics, *index, replicas)?;
        width = Some(replicas.len());
        partitions.insert(*index, replicas.clone());
    }
    if !(0..).zip(partitions.keys()).all(|(expected, index)| expected == *index) {
        return invalid("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    Ok(partitions.into_values().collect())
}

/// Whether these brokers can be a partition's replicas, `width` of them where the topic's partitions have so many
/// (`ReplicationControlManager.validateManualPartitionAssignment`, which looks at the brokers in the order of their ids).
pub(crate) fn check_assignment(shared: &Shared, replicas: &[BrokerId], width: Option<usize>) -> Result<(), TopicError> {
    let invalid = |why: String| Err(TopicError::InvalidReplicaAssignment(why));
    if replicas.is_empty() {
        return invalid("The manual partition assignment includes an empty replica list.".to_owned());
    }
    let mut sorted = replicas.to_vec();
    sorted.sort_unstable();
    let mut before = None;
    for broker in sorted {
        if shared.broker(broker).is_none() {
            return invalid(format!(
                "The manual partition assignment includes broker {broker}, but no such broker is registered."
            ));
        }
        if before == Some(broker) {
            return invalid(format!(
                "The manual partition assignment includes the broker {broker} more than once."
            ));
        }
        before = Some(broker);
    }
    match width {
        Some(width) if width != replicas.len() => invalid(format!(
            "The manual partition assignment includes a partition with {} replica(s), but this is not consistent with previous partitions, which have {width} replica(s).",
            replicas.len()
        )),
        _ => Ok(()),
    }
}

/// Whether somebody would lead a partition on these brokers (`ReplicationControlManager.buildPartitionRegistration`).
fn check_is_up(topics: &Topics, index: i32, replicas: &[BrokerId]) -> Result<(), TopicError> {
    match replicas.iter().any(|broker| topics.is_active(*broker)) {
        true => Ok(()),
        false => Err(TopicError::InvalidReplicaAssignment(format!(
            "All brokers specified in the manual partition assignment for partition {index} are fenced or in controlled shutdown."
        ))),
    }
}

/// More partitions that a request wants for a topic.
#[derive(Debug)]
pub(crate) struct Growth<'a> {
    pub name: &'a str,
    /// How many partitions there are to be in all.
    pub count: i32,
    /// The replicas of each new partition; `None` leaves them to the cluster.
    pub assigned: Option<Vec<Vec<BrokerId>>>,
}

/// Whether a request adds more partitions in all than one may (`validateTotalNumberOfPartitions`).
pub(crate) fn is_too_much(shared: &Shared, wanted: &[Growth<'_>]) -> bool {
    let topics = shared.topics.read();
    let more = wanted.iter().filter_map(|growth| {
        let there = topics.by_name(growth.name)?.partitions.len();
        Some(usize::try_from(growth.count).unwrap_or(0).saturating_sub(there))
    });
    more.fold(0, usize::saturating_add) > MAX_PARTITIONS
}

/// Adds partitions to a topic, or only finds out whether they could be (`ReplicationControlManager.createPartitions`).
pub(crate) fn grow(
    shared: &Shared,
    wanted: &Growth<'_>,
    validate_only: bool,
    permit: Permit<'_>,
) -> Result<(), TopicError> {
    let mut topics = shared.topics.write();
    let topic = topics.by_name(wanted.name).ok_or(TopicError::Unknown)?.clone();
    let there = topic.partitions.len();
    let count = usize::try_from(wanted.count).unwrap_or(0);
    if count == there {
        return Err(TopicError::InvalidPartitions(format!(
            "Topic already has {there} partition(s)."
        )));
    }
    if count < there {
        return Err(TopicError::InvalidPartitions(format!(
            "The topic {} currently has {there} partition(s); {} would not be an increase.",
            wanted.name, wanted.count
        )));
    }
    let more = count - there;
    if let Some(assigned) = &wanted.assigned
        && assigned.len() != more
    {
        return Err(TopicError::InvalidReplicaAssignment(format!(
            "Attempted to add {more} additional partition(s), but only {} assignment(s) were specified.",
            assigned.len()
        )));
    }
    let width = topic.partitions[0].replicas.len();
    let assignment = match &wanted.assigned {
        Some(assigned) => {
            for replicas in assigned {
                check_assignment(shared, replicas, Some(width))?;
            }
            for (index, replicas) in (there as i32..).zip(assigned) {
                check_is_up(&topics, index, replicas)?;
            }
            assigned.clone()
        }
        None => topics.spread_on(&shared.broker_ids(), &topic, more),
    };
    permit(more)?;
    if validate_only {
        return Ok(());
    }
    let mut grown = Topic::clone(&topic);
    let added = (there as i32..).zip(assignment);
    let min_isr = topic.min_isr();
    grown
        .partitions
        .extend(added.map(|(index, replicas)| topics.new_partition(index, replicas, min_isr)));
    topics.replace(Arc::new(grown));
    Ok(())
}
