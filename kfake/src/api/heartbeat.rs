//! Heartbeat (key 12), versions 0–4.
//!
//! - 1: throttle time. 3: static members (KIP-345). 4: flexible.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: HeartbeatRequest,
) -> Result<HeartbeatResponse, Refusal> {
    let refuse = |error: ResponseError| Ok(HeartbeatResponse::default().with_error_code(error.code()));
    if let Err(error) = context.check_group(&request.group_id) {
        return refuse(error);
    }
    let answer = ask(&context.groups, &request.group_id, Missing::Leave, |reply| {
        Request::Heartbeat(request.clone(), reply)
    });
    match answer.await? {
        Some(response) => Ok(response),
        None => refuse(ResponseError::UnknownMemberId),
    }
}
