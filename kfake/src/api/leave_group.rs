//! LeaveGroup (key 13), versions 0–5.
//!
//! - 1: throttle time. 3: several members at once, also by their instance ids (KIP-345). 4: flexible. 5: a reason (KIP-800).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{LeaveGroupRequest, LeaveGroupResponse};
use tokio::time::Instant;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: LeaveGroupRequest,
) -> Result<LeaveGroupResponse, Refusal> {
    let refuse = |error: ResponseError| Ok(LeaveGroupResponse::default().with_error_code(error.code()));
    if let Err(error) = context.check_group(&request.group_id) {
        return refuse(error);
    }
    let asked = Instant::now();
    let left = ask(&context.groups, &request.group_id, Missing::Leave, |reply| {
        Request::Leave(request.clone(), version, reply)
    });
    if let Some(response) = left.await? {
        return match context.groups.replicated(&request.group_id, asked).await? {
            Ok(()) => Ok(response),
            Err(error) => refuse(error),
        };
    }
    if version <= 2 {
        return refuse(ResponseError::UnknownMemberId);
    }
    // Without a group each of them is unknown.
    let members = request.members.into_iter().map(|member| {
        MemberResponse::default()
            .with_member_id(member.member_id)
            .with_group_instance_id(member.group_instance_id)
            .with_error_code(ResponseError::UnknownMemberId.code())
    });
    Ok(LeaveGroupResponse::default().with_members(members.collect()))
}
