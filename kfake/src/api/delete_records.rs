//! DeleteRecords (key 21), versions 0–2. Moves the log start offset of some partitions up (KIP-107).
//!
//! - 1: throttle time is of the response, not of the quota window. 2: flexible.
//!
//! The replicas share their log, so the leader's log start offset is at once that of all: the request's timeout is never
//! waited for. The records' segments go when retention runs next.

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_records_response::{DeleteRecordsPartitionResult, DeleteRecordsTopicResult};
use kafka_protocol::messages::{DeleteRecordsRequest, DeleteRecordsResponse, TopicName};

use super::dispatch::Refusal;
use super::leader::{led, still_led};
use crate::api::context::Context;
use crate::cluster::topics::is_internal;

/// `DeleteRecordsResponse.INVALID_LOW_WATERMARK`.
const NO_LOW_WATERMARK: i64 = -1;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DeleteRecordsRequest,
) -> Result<DeleteRecordsResponse, Refusal> {
    // A partition that is named again is answered once, for the last offset: Apache Kafka keeps them in a map.
    let mut wanted: BTreeMap<TopicName, BTreeMap<i32, i64>> = BTreeMap::new();
    for topic in request.topics {
        let partitions = topic.partitions.iter().map(|p| (p.partition_index, p.offset));
        wanted.entry(topic.name).or_default().extend(partitions);
    }
    let topics = wanted.into_iter().filter(|(_, partitions)| !partitions.is_empty());
    let topics = topics.map(|(name, partitions)| {
        let answers = partitions.into_iter().map(|(index, offset)| {
            let answer = DeleteRecordsPartitionResult::default().with_partition_index(index);
            match delete(context, &name, index, offset) {
                Ok(low_watermark) => answer.with_low_watermark(low_watermark),
                Err(error) => answer
                    .with_low_watermark(NO_LOW_WATERMARK)
                    .with_error_code(error.code()),
            }
        });
        DeleteRecordsTopicResult::default()
            .with_partitions(answers.collect())
            .with_name(name.clone())
    });
    Ok(DeleteRecordsResponse::default().with_topics(topics.collect()))
}

/// `ReplicaManager.deleteRecordsOnLocalLog` and `Partition.deleteRecordsOnLeader`: the new low watermark.
fn delete(context: &Context, name: &TopicName, index: i32, offset: i64) -> Result<i64, ResponseError> {
    let topic = context.shared.topics.read().by_name(name).cloned();
    let topic = topic.ok_or(match is_internal(name) {
        // Where there are groups, Apache Kafka has the topic of their offsets.
        true => ResponseError::InvalidTopicException,
        false => ResponseError::UnknownTopicOrPartition,
    })?;
    if topic.partition(index).is_none() {
        return Err(ResponseError::UnknownTopicOrPartition);
    }
    if topic.internal {
        return Err(ResponseError::InvalidTopicException);
    }
    let partition = led(context, &topic, index, -1).map_err(|refused| refused.error)?;
    // An empty policy deletes nothing by itself, and lets a client do so (`UnifiedLog.deleteOldSegments`).
    let config = topic.log_config(&partition);
    if config.cleanup.compact && !config.cleanup.delete {
        return Err(ResponseError::PolicyViolation);
    }
    let mut log = partition.log.lock();
    still_led(&partition, &log)?;
    let wakeups = log
        .delete_records(offset)
        .map_err(|_| ResponseError::OffsetOutOfRange)?;
    let low_watermark = log.start_offset();
    context.shared.housekeeping.look_at(&context.shared, config, &log);
    drop(log);
    wakeups.notify();
    Ok(low_watermark)
}
