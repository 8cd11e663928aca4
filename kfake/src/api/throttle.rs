//! What every answer tells a client that has used more of the brokers' time than its quota (`request_percentage`, KIP-124).

use super::context::Context;
use super::dispatch::Answer;
use crate::messages::*;

/// An answer that can say how long its client is not listened to.
pub(super) trait Throttle: Sized {
    /// Counts the request, and says for how long its client has to wait, by this quota or by another.
    fn throttled(self, context: &Context) -> Self;
}

macro_rules! throttle {
    (with a throttle time: $($with:ident),*; without: $($without:ident),*; exempt: $($exempt:ident),*;) => {
        $(impl Throttle for $with {
            fn throttled(self, context: &Context) -> Self {
                let ms = context.throttle(context.requested());
                // Versions without the field leave it out.
                self.with_throttle_time_ms(ms)
            }
        })*
        $(impl Throttle for $without {
            fn throttled(self, context: &Context) -> Self {
                context.throttle(context.requested());
                self
            }
        })*
        $(impl Throttle for $exempt {
            fn throttled(self, _context: &Context) -> Self {
                self
            }
        })*
    };
}

throttle! {
    with a throttle time: AddOffsetsToTxnResponse, AddPartitionsToTxnResponse, AlterClientQuotasResponse, AlterConfigsResponse, AlterPartitionReassignmentsResponse, AlterReplicaLogDirsResponse, AlterShareGroupOffsetsResponse, AlterUserScramCredentialsResponse, ApiVersionsResponse, ConsumerGroupDescribeResponse, ConsumerGroupHeartbeatResponse, CreateAclsResponse, CreateDelegationTokenResponse, CreatePartitionsResponse, CreateTopicsResponse, DeleteAclsResponse, DeleteGroupsResponse, DeleteRecordsResponse, DeleteShareGroupOffsetsResponse, DeleteTopicsResponse, DescribeAclsResponse, DescribeClientQuotasResponse, DescribeClusterResponse, DescribeConfigsResponse, DescribeDelegationTokenResponse, DescribeGroupsResponse, DescribeLogDirsResponse, DescribeProducersResponse, DescribeShareGroupOffsetsResponse, DescribeTopicPartitionsResponse, DescribeTransactionsResponse, DescribeUserScramCredentialsResponse, ElectLeadersResponse, EndTxnResponse, ExpireDelegationTokenResponse, FindCoordinatorResponse, GetTelemetrySubscriptionsResponse, HeartbeatResponse, IncrementalAlterConfigsResponse, InitProducerIdResponse, JoinGroupResponse, LeaveGroupResponse, ListConfigResourcesResponse, ListGroupsResponse, ListOffsetsResponse, ListPartitionReassignmentsResponse, ListTransactionsResponse, MetadataResponse, OffsetCommitResponse, OffsetDeleteResponse, OffsetFetchResponse, OffsetForLeaderEpochResponse, PushTelemetryResponse, RenewDelegationTokenResponse, ShareAcknowledgeResponse, ShareFetchResponse, ShareGroupDescribeResponse, ShareGroupHeartbeatResponse, SyncGroupResponse, TxnOffsetCommitResponse, UnregisterBrokerResponse, UpdateFeaturesResponse;
    // What brokers ask each other is exempt. Produce and Fetch count themselves: they have quotas of their own beside it.
    without: DescribeQuorumResponse, SaslAuthenticateResponse, SaslHandshakeResponse;
    exempt: Answer, WriteTxnMarkersResponse;
}
