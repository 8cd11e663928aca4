//! CreateTopics (key 19), versions 2–7.
//!
//! - 2: throttle time comes back. 4: -1 partitions or replicas mean the broker's defaults (KIP-464).
//! - 5: flexible; the response describes the topic (KIP-525). 6: THROTTLING_QUOTA_EXCEEDED may come back (KIP-599).
//! - 7: the response names the topic's id (KIP-516).

use std::collections::BTreeMap;

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{BrokerId as WireBrokerId, CreateTopicsRequest, CreateTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::creation::{self, MAX_PARTITIONS, Plan, TOO_MANY, Wanted};
use crate::cluster::quotas::mutations::Strictness;
use crate::cluster::state::Shared;
use crate::cluster::topics::{BrokerId, TopicError};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_SINCE: i16 = 6;

/// The controllers' own log.
const CLUSTER_METADATA_TOPIC: &str = "__cluster_metadata";

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
    // `ControllerApis.createTopics`: refused before the controller is asked.
    let (own, once): (Vec<_>, Vec<_>) = once
        .into_iter()
        .partition(|topic| **topic.name == *CLUSTER_METADATA_TOPIC);
    // A request for more creates nothing.
    if partitions_of(&context.shared, &once) > MAX_PARTITIONS {
        let refused = || TopicError::PolicyViolation(TOO_MANY.to_owned());
        let results = request
            .topics
            .iter()
            .map(|topic| result(&context.shared, topic, Err(refused()), version));
        return Ok(CreateTopicsResponse::default().with_topics(results.collect()));
    }
    let all: Vec<_> = once.iter().map(|topic| wanted(topic)).collect();
    let created = creation::create_all(&context.shared, &all, request.validate_only, &|partitions| {
        context.mutate(partitions, Strictness::since(version, STRICT_SINCE))
    });
    results.extend(
        once.iter()
            .zip(created)
            .map(|(topic, created)| result(&context.shared, topic, created, version)),
    );
    for topic in own {
        let prohibited = format!("Creation of internal topic {CLUSTER_METADATA_TOPIC} is prohibited.");
        results.push(result(
            &context.shared,
            topic,
            Err(TopicError::InvalidRequest(prohibited)),
            version,
        ));
    }
    // Kafka answers a name that stands twice once, behind the others.
    for topic in twice {
        if named.remove(&topic.name).is_some() {
            let duplicate = TopicError::InvalidRequest("Duplicate topic name.".to_owned());
            results.push(result(&context.shared, topic, Err(duplicate), version));
        }
    }
    Ok(said(CreateTopicsResponse::default().with_topics(results)))
}

/// `ReplicationControlManager.validateTotalNumberOfPartitions`, of what reaches it: defaults and manual assignments count as well.
fn partitions_of(shared: &Shared, topics: &[&CreatableTopic]) -> usize {
    let partitions = topics.iter().map(|topic| match topic.num_partitions {
        _ if !topic.assignments.is_empty() => topic.assignments.len(),
        -1 => shared.config.num_partitions.0 as usize,
        number => usize::try_from(number).unwrap_or(0),
    });
    partitions.fold(0, usize::saturating_add)
}

fn result(
    shared: &Shared,
    topic: &CreatableTopic,
    created: Result<Plan, TopicError>,
    version: i16,
) -> CreatableTopicResult {
    let result = CreatableTopicResult::default().with_name(topic.name.clone());
    match created {
        Err(error) => result
            .with_error_code(error.error().code())
            .with_error_message(error.message().map(StrBytes::from_string))
            .with_configs(Some(Vec::new())),
        Ok(_) if version < 5 => result.with_error_message(None),
        Ok(plan) => {
            let configs = &shared.configs;
            let rows = configs.created(&configs.read(), shared.controller(), &plan.config);
            let rows = rows.into_iter().map(|(name, value, source)| {
                CreatableTopicConfigs::default()
                    .with_name(StrBytes::from_static_str(name))
                    .with_value(Some(StrBytes::from_string(value)))
                    .with_config_source(source as i8)
            });
            let configs = rows.collect();
            result
                .with_error_message(None)
                .with_topic_id(plan.id)
                .with_num_partitions(plan.assignment.len() as i32)
                .with_replication_factor(plan.assignment[0].len() as i16)
                .with_configs(Some(configs))
        }
    }
}

/// The request's topic in the cluster's own words.
fn wanted(topic: &CreatableTopic) -> Wanted<'_> {
    let replicas = |brokers: &[WireBrokerId]| brokers.iter().map(|b| BrokerId(b.0)).collect();
    Wanted {
        name: &topic.name,
        partitions: topic.num_partitions,
        replicas: i32::from(topic.replication_factor),
        assigned: topic
            .assignments
            .iter()
            .map(|a| (a.partition_index, replicas(&a.broker_ids)))
            .collect(),
        configs: topic
            .configs
            .iter()
            .map(|c| (c.name.as_str(), c.value.as_deref()))
            .collect(),
    }
}
