//! JoinGroup (key 11), versions 0–9.
//!
//! - 1: rebalance timeout. 2: throttle time. 4: a new member is given its id first (KIP-394). 5: static members (KIP-345).
//! - 6: flexible. 7: protocol type comes back (KIP-559). 8: a reason (KIP-800). 9: the leader may skip (KIP-814).

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::join::refused;
use crate::group::member::millis;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: JoinGroupRequest,
) -> Result<JoinGroupResponse, Refusal> {
    let refuse = |error: ResponseError| Ok(refused(error, request.member_id.clone(), version));
    if request.group_id.is_empty() {
        return refuse(ResponseError::InvalidGroupId);
    }
    let config = &context.shared.config;
    let allowed = config.group_min_session_timeout..=config.group_max_session_timeout;
    if request.session_timeout_ms < 0 || !allowed.contains(&millis(request.session_timeout_ms)) {
        return refuse(ResponseError::InvalidSessionTimeout);
    }
    let asked_at = context.groups.moves();
    // `GroupCoordinatorService.joinGroup` asks last who coordinates.
    if !context.coordinates(&request.group_id) {
        return refuse(ResponseError::NotCoordinator);
    }
    // Only who is not a member yet can be the first.
    let missing = match request.member_id.is_empty() {
        true => Missing::Create,
        false => Missing::Leave,
    };
    let client = Arc::new(context.client());
    let joined = ask(&context.groups, &request.group_id, missing, |reply| {
        Request::Join(request.clone(), version, client.clone(), asked_at, reply)
    });
    match joined.await? {
        Some(response) => Ok(response),
        None => refuse(ResponseError::UnknownMemberId),
    }
}
