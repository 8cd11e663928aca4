//! ListConfigResources (key 74), versions 0–1. What has configurations of its own.
//!
//! - 0: subscriptions to clients' metrics alone, as ListClientMetricsResources (KIP-1000). 1: every kind (KIP-1142).

use std::collections::BTreeSet;

use crate::messages::list_config_resources_response::ConfigResource;
use crate::messages::{ListConfigResourcesRequest, ListConfigResourcesResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::configs::alter::resource;

/// Every kind, which version 1 means where it names none.
const ALL: [i8; 5] = [
    resource::TOPIC,
    resource::BROKER,
    resource::BROKER_LOGGER,
    resource::CLIENT_METRICS,
    resource::GROUP,
];

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ListConfigResourcesRequest,
) -> Result<ListConfigResourcesResponse, Refusal> {
    let kinds: BTreeSet<i8> = match (version, request.resource_types.as_slice()) {
        (0, _) => BTreeSet::from([resource::CLIENT_METRICS]),
        (_, []) => ALL.into(),
        (_, kinds) => kinds.iter().copied().collect(),
    };
    if !kinds.iter().all(|kind| ALL.contains(kind)) {
        return Ok(ListConfigResourcesResponse::default().with_error_code(ResponseError::UnsupportedVersion.code()));
    }
    let resources = kinds.into_iter().flat_map(|kind| {
        names(context, kind).into_iter().map(move |name| {
            ConfigResource::default()
                .with_resource_type(kind)
                .with_resource_name(StrBytes::from_string(name))
        })
    });
    Ok(ListConfigResourcesResponse::default().with_config_resources(resources.collect()))
}

fn names(context: &Context, kind: i8) -> Vec<String> {
    let shared = &context.shared;
    match kind {
        resource::TOPIC => shared.topics.read().iter().map(|topic| topic.name.clone()).collect(),
        resource::CLIENT_METRICS => shared.configs.read().subscriptions.keys().cloned().collect(),
        resource::GROUP => shared.configs.read().groups.keys().cloned().collect(),
        // Brokers, which have loggers, too.
        _ => shared.brokers.iter().map(|broker| broker.id.to_string()).collect(),
    }
}
