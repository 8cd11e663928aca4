//! DescribeGroups (key 15), versions 0–6.
//!
//! - 1: throttle time. 3: authorized operations (KIP-430). 4: static members (KIP-345). 5: flexible.
//! - 6: a group that does not exist is an error, with a message (KIP-1043); before, it is in the state Dead.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_groups_response::{DescribedGroup, DescribedGroupMember};
use kafka_protocol::messages::{DescribeGroupsRequest, DescribeGroupsResponse, GroupId};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::request::Request;
use crate::group::view::GroupState;

/// What a client may do with a group where there is no authorizer: every operation that groups have, as bits.
const GROUP_OPERATIONS: i32 = 0x0d48;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: DescribeGroupsRequest,
) -> Result<DescribeGroupsResponse, Refusal> {
    let mut groups = Vec::new();
    let mut budget = Budget::of_a_frame();
    for id in request.groups {
        let mut group = describe(context, version, id).await?;
        if request.include_authorized_operations && group.error_code == 0 {
            group.authorized_operations = GROUP_OPERATIONS;
        }
        budget.spend(size_of_group(&group))?;
        groups.push(group);
    }
    Ok(said(DescribeGroupsResponse::default().with_groups(groups)))
}

/// The room that it takes, here and in the frame.
fn size_of_group(group: &DescribedGroup) -> usize {
    let members = group.members.iter().map(|member| {
        let texts = [&*member.member_id, &*member.client_id, &*member.client_host];
        let bytes = member.member_metadata.len() + member.member_assignment.len();
        size_of::<DescribedGroupMember>() + bytes + texts.map(str::len).iter().sum::<usize>()
    });
    size_of::<DescribedGroup>() + group.group_id.len() + members.sum::<usize>()
}

async fn describe(context: &Context, version: i16, id: GroupId) -> Result<DescribedGroup, Refusal> {
    let group = DescribedGroup::default().with_group_id(id.clone());
    if !context.coordinates(&id) {
        return Ok(group.with_error_code(ResponseError::NotCoordinator.code()));
    }
    if let Some(deleted) = context.groups.deleted(&id) {
        let deleted = deleted.state.lock().describe();
        return Ok(deleted.with_group_state(StrBytes::from_static_str(GroupState::Empty.name())));
    }
    if context.groups.is_known(&id)
        && let Some(group) = ask(&context.groups, &id, Missing::Leave, Request::Describe).await?
    {
        return Ok(group);
    }
    let dead = group.with_group_state(StrBytes::from_static_str("Dead"));
    Ok(match version {
        6.. => dead
            .with_error_code(ResponseError::GroupIdNotFound.code())
            .with_error_message(Some(StrBytes::from_string(format!("Group {} not found.", &*id)))),
        _ => dead,
    })
}
