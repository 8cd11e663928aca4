//! What a group looks like from outside.

use std::time::Duration;

/// The states of a classic group, by Kafka's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum GroupState {
    /// No members; committed offsets may be left.
    #[default]
    Empty,
    /// Members are asked to join again.
    PreparingRebalance,
    /// Every member has joined; the leader's assignment is missing.
    CompletingRebalance,
    /// Every member has its assignment.
    Stable,
    /// Deleted.
    Dead,
}

impl GroupState {
    /// The name in DescribeGroups and ListGroups.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::PreparingRebalance => "PreparingRebalance",
            Self::CompletingRebalance => "CompletingRebalance",
            Self::Stable => "Stable",
            Self::Dead => "Dead",
        }
    }
}

/// A member of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// The id that the coordinator gave it.
    pub id: String,
    /// `group.instance.id`, for a static member (KIP-345).
    pub instance_id: Option<String>,
    /// The client's own name.
    pub client_id: String,
    /// How long it may go without a heartbeat.
    pub session_timeout: Duration,
    /// How long a rebalance waits for it.
    pub rebalance_timeout: Duration,
    /// Waits for the answer to its JoinGroup.
    pub is_joining: bool,
    /// Waits for the answer to its SyncGroup.
    pub is_syncing: bool,
}

/// A group at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupView {
    /// The group's id.
    pub id: String,
    /// Its state.
    pub state: GroupState,
    /// How many rebalances have completed.
    pub generation: i32,
    /// `consumer`, for consumers.
    pub protocol_type: Option<String>,
    /// The assignor that was chosen.
    pub protocol: Option<String>,
    /// The leader's member id.
    pub leader: Option<String>,
    /// The members, in the order in which they joined.
    pub members: Vec<MemberView>,
    /// Partitions with a committed offset.
    pub committed: usize,
    /// Members that were given an id and have not joined with it yet (KIP-394).
    pub pending_members: usize,
    /// Requests that wait in the group's queue.
    pub queued: usize,
}

impl GroupView {
    /// Every member has its assignment.
    pub fn is_stable(&self) -> bool {
        self.state == GroupState::Stable
    }

    /// The group has no members.
    pub fn is_empty(&self) -> bool {
        self.state == GroupState::Empty
    }
}
