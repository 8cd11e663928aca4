//! AlterReplicaLogDirs (key 34), versions 1–2. Moves a broker's logs from one directory to another (KIP-113).
//!
//! - 2: flexible.

use crate::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use kafka_protocol::error::ResponseError;

use super::describe_log_dirs::log_dir;
use super::dispatch::Refusal;
use crate::api::context::Context;

/// A broker has one directory: a log can be moved to where it is, and nowhere else.
pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: AlterReplicaLogDirsRequest,
) -> Result<AlterReplicaLogDirsResponse, Refusal> {
    let directory = log_dir(context);
    let mut results: Vec<AlterReplicaLogDirTopicResult> = Vec::new();
    for wanted in &request.dirs {
        let is_there = *wanted.path == *directory;
        for topic in &wanted.topics {
            let partitions = topic.partitions.iter().map(|index| {
                let moved = match is_there {
                    true => moved(context, &topic.name, *index),
                    false => Err(ResponseError::LogDirNotFound),
                };
                AlterReplicaLogDirPartitionResult::default()
                    .with_partition_index(*index)
                    .with_error_code(moved.err().map_or(0, |error| error.code()))
            });
            let partitions = partitions.collect::<Vec<_>>();
            match results.iter_mut().find(|result| result.topic_name == topic.name) {
                Some(result) => result.partitions.extend(partitions),
                None => results.push(
                    AlterReplicaLogDirTopicResult::default()
                        .with_topic_name(topic.name.clone())
                        .with_partitions(partitions),
                ),
            }
        }
    }
    Ok(AlterReplicaLogDirsResponse::default().with_results(results))
}

/// `ReplicaManager.alterReplicaLogDirs`, for the directory that there is.
fn moved(context: &Context, topic: &str, index: i32) -> Result<(), ResponseError> {
    let topic = context.shared.topics.read().by_name(topic).cloned();
    let partition = topic.as_ref().and_then(|topic| topic.partition(index));
    match partition {
        None => Err(ResponseError::UnknownTopicOrPartition),
        // For compatibility, as Apache Kafka says, not NOT_LEADER_OR_FOLLOWER.
        Some(partition) if !partition.replicas.contains(&context.broker) => Err(ResponseError::ReplicaNotAvailable),
        Some(_) => Ok(()),
    }
}
