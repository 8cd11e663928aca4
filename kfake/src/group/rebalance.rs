//! A rebalance: the phases in which members join and are assigned, and what is decided when one ends.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use bytes::Bytes;
use indexmap::IndexMap;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::JoinGroupResponse;
use kafka_protocol::messages::join_group_response::JoinGroupResponseMember;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::classic::{ClassicGroup, answer_join, answer_sync, refused_sync};
use super::join;
use super::member::{Member, Protocol};
use super::subscription::Subscribed;
use super::view::GroupState;
use crate::cluster::config::BrokerConfig;
use crate::hash_order::hash_map_order_by;

/// The shortest time after which a join phase that found nobody is looked at again.
const LEAST_JOIN_PHASE: Duration = Duration::from_millis(1);

/// How many protocols a member names at most that does not name many.
const FEW: usize = 16;

/// The phase in which members are asked to join.
#[derive(Debug)]
pub(super) struct JoinPhase {
    pub deadline: Instant,
    /// Set for a group that was empty: it waits for `group.initial.rebalance.delay.ms`, and again when somebody joins,
    /// as long as this much of the rebalance timeout is left.
    pub initial: Option<Duration>,
    /// Somebody joined since the delay began.
    pub new_member_added: bool,
}

impl ClassicGroup {
    pub(super) fn remove_and_rebalance(&mut self, id: &StrBytes, now: Instant, config: &BrokerConfig) {
        self.remove(id);
        self.rebalance_without(now, config);
    }

