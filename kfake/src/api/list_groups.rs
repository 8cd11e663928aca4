//! ListGroups (key 16), versions 0–5. The groups that the broker coordinates.
//!
//! - 1: throttle time. 3: flexible. 4: states, also as a filter (KIP-518). 5: types, also as a filter (KIP-848).

use kafka_protocol::messages::list_groups_response::ListedGroup;
use kafka_protocol::messages::{GroupId, ListGroupsRequest, ListGroupsResponse};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::group::view::{GroupState, GroupView};

const CLASSIC: &str = "classic";

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ListGroupsRequest,
) -> Result<ListGroupsResponse, Refusal> {
    // Names are compared without regard to case, and one that does not exist matches nothing.
    let matches =
        |filter: &[StrBytes], value: &str| filter.is_empty() || filter.iter().any(|f| f.eq_ignore_ascii_case(value));
    // What is committed.
    let deleted = context.groups.all_deleted();
    let is_deleted = |id: &str| deleted.iter().any(|group| &*group.id == id);
    let groups = context.groups.all().into_iter();
    let groups = groups.filter(|group| !is_deleted(&group.id) && group.state.lock().is_known());
    let groups = groups.map(|group| (group, None));
    let groups = groups
        .chain(deleted.iter().map(|group| (group.clone(), Some(GroupState::Empty))))
        .filter(|(group, _)| context.coordinates(&group.id))
        .map(|(group, state)| {
            let view = group.view();
            let state = state.unwrap_or(view.state);
            GroupView { state, ..view }
        })
        .filter(|group| matches(&request.states_filter, group.state.name()) && matches(&request.types_filter, CLASSIC))
        .map(|group| {
            let listed = ListedGroup::default()
                .with_group_id(GroupId(StrBytes::from_string(group.id)))
                .with_protocol_type(StrBytes::from_string(group.protocol_type.unwrap_or_default()));
            let listed = match version {
                4.. => listed.with_group_state(StrBytes::from_static_str(group.state.name())),
                _ => listed,
            };
            match version {
                5.. => listed.with_group_type(StrBytes::from_static_str(CLASSIC)),
                _ => listed,
            }
        });
    Ok(ListGroupsResponse::default().with_groups(groups.collect()))
}
