//! Heartbeat (key 12), versions 0–4.
//!
//! - 1: throttle time. 3: static members (KIP-345). 4: flexible.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{HeartbeatRequest, HeartbeatResponse};
use tokio::time::Instant;

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
    let asked = Instant::now();
    let answer = ask(&context.groups, &request.group_id, Missing::Leave, |reply| {
        Request::Heartbeat(request.clone(), reply)
    });
    let Some(response) = answer.await? else {
        return refuse(ResponseError::UnknownMemberId);
    };
    // Who is no member is told so at once, others when what the groups have written is committed.
    let is_member = [0, ResponseError::RebalanceInProgress.code()].contains(&response.error_code);
    match is_member {
        true => match context.groups.replicated(&request.group_id, asked).await? {
            Ok(()) => Ok(response),
            Err(error) => refuse(error),
        },
        false => Ok(response),
    }
}
