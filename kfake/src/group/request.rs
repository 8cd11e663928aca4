//! What a group's task is asked.

use std::sync::Arc;

use crate::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest,
    SyncGroupResponse, describe_groups_response::DescribedGroup, offset_fetch_request::OffsetFetchRequestGroup,
    offset_fetch_response::OffsetFetchResponseGroup,
};
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

use super::handle::Group;

/// Where an answer goes. Nobody may be there any more.
pub(crate) type Reply<T> = oneshot::Sender<T>;

/// Who sent a request.
#[derive(Debug, Clone)]
pub(crate) struct ClientInfo {
    pub id: String,
    /// As Kafka shows it: with a slash in front.
    pub host: String,
}

/// A request for a group, with its version where the answer depends on it.
#[derive(Debug)]
pub(crate) enum Request {
    /// As of the given number of the coordinators' moves.
    Join(JoinGroupRequest, i16, Arc<ClientInfo>, u64, Reply<JoinGroupResponse>),
    /// As of the given number of the coordinators' moves.
    Sync(SyncGroupRequest, u64, Reply<SyncGroupResponse>),
    Heartbeat(HeartbeatRequest, Reply<HeartbeatResponse>),
    Leave(LeaveGroupRequest, i16, Reply<LeaveGroupResponse>),
    Commit(OffsetCommitRequest, Reply<OffsetCommitResponse>),
    /// Of partitions that exist.
    DeleteOffsets(OffsetDeleteRequest, Reply<OffsetDeleteResponse>),
    /// Whether offsets that a transaction has not decided are refused (KIP-447).
    Fetch(OffsetFetchRequestGroup, bool, Reply<OffsetFetchResponseGroup>),
    Describe(Reply<DescribedGroup>),
    Delete(Reply<Result<(), ResponseError>>),
    /// What a transaction asks of the group, in its turn.
    InTransaction(Job),
}

impl Request {
    /// Whether it is answered without waiting for anybody, and changes nothing that others of the group wait for.
    pub fn is_simple(&self) -> bool {
        matches!(self, Self::Heartbeat(..) | Self::Commit(..) | Self::Fetch(..))
    }
}

/// Work on a group that takes other locks before the group's own: those of transactions come first.
pub(crate) struct Job(pub Box<Work>);

type Work = dyn FnOnce(&Group) + Send;

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Job")
    }
}
