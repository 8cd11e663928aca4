//! DescribeCluster (key 60), versions 0–2. The brokers, and who of them is the controller (KIP-700).
//!
//! - 1: the kind of addresses that are wanted: a broker knows those of brokers (KIP-919). 2: fenced brokers (KIP-1073).

use crate::messages::describe_cluster_response::DescribeClusterBroker;
use crate::messages::{BrokerId as WireBrokerId, DescribeClusterRequest, DescribeClusterResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::state::Broker;

/// `EndpointType`.
const BROKERS: i8 = 1;
const CONTROLLERS: i8 = 2;

/// What a client may do with the cluster where there is no authorizer: every operation that clusters have, as bits.
const CLUSTER_OPERATIONS: i32 = 0x1fa0;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeClusterRequest,
) -> Result<DescribeClusterResponse, Refusal> {
    let refused = |error: ResponseError, why: String| {
        Ok(DescribeClusterResponse::default()
            .with_error_code(error.code())
            .with_error_message(Some(StrBytes::from_string(why))))
    };
    match request.endpoint_type {
        BROKERS => {}
        CONTROLLERS => {
            let why =
                "The request was sent to an endpoint of type BROKER, but we wanted an endpoint of type CONTROLLER";
            return refused(ResponseError::MismatchedEndpointType, why.to_owned());
        }
        other => {
            let why = format!("Unsupported endpoint type {other}");
            return refused(ResponseError::UnsupportedEndpointType, why);
        }
    }
    let shared = &context.shared;
    let topics = shared.topics.read();
    let fenced = |broker: &Broker| !topics.is_active(broker.id);
    let shown = shared.brokers.iter();
    let shown = shown.filter(|broker| request.include_fenced_brokers || !fenced(broker));
    let brokers = shown.map(|broker| {
        DescribeClusterBroker::default()
            .with_broker_id(WireBrokerId(broker.id.0))
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(i32::from(broker.port))
            .with_rack(broker.rack.clone().map(StrBytes::from_string))
            .with_is_fenced(fenced(broker))
    });
    let response = DescribeClusterResponse::default()
        .with_error_message(None)
        .with_cluster_id(StrBytes::from_string(shared.cluster_id.clone()))
        .with_controller_id(WireBrokerId(shared.controller().0))
        .with_brokers(brokers.collect());
    Ok(match request.include_cluster_authorized_operations {
        true => response.with_cluster_authorized_operations(CLUSTER_OPERATIONS),
        false => response,
    })
}
