//! OffsetCommit (key 8), versions 2–10.
//!
//! - 3: throttle time. 5: no retention time. 6: leader epochs (KIP-320). 7: static members (KIP-345). 8: flexible.
//! - 9: the generation may be a member epoch (KIP-848), and STALE_MEMBER_EPOCH and GROUP_ID_NOT_FOUND may come back.
//! - 10: topics by their ids (KIP-848); the id is kept with the offset, so that a later topic of the same name does not have it.

use crate::messages::offset_commit_request::OffsetCommitRequestTopic;
use crate::messages::offset_commit_response::{OffsetCommitResponsePartition, OffsetCommitResponseTopic};
use crate::messages::{OffsetCommitRequest, OffsetCommitResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    mut request: OffsetCommitRequest,
) -> Result<OffsetCommitResponse, Refusal> {
    // Partitions that do not exist are refused before the group is asked, and never reach it.
    // Kafka answers them first.
    let mut answered = take_unknown(context, version, &mut request.topics);
    if !request.topics.is_empty() && !context.coordinates(&request.group_id) {
        merge(
            &mut answered.topics,
            refuse(request.topics, ResponseError::NotCoordinator).topics,
        );
    } else if !request.topics.is_empty() {
        // Only who commits without a generation may be a group's first: a consumer without membership.
        let missing = match request.generation_id_or_member_epoch < 0 {
            true => Missing::Create,
            false => Missing::Leave,
        };
        let asked = Instant::now();
        let committed = ask(&context.groups, &request.group_id, missing, |reply| {
            Request::Commit(request.clone(), reply)
        });
        let committed = match committed.await? {
            // Who may not commit is told so at once.
            Some(response) if !has_committed(&response) => response,
            Some(response) => match context.groups.replicated(&request.group_id, asked).await? {
                Ok(()) => response,
                Err(error) => refuse(request.topics, error),
            },
            None => {
                // KIP-848 gave the missing group an error of its own, for those who can read it.
                let error = match version {
                    9.. => ResponseError::GroupIdNotFound,
                    _ => ResponseError::IllegalGeneration,
                };
                refuse(request.topics, error)
            }
        };
        merge(&mut answered.topics, committed.topics);
    }
    Ok(answered)
}

/// Whether the group has taken the request, if not all of its partitions.
fn has_committed(response: &OffsetCommitResponse) -> bool {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.any(|partition| [0, ResponseError::OffsetMetadataTooLarge.code()].contains(&partition.error_code))
}

fn refuse(topics: Vec<OffsetCommitRequestTopic>, error: ResponseError) -> OffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(error.code())
        });
        OffsetCommitResponseTopic::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

/// Takes the partitions out of the request that the cluster has not, answered; what is left has names.
fn take_unknown(context: &Context, version: i16, topics: &mut Vec<OffsetCommitRequestTopic>) -> OffsetCommitResponse {
    let known = context.shared.topics.read();
    let mut answered = OffsetCommitResponse::default();
    for topic in topics.iter_mut() {
        let (exists, error) = match version {
            10.. => (known.by_id(&topic.topic_id), ResponseError::UnknownTopicId),
            _ => (known.by_name(&topic.name), ResponseError::UnknownTopicOrPartition),
        };
        if let (Some(exists), 10..) = (exists, version) {
            topic.name = TopicName(StrBytes::from_string(exists.name.clone()));
        }
        let is_known = |index: i32| exists.is_some_and(|t| t.partition(index).is_some());
        let (known, missing) = std::mem::take(&mut topic.partitions)
            .into_iter()
            .partition::<Vec<_>, _>(|p| is_known(p.partition_index));
        topic.partitions = known;
        // A topic that there is not is answered also when it was named without partitions.
        if missing.is_empty() && exists.is_some() {
            continue;
        }
        let error = match exists {
            Some(_) => ResponseError::UnknownTopicOrPartition,
            None => error,
        };
        let missing = topic_of(topic).with_partitions(missing);
        merge(&mut answered.topics, refuse(vec![missing], error).topics);
    }
    topics.retain(|topic| !topic.partitions.is_empty());
    answered
}

fn topic_of(topic: &OffsetCommitRequestTopic) -> OffsetCommitRequestTopic {
    OffsetCommitRequestTopic::default()
        .with_name(topic.name.clone())
        .with_topic_id(topic.topic_id)
}

fn merge(answered: &mut Vec<OffsetCommitResponseTopic>, more: Vec<OffsetCommitResponseTopic>) {
    for topic in more {
        let is_same = |t: &&mut OffsetCommitResponseTopic| t.name == topic.name && t.topic_id == topic.topic_id;
        match answered.iter_mut().find(is_same) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => answered.push(topic),
        }
    }
}
