//! DescribeProducers (key 61), version 0. The producers that have written to partitions, and their open transactions (KIP-664).

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use super::leader::led;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::topics::{Topic, check_name};
use crate::log::ProducerView;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeProducersRequest,
) -> Result<DescribeProducersResponse, Refusal> {
    let mut topics = Vec::new();
    let mut budget = Budget::of_a_frame();
    for topic in request.topics {
        let known = find(context, &topic.name);
        let mut partitions = Vec::new();
        for index in &topic.partition_indexes {
            let partition = match &known {
                Ok(known) => describe(context, known, *index),
                Err((error, message)) => PartitionResponse::default()
                    .with_partition_index(*index)
                    .with_error_code(error.code())
                    .with_error_message(Some(message.clone())),
            };
            budget.spend(size_of_partition(&partition))?;
            partitions.push(partition);
        }
        topics.push(
            TopicResponse::default()
                .with_partitions(partitions)
                .with_name(topic.name),
        );
    }
    Ok(said(DescribeProducersResponse::default().with_topics(topics)))
}

/// The room that it takes, here and in the frame.
fn size_of_partition(partition: &PartitionResponse) -> usize {
    let message = partition.error_message.as_ref().map_or(0, |message| message.len());
    size_of::<PartitionResponse>() + message + size_of_val(partition.active_producers.as_slice())
}

/// What Kafka's `Errors.UNKNOWN_TOPIC_OR_PARTITION` says.
const NO_TOPIC: &str = "This server does not host this topic-partition.";

fn find(context: &Context, name: &str) -> Result<Arc<Topic>, (ResponseError, StrBytes)> {
    check_name(name).map_err(|message| (ResponseError::InvalidTopicException, StrBytes::from_string(message)))?;
    let known = context.shared.topics.read().by_name(name).cloned();
    known.ok_or_else(|| {
        (
            ResponseError::UnknownTopicOrPartition,
            StrBytes::from_static_str(NO_TOPIC),
        )
    })
}

fn describe(context: &Context, topic: &Topic, index: i32) -> PartitionResponse {
    let response = PartitionResponse::default().with_partition_index(index);
    match led(context, topic, index, -1) {
        Ok(partition) => {
            let producers = partition.log.lock().producers();
            response.with_active_producers(producers.into_iter().map(state).collect())
        }
        Err(refused) => response.with_error_code(refused.error.code()),
    }
}

fn state(producer: ProducerView) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(producer.producer_id))
        .with_producer_epoch(i32::from(producer.epoch))
        .with_last_sequence(producer.last_sequence)
        .with_last_timestamp(producer.last_timestamp)
        .with_coordinator_epoch(producer.coordinator_epoch)
        .with_current_txn_start_offset(producer.transaction_start)
}
