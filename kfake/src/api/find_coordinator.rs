//! FindCoordinator (key 10), versions 0–6. Which broker coordinates a group or a transactional id.
//!
//! - 1: key types; error messages. 3: flexible. 4: several keys (KIP-699). 5: no change. 6: share groups (KIP-932).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::find_coordinator_response::Coordinator;
use kafka_protocol::messages::{BrokerId as WireBrokerId, FindCoordinatorRequest, FindCoordinatorResponse};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::internal::Internal;

const GROUP: i8 = 0;
const TRANSACTION: i8 = 1;
const SHARE: i8 = 2;

/// What Kafka's `Errors.INVALID_REQUEST` says.
const INVALID_REQUEST: &str = "This most likely occurs because of a request being malformed by the client library or the message was sent to an incompatible broker. See the broker logs for more details.";

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: FindCoordinatorRequest,
) -> Result<FindCoordinatorResponse, Refusal> {
    if version >= 4 {
        let keys = request.coordinator_keys.into_iter();
        let found = keys.map(|key| find(context, version, request.key_type, key));
        let coordinators = Budget::of_a_frame().collect(found, size_of_coordinator)?;
        return Ok(FindCoordinatorResponse::default().with_coordinators(coordinators));
    }
    let found = find(context, version, request.key_type, request.key);
    let message = match (version, found.error_code) {
        (0, _) => None,
        (_, 0) => Some(StrBytes::from_static_str("NONE")),
        _ => found.error_message,
    };
    Ok(FindCoordinatorResponse::default()
        .with_error_code(found.error_code)
        .with_error_message(message)
        .with_node_id(found.node_id)
        .with_host(found.host)
        .with_port(found.port))
}

/// The room that it takes, here and in the frame.
fn size_of_coordinator(found: &Coordinator) -> usize {
    let message = found.error_message.as_ref().map_or(0, |message| message.len());
    size_of::<Coordinator>() + found.key.len() + found.host.len() + message
}

fn find(context: &Context, version: i16, key_type: i8, key: StrBytes) -> Coordinator {
    let refused = |error: ResponseError, message: &'static str| {
        Coordinator::default()
            .with_key(key.clone())
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_static_str(message)))
            .with_node_id(WireBrokerId(-1))
            .with_port(-1)
    };
    let internal = match key_type {
        GROUP => Internal::Offsets,
        TRANSACTION => Internal::Transactions,
        // There are no share groups yet: no key is a share group's.
        SHARE if version >= 4 => return refused(ResponseError::InvalidRequest, ""),
        _ => return refused(ResponseError::InvalidRequest, INVALID_REQUEST),
    };
    // Apache Kafka answers COORDINATOR_NOT_AVAILABLE until the topic is there, which takes it a moment.
    context.shared.ensure(internal);
    let id = context.shared.coordinator_in(internal, &key);
    match id.and_then(|id| context.shared.broker(id)) {
        Some(broker) => Coordinator::default()
            .with_key(key)
            .with_node_id(WireBrokerId(broker.id.0))
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(i32::from(broker.port))
            .with_error_message(Some(StrBytes::new()).filter(|_| version >= 4)),
        // Where several can be asked for, only what is wrong with the request is said in words.
        None if version >= 4 => refused(ResponseError::CoordinatorNotAvailable, ""),
        None => refused(
            ResponseError::CoordinatorNotAvailable,
            "The coordinator is not available.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A byte of the request names the empty group again: what is answered to each is counted whole, and once there is no room no
    /// other is looked for.
    #[test]
    fn a_group_that_is_named_many_times_is_answered_as_often_as_there_is_room() {
        let host = StrBytes::from_static_str("127.0.0.1");
        let mut looked_for = 0;
        let found = (0..1_000_000).map(|_| {
            looked_for += 1;
            Coordinator::default()
                .with_host(host.clone())
                .with_error_message(Some(StrBytes::from_static_str(INVALID_REQUEST)))
        });
        let each = size_of::<Coordinator>() + host.len() + INVALID_REQUEST.len();
        let answered = Budget::of(10 * each).collect(found, size_of_coordinator);
        assert!(matches!(answered, Err(Refusal::Response(_))));
        assert_eq!(looked_for, 11);
    }
}
