//! ListOffsets (key 2), versions 1–11. Finds offsets by time, and the ends of a log.
//!
//! - 2: isolation level; throttle time. 4: leader epochs (KIP-320). 6: flexible. 7: the largest timestamp (KIP-734).
//! - 8: the earliest local offset (KIP-405). 9: the latest tiered offset (KIP-1005). 10: a timeout, for remote storage.
//! - 11: the earliest offset that waits for being uploaded to remote storage (KIP-1023).

use std::collections::BTreeSet;

use crate::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use crate::messages::list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse};
use crate::messages::{ListOffsetsRequest, ListOffsetsResponse};
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;

use super::dispatch::Refusal;
use super::leader::{Asked, hosted};
use crate::api::context::Context;
use crate::log::{Isolation, OffsetSpec, TimestampOffset};

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;
/// The replica id of those who are none.
const CONSUMER: i32 = -1;
/// A replica id that lets followers answer (`ListOffsetsRequest.DEBUGGING_REPLICA_ID`).
const DEBUGGING_CONSUMER: i32 = -2;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ListOffsetsRequest,
) -> Result<ListOffsetsResponse, Refusal> {
    // A replica's question is not about what consumers may see.
    let isolation = match request.isolation_level {
        READ_COMMITTED if request.replica_id.0 == CONSUMER => Isolation::Committed,
        _ => Isolation::Uncommitted,
    };
    let who = match request.replica_id.0 {
        DEBUGGING_CONSUMER => Asked::Replica,
        _ => Asked::Leader,
    };
    // `IsolationLevel.forId` throws for another, and every partition has the error (`ListOffsetsRequest.getErrorResponse`).
    if version >= 2 && !(READ_UNCOMMITTED..=READ_COMMITTED).contains(&request.isolation_level) {
        return Ok(ListOffsetsResponse::default().with_topics(failed(request.topics)));
    }
    // `ReplicaManager.fetchOffset` answers by topic, and the topics of which it has a partition.
    let mut asked: IndexMap<TopicName, Vec<ListOffsetsPartition>> = IndexMap::new();
    for topic in request.topics {
        if !topic.partitions.is_empty() {
            asked.entry(topic.name).or_default().extend(topic.partitions);
        }
    }
    let topics = asked.into_iter().map(|(name, partitions)| {
        let twice = named_twice(&partitions);
        let answer = |asked: &ListOffsetsPartition| {
            let found = match twice.contains(&asked.partition_index) {
                true => Err(ResponseError::InvalidRequest),
                false => find(context, version, isolation, who, &name, asked),
            };
            let response = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
            match found {
                Ok(found) => response
                    .with_timestamp(found.timestamp)
                    .with_offset(found.offset)
                    .with_leader_epoch(if version >= 4 { found.leader_epoch } else { -1 }),
                Err(error) => response.with_error_code(error.code()),
            }
        };
        // A partition that was named twice is refused once (`ListOffsetsRequest.duplicatePartitions`).
        let mut seen = BTreeSet::new();
        let partitions = partitions.iter().filter(|p| seen.insert(p.partition_index));
        let partitions = partitions.map(answer).collect();
        ListOffsetsTopicResponse::default()
            .with_name(name.clone())
            .with_partitions(partitions)
    });
    Ok(ListOffsetsResponse::default().with_topics(topics.collect()))
}

fn failed(topics: Vec<ListOffsetsTopic>) -> Vec<ListOffsetsTopicResponse> {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            ListOffsetsPartitionResponse::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(ResponseError::UnknownServerError.code())
        });
        let partitions = partitions.collect();
        ListOffsetsTopicResponse::default()
            .with_name(topic.name)
            .with_partitions(partitions)
    });
    topics.collect()
}

fn named_twice(partitions: &[ListOffsetsPartition]) -> BTreeSet<i32> {
    let mut seen = BTreeSet::new();
    let partitions = partitions.iter().map(|p| p.partition_index);
    partitions.filter(|index| !seen.insert(*index)).collect()
}

fn find(
    context: &Context,
    version: i16,
    isolation: Isolation,
    who: Asked,
    name: &TopicName,
    asked: &ListOffsetsPartition,
) -> Result<TimestampOffset, ResponseError> {
    // What a negative timestamp means depends on the version, whether or not the partition exists
    // (`KafkaApis.isListOffsetsTimestampUnsupported`).
    let spec = OffsetSpec::from_wire(asked.timestamp)
        .filter(|spec| version >= first_version(*spec))
        .ok_or(ResponseError::UnsupportedVersion)?;
    let known = context.shared.topics.read().by_name(name).cloned();
    let known = known.ok_or(ResponseError::UnknownTopicOrPartition)?;
    let (index, epoch) = (asked.partition_index, asked.current_leader_epoch);
    let hosted = hosted(context, &known, index, epoch, who).map_err(|refused| refused.error)?;
    let partition = hosted.partition;
    // Walking a compressed batch takes time that nobody else should wait for.
    let look_up = partition.log.lock().look_up(spec, isolation);
    let nothing = TimestampOffset {
        timestamp: -1,
        offset: -1,
        leader_epoch: -1,
    };
    match look_up.resolve() {
        // A replica that has fallen behind ends earlier.
        Ok(found) => Ok(found.unwrap_or(nothing)).map(|found| TimestampOffset {
            offset: found.offset.min(hosted.ends.unwrap_or(i64::MAX)),
            ..found
        }),
        Err(error) => {
            tracing::error!(topic = %name.as_str(), %error, "a stored batch cannot be walked");
            Err(ResponseError::UnknownServerError)
        }
    }
}

/// The version that introduced what is asked.
fn first_version(spec: OffsetSpec) -> i16 {
    match spec {
        OffsetSpec::Latest | OffsetSpec::Earliest | OffsetSpec::At(_) => 1,
        OffsetSpec::MaxTimestamp => 7,
        OffsetSpec::EarliestLocal => 8,
        OffsetSpec::LatestTiered => 9,
        OffsetSpec::EarliestPendingUpload => 11,
    }
}
