//! EndTxn (key 26), versions 0–5. Commits or aborts a producer's transaction (KIP-98).
//!
//! - 2: PRODUCER_FENCED may come back. 3: flexible. 4: no change. 5: the answer has the id and epoch of the next transaction
//!   (KIP-890).
//!
//! Apache Kafka answers before the markers are written. Here they are written first, to all partitions at once that take them; of
//! one that does not, the transaction is ending until it does, and everything that is asked of it is CONCURRENT_TRANSACTIONS.

use kafka_protocol::messages::{EndTxnRequest, EndTxnResponse, ProducerId};

use super::dispatch::Refusal;
use super::transaction::fenced_as_of;
use crate::api::context::Context;
use crate::txn::coordinator::NO_PRODUCER;
use crate::txn::transaction::Protocol;

pub(super) async fn handle(context: &Context, version: i16, request: EndTxnRequest) -> Result<EndTxnResponse, Refusal> {
    let id = &request.transactional_id;
    let producer = (request.producer_id.0, request.producer_epoch);
    let protocol = match version {
        5.. => Protocol::EpochBump,
        _ => Protocol::Classic,
    };
    let ended = context.check_transactional_id(id).and_then(|()| {
        let mut held = context.transactions.hold();
        let ended = held.end(id, producer, request.committed, protocol);
        drop(held);
        ended
    });
    let (error_code, (next_id, next_epoch)) = match ended {
        Ok(next) => (0, next),
        Err(error) => (fenced_as_of(version, 2, error).code(), NO_PRODUCER),
    };
    Ok(EndTxnResponse::default()
        .with_error_code(error_code)
        .with_producer_id(ProducerId(next_id))
        .with_producer_epoch(next_epoch))
}
