//! What a group has written while too few replicas of its partition of `__consumer_offsets` are in sync.
//!
//! Apache Kafka's coordinator goes on from what it has written, and answers once it is committed, or, after
//! `offsets.commit.timeout.ms`, that it is not (`CoordinatorRuntime.CoordinatorWriteEvent`). What only reads sees what is committed. What
//! follows from a write alone, an assignment and the return of a static member, is undone when the time is over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::protocol::StrBytes;
use parking_lot::MutexGuard;
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep_until};

use super::classic::{ClassicGroup, answer_sync, refused_sync};
use super::handle::Group;
use super::join::{refused, shaped};
use super::member::Protocol;
use super::moved::Stored;
use super::offsets::Offsets;
use super::registry::Groups;
use super::request::Reply;
use super::view::GroupState;
use crate::cluster::config::BrokerConfig;
use crate::cluster::exits::{Closing, Wait};
use crate::cluster::internal::Internal;
use crate::cluster::topics::Topics;
use crate::cluster::unreplicated::{Fate, Unreplicated};

/// A group whose partition has too few replicas in sync.
#[derive(Debug)]
pub(super) struct Uncommitted {
    partition: i32,
    unreplicated: Arc<Unreplicated>,
    /// What is committed; none while the group has not written anything else.
    committed: Option<Committed>,
    /// Members whose JoinGroup waits for replicas too, and until when.
    joins: BTreeMap<StrBytes, Instant>,
    /// The same of SyncGroup.
    syncs: BTreeMap<StrBytes, Instant>,
    /// The leader's assignments, the first of which counts.
    assigning: Vec<Assigning>,
    returning: Vec<(Returning, Reply<JoinGroupResponse>, Instant)>,
}

/// A group as it is committed.
#[derive(Debug)]
struct Committed {
    offsets: Offsets,
    stored: Option<Box<Stored>>,
    /// Whether there is such a group.
    exists: bool,
}

/// An assignment that has been written.
#[derive(Debug)]
struct Assigning {
    generation: i32,
    assigned: BTreeMap<StrBytes, Bytes>,
    until: Instant,
}

/// A static member that is back, which has been written.
#[derive(Debug)]
pub(super) struct Returning {
    pub instance: StrBytes,
    pub id: StrBytes,
    /// As it was before.
    pub old_id: StrBytes,
    pub old_protocols: Vec<Protocol>,
    pub old_session_timeout: Duration,
    pub old_rebalance_timeout: Duration,
    /// What it is told once it is committed.
    pub response: JoinGroupResponse,
    pub version: i16,
}

impl ClassicGroup {
    /// The group's partition has too few replicas in sync.
    fn hold(&mut self, partition: i32, unreplicated: &Arc<Unreplicated>) {
        if self.uncommitted.is_none() && unreplicated.is_held(partition) {
            self.uncommitted = Some(Box::new(Uncommitted {
                partition,
                unreplicated: unreplicated.clone(),
                committed: None,
                joins: BTreeMap::new(),
                syncs: BTreeMap::new(),
                assigning: Vec::new(),
                returning: Vec::new(),
            }));
        }
    }

    /// To be called before anything changes that Apache Kafka would write. Whether that waits for replicas.
    pub(super) fn before_write(&mut self) -> bool {
        let Some(uncommitted) = &mut self.uncommitted else {
            return false;
        };
        if !uncommitted.unreplicated.write(uncommitted.partition) {
            return false;
        }
        uncommitted.committed.get_or_insert_with(|| Committed {
            offsets: self.offsets.clone(),
            stored: self.stored.clone(),
            exists: self.state_since_ms.is_some(),
        });
        true
    }

    /// Whether what is asked now waits until what the partition's groups have written is committed.
    pub(super) fn awaits_replicas(&self) -> bool {
        let uncommitted = self.uncommitted.as_ref();
        uncommitted.is_some_and(|held| held.unreplicated.is_written(held.partition))
    }

    fn committed(&self) -> Option<&Committed> {
        self.uncommitted.as_ref()?.committed.as_ref()
    }

    /// The offsets that are committed.
    pub(super) fn committed_offsets(&self) -> &Offsets {
        self.committed().map_or(&self.offsets, |committed| &committed.offsets)
    }

    /// Whether it is committed that there is such a group.
    pub(crate) fn is_known(&self) -> bool {
        self.committed().is_none_or(|committed| committed.exists)
    }

    /// A member waits for others, who may have to wait for replicas: then no longer than others do.
    pub(super) fn join_until(&mut self, id: &StrBytes, until: Instant) {
        let waits = self.awaits_replicas() && self.members.get(id).is_some_and(|m| m.awaiting_join.is_some());
        if let Some(uncommitted) = &mut self.uncommitted {
            match waits {
                true => drop(uncommitted.joins.insert(id.clone(), until)),
                false => drop(uncommitted.joins.remove(id)),
            }
        }
    }

