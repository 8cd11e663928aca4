//! OffsetForLeaderEpoch (key 23), versions 2–4. Where a leader epoch ended: how a client finds out that a log was truncated.
//!
//! - 2: the client's own view of the leader epoch (KIP-320). 3: consumers ask too, without permission on the cluster.
//! - 4: flexible.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::offset_for_leader_epoch_response::{EpochEndOffset, OffsetForLeaderTopicResult};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};

use super::dispatch::Refusal;
use super::leader::led;
use crate::api::context::Context;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: OffsetForLeaderEpochRequest,
) -> Result<OffsetForLeaderEpochResponse, Refusal> {
    let topics = request.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let response = EpochEndOffset::default().with_partition(asked.partition);
            match find(context, topic, asked) {
                Ok((epoch, end)) => response.with_leader_epoch(epoch).with_end_offset(end),
                Err(error) => response.with_error_code(error.code()),
            }
        });
        OffsetForLeaderTopicResult::default()
            .with_topic(topic.topic.clone())
            .with_partitions(partitions.collect())
    });
    Ok(OffsetForLeaderEpochResponse::default().with_topics(topics.collect()))
}

/// `Partition.lastOffsetForLeaderEpoch`, which only the leader answers.
fn find(
    context: &Context,
    topic: &OffsetForLeaderTopic,
    asked: &OffsetForLeaderPartition,
) -> Result<(i32, i64), ResponseError> {
    let known = context.shared.topics.read().by_name(&topic.topic).cloned();
    let known = known.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let partition =
        led(context, &known, asked.partition, asked.current_leader_epoch).map_err(|refused| refused.error)?;
    Ok(partition
        .log
        .lock()
        .end_of_epoch(asked.leader_epoch)
        .unwrap_or((-1, -1)))
}
