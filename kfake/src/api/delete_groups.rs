//! DeleteGroups (key 42), versions 0–3.
//!
//! - 1: throttle time is of the response, not of the quota window. 2: flexible. 3: a place for error messages, which stay null.

use std::collections::{BTreeMap, BTreeSet};

use crate::messages::delete_groups_response::DeletableGroupResult;
use crate::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::GroupId;
use tokio::time::Instant;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DeleteGroupsRequest,
) -> Result<DeleteGroupsResponse, Refusal> {
    let mut seen = BTreeSet::new();
    // A group named twice is answered once. The empty id is a group's like any other: old consumers commit to it.
    let ids = request.groups_names.into_iter().filter(|id| seen.insert(id.clone()));
    let ids: Vec<GroupId> = ids.collect();
    let mut refused = replicated(context, &ids).await?;
    let mut deleted = Vec::new();
    for id in &ids {
        deleted.push(if !context.coordinates(id) {
            Err(ResponseError::NotCoordinator)
        } else if let Some(error) = refused.get(id) {
            Err(*error)
        } else {
            ask(&context.groups, id, Missing::Leave, Request::Delete)
                .await?
                .unwrap_or(Err(ResponseError::GroupIdNotFound))
        });
    }
    if refused.is_empty() {
        refused = replicated(context, &ids).await?;
    }
    let results = ids.into_iter().zip(deleted).map(|(id, deleted)| {
        let error = match deleted {
            Err(error @ ResponseError::NotCoordinator) => Some(error),
            _ => refused.get(&id).copied().or(deleted.err()),
        };
        DeletableGroupResult::default()
            .with_group_id(id)
            .with_error_code(error.map_or(0, |error| error.code()))
    });
    Ok(DeleteGroupsResponse::default().with_results(results.collect()))
}

/// Waits until what the groups' partitions have is committed. Apache Kafka does so twice: it looks whether there is anything of a share
/// group to delete before it deletes groups (`GroupCoordinatorService.deleteGroups`), which it does not if it waits in vain. The groups
/// of which it has waited in vain, and their error.
async fn replicated(context: &Context, ids: &[GroupId]) -> Result<BTreeMap<GroupId, ResponseError>, Refusal> {
    let asked = Instant::now();
    let mut refused = BTreeMap::new();
    for id in ids.iter().filter(|id| context.coordinates(id)) {
        if let Err(error) = context.groups.replicated(id, asked).await? {
            refused.insert(id.clone(), error);
        }
    }
    Ok(refused)
}