    /// The same of who waits for its assignment.
    pub(super) fn sync_until(&mut self, id: &StrBytes, until: Instant) {
        let waits = self.awaits_replicas() && self.members.get(id).is_some_and(|m| m.awaiting_sync.is_some());
        if let Some(uncommitted) = &mut self.uncommitted {
            match waits {
                true => drop(uncommitted.syncs.insert(id.clone(), until)),
                false => drop(uncommitted.syncs.remove(id)),
            }
        }
    }

    /// An assignment that has been written and waits for replicas.
    pub(super) fn assign_later(&mut self, assigned: BTreeMap<StrBytes, Bytes>, until: Instant) {
        let generation = self.generation;
        if let Some(uncommitted) = &mut self.uncommitted {
            uncommitted.assigning.push(Assigning {
                generation,
                assigned,
                until,
            });
        }
    }

    /// The return of a static member that has been written and waits for replicas.
    pub(super) fn return_later(&mut self, returning: Returning, reply: Reply<JoinGroupResponse>, until: Instant) {
        if let Some(uncommitted) = &mut self.uncommitted {
            uncommitted.returning.push((returning, reply, until));
        }
    }

    /// Enough replicas have what the group has written.
    fn replicated(&mut self, now: Instant) {
        let Some(uncommitted) = self.uncommitted.take() else {
            return;
        };
        for assigning in uncommitted.assigning {
            if self.is_assigning(assigning.generation) {
                self.assign_all(|id| assigning.assigned.get(id).cloned().unwrap_or_default(), now);
            }
        }
        for (returning, reply, _) in uncommitted.returning {
            let _ = reply.send(shaped(returning.response, returning.version));
        }
    }

    fn is_assigning(&self, generation: i32) -> bool {
        self.state == GroupState::CompletingRebalance && self.generation == generation
    }

    /// When somebody has waited long enough for replicas.
    pub(super) fn gives_up_at(&self) -> Option<Instant> {
        let held = self.uncommitted.as_ref()?;
        let members = held.joins.values().chain(held.syncs.values()).copied();
        let assigning = held.assigning.iter().map(|assigning| assigning.until);
        let returning = held.returning.iter().map(|(_, _, until)| *until);
        members.chain(assigning).chain(returning).min()
    }

    /// Answers those who have waited long enough for replicas.
    pub(super) fn give_up(&mut self, now: Instant, config: &BrokerConfig) {
        if self.gives_up_at().is_none_or(|at| at > now) {
            return;
        }
        let Some(held) = &mut self.uncommitted else { return };
        let assigning: Vec<_> = held.assigning.extract_if(.., |one| one.until <= now).collect();
        let returning: Vec<_> = held.returning.extract_if(.., |(_, _, until)| *until <= now).collect();
        let (joins, syncs) = (take_due(&mut held.joins, now), take_due(&mut held.syncs, now));
        let error = ResponseError::CoordinatorNotAvailable;
        for assigning in assigning {
            if self.is_assigning(assigning.generation) {
                self.unassign(error, now, config);
            }
        }
        for (returning, reply, _) in returning {
            self.take_back(&returning);
            let _ = reply.send(self.not_returned(error, returning.version));
        }
        // The request is answered; the member waits all the same, and counts among those who have come.
        for id in joins {
            let member = self.members.get_mut(&id);
            if let Some(awaiting) = member.and_then(|member| member.awaiting_join.as_mut()) {
                let reply = std::mem::replace(&mut awaiting.0, oneshot::channel().0);
                let _ = reply.send(refused(error, StrBytes::new(), awaiting.1));
            }
        }
        for id in syncs {
            let member = self.members.get_mut(&id);
            if let Some(awaiting) = member.and_then(|member| member.awaiting_sync.as_mut()) {
                let reply = std::mem::replace(awaiting, oneshot::channel().0);
                let _ = reply.send(refused_sync(error));
            }
        }
    }

    /// The leader's assignment does not count: everybody is asked to join again (`resetAndPropagateAssignmentWithError`).
    fn unassign(&mut self, error: ResponseError, now: Instant, config: &BrokerConfig) {
        let waiting = self.members.values().filter(|m| m.awaiting_sync.is_some());
        let waiting: Vec<_> = waiting.map(|m| m.id.clone()).collect();
        for member in self.members.values_mut() {
            member.assignment = Bytes::new();
            answer_sync(member, || refused_sync(error));
        }
        for id in waiting {
            self.heard_from(&id, now);
        }
        self.rebalance_without(now, config);
    }

    /// A static member has not come back: it is who it was.
    fn take_back(&mut self, returning: &Returning) {
        if self.instances.get(&returning.instance) != Some(&returning.id) {
            return;
        }
        if let Some(member) = self.members.get_mut(&returning.id) {
            let after = std::mem::replace(&mut member.protocols, returning.old_protocols.clone());
            member.session_timeout = returning.old_session_timeout;
            member.rebalance_timeout = returning.old_rebalance_timeout;
            self.count_protocols(&after, -1);
            self.count_protocols(&returning.old_protocols, 1);
        }
        self.replace_static(&returning.instance, &returning.id, returning.old_id.clone());
    }

