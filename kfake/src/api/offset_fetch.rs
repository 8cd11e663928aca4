//! OffsetFetch (key 9), versions 1–10.
//!
//! - 2: null topics name all; an error for the whole response. 3: throttle time. 5: leader epochs (KIP-320).
//! - 6: flexible. 7: only stable offsets (KIP-447). 8: several groups (KIP-709). 9: member ids and epochs (KIP-848).
//! - 10: topics by their ids (KIP-848).

use crate::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use crate::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions, OffsetFetchResponseTopic,
    OffsetFetchResponseTopics,
};
use crate::messages::{OffsetFetchRequest, OffsetFetchResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::budget::Budget;
use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::commit::fetched;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: OffsetFetchRequest,
) -> Result<OffsetFetchResponse, Refusal> {
    let asked = Instant::now();
    if version >= 8 {
        let mut groups = Vec::new();
        let mut budget = Budget::of_a_frame();
        for group in request.groups {
            let group = match version {
                10.. => fetch_by_id(context, group, request.require_stable, asked).await?,
                _ => fetch(context, group, request.require_stable, asked).await?,
            };
            budget.spend(size_of_group(&group))?;
            groups.push(group);
        }
        return Ok(OffsetFetchResponse::default().with_groups(groups));
    }
    let topics = request.topics.map(|topics| {
        let topics = topics.into_iter().map(|topic| {
            OffsetFetchRequestTopics::default()
                .with_name(topic.name)
                .with_partition_indexes(topic.partition_indexes)
        });
        topics.collect()
    });
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(request.group_id)
        .with_topics(topics);
    let topics = group.topics.clone();
    let fetched = fetch(context, group, request.require_stable, asked).await?;
    Ok(single(version, topics.unwrap_or_default(), fetched))
}

/// The room that it takes, here and in the frame.
fn size_of_group(group: &OffsetFetchResponseGroup) -> usize {
    let size_of_partition = |partition: &OffsetFetchResponsePartitions| {
        size_of::<OffsetFetchResponsePartitions>() + partition.metadata.as_ref().map_or(0, |metadata| metadata.len())
    };
    let topics = group.topics.iter().map(|topic| {
        let partitions = topic.partitions.iter().map(size_of_partition);
        size_of::<OffsetFetchResponseTopics>() + topic.name.len() + partitions.sum::<usize>()
    });
    size_of::<OffsetFetchResponseGroup>() + group.group_id.len() + topics.sum::<usize>()
}

/// Names for ids and back. Ids that nobody has are answered behind the others; topics that have gone are not shown.
async fn fetch_by_id(
    context: &Context,
    mut group: OffsetFetchRequestGroup,
    stable: bool,
    asked_at: Instant,
) -> Result<OffsetFetchResponseGroup, Refusal> {
    let mut unknown = Vec::new();
    if let Some(asked) = &mut group.topics {
        let topics = context.shared.topics.read();
        for mut topic in std::mem::take(asked) {
            match topics.by_id(&topic.topic_id) {
                Some(known) => {
                    topic.name = TopicName(StrBytes::from_string(known.name.clone()));
                    asked.push(topic);
                }
                None => unknown.push(refused(topic, ResponseError::UnknownTopicId)),
            }
        }
    }
    let mut answer = fetch(context, group, stable, asked_at).await?;
    if answer.error_code != 0 {
        return Ok(answer);
    }
    let topics = context.shared.topics.read();
    answer.topics.retain_mut(|topic| {
        if topic.topic_id.is_nil() {
            topic.topic_id = topics.by_name(&topic.name).map(|known| known.id).unwrap_or_default();
        }
        !topic.topic_id.is_nil()
    });
    answer.topics.extend(unknown);
    Ok(answer)
}

fn refused(topic: OffsetFetchRequestTopics, error: ResponseError) -> OffsetFetchResponseTopics {
    let partitions = topic.partition_indexes.into_iter();
    let partitions = partitions.map(|p| fetched(p, None).with_error_code(error.code()));
    OffsetFetchResponseTopics::default()
        .with_topic_id(topic.topic_id)
        .with_partitions(partitions.collect())
}

/// Who asks for what is stable waits until all that the groups have written is committed; others see what is committed.
async fn fetch(
    context: &Context,
    group: OffsetFetchRequestGroup,
    stable: bool,
    asked_at: Instant,
) -> Result<OffsetFetchResponseGroup, Refusal> {
    let id = group.group_id.clone();
    let not_coordinator = || {
        OffsetFetchResponseGroup::default()
            .with_group_id(id.clone())
            .with_error_code(ResponseError::NotCoordinator.code())
    };
    if !context.coordinates(&id) {
        return Ok(not_coordinator());
    }
    if !stable {
        return match context.groups.deleted(&id) {
            Some(deleted) => Ok(deleted.state.lock().fetch(group, false)),
            None => fetch_written(context, group, false).await,
        };
    }
    let fetched = fetch_written(context, group, true).await?;
    // Whatever the reason, this is the answer.
    let replicated = context.groups.replicated(&id, asked_at).await?;
    Ok(replicated.map_or_else(|_| not_coordinator(), |()| fetched))
}

async fn fetch_written(
    context: &Context,
    group: OffsetFetchRequestGroup,
    stable: bool,
) -> Result<OffsetFetchResponseGroup, Refusal> {
    let answer = ask(&context.groups, &group.group_id, Missing::Leave, |reply| {
        Request::Fetch(group.clone(), stable, reply)
    });
    if let Some(answer) = answer.await? {
        return Ok(answer);
    }
    // A group that does not exist has committed nothing, which is no error.
    let topics = group.topics.unwrap_or_default().into_iter().map(|topic| {
        let partitions = topic.partition_indexes.into_iter().map(|p| fetched(p, None));
        OffsetFetchResponseTopics::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    Ok(OffsetFetchResponseGroup::default()
        .with_group_id(group.group_id)
        .with_topics(topics.collect()))
}

/// The response before version 8: one group. Version 1 has no place for the group's error but its partitions.
fn single(version: i16, asked: Vec<OffsetFetchRequestTopics>, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let code = group.error_code;
    let topics = match (version, code) {
        (1, 1..) => asked
            .into_iter()
            .map(|topic| {
                let partitions = topic.partition_indexes.into_iter().map(|p| {
                    OffsetFetchResponsePartition::default()
                        .with_partition_index(p)
                        .with_committed_offset(-1)
                        .with_metadata(Some(Default::default()))
                        .with_error_code(code)
                });
                OffsetFetchResponseTopic::default()
                    .with_name(topic.name)
                    .with_partitions(partitions.collect())
            })
            .collect(),
        _ => group
            .topics
            .into_iter()
            .map(|topic| {
                let partitions = topic.partitions.into_iter().map(|p| {
                    OffsetFetchResponsePartition::default()
                        .with_partition_index(p.partition_index)
                        .with_committed_offset(p.committed_offset)
                        .with_committed_leader_epoch(p.committed_leader_epoch)
                        .with_metadata(p.metadata)
                        .with_error_code(p.error_code)
                });
                OffsetFetchResponseTopic::default()
                    .with_name(topic.name)
                    .with_partitions(partitions.collect())
            })
            .collect(),
    };
    OffsetFetchResponse::default()
        .with_error_code(if version == 1 { 0 } else { code })
        .with_topics(topics)
}
