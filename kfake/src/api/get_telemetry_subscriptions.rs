//! GetTelemetrySubscriptions (key 71), version 0. Which metrics a client is to send, and how often (KIP-714).

use std::collections::BTreeMap;

use crate::messages::{GetTelemetrySubscriptionsRequest, GetTelemetrySubscriptionsResponse};
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::configs::store::Values;
use crate::cluster::telemetry::{CODECS, Client};

/// `telemetry.max.bytes` where nobody can say.
const DEFAULT_MAX_BYTES: usize = 1 << 20;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: GetTelemetrySubscriptionsRequest,
) -> Result<GetTelemetrySubscriptionsResponse, Refusal> {
    let shared = &context.shared;
    let id = match request.client_instance_id {
        id if id == Uuid::nil() => shared.new_uuid(),
        id => id,
    };
    let response = GetTelemetrySubscriptionsResponse::default();
    let asked = match shared.telemetry.ask(&client(context, id), &subscriptions(context)) {
        Ok(asked) => asked,
        Err(error) => return Ok(response.with_error_code(error.code())),
    };
    let metrics = asked.metrics.into_iter().map(StrBytes::from_string);
    Ok(response
        .with_client_instance_id(id)
        .with_subscription_id(asked.subscription_id)
        .with_accepted_compression_types(CODECS.to_vec())
        .with_push_interval_ms(i32::try_from(asked.interval.as_millis()).unwrap_or(i32::MAX))
        .with_telemetry_max_bytes(i32::try_from(max_bytes(context)).unwrap_or(i32::MAX))
        .with_delta_temporality(true)
        .with_requested_metrics(metrics.collect()))
}

/// Who asks.
pub(super) fn client(context: &Context, instance_id: Uuid) -> Client<'_> {
    Client {
        broker: context.broker,
        instance_id,
        id: context.client_id.as_deref().unwrap_or_default(),
        software: context.connection.software.lock().clone(),
        host: &context.client_host,
        port: context.connection.port,
    }
}

pub(super) fn subscriptions(context: &Context) -> BTreeMap<String, Values> {
    context.shared.configs.read().subscriptions.clone()
}

/// The longest metrics, in bytes, that a broker takes.
pub(super) fn max_bytes(context: &Context) -> usize {
    let configs = &context.shared.configs;
    let value = configs.of_broker(&configs.read(), context.broker, "telemetry.max.bytes");
    value
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(DEFAULT_MAX_BYTES)
}
