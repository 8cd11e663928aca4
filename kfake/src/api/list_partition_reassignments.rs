//! ListPartitionReassignments (key 46), version 0 (KIP-455). The reassignments that have not come to their end.

use kafka_protocol::messages::list_partition_reassignments_response::{
    OngoingPartitionReassignment, OngoingTopicReassignment,
};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, ListPartitionReassignmentsRequest, ListPartitionReassignmentsResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::partition::Partition;
use crate::cluster::topics::{BrokerId, Topic};

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: ListPartitionReassignmentsRequest,
) -> Result<ListPartitionReassignmentsResponse, Refusal> {
    let topics = context.shared.topics.read();
    let ongoing: Vec<_> = match &request.topics {
        None => topics
            .iter()
            .map(|topic| of_topic(topic, topic.partitions.iter().map(|p| &**p)))
            .collect(),
        // A topic or a partition that is not there is left out.
        Some(asked) => asked
            .iter()
            .filter_map(|asked| {
                let topic = topics.by_name(&asked.name)?;
                let partitions = asked
                    .partition_indexes
                    .iter()
                    .filter_map(|index| topic.partition(*index));
                Some(of_topic(topic, partitions.map(|p| &**p)))
            })
            .collect(),
    };
    let ongoing = ongoing.into_iter().filter(|topic| !topic.partitions.is_empty());
    Ok(ListPartitionReassignmentsResponse::default()
        .with_error_message(None)
        .with_topics(ongoing.collect()))
}

fn of_topic<'a>(topic: &Topic, partitions: impl Iterator<Item = &'a Partition>) -> OngoingTopicReassignment {
    let wire = |brokers: &[BrokerId]| brokers.iter().map(|b| WireBrokerId(b.0)).collect();
    let ongoing = partitions
        .filter(|partition| partition.is_reassigning())
        .map(|partition| {
            OngoingPartitionReassignment::default()
                .with_partition_index(partition.index)
                .with_replicas(wire(&partition.replicas))
                .with_adding_replicas(wire(&partition.adding))
                .with_removing_replicas(wire(&partition.removing))
        });
    OngoingTopicReassignment::default()
        .with_name(TopicName(StrBytes::from_string(topic.name.clone())))
        .with_partitions(ongoing.collect())
}
