//! SyncGroup (key 14), versions 0–5.
//!
//! - 1: throttle time. 3: static members (KIP-345). 4: flexible. 5: protocol type and name (KIP-559).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{SyncGroupRequest, SyncGroupResponse};

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: SyncGroupRequest,
) -> Result<SyncGroupResponse, Refusal> {
    let refuse = |error: ResponseError| Ok(SyncGroupResponse::default().with_error_code(error.code()));
    // KIP-559: who speaks version 5 names both.
    if version >= 5 && (request.protocol_type.is_none() || request.protocol_name.is_none()) {
        return refuse(ResponseError::InconsistentGroupProtocol);
    }
    let asked_at = context.groups.moves();
    if let Err(error) = context.check_group(&request.group_id) {
        return refuse(error);
    }
    let synced = ask(&context.groups, &request.group_id, Missing::Leave, |reply| {
        Request::Sync(request.clone(), asked_at, reply)
    });
    match synced.await? {
        Some(response) => Ok(response),
        None => refuse(ResponseError::UnknownMemberId),
    }
}
