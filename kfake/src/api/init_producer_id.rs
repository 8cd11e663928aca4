//! InitProducerId (key 22), versions 0–5. Gives a producer its id and epoch (KIP-98).
//!
//! - 2: flexible. 3: the producer names the id and epoch it had (KIP-360). 4: PRODUCER_FENCED may come back. 5: no change
//!   (KIP-890).
//!
//! Without a transactional id every request gets a new id with epoch 0, also one that names an old id: Apache Kafka bumps
//! epochs only for transactional producers. Transactions in two phases (KIP-939) are in no version that Apache Kafka 4.4 offers.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::dispatch::Refusal;
use super::transaction::fenced_as_of;
use crate::api::context::Context;
use crate::txn::coordinator::NO_PRODUCER;
use crate::txn::transaction::{IdAndEpoch, NO_PRODUCER_EPOCH, NO_PRODUCER_ID};

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: InitProducerIdRequest,
) -> Result<InitProducerIdResponse, Refusal> {
    let (error_code, (id, epoch)) = match initialize(context, &request) {
        Ok(producer) => (0, producer),
        Err(error) => (fenced_as_of(version, 4, error).code(), NO_PRODUCER),
    };
    Ok(InitProducerIdResponse::default()
        .with_error_code(error_code)
        .with_producer_id(ProducerId(id))
        .with_producer_epoch(epoch))
}

/// `KafkaApis.handleInitProducerIdRequest`, then `TransactionCoordinator.handleInitProducerId`.
fn initialize(context: &Context, request: &InitProducerIdRequest) -> Result<IdAndEpoch, ResponseError> {
    let had = (request.producer_id.0, request.producer_epoch);
    if (had.0 == NO_PRODUCER_ID) != (had.1 == NO_PRODUCER_EPOCH) {
        return Err(ResponseError::InvalidRequest);
    }
    let Some(id) = &request.transactional_id else {
        return Ok((context.shared.next_producer_id(), 0));
    };
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    let timeout_ms = request.transaction_timeout_ms;
    if !(1..=context.shared.config.transaction_max_timeout_ms.0).contains(&timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    context.check_transactional_id(id)?;
    let mut held = context.transactions.hold();
    let producer = held.initialize(id, timeout_ms, (had != NO_PRODUCER).then_some(had));
    drop(held);
    producer
}
