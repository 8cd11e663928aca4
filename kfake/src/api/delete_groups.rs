//! DeleteGroups (key 42), versions 0–3.
//!
//! - 1: throttle time is of the response, not of the quota window. 2: flexible. 3: a place for error messages, which stay null.

use std::collections::BTreeSet;

use crate::messages::delete_groups_response::DeletableGroupResult;
use crate::messages::{DeleteGroupsRequest, DeleteGroupsResponse};
use kafka_protocol::error::ResponseError;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DeleteGroupsRequest,
) -> Result<DeleteGroupsResponse, Refusal> {
    let mut results = Vec::new();
    let mut seen = BTreeSet::new();
    // A group named twice is answered once. The empty id is a group's like any other: old consumers commit to it.
    for id in request.groups_names.into_iter().filter(|id| seen.insert(id.clone())) {
        let deleted = if !context.coordinates(&id) {
            Err(ResponseError::NotCoordinator)
        } else {
            ask(&context.groups, &id, Missing::Leave, Request::Delete)
                .await?
                .unwrap_or(Err(ResponseError::GroupIdNotFound))
        };
        results.push(
            DeletableGroupResult::default()
                .with_group_id(id)
                .with_error_code(deleted.err().map_or(0, |error| error.code())),
        );
    }
    Ok(DeleteGroupsResponse::default().with_results(results))
}
