//! DescribeTopicPartitions (key 75), version 0 (KIP-966). Topics' partitions, a page at a time.
//!
//! Kafka's `DescribeTopicPartitionsRequestHandler` and `KRaftMetadataCache.describeTopicResponse`.

use std::collections::BTreeSet;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::metadata::TOPIC_OPERATIONS;
use crate::api::context::Context;
use crate::cluster::partition::Partition;
use crate::cluster::topics::{BrokerId, Topics, check_name, is_internal};

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeTopicPartitionsRequest,
) -> Result<DescribeTopicPartitionsResponse, Refusal> {
    let topics = context.shared.topics.read();
    let from = request.cursor.as_ref().map_or("", |cursor| cursor.topic_name.as_str());
    let every = request.topics.is_empty();
    // In the order of their names, each once, from the cursor's on.
    let names: BTreeSet<&str> = match every {
        true => topics.iter().map(|topic| topic.name.as_str()).collect(),
        false => request.topics.iter().map(|topic| topic.name.as_str()).collect(),
    };
    let names = names.into_iter().filter(|name| *name >= from);
    if let Some(cursor) = &request.cursor
        && (cursor.partition_index < 0 || !(every || request.topics.iter().any(|t| t.name == cursor.topic_name)))
    {
        return Ok(all_refused(&request, ResponseError::InvalidRequest));
    }
    // A topic without a name cannot be asked for permission on, which Apache Kafka fails over.
    if request.cursor.is_none() && request.topics.iter().any(|t| t.name.is_empty()) {
        return Ok(all_refused(&request, ResponseError::UnknownServerError));
    }
    let page = context.shared.config.max_request_partition_size_limit.0;
    let mut left = page.min(request.response_partition_limit).max(1) as usize;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names {
        let next = |index: i32| {
            let name = TopicName(StrBytes::from_string(name.to_owned()));
            Some(Cursor::default().with_topic_name(name).with_partition_index(index))
        };
        if left == 0 {
            response.next_cursor = next(0);
            break;
        }
        let first = match &request.cursor {
            Some(cursor) if *cursor.topic_name == *name => usize::try_from(cursor.partition_index).unwrap_or(0),
            _ => 0,
        };
        let described = describe(&topics, name, first, left);
        let (shown, total) = (
            described.partitions.len(),
            topics.by_name(name).map(|t| t.partitions.len()),
        );
        response.topics.push(described);
        let Some(total) = total else { continue };
        let end = first.saturating_add(left).min(total);
        if end < total {
            response.next_cursor = next(end as i32);
            break;
        }
        left -= shown;
    }
    Ok(response)
}

/// `DescribeTopicPartitionsRequest.getErrorResponse`: the error for each topic that was asked for.
fn all_refused(request: &DescribeTopicPartitionsRequest, error: ResponseError) -> DescribeTopicPartitionsResponse {
    let topics = request.topics.iter().map(|topic| {
        DescribeTopicPartitionsResponseTopic::default()
            .with_name(Some(topic.name.clone()))
            .with_error_code(error.code())
    });
    DescribeTopicPartitionsResponse::default().with_topics(topics.collect())
}

/// A topic with at most `room` partitions from `first` on.
fn describe(topics: &Topics, name: &str, first: usize, room: usize) -> DescribeTopicPartitionsResponseTopic {
    let response = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(name.to_owned()))))
        .with_is_internal(is_internal(name))
        .with_topic_authorized_operations(TOPIC_OPERATIONS);
    let Some(topic) = topics.by_name(name) else {
        let error = match check_name(name) {
            Ok(()) => ResponseError::UnknownTopicOrPartition,
            Err(_) => ResponseError::InvalidTopicException,
        };
        return response.with_error_code(error.code());
    };
    let partitions = topic.partitions.iter().skip(first).take(room);
    response
        .with_topic_id(topic.id)
        .with_partitions(partitions.map(|p| partition(topics, p)).collect())
}

fn partition(topics: &Topics, partition: &Partition) -> DescribeTopicPartitionsResponsePartition {
    let wire = |brokers: &[BrokerId]| brokers.iter().map(|b| WireBrokerId(b.0)).collect::<Vec<_>>();
    DescribeTopicPartitionsResponsePartition::default()
        .with_partition_index(partition.index)
        .with_leader_id(WireBrokerId(partition.leader.map_or(-1, |leader| leader.0)))
        .with_leader_epoch(partition.leader_epoch)
        .with_replica_nodes(wire(&partition.replicas))
        .with_isr_nodes(wire(&partition.isr))
        .with_eligible_leader_replicas(Some(wire(&partition.elr)))
        .with_last_known_elr(Some(wire(&partition.last_known_elr)))
        .with_offline_replicas(wire(&topics.offline(partition)))
}
