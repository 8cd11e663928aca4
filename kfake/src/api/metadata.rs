//! Metadata (key 3), versions 0–13. Brokers, topics, leaders.
//!
//! - 0: an empty list names every topic. 1: null does, an empty list names none; controller, racks, internal topics.
//! - 2: cluster id. 4: the client says whether topics may be created. 5: offline replicas. 7: leader epochs (KIP-320).
//! - 8: authorized operations (KIP-430); the cluster's go away in 11. 9: flexible.
//! - 10: topic ids (KIP-516). 12: topics may be asked for by id, then without a name.
//! - 13: an error for the whole response (KIP-1102).

use std::collections::BTreeSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{BrokerId as WireBrokerId, MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::creation::{self, TopicSpec};
use crate::cluster::internal::Internal;
use crate::cluster::topics::{BrokerId, Topic, Topics, check_name, is_internal};

/// What a client may do with a topic where there is no authorizer: every operation that topics have (KIP-430), as bits.
pub(super) const TOPIC_OPERATIONS: i32 = 0x0df8;
/// The same of the cluster.
const CLUSTER_OPERATIONS: i32 = 0x1fa0;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: MetadataRequest,
) -> Result<MetadataResponse, Refusal> {
    let shared = &context.shared;
    if request.topics.is_none() && version == 0 {
        return Err(Refusal::Body("non-nullable field topics is null".to_owned()));
    }
    let mut named = request.topics.iter().flatten();
    if version < 10 && named.any(|topic| topic.name.is_none()) {
        return Err(Refusal::Body("non-nullable field name is null".to_owned()));
    }
    let topics = match &request.topics {
        None => every_topic(context),
        Some(topics) if topics.is_empty() && version == 0 => every_topic(context),
        Some(topics) => {
            let by_id = topics.iter().any(|t| !t.topic_id.is_nil());
            let nameless = topics.iter().any(|t| t.name.is_none());
            if version < 12 && (by_id || nameless) {
                return Ok(all_refused(topics, version, ResponseError::InvalidRequest));
            }
            // Neither name nor id: Apache Kafka 4.4 fails over it and says so of every topic.
            if nameless && !by_id {
                return Ok(all_refused(topics, version, ResponseError::UnknownServerError));
            }
            // Where one is asked for by its id, only ids are looked at (`KafkaApis.handleTopicMetadataRequest`).
            // A topic named twice is answered once.
            let mut seen = BTreeSet::new();
            topics
                .iter()
                .filter(|t| !by_id || !t.topic_id.is_nil())
                .filter(|t| seen.insert((t.name.clone().filter(|_| !by_id), t.topic_id)))
                .map(|t| match &t.name {
                    Some(name) if !by_id => by_name(context, name, version < 4 || request.allow_auto_topic_creation),
                    _ => by_id_alone(context, t.topic_id),
                })
                .collect()
        }
    };
    let topics = topics
        .into_iter()
        .map(|t| match request.include_topic_authorized_operations {
            // Nobody can be asked for permission on what has no name.
            true if t.name.is_some() => t.with_topic_authorized_operations(TOPIC_OPERATIONS),
            _ => t,
        })
        .collect();
    let known = shared.topics.read();
    let up = shared.brokers.iter().filter(|b| known.is_active(b.id));
    let controller = shared.controller();
    let brokers = up
        .map(|b| {
            MetadataResponseBroker::default()
                .with_node_id(WireBrokerId(b.id.0))
                .with_host(StrBytes::from_string(b.host.clone()))
                .with_port(i32::from(b.port))
                .with_rack(b.rack.clone().map(StrBytes::from_string).filter(|_| version >= 1))
        })
        .collect();
    drop(known);
    let response = MetadataResponse::default()
        .with_brokers(brokers)
        .with_cluster_id(Some(StrBytes::from_string(shared.cluster_id.clone())))
        .with_controller_id(WireBrokerId(controller.0))
        .with_topics(topics);
    Ok(
        match (8..=10).contains(&version) && request.include_cluster_authorized_operations {
            true => response.with_cluster_authorized_operations(CLUSTER_OPERATIONS),
            false => response,
        },
    )
}

