//! The classic group protocol: a group's members and the phases of its rebalance, as Apache Kafka's
//! `GroupMetadataManager` and `ClassicGroup` have them. What members ask is in `join.rs` and `session.rs`, how a rebalance goes in
//! `rebalance.rs`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::join;
use super::member::Member;
use super::members::Members;
use super::moved::Stored;
use super::offsets::Offsets;
use super::rebalance::JoinPhase;
use super::registry::Groups;
use super::request::Request;
use super::subscription::Subscribed;
use super::uncommitted::Uncommitted;
use super::view::{GroupState, GroupView};
use crate::cluster::config::BrokerConfig;

/// How long a member that joins for the first time may wait: Kafka's `group.classic.new.member.join.timeout`.
pub(super) const NEW_MEMBER_JOIN_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// A classic group.
#[derive(Debug)]
pub(crate) struct ClassicGroup {
    pub(super) id: Arc<str>,
    pub(crate) state: GroupState,
    pub(super) generation: i32,
    pub(super) protocol_type: Option<StrBytes>,
    pub(super) protocol: Option<StrBytes>,
    pub(super) leader: Option<StrBytes>,
    pub(super) members: Members,
    /// How many members support each protocol, by its name.
    pub(super) supporters: Vec<(StrBytes, usize)>,
    /// Static members' current ids, by instance id.
    pub(super) instances: BTreeMap<StrBytes, StrBytes>,
    /// Ids given out that have not joined yet (KIP-394), and until when they may.
    pub(super) pending: BTreeMap<StrBytes, Instant>,
    /// Members of this generation that have not asked for their assignment.
    pub(super) pending_sync: BTreeSet<StrBytes>,
    pub(super) sync_deadline: Option<Instant>,
    pub(super) join: Option<JoinPhase>,
    /// No session ends before this; it may end later.
    pub(super) next_session: Option<Instant>,
    pub(crate) offsets: Offsets,
    /// What this generation's members subscribe to.
    pub(super) subscribed: Subscribed,
    /// When the group came to its state, in milliseconds since 1970; none before its first request.
    pub(super) state_since_ms: Option<i64>,
    /// When the first of the offsets expires that have been committed since somebody looked.
    pub(super) expires_first_ms: Option<i64>,
    /// As the next coordinator would find it; none where nothing but an empty group was ever written. Boxed: seldom looked at.
    pub(super) stored: Option<Box<Stored>>,
    /// Of the moves of coordinators, the last that was this group's.
    pub(super) moved_at: u64,
    /// Set while too few replicas of the group's partition are in sync. Boxed: most never have it.
    pub(super) uncommitted: Option<Box<Uncommitted>>,
}

impl ClassicGroup {
    pub fn new(id: Arc<str>) -> Self {
        Self {
            id,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: Members::default(),
            supporters: Vec::new(),
            instances: BTreeMap::new(),
            pending: BTreeMap::new(),
            pending_sync: BTreeSet::new(),
            sync_deadline: None,
            join: None,
            next_session: None,
            offsets: Offsets::default(),
            subscribed: Subscribed::default(),
            state_since_ms: None,
            expires_first_ms: None,
            stored: None,
            moved_at: 0,
            uncommitted: None,
        }
    }

