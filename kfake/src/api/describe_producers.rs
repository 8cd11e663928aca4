//! DescribeProducers (key 61), version 0. The producers that have written to partitions, and their open transactions (KIP-664).

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_producers_response::{PartitionResponse, ProducerState, TopicResponse};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use super::leader::led;
use crate::api::context::Context;
use crate::cluster::topics::{Topic, check_name};
use crate::log::ProducerView;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeProducersRequest,
) -> Result<DescribeProducersResponse, Refusal> {
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = match find(context, &topic.name) {
            Ok(known) => topic
                .partition_indexes
                .iter()
                .map(|index| describe(context, &known, *index))
                .collect(),
            Err((error, message)) => {
                let refused = PartitionResponse::default()
                    .with_error_code(error.code())
                    .with_error_message(Some(StrBytes::from_string(message)));
                let partitions = topic.partition_indexes.iter();
                partitions
                    .map(|index| refused.clone().with_partition_index(*index))
                    .collect()
            }
        };
        TopicResponse::default()
            .with_partitions(partitions)
            .with_name(topic.name)
    });
    Ok(DescribeProducersResponse::default().with_topics(topics.collect()))
}

/// What Kafka's `Errors.UNKNOWN_TOPIC_OR_PARTITION` says.
const NO_TOPIC: &str = "This server does not host this topic-partition.";

fn find(context: &Context, name: &str) -> Result<Arc<Topic>, (ResponseError, String)> {
    check_name(name).map_err(|message| (ResponseError::InvalidTopicException, message))?;
    let known = context.shared.topics.read().by_name(name).cloned();
    known.ok_or_else(|| (ResponseError::UnknownTopicOrPartition, NO_TOPIC.to_owned()))
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
