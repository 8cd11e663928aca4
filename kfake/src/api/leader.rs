//! Who leads a partition, and what a broker answers that does not.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::api::context::Context;
use crate::cluster::state::Broker;
use crate::cluster::topics::{BrokerId, Partition, Topic};

/// The leader that a client should ask instead (KIP-951).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leader {
    pub id: BrokerId,
    pub epoch: i32,
}

/// Why this broker does not serve a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refused {
    pub error: ResponseError,
    /// Named where the client's view of the leader is out of date.
    pub leader: Option<Leader>,
}

impl Refused {
    pub fn new(error: ResponseError) -> Self {
        Self { error, leader: None }
    }
}

/// The partition, if this broker leads it in the epoch that the client expects; -1 expects none.
///
/// A replica compares epochs before it says that it does not lead (`Partition.checkCurrentLeaderEpoch`); a broker without
/// a replica has no epoch to compare. Unlike Apache Kafka's, a follower does not serve reads (KIP-392).
pub(super) fn led(context: &Context, topic: &Topic, index: i32, client_epoch: i32) -> Result<Arc<Partition>, Refused> {
    let Some(partition) = topic.partition(index) else {
        return Err(Refused::new(ResponseError::UnknownTopicOrPartition));
    };
    let leader = partition.leader.map(|id| Leader {
        id,
        epoch: partition.leader_epoch,
    });
    if client_epoch >= 0 && partition.replicas.contains(&context.broker) {
        if client_epoch < partition.leader_epoch {
            let error = ResponseError::FencedLeaderEpoch;
            return Err(Refused { error, leader });
        }
        if client_epoch > partition.leader_epoch {
            return Err(Refused::new(ResponseError::UnknownLeaderEpoch));
        }
    }
    if partition.leader != Some(context.broker) {
        let error = ResponseError::NotLeaderOrFollower;
        return Err(Refused { error, leader });
    }
    Ok(partition.clone())
}

/// The brokers of `leaders`, each once, in the order of their ids.
pub(super) fn brokers_of(context: &Context, leaders: impl Iterator<Item = Leader>) -> Vec<&Broker> {
    let ids: std::collections::BTreeSet<_> = leaders.map(|leader| leader.id).collect();
    ids.into_iter().filter_map(|id| context.shared.broker(id)).collect()
}
