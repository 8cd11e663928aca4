//! What a group's task is asked.

use crate::messages::{
    HeartbeatRequest, HeartbeatResponse, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, LeaveGroupResponse,
    OffsetCommitRequest, OffsetCommitResponse, OffsetDeleteRequest, OffsetDeleteResponse, SyncGroupRequest,
    SyncGroupResponse, describe_groups_response::DescribedGroup, offset_fetch_request::OffsetFetchRequestGroup,
    offset_fetch_response::OffsetFetchResponseGroup,
};
use kafka_protocol::error::ResponseError;
use tokio::sync::oneshot;

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
    Join(JoinGroupRequest, i16, ClientInfo, Reply<JoinGroupResponse>),
    Sync(SyncGroupRequest, Reply<SyncGroupResponse>),
    Heartbeat(HeartbeatRequest, Reply<HeartbeatResponse>),
    Leave(LeaveGroupRequest, i16, Reply<LeaveGroupResponse>),
    Commit(OffsetCommitRequest, Reply<OffsetCommitResponse>),
    /// Of partitions that exist.
    DeleteOffsets(OffsetDeleteRequest, Reply<OffsetDeleteResponse>),
    Fetch(OffsetFetchRequestGroup, Reply<OffsetFetchResponseGroup>),
    Describe(Reply<DescribedGroup>),
    Delete(Reply<Result<(), ResponseError>>),
}