    /// Goes on when members are missing.
    pub(super) fn rebalance_without(&mut self, now: Instant, config: &BrokerConfig) {
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => self.start_rebalance(now, config),
            GroupState::PreparingRebalance => self.maybe_end_join_phase(now),
            GroupState::Empty | GroupState::Dead => {}
        }
    }

    // --- the phases of a rebalance ---

    /// Starts a rebalance, or goes on with the one that there is.
    pub(super) fn rebalance(&mut self, now: Instant, config: &BrokerConfig) {
        match self.state {
            GroupState::PreparingRebalance => self.maybe_end_join_phase(now),
            _ => self.start_rebalance(now, config),
        }
    }

    fn start_rebalance(&mut self, now: Instant, config: &BrokerConfig) {
        if self.state == GroupState::CompletingRebalance {
            // Who waited for its assignment could not send a heartbeat: its session begins anew.
            let waiting = self.members.values().filter(|m| m.awaiting_sync.is_some());
            for id in waiting.map(|m| m.id.clone()).collect::<Vec<_>>() {
                self.heard_from(&id, now);
            }
            for member in self.members.values_mut() {
                member.assignment = Bytes::new();
                answer_sync(member, || refused_sync(ResponseError::RebalanceInProgress));
            }
        }
        self.pending_sync.clear();
        self.sync_deadline = None;
        let was_empty = self.state == GroupState::Empty;
        self.state = GroupState::PreparingRebalance;
        let timeout = self.rebalance_timeout();
        if was_empty {
            let delay = config.group_initial_rebalance_delay;
            self.join = Some(JoinPhase {
                deadline: now + delay,
                initial: Some(timeout.saturating_sub(delay)),
                new_member_added: false,
            });
        } else {
            self.join = Some(JoinPhase {
                deadline: now + timeout,
                initial: None,
                new_member_added: false,
            });
            self.maybe_end_join_phase(now);
        }
    }

    /// The longest of the members' rebalance timeouts.
    fn rebalance_timeout(&self) -> Duration {
        self.members
            .values()
            .map(|m| m.rebalance_timeout)
            .max()
            .unwrap_or_default()
    }

    /// Ends the join phase once everybody has joined; a group that was empty waits for its delay all the same.
    pub(super) fn maybe_end_join_phase(&mut self, now: Instant) {
        let in_phase = self.state == GroupState::PreparingRebalance;
        let is_initial = self.join.as_ref().is_some_and(|phase| phase.initial.is_some());
        let all_joined = || self.pending.is_empty() && self.members.values().all(|m| m.awaiting_join.is_some());
        // The members are looked at last: there may be many.
        if in_phase && !is_initial && all_joined() {
            self.end_join_phase(now);
        }
    }

    pub(super) fn join_phase_over(&mut self, now: Instant, config: &BrokerConfig) {
        let Some(phase) = &mut self.join else { return };
        let delay = config.group_initial_rebalance_delay;
        if let Some(left) = phase.initial
            && phase.new_member_added
            && !left.is_zero()
            && !delay.is_zero()
        {
            // Somebody came during the delay, and others may follow: once more, as far as the timeout allows.
            phase.new_member_added = false;
            phase.initial = Some(left.saturating_sub(delay));
            phase.deadline = now + delay.min(left);
            return;
        }
        self.end_join_phase(now);
    }

    /// Kafka's `completeClassicGroupJoin`: those who have not joined are out, the rest are the next generation.
    fn end_join_phase(&mut self, now: Instant) {
        let missing = |m: &Member| m.awaiting_join.is_none() && m.instance_id.is_none();
        let missing: Vec<_> = self
            .members
            .values()
            .filter(|m| missing(m))
            .map(|m| m.id.clone())
            .collect();
        for id in missing {
            self.remove(&id);
        }
        if !self.members.is_empty() && !self.elect_leader_that_joined() {
            // Only static members are left, and none has joined: they have until their sessions end. A rebalance timeout of
            // nothing would ask again at once, so it waits for the first of those.
            let timeout = self.rebalance_timeout();
            let sessions = self.members.values().filter_map(|m| m.session_deadline);
            let first_session = sessions.min().filter(|at| timeout.is_zero() && *at > now);
            self.join = Some(JoinPhase {
                deadline: first_session.unwrap_or(now + timeout.max(LEAST_JOIN_PHASE)),
                initial: None,
                new_member_added: false,
            });
            return;
        }
        self.join = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.state = GroupState::Empty;
            self.protocol = None;
            self.leader = None;
            self.subscribed = Subscribed::by(Vec::new());
            self.store();
            return;
        }
        self.protocol = self.choose_protocol();
        self.state = GroupState::CompletingRebalance;
        self.sync_deadline = Some(now + self.rebalance_timeout());
        let everybody = self.members_for_leader();
        self.subscribed = match self.protocol_type.as_deref() {
            Some("consumer") => Subscribed::by(everybody.iter().map(|m| m.metadata.clone()).collect()),
            _ => Subscribed::default(),
        };
        let ids: Vec<_> = self.members.keys().cloned().collect();
        for id in ids {
            let response = self.joined(&id, &everybody);
            if let Some(member) = self.members.get_mut(&id) {
                member.is_new = false;
                answer_join(member, |version| join::shaped(response, version));
            }
            self.heard_from(&id, now);
            self.pending_sync.insert(id);
        }
    }

    /// A leader that has not joined gives way to the first member that has.
    fn elect_leader_that_joined(&mut self) -> bool {
        let joined = |m: &Member| m.awaiting_join.is_some();
        let leader = self.leader.as_ref().and_then(|id| self.members.get(id));
        if leader.is_some_and(joined) {
            return true;
        }
        match self.members.values().find(|m| joined(m)) {
            Some(member) => {
                self.leader = Some(member.id.clone());
                true
            }
            None => false,
        }
    }

    /// What a member is told when it has joined; the leader also who the others are.
    pub(super) fn joined(&self, id: &StrBytes, everybody: &[JoinGroupResponseMember]) -> JoinGroupResponse {
        let is_leader = self.leader.as_ref() == Some(id);
        JoinGroupResponse::default()
            .with_generation_id(self.generation)
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(self.protocol.clone())
            .with_leader(self.leader.clone().unwrap_or_default())
            .with_member_id(id.clone())
            .with_members(if is_leader { everybody.to_vec() } else { Vec::new() })
    }

    pub(super) fn members_for_leader(&self) -> Vec<JoinGroupResponseMember> {
        let protocol = self.protocol.clone().unwrap_or_default();
        self.members
            .values()
            .map(|m| {
                JoinGroupResponseMember::default()
                    .with_member_id(m.id.clone())
                    .with_group_instance_id(m.instance_id.clone())
                    .with_metadata(m.metadata(&protocol))
            })
            .collect()
    }

    /// Protocols that every member supports, by name.
    pub(super) fn candidates(&self) -> BTreeSet<&str> {
        let supporters = self.supporters.iter();
        supporters
            .filter(|(_, count)| *count == self.members.len())
            .map(|(name, _)| name.as_str())
            .collect()
    }

    /// A member has come with these protocols, or is gone with them.
    pub(super) fn count_protocols(&mut self, protocols: &[Protocol], by: isize) {
        if protocols.len() > FEW {
            self.count_many_protocols(protocols, by);
            return;
        }
        for (nth, protocol) in protocols.iter().enumerate() {
            // One that names a protocol twice supports it once.
            if protocols[..nth].iter().any(|before| before.name == protocol.name) {
                continue;
            }
            let known = self.supporters.iter().position(|(name, _)| *name == protocol.name);
            let at = known.unwrap_or_else(|| {
                // Mostly there is one, and a vector begins with room for four.
                if self.supporters.is_empty() {
                    self.supporters.reserve_exact(1);
                }
                self.supporters.push((protocol.name.clone(), 0));
                self.supporters.len() - 1
            });
            let count = &mut self.supporters[at].1;
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.supporters.swap_remove(at);
            }
        }
    }

    /// The same of a member that names so many that looking for each among all would take for ever.
    fn count_many_protocols(&mut self, protocols: &[Protocol], by: isize) {
        let places = self.supporters.iter().enumerate();
        let mut places: HashMap<_, _> = places.map(|(at, (name, _))| (name.clone(), at)).collect();
        let names: BTreeSet<_> = protocols.iter().map(|protocol| &protocol.name).collect();
        for name in names {
            let at = *places.entry(name.clone()).or_insert_with(|| {
                self.supporters.push((name.clone(), 0));
                self.supporters.len() - 1
            });
            let count = &mut self.supporters[at].1;
            *count = count.saturating_add_signed(by);
        }
        self.supporters.retain(|(_, count)| *count > 0);
    }

    /// There is no rebalance any more, and no session to watch; the protocols are those of the members that there are.
    pub(super) fn forget_phases(&mut self) {
        self.join = None;
        self.sync_deadline = None;
        self.next_session = None;
        self.supporters = Vec::new();
        let protocols: Vec<_> = self.members.values().map(|m| m.protocols.clone()).collect();
        for protocols in protocols {
            self.count_protocols(&protocols, 1);
        }
    }

    /// Each member votes for the first of its protocols that all support; the most votes win.
    pub(super) fn choose_protocol(&self) -> Option<StrBytes> {
        let candidates = self.candidates();
        let mut votes: IndexMap<&StrBytes, usize> = IndexMap::new();
        for member in self.members.values() {
            if let Some(vote) = member.vote(&candidates) {
                *votes.entry(vote).or_default() += 1;
            }
        }
        let most = votes.values().copied().max()?;
        // Of those with as many votes the one that a hash map has first (`ClassicGroup.selectProtocol`).
        let in_order = hash_map_order_by(votes.into_iter(), |(name, _)| name.as_str());
        let (name, _) = in_order.into_iter().find(|(_, count)| *count == most)?;
        Some(name.clone())
    }

    /// Those who joined and never asked for their assignment are out (`expirePendingSync`).
    pub(super) fn sync_phase_over(&mut self, now: Instant, config: &BrokerConfig) {
        self.sync_deadline = None;
        let late = std::mem::take(&mut self.pending_sync);
        if late.is_empty() {
            return;
        }
        for id in &late {
            self.remove(id);
        }
        self.rebalance_without(now, config);
    }
}
