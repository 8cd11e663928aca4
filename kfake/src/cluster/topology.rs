//! What happens to partitions when their replicas do: brokers that go and come, replicas that fall behind and catch up,
//! elections, reassignments. Kafka's `ReplicationControlManager`, as far as it changes partitions.
//!
//! A follower is in sync at once, unless a test holds it back: brokers share their logs, so that nothing is copied. What a
//! replica lacks is an offset, [`Partition::behind`]; when it comes to lead, the log is truncated there.

use std::collections::BTreeSet;
use std::sync::Arc;

use thiserror::Error;
use uuid::Uuid;

use super::change::{Change, Election};
use super::internal::Internal;
use super::partition::Partition;
use super::state::Shared;
use super::topics::{BrokerId, Topic, Topics};
use crate::log::Wakeups;

/// Why a partition's leader was not elected, or its replicas not changed. The text is Apache Kafka's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    /// UNKNOWN_TOPIC_OR_PARTITION.
    Unknown(String),
    /// ELECTION_NOT_NEEDED.
    NotNeeded,
    /// PREFERRED_LEADER_NOT_AVAILABLE.
    PreferredNotAvailable,
    /// ELIGIBLE_LEADERS_NOT_AVAILABLE.
    EligibleNotAvailable,
    /// INVALID_REPLICA_ASSIGNMENT.
    InvalidAssignment(String),
    /// NO_REASSIGNMENT_IN_PROGRESS.
    NoReassignment,
}

/// Those who wait for a partition that has changed. Notify them once no lock is held.
#[derive(Debug, Default)]
#[must_use = "the waiting fetches sleep on until they are notified"]
pub(crate) struct Woken {
    waiting: Vec<Wakeups>,
    /// The partitions of `__consumer_offsets` that others lead now, or nobody.
    pub coordinators: Vec<Coordinators>,
}

/// The groups of a partition of `__consumer_offsets` have another coordinator.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Coordinators {
    pub partition: i32,
    /// Whether there is one.
    pub is_led: bool,
    /// Whether it lacks what was written while too few replicas were in sync.
    pub lacks_writes: bool,
}

impl Woken {
    pub fn notify(self) {
        for wakeups in self.waiting {
            wakeups.notify();
        }
    }

    pub fn and(&mut self, other: Self) {
        self.waiting.extend(other.waiting);
        self.coordinators.extend(other.coordinators);
    }
}

impl Shared {
    /// Partitions have changed, and no lock is held any more: wakes those who wait for them, and takes note of what the logs need by
    /// the configurations of who leads them now.
    pub fn led_anew(self: &Arc<Self>, woken: Woken) {
        woken.notify();
        self.housekeeping.look_at_all(self);
    }
}

impl Topic {
    /// `min.insync.replicas`.
    pub fn min_isr(&self) -> usize {
        self.config.min_insync_replicas.max(1)
    }

    /// `unclean.leader.election.enable`.
    pub fn elects_uncleanly(&self) -> bool {
        self.config.unclean_leader_election
    }

    /// The election that follows a change that nobody asked a leader for.
    fn usual_election(&self) -> Election {
        match self.elects_uncleanly() {
            true => Election::Unclean,
            false => Election::Online,
        }
    }
}

