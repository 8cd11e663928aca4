//! JoinGroup, as `GroupMetadataManager.classicGroupJoin` handles it.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::classic::ClassicGroup;
use super::member::{Member, kept, millis, protocols};
use super::request::{ClientInfo, Reply};
use super::uncommitted::Returning;
use super::view::GroupState;
use crate::cluster::state::Shared;

/// A JoinGroup on its way through the group.
struct Joining<'a> {
    request: &'a JoinGroupRequest,
    version: i16,
    client: Arc<ClientInfo>,
    now: Instant,
    shared: &'a Shared,
}

/// How a JoinGroup goes on.
enum Outcome {
    /// Answered at once.
    Answer(JoinGroupResponse),
    /// The member waits until the rebalance is over; it is in the group by now, under this id.
    Wait(StrBytes),
    /// Answered once it is committed, which waits for replicas.
    Later(Returning),
}

impl ClassicGroup {
    pub(super) fn join(
        &mut self,
        request: &JoinGroupRequest,
        version: i16,
        client: Arc<ClientInfo>,
        reply: Reply<JoinGroupResponse>,
        now: Instant,
        shared: &Shared,
    ) {
        let joining = Joining {
            request,
            version,
            client,
            now,
            shared,
        };
        match self.admit(&joining) {
            // An unexpected failure of Kafka's answers without the member's id, and so does a group without room, which
            // forgets the member.
            Err(error @ (ResponseError::UnknownServerError | ResponseError::GroupMaxSizeReached)) => {
                drop(reply.send(refused(error, StrBytes::new(), version)));
            }
            Err(error) => drop(reply.send(refused(error, request.member_id.clone(), version))),
            Ok(Outcome::Answer(response)) => drop(reply.send(shaped(response, version))),
            Ok(Outcome::Wait(id)) => {
                if let Some(member) = self.members.get_mut(&id) {
                    // Who joined before under this id on another connection hears nothing more from it.
                    member.awaiting_join = Some((reply, version));
                }
                self.rebalance(now, &shared.config);
                self.join_until(&id, now + shared.config.offsets_commit_timeout);
            }
            Ok(Outcome::Later(returning)) => {
                self.return_later(returning, reply, now + shared.config.offsets_commit_timeout);
            }
        }
    }

    fn admit(&mut self, joining: &Joining<'_>) -> Result<Outcome, ResponseError> {
        let id = &joining.request.member_id;
        if !self.has_room_for(id, joining) {
            self.remove(id);
            return Err(ResponseError::GroupMaxSizeReached);
        }
        if self.state == GroupState::Dead {
            return Err(ResponseError::CoordinatorNotAvailable);
        }
        if !self.supports(joining.request) {
            return Err(ResponseError::InconsistentGroupProtocol);
        }
        // An answer with an id that is too long for a text cannot be written, neither to the member nor to who leads it. Apache
        // Kafka fails then, too (`KafkaApis.handleError`).
        let name = joining
            .request
            .group_instance_id
            .as_deref()
            .unwrap_or(&joining.client.id);
        if id.is_empty() && name.len() > LONGEST_NAME {
            return Err(ResponseError::UnknownServerError);
        }
        match (id.is_empty(), &joining.request.group_instance_id) {
            (true, Some(instance)) => Ok(self.join_as_static(instance, joining)),
            (true, None) => Ok(self.join_as_new(joining)),
            (false, _) => self.join_again(joining),
        }
    }

    /// KIP-389: `group.max.size`. While a rebalance is on, those who have joined already count, and nobody else.
    fn has_room_for(&self, id: &StrBytes, joining: &Joining<'_>) -> bool {
        let limit = joining.shared.config.group_max_size.0 as usize;
        match self.state {
            GroupState::Empty | GroupState::Dead => true,
            GroupState::PreparingRebalance => {
                let joined = || self.members.values().filter(|m| m.awaiting_join.is_some()).count();
                let has_joined = || self.members.get(id).is_some_and(|m| m.awaiting_join.is_some());
                // They are counted last: there may be many.
                self.members.len() < limit || has_joined() || joined() < limit
            }
            GroupState::CompletingRebalance | GroupState::Stable => {
                self.members.contains_key(id) || self.members.len() < limit
            }
        }
    }