    /// Handles a request. Nobody may be waiting for the answer any more: then it is dropped.
    pub fn handle(&mut self, request: Request, now: Instant, groups: &Groups) {
        let shared = &*groups.shared;
        let config = &shared.config;
        match request {
            Request::Join(request, version, _, asked_at, reply) if self.has_moved_since(asked_at) => {
                let error = ResponseError::NotCoordinator;
                drop(reply.send(join::refused(error, request.member_id, version)));
            }
            Request::Sync(_, asked_at, reply) if self.has_moved_since(asked_at) => {
                drop(reply.send(refused_sync(ResponseError::NotCoordinator)));
            }
            Request::Join(request, version, client, _, reply) => {
                // Whoever is a group's first brings it into being.
                if self.state_since_ms.is_none() {
                    self.before_write();
                }
                self.join(&request, version, client, reply, now, shared);
            }
            Request::Sync(request, _, reply) => self.sync(&request, reply, now, config),
            Request::Heartbeat(request, reply) => drop(reply.send(self.heartbeat(&request, now))),
            Request::Leave(request, version, reply) => drop(reply.send(self.leave(request, version, now, config))),
            Request::Commit(request, reply) => {
                drop(reply.send(self.commit(request, now, groups.shared.now_ms(), config)));
            }
            Request::Fetch(request, stable, reply) => drop(reply.send(self.fetch(request, stable))),
            Request::DeleteOffsets(request, reply) => {
                drop(reply.send(self.delete_offsets(request, groups.shared.now_ms(), config)));
            }
            Request::Describe(reply) => drop(reply.send(self.describe())),
            // The group's task does that itself, with no lock held.
            Request::InTransaction(_) => {}
            Request::Delete(reply) => {
                let awaits_replicas = self.state == GroupState::Empty && self.before_write();
                let deleted = self.delete();
                if deleted.is_ok() {
                    // Who hears of the deletion does not find the group any more.
                    groups.remove(&self.id, awaits_replicas);
                    groups.undecided.forget(&self.id, self.offsets.producers());
                }
                let _ = reply.send(deleted);
            }
        }
    }

    /// Does what is due: ends phases and sessions whose time is over.
    pub fn expire(&mut self, now: Instant, config: &BrokerConfig) {
        self.expire_sessions(now, config);
        if self.join_deadline().is_some_and(|at| at <= now) {
            self.join_phase_over(now, config);
        }
        if self.sync_deadline.is_some_and(|at| at <= now) {
            self.sync_phase_over(now, config);
        }
        self.give_up(now, config);
    }

    pub fn is_memberless(&self) -> bool {
        self.members.is_empty() && self.pending.is_empty()
    }

    pub(super) fn join_deadline(&self) -> Option<Instant> {
        self.join.as_ref().map(|phase| phase.deadline)
    }

    // --- membership ---

    /// Adds a member that waits for the rebalance.
    pub(super) fn add(&mut self, mut member: Member, now: Instant) {
        if self.members.is_empty() {
            self.leader = None;
        }
        if self.leader.is_none() {
            self.leader = Some(member.id.clone());
        }
        if let Some(instance) = &member.instance_id {
            self.instances.insert(instance.clone(), member.id.clone());
        }
        if let Some(phase) = &mut self.join {
            phase.new_member_added = true;
        }
        self.pending.remove(&member.id);
        member.is_new = true;
        let id = member.id.clone();
        self.count_protocols(&member.protocols, 1);
        if let Some(before) = self.members.insert(id.clone(), Box::new(member)) {
            self.count_protocols(&before.protocols, -1);
        }
        self.set_session(&id, now + NEW_MEMBER_JOIN_TIMEOUT);
    }

    /// Removes a member. Who waits in its name is told that it is none.
    pub(super) fn remove(&mut self, id: &StrBytes) {
        let Some(mut member) = self.members.remove(id) else {
            return;
        };
        self.count_protocols(&member.protocols, -1);
        if let Some(instance) = &member.instance_id
            && self.instances.get(instance) == Some(id)
        {
            self.instances.remove(instance);
        }
        self.pending_sync.remove(id);
        answer_join(&mut member, |version| {
            join::refused(ResponseError::UnknownMemberId, StrBytes::new(), version)
        });
        answer_sync(&mut member, || refused_sync(ResponseError::UnknownMemberId));
        if self.leader.as_ref() == Some(id) {
            self.leader = self.members.keys().next().cloned();
        }
    }

    /// A static member is back under a new id: what waits under the old one is fenced (KIP-345).
    pub(super) fn replace_static(&mut self, instance: &StrBytes, old: &StrBytes, new: StrBytes) {
        let Some(member) = self.members.rename(old, new.clone()) else {
            return;
        };
        answer_join(member, |version| {
            join::refused(ResponseError::FencedInstanceId, old.clone(), version)
        });
        answer_sync(member, || refused_sync(ResponseError::FencedInstanceId));
        member.id = new.clone();
        if self.leader.as_ref() == Some(old) {
            self.leader = Some(new.clone());
        }
        if self.pending_sync.remove(old) {
            self.pending_sync.insert(new.clone());
        }
        if let Some(current) = self.instances.get_mut(instance) {
            *current = new;
        }
    }

