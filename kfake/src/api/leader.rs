//! Who leads a partition, and what a broker answers that does not.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

use crate::api::context::Context;
use crate::cluster::partition::Partition;
use crate::cluster::state::Broker;
use crate::cluster::topics::{BrokerId, Topic};
use crate::log::Log;

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

/// The leader epoch of a client that does not say which it expects (`RecordBatch.NO_PARTITION_LEADER_EPOCH`). Any other below the
/// leader's is old.
const NO_EPOCH: i32 = -1;

/// Who may answer for a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    /// Its leader alone.
    Leader,
    /// Any replica (KIP-392).
    Replica,
}

/// A partition, as the broker that was asked has it.
#[derive(Debug)]
pub(super) struct Hosted {
    pub partition: Arc<Partition>,
    /// Where this broker's log ends, if it has fallen behind.
    pub ends: Option<i64>,
}

/// The partition, if this broker leads it in the epoch that the client expects; -1 expects none.
pub(super) fn led(context: &Context, topic: &Topic, index: i32, client_epoch: i32) -> Result<Arc<Partition>, Refused> {
    hosted(context, topic, index, client_epoch, Asked::Leader).map(|hosted| hosted.partition)
}

/// The partition, if this broker may answer for it in the epoch that the client expects; -1 expects none.
///
/// A replica compares epochs before it says that it does not lead (`Partition.checkCurrentLeaderEpoch`); a broker without
/// a replica has no epoch to compare.
pub(super) fn hosted(
    context: &Context,
    topic: &Topic,
    index: i32,
    client_epoch: i32,
    asked: Asked,
) -> Result<Hosted, Refused> {
    let Some(partition) = topic.partition(index) else {
        return Err(Refused::new(ResponseError::UnknownTopicOrPartition));
    };
    // Where nobody leads, it is said of nobody.
    let leader = Some(Leader {
        id: partition.leader.unwrap_or(BrokerId(-1)),
        epoch: partition.leader_epoch,
    });
    let is_replica = partition.replicas.contains(&context.broker);
    if client_epoch != NO_EPOCH && is_replica {
        if client_epoch < partition.leader_epoch {
            let error = ResponseError::FencedLeaderEpoch;
            return Err(Refused { error, leader });
        }
        if client_epoch > partition.leader_epoch {
            return Err(Refused::new(ResponseError::UnknownLeaderEpoch));
        }
    }
    let may_answer = match asked {
        Asked::Leader => partition.leader == Some(context.broker),
        Asked::Replica => is_replica,
    };
    if !may_answer {
        let error = ResponseError::NotLeaderOrFollower;
        return Err(Refused { error, leader });
    }
    Ok(Hosted {
        ends: partition.behind.get(&context.broker).copied(),
        partition: partition.clone(),
    })
}

/// Whether the partition, as it was looked up, is led so still. Who changes a log asks while it holds the log: a change of leader
/// begins its epoch under the same lock.
///
/// # Errors
///
/// NOT_LEADER_OR_FOLLOWER.
pub(super) fn still_led(partition: &Partition, log: &Log) -> Result<(), ResponseError> {
    match log.leader_epoch() == partition.leader_epoch {
        true => Ok(()),
        false => Err(ResponseError::NotLeaderOrFollower),
    }
}

/// Whether a record that is to be on every replica in sync may be appended: there are as many as `min.insync.replicas`
/// (`Partition.appendRecordsToLeader`). The log is held, so that none goes before the append.
///
/// # Errors
///
/// NOT_ENOUGH_REPLICAS.
pub(super) fn enough_in_sync(log: &Log) -> Result<(), ResponseError> {
    match log.holds_high_watermark() {
        true => Err(ResponseError::NotEnoughReplicas),
        false => Ok(()),
    }
}

/// The brokers of `leaders`, each once, in the order of their ids.
pub(super) fn brokers_of(context: &Context, leaders: impl Iterator<Item = Leader>) -> Vec<&Broker> {
    let ids: std::collections::BTreeSet<_> = leaders.map(|leader| leader.id).collect();
    ids.into_iter().filter_map(|id| context.shared.broker(id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_holds_the_partition_as_it_was_may_not_append_to_it() {
        let partition = Partition::new(0, vec![BrokerId(1)], vec![BrokerId(1)]);
        assert_eq!(still_led(&partition, &partition.log.lock()), Ok(()));
        partition.log.lock().begin_leader_epoch(1);
        assert_eq!(
            still_led(&partition, &partition.log.lock()),
            Err(ResponseError::NotLeaderOrFollower)
        );
    }

    #[test]
    fn with_too_few_in_sync_nothing_is_appended_for_all_of_them() {
        let mut log = Log::new(0);
        assert_eq!(enough_in_sync(&log), Ok(()));
        log.hold_high_watermark(true);
        assert_eq!(enough_in_sync(&log), Err(ResponseError::NotEnoughReplicas));
        log.hold_high_watermark(false);
        assert_eq!(enough_in_sync(&log), Ok(()));
    }
}
