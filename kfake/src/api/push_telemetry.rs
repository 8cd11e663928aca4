//! PushTelemetry (key 72), version 0. A client's metrics (KIP-714).

use crate::messages::{PushTelemetryRequest, PushTelemetryResponse};

use super::dispatch::Refusal;
use super::get_telemetry_subscriptions::{client, max_bytes, subscriptions};
use crate::api::context::Context;
use crate::cluster::telemetry::Push;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: PushTelemetryRequest,
) -> Result<PushTelemetryResponse, Refusal> {
    let client = client(context, request.client_instance_id);
    let push = Push {
        subscription_id: request.subscription_id,
        terminating: request.terminating,
        codec: request.compression_type,
        metrics: request.metrics,
    };
    let taken = context
        .shared
        .telemetry
        .push(&client, &subscriptions(context), push, max_bytes(context));
    let error = taken.err().map_or(0, |error| error.code());
    Ok(PushTelemetryResponse::default().with_error_code(error))
}
