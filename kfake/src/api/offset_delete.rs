//! OffsetDelete (key 47), version 0. Forgets committed offsets (KIP-496).

use kafka_protocol::error::ResponseError;
use tokio::time::Instant;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;
use crate::messages::offset_delete_request::OffsetDeleteRequestTopic;
use crate::messages::offset_delete_response::{OffsetDeleteResponsePartition, OffsetDeleteResponseTopic};
use crate::messages::{OffsetDeleteRequest, OffsetDeleteResponse};

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    mut request: OffsetDeleteRequest,
) -> Result<OffsetDeleteResponse, Refusal> {
    if let Err(error) = context.check_group(&request.group_id) {
        return Ok(OffsetDeleteResponse::default().with_error_code(error.code()));
    }
    let unknown = take_unknown(context, &mut request.topics);
    let asked = Instant::now();
    let deleted = ask(&context.groups, &request.group_id, Missing::Leave, |reply| {
        Request::DeleteOffsets(request.clone(), reply)
    });
    let Some(mut deleted) = deleted.await? else {
        return Ok(OffsetDeleteResponse::default().with_error_code(ResponseError::GroupIdNotFound.code()));
    };
    if deleted.error_code == 0 {
        if let Err(error) = context.groups.replicated(&request.group_id, asked).await? {
            return Ok(OffsetDeleteResponse::default().with_error_code(error.code()));
        }
        // Those that do not exist come first.
        let known = std::mem::replace(&mut deleted.topics, unknown);
        for topic in known {
            match deleted.topics.iter_mut().find(|t| t.name == topic.name) {
                Some(same) => same.partitions.extend(topic.partitions),
                None => deleted.topics.push(topic),
            }
        }
    }
    Ok(deleted)
}

/// Takes the partitions out of the request that the cluster has not, answered.
fn take_unknown(context: &Context, topics: &mut Vec<OffsetDeleteRequestTopic>) -> Vec<OffsetDeleteResponseTopic> {
    let known = context.shared.topics.read();
    let mut unknown: Vec<OffsetDeleteResponseTopic> = Vec::new();
    for topic in topics.iter_mut() {
        let exists = known.by_name(&topic.name);
        let missing: Vec<_> = topic
            .partitions
            .extract_if(.., |p| exists.is_none_or(|t| t.partition(p.partition_index).is_none()))
            .map(|p| {
                OffsetDeleteResponsePartition::default()
                    .with_partition_index(p.partition_index)
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code())
            })
            .collect();
        if missing.is_empty() {
            continue;
        }
        match unknown.iter_mut().find(|t| t.name == topic.name) {
            Some(same) => same.partitions.extend(missing),
            None => unknown.push(
                OffsetDeleteResponseTopic::default()
                    .with_name(topic.name.clone())
                    .with_partitions(missing),
            ),
        }
    }
    topics.retain(|topic| !topic.partitions.is_empty());
    unknown
}