    /// `ClassicGroup.supportsProtocols`: an empty group takes any, another what one of its candidates matches.
    fn supports(&self, request: &JoinGroupRequest) -> bool {
        if self.state == GroupState::Empty {
            return !request.protocol_type.is_empty() && !request.protocols.is_empty();
        }
        if self.protocol_type.as_ref() != Some(&request.protocol_type) {
            return false;
        }
        // Of a group that has lost its members while it rebalances, every one of them supports everything.
        if self.members.is_empty() {
            return !request.protocols.is_empty();
        }
        let candidates = self.candidates();
        request.protocols.iter().any(|p| candidates.contains(p.name.as_str()))
    }

    /// A new dynamic member. From version 4 on it is given an id first and has to come again with it (KIP-394).
    fn join_as_new(&mut self, joining: &Joining<'_>) -> Outcome {
        let id = joining.new_member_id(&joining.client.id);
        if joining.version >= 4 {
            let deadline = joining.now + millis(joining.request.session_timeout_ms);
            self.pending.insert(id.clone(), deadline);
            self.watch_session(deadline);
            return Outcome::Answer(refused(ResponseError::MemberIdRequired, id, joining.version));
        }
        self.add_joining(id, joining)
    }

    /// A static member without an id: new, or back after a restart (KIP-345).
    fn join_as_static(&mut self, instance: &StrBytes, joining: &Joining<'_>) -> Outcome {
        let id = joining.new_member_id(instance);
        let Some(old) = self.instances.get(instance).cloned() else {
            return self.add_joining(id, joining);
        };
        let leader_before = self.leader.clone();
        let before = self.members.get(&old);
        let before = before.map(|m| (m.protocols.clone(), m.session_timeout, m.rebalance_timeout));
        self.replace_static(instance, &old, id.clone());
        self.update_joining(&id, joining);
        self.heard_from(&id, joining.now);
        let keeps_protocol = self.protocol.is_some() && self.choose_protocol() == self.protocol;
        if self.state != GroupState::Stable || !keeps_protocol {
            return Outcome::Wait(id);
        }
        let awaits_replicas = self.before_write();
        self.store();
        // Nothing changes for the others, so there is no rebalance. A leader is told to skip the assignment (KIP-814);
        // before version 9 it cannot be, and is told of a leader that it is not.
        let mut response = self.joined(&id, &self.members_for_leader());
        if joining.version >= 9 {
            response.skip_assignment = self.leader.as_ref() == Some(&id);
        } else {
            response.leader = leader_before.unwrap_or_default();
            response.members = Vec::new();
        }
        match before.filter(|_| awaits_replicas) {
            None => Outcome::Answer(response),
            Some((old_protocols, old_session_timeout, old_rebalance_timeout)) => Outcome::Later(Returning {
                instance: kept(instance),
                id,
                old_id: old,
                old_protocols,
                old_session_timeout,
                old_rebalance_timeout,
                response,
                version: joining.version,
            }),
        }
    }

    /// A member that knows its id.
    fn join_again(&mut self, joining: &Joining<'_>) -> Result<Outcome, ResponseError> {
        let id = &joining.request.member_id;
        let instance = joining.request.group_instance_id.as_ref();
        if let Some((given, _)) = self.pending.get_key_value(id) {
            let given = given.clone();
            return match instance {
                // Ids are given out ahead to dynamic members alone.
                Some(_) => Err(ResponseError::UnknownServerError),
                None => Ok(self.add_joining(given, joining)),
            };
        }
        self.check_member(id, instance)?;
        let same = self
            .members
            .get(id)
            .is_some_and(|m| m.matches(&protocols(joining.request)));
        let is_leader = self.leader.as_ref() == Some(id);
        match self.state {
            // The answer to a join got lost: it is given again.
            GroupState::CompletingRebalance if same => Ok(Outcome::Answer(self.joined(id, &self.members_for_leader()))),
            // A leader joins again when the partitions to assign have changed; for another it means nothing.
            GroupState::Stable if same && !is_leader => Ok(Outcome::Answer(self.joined(id, &[]))),
            GroupState::PreparingRebalance | GroupState::CompletingRebalance | GroupState::Stable => {
                self.update_joining(id, joining);
                Ok(Outcome::Wait(id.clone()))
            }
            GroupState::Empty | GroupState::Dead => Err(ResponseError::UnknownMemberId),
        }
    }

