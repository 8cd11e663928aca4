//! What a member asks between rebalances: SyncGroup, Heartbeat, LeaveGroup.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::leave_group_response::MemberResponse;
use kafka_protocol::messages::{
    HeartbeatRequest, HeartbeatResponse, LeaveGroupRequest, LeaveGroupResponse, SyncGroupRequest, SyncGroupResponse,
};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::classic::{ClassicGroup, answer_sync, refused_sync};
use super::request::Reply;
use super::view::GroupState;
use crate::cluster::config::BrokerConfig;

impl ClassicGroup {
    pub(super) fn sync(
        &mut self,
        request: &SyncGroupRequest,
        reply: Reply<SyncGroupResponse>,
        now: Instant,
        config: &BrokerConfig,
    ) {
        let id = &request.member_id;
        if let Err(error) = self.check_sync(request) {
            drop(reply.send(refused_sync(error)));
            return;
        }
        match self.state {
            GroupState::CompletingRebalance => {
                self.pending_sync.remove(id);
                if let Some(member) = self.members.get_mut(id) {
                    member.awaiting_sync = Some(reply);
                }
                let until = now + config.offsets_commit_timeout;
                if self.leader.as_ref() == Some(id) {
                    self.assign(request, now, until);
                }
                self.sync_until(id, until);
            }
            GroupState::Stable => {
                self.pending_sync.remove(id);
                drop(reply.send(self.synced(id)));
                self.heard_from(id, now);
            }
            GroupState::PreparingRebalance => drop(reply.send(refused_sync(ResponseError::RebalanceInProgress))),
            GroupState::Empty | GroupState::Dead => drop(reply.send(refused_sync(ResponseError::UnknownMemberId))),
        }
        if self.pending_sync.is_empty() {
            // A new one, since an emptied one keeps its memory.
            self.pending_sync = BTreeSet::new();
            self.sync_deadline = None;
        }
    }

    /// Kafka's `validateSyncGroup`: the member, the generation, then the protocol (KIP-559).
    fn check_sync(&self, request: &SyncGroupRequest) -> Result<(), ResponseError> {
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.check_member(&request.member_id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        let differs =
            |asked: &Option<StrBytes>, ours: &Option<StrBytes>| asked.is_some() && ours.is_some() && asked != ours;
        match differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol_name, &self.protocol) {
            true => Err(ResponseError::InconsistentGroupProtocol),
            false => Ok(()),
        }
    }

    /// The leader's assignment is there. It counts once it is committed.
    fn assign(&mut self, request: &SyncGroupRequest, now: Instant, until: Instant) {
        let mut named: BTreeMap<&StrBytes, &Bytes> = BTreeMap::new();
        for assignment in &request.assignments {
            named.insert(&assignment.member_id, &assignment.assignment);
        }
        // Copied: the leader's request has those of all, and the buffer that it came in is larger still.
        let assignment = |id: &StrBytes| named.get(id).map(|a| Bytes::copy_from_slice(a)).unwrap_or_default();
        if self.before_write() {
            let ids = self.members.keys().map(|id| (id.clone(), assignment(id)));
            let assigned: BTreeMap<StrBytes, Bytes> = ids.collect();
            self.store_assigned(|member| assigned.get(&member.id).cloned().unwrap_or_default());
            self.assign_later(assigned, until);
        } else {
            self.assign_all(assignment, now);
        }
    }

    /// Everybody who waits gets its own assignment, who is not named gets an empty one.
    pub(super) fn assign_all(&mut self, assignment: impl Fn(&StrBytes) -> Bytes, now: Instant) {
        for member in self.members.values_mut() {
            member.assignment = assignment(&member.id);
        }
        self.state = GroupState::Stable;
        self.store();
        let waiting = self.members.values().filter(|m| m.awaiting_sync.is_some());
        let waiting: Vec<_> = waiting.map(|m| m.id.clone()).collect();
        for id in waiting {
            let response = self.synced(&id);
            if let Some(member) = self.members.get_mut(&id) {
                answer_sync(member, || response);
            }
            self.heard_from(&id, now);
        }
    }

    fn synced(&self, id: &StrBytes) -> SyncGroupResponse {
        let assignment = self.members.get(id).map(|m| m.assignment.clone());
        SyncGroupResponse::default()
            .with_protocol_type(self.protocol_type.clone())
            .with_protocol_name(self.protocol.clone())
            .with_assignment(assignment.unwrap_or_default())
    }

    pub(super) fn heartbeat(&mut self, request: &HeartbeatRequest, now: Instant) -> HeartbeatResponse {
        let answer = self.check_heartbeat(request, now);
        let code = answer.err().map_or(0, |error| error.code());
        HeartbeatResponse::default().with_error_code(code)
    }

    fn check_heartbeat(&mut self, request: &HeartbeatRequest, now: Instant) -> Result<(), ResponseError> {
        let id = &request.member_id;
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        self.check_member(id, request.group_instance_id.as_ref())?;
        if request.generation_id != self.generation {
            return Err(ResponseError::IllegalGeneration);
        }
        match self.state {
            GroupState::Empty | GroupState::Dead => Err(ResponseError::UnknownMemberId),
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.heard_from(id, now);
                Ok(())
            }
            GroupState::PreparingRebalance => {
                self.heard_from(id, now);
                Err(ResponseError::RebalanceInProgress)
            }
        }
    }

    /// From version 3 on several members may leave at once, and each is answered.
    pub(super) fn leave(
        &mut self,
        request: LeaveGroupRequest,
        version: i16,
        now: Instant,
        config: &BrokerConfig,
    ) -> LeaveGroupResponse {
        if self.state == GroupState::Dead {
            return LeaveGroupResponse::default().with_error_code(ResponseError::CoordinatorNotAvailable.code());
        }
        let leaving = match version {
            0..=2 => vec![MemberIdentity::default().with_member_id(request.member_id)],
            _ => request.members,
        };
        let mut someone_left = false;
        let mut members = Vec::new();
        for member in leaving {
            let left = self.leave_one(&member);
            someone_left |= left.is_ok();
            members.push(
                MemberResponse::default()
                    .with_member_id(member.member_id)
                    .with_group_instance_id(member.group_instance_id)
                    .with_error_code(left.err().map_or(0, |error| error.code())),
            );
        }
        if someone_left {
            self.rebalance_without(now, config);
        }
        match version {
            0..=2 => LeaveGroupResponse::default().with_error_code(members[0].error_code),
            _ => LeaveGroupResponse::default().with_members(members),
        }
    }

    fn leave_one(&mut self, leaving: &MemberIdentity) -> Result<(), ResponseError> {
        let id = &leaving.member_id;
        let instance = leaving.group_instance_id.as_ref();
        if self.pending.contains_key(id) {
            if instance.is_some() {
                return Err(ResponseError::UnknownServerError);
            }
            self.pending.remove(id);
            return Ok(());
        }
        // An administrator removes a static member by its instance id alone.
        let current = match instance {
            Some(instance) if id.is_empty() => self
                .instances
                .get(instance)
                .cloned()
                .ok_or(ResponseError::UnknownMemberId)?,
            _ => {
                self.check_member(id, instance)?;
                id.clone()
            }
        };
        self.remove(&current);
        Ok(())
    }
}