impl Topics {
    /// A change of a partition of a topic, judged by the brokers that are up, and by one that is about to be.
    fn changed(
        &self,
        topic: &Topic,
        partition: &Partition,
        coming: Option<BrokerId>,
        change: impl FnOnce(&mut Change<'_>),
    ) -> Option<Partition> {
        let is_alive = |broker| self.is_active(broker) || coming == Some(broker);
        let mut changed = Change::of(partition, topic.min_isr(), &is_alive);
        changed.election = topic.usual_election();
        change(&mut changed);
        changed.build()
    }

    /// Puts changed partitions in their topic's place; the logs learn what it means for them.
    pub fn put(&mut self, topic: &Arc<Topic>, partitions: Vec<Partition>) -> Woken {
        if partitions.is_empty() {
            return Woken::default();
        }
        let mut changed = Topic::clone(topic);
        let mut woken = Woken::default();
        for mut after in partitions {
            let Some(place) = usize::try_from(after.index)
                .ok()
                .filter(|i| *i < changed.partitions.len())
            else {
                continue;
            };
            let before = changed.partitions[place].clone();
            let mut log = before.log.lock();
            // A leader that lacks something makes the others forget it.
            let lacks_writes = after.leader.is_some_and(|leader| after.behind.contains_key(&leader));
            if let Some(leader) = after.leader
                && let Some(offset) = after.behind.get(&leader)
            {
                log.truncate(*offset);
            }
            let end = log.end_offset();
            for replica in &after.replicas {
                if after.isr.contains(replica) {
                    after.behind.remove(replica);
                } else if before.isr.contains(replica) {
                    after.behind.entry(*replica).or_insert(end);
                } else {
                    let offset = after.behind.entry(*replica).or_insert(0);
                    *offset = end.min(*offset);
                }
            }
            after.behind.retain(|replica, _| after.replicas.contains(replica));
            // Also where nobody leads: who still holds the partition as it was must not append to it.
            log.begin_leader_epoch(after.leader_epoch);
            self.go_on(topic, &after, &mut log);
            woken.waiting.push(log.waiters().wakeups());
            drop(log);
            if after.leader != before.leader && topic.name == Internal::Offsets.name() {
                woken.coordinators.push(Coordinators {
                    partition: after.index,
                    is_led: after.leader.is_some(),
                    lacks_writes,
                });
            }
            changed.partitions[place] = Arc::new(after);
        }
        self.replace(Arc::new(changed));
        woken
    }

    /// Changes each partition of each topic.
    fn change_all(
        &mut self,
        coming: Option<BrokerId>,
        concerns: impl Fn(&Partition) -> bool,
        change: impl Fn(&Partition, &mut Change<'_>),
    ) -> Woken {
        let topics: Vec<_> = self.iter().cloned().collect();
        let mut woken = Woken::default();
        for topic in topics {
            let partitions = topic.partitions.iter().filter(|partition| concerns(partition));
            let changed = partitions.filter_map(|p| self.changed(&topic, p, coming, |to| change(p, to)));
            let changed = changed.collect();
            woken.and(self.put(&topic, changed));
        }
        woken
    }

    /// A broker goes: it leads nothing any more and is in sync with nobody (`handleBrokerFenced`).
    pub fn fence(&mut self, broker: BrokerId) -> Woken {
        self.fenced.insert(broker);
        self.change_all(
            None,
            |partition| partition.isr.contains(&broker),
            |_, change| change.isr.retain(|replica| *replica != broker),
        )
    }

    /// A broker comes back: it may lead where nobody does (`handleBrokerUnfenced`), and catches up where somebody does.
    ///
    /// It was killed, and is no more trusted to have what is committed (`handleUncleanBrokerShutdown`): it leads where nobody did after
    /// it, and no other replica is eligible.
    pub fn unfence(&mut self, broker: BrokerId) -> Woken {
        let mut woken = self.change_all(
            None,
            |partition| partition.elr.contains(&broker),
            |_, change| change.was_killed = Some(broker),
        );
        self.fenced.remove(&broker);
        let came = self.change_all(Some(broker), |partition| partition.leader.is_none(), |_, _| {});
        woken.and(came);
        woken.and(self.catch_up());
        woken
    }

    /// Whether a replica that is not in sync may catch up now.
    fn may_catch_up(&self, topic: &Topic, partition: &Partition, replica: BrokerId) -> bool {
        let is_held = self.held.reassignments && partition.adding.contains(&replica);
        let lags = self.held.lagging.contains(&(topic.id, partition.index, replica));
        partition.leader.is_some() && !partition.isr.contains(&replica) && self.is_active(replica) && !is_held && !lags
    }

    /// Every replica that nothing holds back is in sync again. A reassignment that waited for it is complete.
    pub fn catch_up(&mut self) -> Woken {
        let topics: Vec<_> = self.iter().cloned().collect();
        let mut woken = Woken::default();
        for topic in topics {
            woken.and(self.catch_up_in(&topic));
        }
        woken
    }

    fn catch_up_in(&mut self, topic: &Arc<Topic>) -> Woken {
        let changed = topic.partitions.iter().filter_map(|partition| {
            let replicas = partition.replicas.iter().copied();
            let caught_up: Vec<_> = replicas.filter(|r| self.may_catch_up(topic, partition, *r)).collect();
            match caught_up.is_empty() {
                true => None,
                false => self.changed(topic, partition, None, |change| change.caught_up = caught_up),
            }
        });
        let changed = changed.collect();
        self.put(topic, changed)
    }

    /// A partition of a topic, both as they are.
    fn find(&self, topic: &str, index: i32) -> Option<(Arc<Topic>, Arc<Partition>)> {
        let topic = self.by_name(topic)?;
        Some((topic.clone(), topic.partition(index)?.clone()))
    }

    /// Elects a partition's leader (`ReplicationControlManager.electLeader`).
    pub fn elect(&mut self, topic: &str, index: i32, election: Election) -> Result<Woken, Refused> {
        if self.by_name(topic).is_none() {
            return Err(Refused::Unknown(format!("No such topic as {topic}")));
        }
        let Some((topic, partition)) = self.find(topic, index) else {
            return Err(Refused::Unknown(format!("No such partition as {topic}-{index}")));
        };
        let is_needed = match election {
            Election::Preferred => {
                partition.leader.is_none() || partition.leader != partition.replicas.first().copied()
            }
            Election::Online | Election::Unclean => partition.leader.is_none(),
        };
        if !is_needed {
            return Err(Refused::NotNeeded);
        }
        match self.changed(&topic, &partition, None, |change| change.election = election) {
            Some(changed) => Ok(self.put(&topic, vec![changed])),
            None if election == Election::Preferred => Err(Refused::PreferredNotAvailable),
            None => Err(Refused::EligibleNotAvailable),
        }
    }

    /// Makes a replica the leader, whatever the preference. One that is not in sync loses what it lacks.
    pub fn lead(&mut self, topic: &str, index: i32, broker: BrokerId) -> Result<Woken, MoveError> {
        let (topic, partition) = self.find(topic, index).ok_or(MoveError::NoPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(MoveError::NoReplica(broker));
        }
        if !self.is_active(broker) {
            return Err(MoveError::Stopped(broker));
        }
        if partition.leader == Some(broker) {
            return Ok(Woken::default());
        }
        let mut changed = Partition::clone(&partition);
        changed.leader = Some(broker);
        changed.leader_epoch += 1;
        changed.partition_epoch += 1;
        if !changed.isr.contains(&broker) {
            changed.isr = vec![broker];
        }
        changed.elr.clear();
        changed.last_known_elr.clear();
        let mut woken = self.put(&topic, vec![changed]);
        // Those that were in sync with the leader before follow this one.
        if let Some(topic) = self.by_id(&topic.id).cloned() {
            woken.and(self.catch_up_in(&topic));
        }
        Ok(woken)
    }

    /// Takes a follower out of the in-sync replicas, until it is let back in.
    pub fn hold_back(&mut self, topic: &str, index: i32, broker: BrokerId) -> Result<Woken, MoveError> {
        let (topic, partition) = self.find(topic, index).ok_or(MoveError::NoPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(MoveError::NoReplica(broker));
        }
        if partition.leader == Some(broker) {
            return Err(MoveError::Leads(broker));
        }
        self.held.lagging.insert((topic.id, index, broker));
        let changed = self.changed(&topic, &partition, None, |change| {
            change.isr.retain(|replica| *replica != broker);
        });
        Ok(self.put(&topic, changed.into_iter().collect()))
    }

    /// Lets a follower that was held back catch up.
    pub fn let_catch_up(&mut self, topic: &str, index: i32, broker: BrokerId) -> Result<Woken, MoveError> {
        let (topic, partition) = self.find(topic, index).ok_or(MoveError::NoPartition)?;
        if !partition.replicas.contains(&broker) {
            return Err(MoveError::NoReplica(broker));
        }
        self.held.lagging.remove(&(topic.id, index, broker));
        Ok(self.catch_up_in(&topic))
    }

    /// Gives a partition other replicas; `None` takes a reassignment back
    /// (`ReplicationControlManager.alterPartitionReassignment`).
    pub fn reassign(&mut self, topic: &str, index: i32, target: Option<&[BrokerId]>) -> Result<Woken, Refused> {
        let name = topic;
        if self.by_name(topic).is_none() {
            return Err(Refused::Unknown(format!("Unable to find a topic named {topic}.")));
        }
        let Some((topic, partition)) = self.find(topic, index) else {
            return Err(Refused::Unknown(format!("Unable to find partition {topic}:{index}.")));
        };
        let without = |replicas: &[BrokerId], those: &[BrokerId]| -> Vec<BrokerId> {
            replicas.iter().copied().filter(|r| !those.contains(r)).collect()
        };
        let changed = match target {
            Some(target) => {
                let mut removing = without(&partition.replicas, target);
                removing.sort_unstable();
                let mut adding = without(target, &partition.replicas);
                adding.sort_unstable();
                self.changed(&topic, &partition, None, |change| {
                    change.election = Election::Online;
                    change.replicas = [target, &removing].concat();
                    // What is empty is left as it was.
                    if !removing.is_empty() {
                        change.removing = removing;
                    }
                    if !adding.is_empty() {
                        change.adding = adding;
                    }
                })
            }
            None => {
                if !partition.is_reassigning() {
                    return Err(Refused::NoReassignment);
                }
                let replicas = without(&partition.replicas, &partition.adding);
                let mut isr = without(&partition.isr, &partition.adding);
                if isr.is_empty() {
                    if !topic.elects_uncleanly() {
                        return Err(Refused::InvalidAssignment(format!(
                            "Unable to revert partition assignment for {name}:{index} because it would require an unclean leader election."
                        )));
                    }
                    isr.extend(replicas.first());
                }
                self.changed(&topic, &partition, None, |change| {
                    change.isr = isr;
                    change.replicas = replicas;
                    change.removing.clear();
                    change.adding.clear();
                })
            }
        };
        let mut woken = self.put(&topic, changed.into_iter().collect());
        if let Some(topic) = self.by_id(&topic.id).cloned() {
            woken.and(self.catch_up_in(&topic));
        }
        Ok(woken)
    }

    /// Holds the replicas back that reassignments bring, or lets them catch up.
    pub fn hold_reassignments(&mut self, hold: bool) -> Woken {
        self.held.reassignments = hold;
        match hold {
            true => Woken::default(),
            false => self.catch_up(),
        }
    }
}

/// What keeps replicas from being in sync, beside that their broker is down.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// Replicas that reassignments bring get nothing.
    reassignments: bool,
    /// Replicas that a test has taken out of the in-sync ones.
    lagging: BTreeSet<(Uuid, i32, BrokerId)>,
}

/// Why a test cannot have a partition as it wants it.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum MoveError {
    /// There is no such topic, or no such partition of it.
    #[error("there is no such partition")]
    NoPartition,
    /// The broker has no replica of the partition.
    #[error("broker {0} has no replica of the partition")]
    NoReplica(BrokerId),
    /// The broker leads the partition, and a leader is always in sync.
    #[error("broker {0} leads the partition")]
    Leads(BrokerId),
    /// The broker has been stopped.
    #[error("broker {0} is stopped")]
    Stopped(BrokerId),
}

#[cfg(test)]
mod tests;