    /// What a static member is told whose return is not committed.
    fn not_returned(&self, error: ResponseError, version: i16) -> JoinGroupResponse {
        let response = JoinGroupResponse::default()
            .with_error_code(error.code())
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(self.protocol.clone())
            .with_leader(self.leader.clone().unwrap_or_default());
        shaped(response, version)
    }

    /// The coordinator moves. What its replicas lack is lost with them: then the group is as it was committed. Whether there is such
    /// a group. Who waits for a join or an assignment is told by whoever calls.
    pub(super) fn writes_move(&mut self, are_lost: bool) -> bool {
        let Some(held) = &mut self.uncommitted else {
            return true;
        };
        held.joins.clear();
        held.syncs.clear();
        held.assigning.clear();
        let committed = held.committed.take_if(|_| are_lost);
        for (returning, reply, _) in std::mem::take(&mut held.returning) {
            let _ = reply.send(self.not_returned(ResponseError::NotCoordinator, returning.version));
        }
        let Some(committed) = committed else { return true };
        self.offsets = committed.offsets;
        self.stored = committed.stored;
        committed.exists
    }

    /// A group that was deleted, as it is committed: what [`writes_move`](Self::writes_move) brings back.
    pub(super) fn undelete(&mut self, deleted: &mut Self) {
        deleted.writes_move(true);
        self.offsets = std::mem::take(&mut deleted.offsets);
        self.stored = deleted.stored.take();
        self.state_since_ms = deleted.state_since_ms;
    }
}

fn take_due(waiting: &mut BTreeMap<StrBytes, Instant>, now: Instant) -> Vec<StrBytes> {
    let due = waiting.iter().filter(|(_, until)| **until <= now);
    let due: Vec<_> = due.map(|(id, _)| id.clone()).collect();
    for id in &due {
        waiting.remove(id);
    }
    due
}

impl Groups {
    /// A group's state, to be changed: it knows whether what it writes has to wait for replicas.
    pub fn open<'a>(&self, group: &'a Group) -> MutexGuard<'a, ClassicGroup> {
        let any = self.unreplicated.any();
        let partition = any.then(|| self.shared.offsets_partition(&group.id));
        self.open_as(partition, group)
    }

    /// The same, unless somebody else has it open.
    pub(super) fn try_open<'a>(&self, group: &'a Group) -> Option<MutexGuard<'a, ClassicGroup>> {
        let any = self.unreplicated.any();
        let partition = any.then(|| self.shared.offsets_partition(&group.id));
        let state = group.state.try_lock()?;
        Some(self.held(partition, state))
    }

    /// The same for whoever holds the topics.
    pub(super) fn open_in<'a>(&self, topics: &Topics, group: &'a Group) -> MutexGuard<'a, ClassicGroup> {
        let partition = match self.unreplicated.any() {
            true => Internal::Offsets.partition_in(topics, &group.id),
            false => None,
        };
        self.open_as(partition, group)
    }

    fn open_as<'a>(&self, partition: Option<i32>, group: &'a Group) -> MutexGuard<'a, ClassicGroup> {
        self.held(partition, group.state.lock())
    }

    fn held<'a>(
        &self,
        partition: Option<i32>,
        mut state: MutexGuard<'a, ClassicGroup>,
    ) -> MutexGuard<'a, ClassicGroup> {
        if let Some(partition) = partition {
            state.hold(partition, &self.unreplicated);
        }
        state
    }

    /// Waits until what has been written of a group's partition is committed. `asked` is when the request came: it waits for
    /// `offsets.commit.timeout.ms` in all.
    ///
    /// # Errors
    ///
    /// COORDINATOR_NOT_AVAILABLE when the time is over, NOT_COORDINATOR when the partition is led by another broker or none.
    pub async fn replicated(&self, group: &str, asked: Instant) -> Result<Result<(), ResponseError>, Closing> {
        match self.unreplicated.any() {
            true => self.replicated_in(self.shared.offsets_partition(group), asked).await,
            false => Ok(Ok(())),
        }
    }

    /// The same of a partition of `__consumer_offsets`.
    pub async fn replicated_in(&self, partition: i32, asked: Instant) -> Result<Result<(), ResponseError>, Closing> {
        let Some(mut fate) = self.unreplicated.fate(partition) else {
            return Ok(Ok(()));
        };
        let until = asked + self.shared.config.offsets_commit_timeout;
        let exits = &self.shared.exits;
        tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Replicas) => Err(Closing),
            fate = fate.wait_for(|fate| *fate != Fate::Waits) => Ok(match fate.as_deref() {
                Ok(Fate::Committed) => Ok(()),
                _ => Err(ResponseError::NotCoordinator),
            }),
            () = sleep_until(until) => Ok(Err(ResponseError::CoordinatorNotAvailable)),
        }
    }

    /// Enough replicas of a partition are in sync: what its groups have written is committed.
    pub(super) fn commit_writes(&self, topics: &Topics, partition: i32) {
        let now = Instant::now();
        for group in self.all_in(topics, partition) {
            group.state.lock().replicated(now);
            // The task has other deadlines now.
            group.control.notify_one();
        }
        self.forget_deleted(topics, partition);
    }
}
