//! AlterPartitionReassignments (key 45), versions 0–1 (KIP-455). Gives partitions other replicas, or takes that back.
//!
//! - 1: the number of replicas may be kept from changing (KIP-860).
//!
//! Replicas share their log here, so a reassignment is complete at once, unless
//! [`Cluster::hold_reassignments`](crate::Cluster::hold_reassignments) holds it.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::creation::check_assignment;
use crate::cluster::state::Shared;
use crate::cluster::topics::{BrokerId, Topics};
use crate::cluster::topology::Woken;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: AlterPartitionReassignmentsRequest,
) -> Result<AlterPartitionReassignmentsResponse, Refusal> {
    if request.topics.is_empty() {
        // Apache Kafka's broker answers that itself, with what a response has before anything is put into it.
        return Ok(AlterPartitionReassignmentsResponse::default().with_error_message(Some(StrBytes::new())));
    }
    let may_resize = version < 1 || request.allow_replication_factor_change;
    // Before anything is done: each partition of a topic that there is not is answered with the topic's name.
    let mut budget = Budget::of_a_frame();
    for topic in &request.topics {
        let each = size_of::<ReassignablePartitionResponse>() + topic.name.len();
        budget.spend(each.saturating_mul(topic.partitions.len()))?;
    }
    let mut woken = Woken::default();
    let mut topics = context.shared.topics.write();
    let responses = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().map(|asked| {
            let response = ReassignablePartitionResponse::default().with_partition_index(asked.partition_index);
            match alter(&context.shared, &mut topics, &topic.name, asked, may_resize) {
                Ok(more) => {
                    woken.and(more);
                    response.with_error_message(None)
                }
                Err((error, message)) => response
                    .with_error_code(error.code())
                    .with_error_message(message.map(StrBytes::from_string)),
            }
        });
        ReassignableTopicResponse::default()
            .with_partitions(partitions.collect())
            .with_name(topic.name)
    });
    let responses = responses.collect();
    context.groups.led_anew(topics, woken);
    Ok(said(
        AlterPartitionReassignmentsResponse::default()
            .with_allow_replication_factor_change(request.allow_replication_factor_change)
            .with_error_message(None)
            .with_responses(responses),
    ))
}

fn alter(
    shared: &Shared,
    topics: &mut Topics,
    name: &str,
    asked: &ReassignablePartition,
    may_resize: bool,
) -> Result<Woken, (ResponseError, Option<String>)> {
    let index = asked.partition_index;
    let partition = topics.by_name(name).and_then(|topic| topic.partition(index)).cloned();
    let target: Option<Vec<_>> = asked
        .replicas
        .as_ref()
        .map(|replicas| replicas.iter().map(|b| BrokerId(b.0)).collect());
    if let (Some(partition), Some(target)) = (&partition, &target) {
        check_assignment(shared, target, None).map_err(|error| (error.error(), Some(error.to_string())))?;
        // As many as there will be without those that a reassignment brings (`validatePartitionReplicationFactorUnchanged`).
        let now = partition.replicas.len() - partition.adding.len();
        if !may_resize && target.len() != now {
            let message = format!("The replication factor is changed from {now} to {}", target.len());
            return Err((ResponseError::InvalidReplicationFactor, Some(message)));
        }
    }
    topics
        .reassign(name, index, target.as_deref())
        .map_err(|refused| refused.answer())
}