    /// Kafka's `ClassicGroup.validateMember`.
    pub(super) fn check_member(&self, id: &StrBytes, instance: Option<&StrBytes>) -> Result<(), ResponseError> {
        if let Some(instance) = instance {
            match self.instances.get(instance) {
                None => return Err(ResponseError::UnknownMemberId),
                Some(current) if current != id => return Err(ResponseError::FencedInstanceId),
                Some(_) => {}
            }
        }
        match self.members.contains_key(id) {
            true => Ok(()),
            false => Err(ResponseError::UnknownMemberId),
        }
    }

    // --- sessions ---

    pub(super) fn heard_from(&mut self, id: &StrBytes, now: Instant) {
        if let Some(timeout) = self.members.get(id).map(|m| m.session_timeout) {
            self.set_session(id, now + timeout);
        }
    }

    pub(super) fn set_session(&mut self, id: &StrBytes, deadline: Instant) {
        if let Some(member) = self.members.get_mut(id) {
            member.session_deadline = Some(deadline);
            self.watch_session(deadline);
        }
    }

    pub(super) fn watch_session(&mut self, deadline: Instant) {
        let sooner = self.next_session.map_or(deadline, |at| at.min(deadline));
        self.next_session = Some(sooner);
    }

    pub(super) fn next_session(&self) -> Option<Instant> {
        self.next_session.filter(|_| !self.is_memberless())
    }

    fn expire_sessions(&mut self, now: Instant, config: &BrokerConfig) {
        if self.next_session.is_none_or(|at| at > now) {
            return;
        }
        let over: Vec<_> = self
            .pending
            .iter()
            .filter(|(_, at)| **at <= now)
            .map(|(id, _)| id.clone())
            .collect();
        for id in over {
            self.pending.remove(&id);
            self.maybe_end_join_phase(now);
        }
        let due = |m: &Member| m.session_deadline.is_some_and(|at| at <= now);
        let over: Vec<_> = self.members.values().filter(|m| due(m)).map(|m| m.id.clone()).collect();
        for id in over {
            // The rebalance that the first one's removal starts may have taken the next one along.
            let Some(member) = self.members.get_mut(&id) else {
                continue;
            };
            if member.needs_no_heartbeat() {
                member.session_deadline = None;
            } else if member.session_deadline.is_some_and(|at| at <= now) {
                tracing::info!(group = %self.id, member = %id, "the member's session has timed out");
                self.remove_and_rebalance(&id, now, config);
            }
        }
        let members = self.members.values().filter_map(|m| m.session_deadline);
        self.next_session = members.chain(self.pending.values().copied()).min();
    }

    pub(super) fn delete(&mut self) -> Result<(), ResponseError> {
        match self.state {
            GroupState::Empty => {
                self.state = GroupState::Dead;
                Ok(())
            }
            GroupState::Dead => Err(ResponseError::GroupIdNotFound),
            _ => Err(ResponseError::NonEmptyGroup),
        }
    }

    pub fn view(&self, queued: usize) -> GroupView {
        let text = |s: &Option<StrBytes>| s.as_ref().map(|s| s.to_string());
        GroupView {
            id: self.id.to_string(),
            state: self.state,
            generation: self.generation,
            protocol_type: text(&self.protocol_type),
            protocol: text(&self.protocol),
            leader: text(&self.leader),
            members: self.members.values().map(|m| m.view()).collect(),
            committed: self.offsets.len(),
            pending_members: self.pending.len(),
            queued,
        }
    }
}

/// Answers a member that waits for the rebalance. Nobody may be there any more.
pub(super) fn answer_join(member: &mut Member, response: impl FnOnce(i16) -> JoinGroupResponse) {
    if let Some((reply, version)) = member.awaiting_join.take() {
        let _ = reply.send(response(version));
    }
}

/// Answers a member that waits for its assignment.
pub(super) fn answer_sync(member: &mut Member, response: impl FnOnce() -> SyncGroupResponse) {
    if let Some(reply) = member.awaiting_sync.take() {
        let _ = reply.send(response());
    }
}

pub(super) fn refused_sync(error: ResponseError) -> SyncGroupResponse {
    SyncGroupResponse::default().with_error_code(error.code())
}