    fn add_joining(&mut self, id: StrBytes, joining: &Joining<'_>) -> Outcome {
        let member = Member::new(id.clone(), joining.request, joining.version, joining.client.clone());
        if self.members.is_empty() {
            self.protocol_type = Some(kept(&joining.request.protocol_type));
        }
        self.add(member, joining.now);
        Outcome::Wait(id)
    }

    fn update_joining(&mut self, id: &StrBytes, joining: &Joining<'_>) {
        let Some(member) = self.members.get_mut(id) else {
            return;
        };
        let before = std::mem::take(&mut member.protocols);
        member.update(joining.request, joining.version);
        let after = member.protocols.clone();
        self.count_protocols(&before, -1);
        self.count_protocols(&after, 1);
    }
}

/// The longest name that a member's id can begin with: a text has at most 32,767 bytes, and a dash and a UUID follow it.
const LONGEST_NAME: usize = i16::MAX as usize - 37;

impl Joining<'_> {
    /// Kafka's `ClassicGroup.generateMemberId`: the client's or the instance's name and a random UUID.
    fn new_member_id(&self, name: &str) -> StrBytes {
        StrBytes::from_string(format!("{name}-{}", self.shared.new_uuid()))
    }
}

/// A JoinGroup that is not taken.
pub(crate) fn refused(error: ResponseError, id: StrBytes, version: i16) -> JoinGroupResponse {
    let response = JoinGroupResponse::default()
        .with_error_code(error.code())
        .with_generation_id(-1)
        .with_member_id(id)
        .with_protocol_name(None);
    shaped(response, version)
}

/// Before version 7 a protocol's name cannot be null; from then on it is where it is empty (`JoinGroupResponse`).
pub(super) fn shaped(mut response: JoinGroupResponse, version: i16) -> JoinGroupResponse {
    if version < 7 {
        response.protocol_type = None;
        response.protocol_name.get_or_insert_default();
    } else {
        response.protocol_name.take_if(|name| name.is_empty());
    }
    response
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::{Bytes, BytesMut};
    use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
    use kafka_protocol::protocol::{Decodable, Encodable};
    use tokio::sync::oneshot;

    use super::*;
    use crate::group::classic::ClassicGroup;

    /// Lets a member join whose request lies in one buffer, as it comes off the wire; returns the buffer and the answer.
    fn join(
        group: &mut ClassicGroup,
        shared: &Shared,
        request: &JoinGroupRequest,
    ) -> (Bytes, Option<JoinGroupResponse>) {
        let mut buffer = BytesMut::new();
        request.encode(&mut buffer, 5).unwrap();
        let buffer = buffer.freeze();
        let decoded = JoinGroupRequest::decode(&mut buffer.clone(), 5).unwrap();
        assert!(!buffer.is_unique(), "what is decoded lies in the buffer");
        let (reply, mut answer) = oneshot::channel();
        let client = ClientInfo {
            id: "client".to_owned(),
            host: "/host".to_owned(),
        };
        group.join(&decoded, 5, Arc::new(client), reply, Instant::now(), shared);
        (buffer, answer.try_recv().ok())
    }

    #[tokio::test(start_paused = true)]
    async fn no_member_holds_the_buffer_that_its_request_came_in() {
        let shared = Shared::of_one_broker();
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(StrBytes::from_static_str("range"))
            .with_metadata(Bytes::from_static(&[0; 30]));
        let request = JoinGroupRequest::default()
            .with_group_id(StrBytes::from_static_str("billing").into())
            .with_session_timeout_ms(10_000)
            .with_protocol_type(StrBytes::from_static_str("consumer"))
            .with_protocols(vec![protocol]);
        let mut group = ClassicGroup::new("billing".into());

        // The id that it is given comes back in the buffer of its second request (KIP-394).
        let (first, answer) = join(&mut group, &shared, &request);
        let given = answer.unwrap().member_id;
        let (second, _) = join(&mut group, &shared, &request.clone().with_member_id(given.clone()));
        let instance = Some(StrBytes::from_static_str("instance"));
        let (third, _) = join(
            &mut group,
            &shared,
            &request.clone().with_group_instance_id(instance.clone()),
        );
        // A static member that is back.
        let (fourth, _) = join(&mut group, &shared, &request.clone().with_group_instance_id(instance));
        assert_eq!(group.members.len(), 2);
        for (nth, buffer) in [first, second, third, fourth].iter().enumerate() {
            assert!(buffer.is_unique(), "request {nth}");
        }
    }
}