/// Kafka's `MetadataRequest.getErrorResponse`: no brokers, and the error for each topic.
fn all_refused(topics: &[MetadataRequestTopic], version: i16, error: ResponseError) -> MetadataResponse {
    let topics = topics
        .iter()
        .map(|t| {
            MetadataResponseTopic::default()
                .with_error_code(error.code())
                .with_name(Some(t.name.clone().unwrap_or_default()))
                .with_topic_id(t.topic_id)
        })
        .collect();
    let whole = if version >= 13 { error.code() } else { 0 };
    MetadataResponse::default().with_topics(topics).with_error_code(whole)
}

fn every_topic(context: &Context) -> Vec<MetadataResponseTopic> {
    {
        let topics = context.shared.topics.read();
        topics.iter().map(|topic| describe(&topics, topic)).collect()
    }
}

fn by_name(context: &Context, name: &TopicName, may_create: bool) -> MetadataResponseTopic {
    let shared = &context.shared;
    {
        let topics = shared.topics.read();
        if let Some(topic) = topics.by_name(name) {
            return describe(&topics, topic);
        }
    }
    let error = |error: ResponseError| {
        MetadataResponseTopic::default()
            .with_error_code(error.code())
            .with_name(Some(name.clone()))
            .with_is_internal(is_internal(name))
    };
    if check_name(name).is_err() {
        return error(ResponseError::InvalidTopicException);
    }
    if !(may_create && shared.config.auto_create_topics) {
        return error(ResponseError::UnknownTopicOrPartition);
    }
    // With what Kafka's own topics have, whoever asks for them first.
    if let Some(internal) = Internal::named(name) {
        shared.ensure(internal);
        return error(ResponseError::UnknownTopicOrPartition);
    }
    let spec = TopicSpec {
        name: name.to_string(),
        partitions: None,
        replicas: None,
    };
    // The client's quota of mutations counts, and it is not told.
    let permit = |partitions| context.may_mutate(partitions);
    // Apache Kafka asks its controller and does not wait: the next request finds the topic, or none where its name collides
    // with another's (`AutoTopicCreationManager`).
    if let Err(reason) = creation::create(shared, &spec, &permit) {
        tracing::debug!(%reason, "a topic is not created");
    }
    error(ResponseError::UnknownTopicOrPartition)
}

fn by_id_alone(context: &Context, id: Uuid) -> MetadataResponseTopic {
    let topics = context.shared.topics.read();
    match topics.by_id(&id) {
        Some(topic) => describe(&topics, topic),
        None => MetadataResponseTopic::default()
            .with_error_code(ResponseError::UnknownTopicId.code())
            .with_name(None)
            .with_topic_id(id),
    }
}

fn describe(topics: &Topics, topic: &Topic) -> MetadataResponseTopic {
    let partitions = topic
        .partitions
        .iter()
        .map(|p| {
            let wire = |brokers: &[BrokerId]| brokers.iter().map(|b| WireBrokerId(b.0)).collect();
            MetadataResponsePartition::default()
                .with_partition_index(p.index)
                .with_error_code(match p.leader {
                    Some(_) => 0,
                    None => ResponseError::LeaderNotAvailable.code(),
                })
                .with_offline_replicas(wire(&topics.offline(p)))
                .with_leader_id(WireBrokerId(p.leader.map_or(-1, |leader| leader.0)))
                .with_leader_epoch(p.leader_epoch)
                .with_isr_nodes(wire(&p.isr))
                .with_replica_nodes(wire(&p.replicas))
        })
        .collect();
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.clone()))))
        .with_topic_id(topic.id)
        .with_is_internal(topic.internal)
        .with_partitions(partitions)
}
