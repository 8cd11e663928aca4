//! AlterReplicaLogDirs (key 34), versions 1–2. Moves a broker's logs from one directory to another (KIP-113).
//!
//! - 2: flexible.

use crate::messages::alter_replica_log_dirs_response::{
    AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult,
};
use crate::messages::{AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse};
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;

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
    // A partition is moved to the last directory that is named for it (`AlterReplicaLogDirsRequest.partitionDirs`).
    let mut targets: IndexMap<(&TopicName, i32), &str> = IndexMap::new();
    for wanted in &request.dirs {
        for topic in &wanted.topics {
            targets.extend(
                topic
                    .partitions
                    .iter()
                    .map(|index| ((&topic.name, *index), wanted.path.as_str())),
            );
        }
    }
    let mut results: IndexMap<&TopicName, Vec<AlterReplicaLogDirPartitionResult>> = IndexMap::new();
    for ((topic, index), path) in targets {
        let moved = match path == directory {
            _ if is_too_long(topic, index) => Err(ResponseError::InvalidTopicException),
            true => moved(context, topic, index),
            false => Err(ResponseError::LogDirNotFound),
        };
        let result = AlterReplicaLogDirPartitionResult::default()
            .with_partition_index(index)
            .with_error_code(moved.err().map_or(0, |error| error.code()));
        results.entry(topic).or_default().push(result);
    }
    let results = results.into_iter().map(|(topic, partitions)| {
        AlterReplicaLogDirTopicResult::default()
            .with_topic_name(topic.clone())
            .with_partitions(partitions)
    });
    Ok(AlterReplicaLogDirsResponse::default().with_results(results.collect()))
}

/// Whether the directory that Apache Kafka fills before it is the log's would have too long a name (`UnifiedLog.logFutureDirName`): the
/// topic's and the partition's, an id and a suffix.
fn is_too_long(topic: &str, index: i32) -> bool {
    const MOST: usize = 255;
    let id_and_suffix = ".".len() + 32 + "-future".len();
    topic.encode_utf16().count() + format!("-{index}").len() + id_and_suffix > MOST
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
