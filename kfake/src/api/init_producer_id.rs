//! InitProducerId (key 22), versions 0–5. Gives an idempotent producer its id (KIP-98).
//!
//! - 2: flexible. 3: the producer names the id and epoch it had (KIP-360). 4: PRODUCER_FENCED may come back. 5: no change
//!   (KIP-890).
//!
//! Without a transactional id every request gets a new id with epoch 0, also one that names an old id: Apache Kafka bumps
//! epochs only for transactional producers. With one the answer is UNSUPPORTED_VERSION, which producers take as final:
//! there is no transaction coordinator that could fence or recover anything.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, InitProducerIdResponse, ProducerId};

use super::dispatch::Refusal;
use crate::api::context::Context;

/// `transaction.max.timeout.ms` by default: a quarter of an hour.
const MAX_TRANSACTION_TIMEOUT_MS: i32 = 900_000;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: InitProducerIdRequest,
) -> Result<InitProducerIdResponse, Refusal> {
    Ok(match check(&request) {
        Ok(()) => InitProducerIdResponse::default()
            .with_producer_id(ProducerId(context.shared.next_producer_id()))
            .with_producer_epoch(0),
        Err(error) => InitProducerIdResponse::default()
            .with_error_code(error.code())
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1),
    })
}

/// `KafkaApis.handleInitProducerIdRequest`, then `TransactionCoordinator.handleInitProducerId`.
fn check(request: &InitProducerIdRequest) -> Result<(), ResponseError> {
    if (request.producer_id.0 == -1) != (request.producer_epoch == -1) {
        return Err(ResponseError::InvalidRequest);
    }
    let Some(id) = &request.transactional_id else {
        return Ok(());
    };
    if id.is_empty() {
        return Err(ResponseError::InvalidRequest);
    }
    if !(1..=MAX_TRANSACTION_TIMEOUT_MS).contains(&request.transaction_timeout_ms) {
        return Err(ResponseError::InvalidTransactionTimeout);
    }
    Err(ResponseError::UnsupportedVersion)
}
