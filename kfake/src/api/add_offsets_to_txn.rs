//! AddOffsetsToTxn (key 25), versions 0–4. Adds a group's offsets to a producer's transaction (KIP-98).
//!
//! - 2: PRODUCER_FENCED may come back. 3: flexible. 4: no change (KIP-890).
//!
//! The group's partition of `__consumer_offsets` is added, whatever the group.

use kafka_protocol::messages::{AddOffsetsToTxnRequest, AddOffsetsToTxnResponse};

use super::dispatch::Refusal;
use super::transaction::{OFFSETS_TOPIC, fenced_as_of};
use crate::api::context::Context;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: AddOffsetsToTxnRequest,
) -> Result<AddOffsetsToTxnResponse, Refusal> {
    let id = &request.transactional_id;
    let producer = (request.producer_id.0, request.producer_epoch);
    let added = context.check_transactional_id(id).and_then(|()| {
        let partition = (
            OFFSETS_TOPIC.to_owned(),
            context.shared.offsets_partition(&request.group_id),
        );
        let mut held = context.transactions.hold();
        let added = held.add(id, producer, [partition]);
        drop(held);
        added
    });
    let error = added.err().map(|error| fenced_as_of(version, 2, error));
    Ok(AddOffsetsToTxnResponse::default().with_error_code(error.map_or(0, |error| error.code())))
}
