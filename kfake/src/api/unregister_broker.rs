//! UnregisterBroker (key 64), version 0. Forgets a broker that will not come back (KIP-500).

use crate::messages::{UnregisterBrokerRequest, UnregisterBrokerResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::topics::BrokerId;

/// Every broker of a cluster runs, and one that runs registers again at once: nothing changes for its clients.
pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: UnregisterBrokerRequest,
) -> Result<UnregisterBrokerResponse, Refusal> {
    let id = BrokerId(request.broker_id.0);
    let response = UnregisterBrokerResponse::default();
    Ok(match context.shared.broker(id) {
        Some(_) => response.with_error_message(None),
        None => {
            let why = format!("Broker ID {id} is not currently registered");
            response
                .with_error_code(ResponseError::BrokerIdNotRegistered.code())
                .with_error_message(Some(StrBytes::from_string(why)))
        }
    })
}
