//! A member of a classic group.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::messages::{JoinGroupRequest, JoinGroupResponse, SyncGroupResponse};
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::request::{ClientInfo, Reply};
use super::view::MemberView;

/// One assignor that a member supports, with what it has to tell the leader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Protocol {
    pub name: StrBytes,
    pub metadata: Bytes,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub id: StrBytes,
    pub instance_id: Option<StrBytes>,
    pub client: Arc<ClientInfo>,
    pub session_timeout: Duration,
    pub rebalance_timeout: Duration,
    pub protocols: Vec<Protocol>,
    pub assignment: Bytes,
    /// Its first rebalance has not completed: then it may time out while it waits, unlike others.
    pub is_new: bool,
    pub awaiting_join: Option<(Reply<JoinGroupResponse>, i16)>,
    pub awaiting_sync: Option<Reply<SyncGroupResponse>>,
    pub session_deadline: Option<Instant>,
}

impl Member {
    pub fn new(id: StrBytes, request: &JoinGroupRequest, version: i16, client: Arc<ClientInfo>) -> Self {
        let mut member = Self {
            id,
            instance_id: request.group_instance_id.as_ref().map(kept),
            client,
            session_timeout: Duration::ZERO,
            rebalance_timeout: Duration::ZERO,
            protocols: Vec::new(),
            assignment: Bytes::new(),
            is_new: false,
            awaiting_join: None,
            awaiting_sync: None,
            session_deadline: None,
        };
        member.update(request, version);
        member
    }

    /// What a JoinGroup says anew each time.
    pub fn update(&mut self, request: &JoinGroupRequest, version: i16) {
        self.session_timeout = millis(request.session_timeout_ms);
        // Version 0 has no rebalance timeout: the session timeout serves.
        self.rebalance_timeout = match version {
            0 => self.session_timeout,
            _ => millis(request.rebalance_timeout_ms),
        };
        self.protocols = protocols(request);
    }

    /// Whether it asks for what it had: then the generation can stay.
    pub fn matches(&self, protocols: &[Protocol]) -> bool {
        self.protocols == protocols
    }

    pub fn metadata(&self, protocol: &str) -> Bytes {
        let protocol = self.protocols.iter().find(|p| &*p.name == protocol);
        protocol.map(|p| p.metadata.clone()).unwrap_or_default()
    }

    /// The first of its protocols among those that every member supports: its vote.
    pub fn vote(&self, candidates: &BTreeSet<&str>) -> Option<&StrBytes> {
        self.protocols
            .iter()
            .map(|p| &p.name)
            .find(|name| candidates.contains(name.as_str()))
    }

    /// A member that waits for the others needs no heartbeat, but for its first rebalance: a client that left before it
    /// heard its member id would stay for ever.
    pub fn needs_no_heartbeat(&self) -> bool {
        !self.is_new && (self.awaiting_join.is_some() || self.awaiting_sync.is_some())
    }

    pub fn view(&self) -> MemberView {
        MemberView {
            id: self.id.to_string(),
            instance_id: self.instance_id.as_ref().map(|id| id.to_string()),
            client_id: self.client.id.clone(),
            session_timeout: self.session_timeout,
            rebalance_timeout: self.rebalance_timeout,
            is_joining: self.awaiting_join.is_some(),
            is_syncing: self.awaiting_sync.is_some(),
        }
    }
}

/// A copy of a request's text: what is kept as long as a member, or longer, must not hold the buffer that its request came in.
pub(super) fn kept(text: &StrBytes) -> StrBytes {
    StrBytes::from_string(text.to_string())
}

pub(crate) fn protocols(request: &JoinGroupRequest) -> Vec<Protocol> {
    let protocol = |p: &kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol| Protocol {
        name: kept(&p.name),
        metadata: Bytes::copy_from_slice(&p.metadata),
    };
    request.protocols.iter().map(protocol).collect()
}

pub(crate) fn millis(millis: i32) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
