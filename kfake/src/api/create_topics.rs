//! CreateTopics (key 19), versions 2–7.
//!
//! - 2: throttle time comes back. 4: -1 partitions or replicas mean the broker's defaults (KIP-464).
//! - 5: flexible; the response describes the topic (KIP-525). 7: and names its id (KIP-516).

use std::collections::BTreeMap;
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::cluster::builder::TopicSpec;
use crate::cluster::state::Shared;
use crate::cluster::topic_config::TopicConfig;
use crate::cluster::topics::{Assignment, BrokerId, Topic, TopicError, Topics};
use crate::net::connection::Context;

impl TopicError {
    fn error(&self) -> ResponseError {
        match self {
            Self::InvalidName(_) => ResponseError::InvalidTopicException,
            Self::Exists(_) => ResponseError::TopicAlreadyExists,
            Self::InvalidPartitions(_) => ResponseError::InvalidPartitions,
            Self::InvalidReplicationFactor(_) => ResponseError::InvalidReplicationFactor,
            Self::InvalidReplicaAssignment(_) => ResponseError::InvalidReplicaAssignment,
            Self::InvalidConfig(_) => ResponseError::InvalidConfig,
            Self::InvalidRequest(_) => ResponseError::InvalidRequest,
            Self::PolicyViolation(_) => ResponseError::PolicyViolation,
        }
    }
}

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: CreateTopicsRequest,
) -> Result<CreateTopicsResponse, Refusal> {
    let mut named: BTreeMap<&TopicName, usize> = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    let (once, twice): (Vec<_>, Vec<_>) = request.topics.iter().partition(|topic| named[&topic.name] == 1);
    let mut results = Vec::new();
    for topic in once {
        let created = create_one(&context.shared, topic, request.validate_only);
        results.push(result(topic, created, version));
    }
    // Kafka answers a name that stands twice once, behind the others.
    for topic in twice {
        if named.remove(&topic.name).is_some() {
            let duplicate = TopicError::InvalidRequest("Duplicate topic name.".to_owned());
            results.push(result(topic, Err(duplicate), version));
        }
    }
    Ok(CreateTopicsResponse::default().with_topics(results))
}

fn result(topic: &CreatableTopic, created: Result<Plan, TopicError>, version: i16) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    match created {
        Err(error) => result
            .with_error_code(error.error().code())
            .with_error_message(Some(StrBytes::from_string(error.to_string())))
            .with_configs(Some(Vec::new())),
        Ok(_) if version < 5 => result.with_error_message(None),
        Ok(plan) => {
            let configs = plan
                .config
                .described()
                .map(|row| {
                    CreatableTopicConfigs::default()
                        .with_name(StrBytes::from_static_str(row.name))
                        .with_value(Some(StrBytes::from_string(row.value.to_owned())))
                        .with_config_source(row.source)
                })
                .collect();
            result
                .with_error_message(None)
                .with_topic_id(plan.topic.map(|t| t.id).unwrap_or_default())
                .with_num_partitions(plan.assignment.len() as i32)
                .with_replication_factor(plan.assignment[0].len() as i16)
                .with_configs(Some(configs))
        }
    }
}

/// A topic that can be created, and was unless the request asked for validation alone.
struct Plan {
    assignment: Assignment,
    config: TopicConfig,
    topic: Option<Arc<Topic>>,
}

/// Creates a topic of the builder's, or one that a Metadata request names.
pub(crate) fn create(shared: &Shared, spec: &TopicSpec) -> Result<Arc<Topic>, TopicError> {
    let id = shared.new_uuid();
    let mut topics = shared.topics.write();
    topics.check_new_name(&spec.name)?;
    let assignment = spread(
        shared,
        &topics,
        spec.partitions.unwrap_or(-1),
        spec.replicas.unwrap_or(-1),
    )?;
    Ok(topics.insert(&spec.name, id, assignment, TopicConfig::default()))
}

fn create_one(shared: &Shared, topic: &CreatableTopic, validate_only: bool) -> Result<Plan, TopicError> {
    let id = shared.new_uuid();
    let mut topics = shared.topics.write();
    topics.check_new_name(&topic.name)?;
    let config = TopicConfig::read(topic.configs.iter().map(|c| (c.name.as_str(), c.value.as_deref())))
        .map_err(TopicError::InvalidConfig)?;
    let assignment = if topic.assignments.is_empty() {
        spread(
            shared,
            &topics,
            topic.num_partitions,
            i32::from(topic.replication_factor),
        )?
    } else {
        assigned(shared, topic)?
    };
    let created = match validate_only {
        true => None,
        false => Some(topics.insert(&topic.name, id, assignment.clone(), config.clone())),
    };
    Ok(Plan {
        assignment,
        config,
        topic: created,
    })
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
    if partitions > MAX_PARTITIONS {
        return Err(TopicError::PolicyViolation(
            "Excessively large number of partitions per request.".to_owned(),
        ));
    }
    Ok(topics.spread(&brokers, partitions, replicas))
}

/// Kafka's `ReplicationControlManager.MAX_PARTITIONS_PER_BATCH`: more in one request are refused.
const MAX_PARTITIONS: usize = 10_000;

/// A manual assignment: partitions 0 to n-1, each with the same number of known and different brokers.
fn assigned(shared: &Shared, topic: &CreatableTopic) -> Result<Assignment, TopicError> {
    let invalid = |why: String| Err(TopicError::InvalidReplicaAssignment(why));
    if topic.replication_factor != -1 {
        return Err(TopicError::InvalidRequest(
            "A manual partition assignment was specified, but replication factor was not set to -1.".to_owned(),
        ));
    }
    if topic.num_partitions != -1 {
        return Err(TopicError::InvalidRequest(
            "A manual partition assignment was specified, but numPartitions was not set to -1.".to_owned(),
        ));
    }
    let mut partitions: BTreeMap<i32, Vec<BrokerId>> = BTreeMap::new();
    let mut width = None;
    for given in &topic.assignments {
        let replicas: Vec<_> = given.broker_ids.iter().map(|b| BrokerId(b.0)).collect();
        if replicas.is_empty() {
            return invalid("The manual partition assignment includes an empty replica list.".to_owned());
        }
        if let Some(unknown) = replicas.iter().find(|b| shared.broker(**b).is_none()) {
            return invalid(format!(
                "The manual partition assignment includes broker {unknown}, but no such broker is registered."
            ));
        }
        let distinct: std::collections::BTreeSet<_> = replicas.iter().collect();
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
        if partitions.insert(given.partition_index, replicas).is_some() {
            return invalid(format!(
                "Found multiple manual partition assignments for partition {}",
                given.partition_index
            ));
        }
    }
    if !(0..).zip(partitions.keys()).all(|(expected, index)| expected == *index) {
        return invalid("partitions should be a consecutive 0-based integer sequence".to_owned());
    }
    Ok(partitions.into_values().collect())
}
