//! DescribeQuorum (key 55), versions 0–2. The controllers' log, and how far its replicas are (KIP-595).
//!
//! - 1: when a replica has fetched last (KIP-836). 2: directories' ids, messages, and where the controllers are (KIP-853).

use crate::messages::describe_quorum_request;
use crate::messages::describe_quorum_response::{Listener, Node, PartitionData, ReplicaState, TopicData};
use crate::messages::{BrokerId as WireBrokerId, DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::topics::BrokerId;

/// The controllers' own log, which has one partition.
const METADATA_TOPIC: &str = "__cluster_metadata";

const NOT_HOSTED: &str = "This server does not host this topic-partition.";

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: DescribeQuorumRequest,
) -> Result<DescribeQuorumResponse, Refusal> {
    let response = DescribeQuorumResponse::default().with_error_message(Some(StrBytes::default()));
    let asks = is_asked(&request);
    let mut topics = Vec::new();
    let mut budget = Budget::of_a_frame();
    for topic in &request.topics {
        budget.spend(size_of::<TopicData>() + topic.topic_name.len())?;
        let mut partitions = Vec::new();
        for partition in &topic.partitions {
            budget.spend(size_of::<PartitionData>() + NOT_HOSTED.len())?;
            partitions.push(match asks {
                true => described(context),
                false => PartitionData::default()
                    .with_partition_index(partition.partition_index)
                    .with_error_code(ResponseError::UnknownTopicOrPartition.code())
                    .with_error_message(Some(StrBytes::from_static_str(NOT_HOSTED))),
            });
        }
        topics.push(
            TopicData::default()
                .with_topic_name(topic.topic_name.clone())
                .with_partitions(partitions),
        );
    }
    let response = response.with_topics(topics);
    Ok(match asks && version >= 2 {
        true => response.with_nodes(controllers(context)),
        false => response,
    })
}

/// Whether the request is for the one partition that there is, and for nothing else.
fn is_asked(request: &DescribeQuorumRequest) -> bool {
    let is_it = |topic: &describe_quorum_request::TopicData| {
        **topic.topic_name == *METADATA_TOPIC
            && matches!(topic.partitions.as_slice(), [one] if one.partition_index == 0)
    };
    matches!(request.topics.as_slice(), [topic] if is_it(topic))
}

/// The active controller alone votes, the other brokers that are up follow, and all of them have everything.
fn described(context: &Context) -> PartitionData {
    let shared = &context.shared;
    let (end, now) = (shared.metadata_end(), shared.now_ms());
    let replica = |id: BrokerId| {
        ReplicaState::default()
            .with_replica_id(WireBrokerId(id.0))
            .with_log_end_offset(end)
            .with_last_fetch_timestamp(now)
            .with_last_caught_up_timestamp(now)
    };
    let topics = shared.topics.read();
    let (controller, epoch) = shared.controller_in_epoch();
    let up = shared.broker_ids().into_iter().filter(|id| topics.is_active(*id));
    let observers = up.filter(|id| *id != controller);
    PartitionData::default()
        .with_leader_id(WireBrokerId(controller.0))
        .with_leader_epoch(epoch)
        .with_high_watermark(end)
        .with_error_message(Some(StrBytes::default()))
        .with_current_voters(vec![replica(controller)])
        .with_observers(observers.map(replica).collect())
}

fn controllers(context: &Context) -> Vec<Node> {
    let shared = &context.shared;
    let controller = shared.broker(shared.controller());
    let node = controller.map(|broker| {
        let listener = Listener::default()
            .with_name(StrBytes::from_static_str("CONTROLLER"))
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(broker.port);
        Node::default()
            .with_node_id(WireBrokerId(broker.id.0))
            .with_listeners(vec![listener])
    });
    node.into_iter().collect()
}
