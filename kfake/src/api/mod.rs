//! The table of APIs. One file each; the row says which request it takes and where it is handled.

use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use kafka_protocol::messages::ApiKey;
use kafka_protocol::protocol::{Message, VersionRange};

use crate::messages;
use context::Context;
use dispatch::{Answer, Refusal};

mod add_offsets_to_txn;
mod add_partitions_to_txn;
mod alter_client_quotas;
mod alter_configs;
mod alter_partition_reassignments;
mod alter_replica_log_dirs;
mod api_versions;
mod budget;
pub(crate) mod context;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_client_quotas;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_quorum;
mod describe_topic_partitions;
mod describe_transactions;
pub(crate) mod dispatch;
#[cfg(test)]
mod docs;
mod elect_leaders;
mod end_txn;
mod fetch;
mod find_coordinator;
mod get_telemetry_subscriptions;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leader;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod list_partition_reassignments;
mod list_transactions;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod push_telemetry;
mod said;
mod sync_group;
mod throttle;
mod topic_error;
mod transaction;
mod txn_offset_commit;
mod unregister_broker;
mod update_features;
pub(crate) mod versions;
mod write_txn_markers;

pub use versions::VersionError;

type Handled<'a> = Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + 'a>>;

/// An API: what identifies it, and the function that handles its requests.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    pub key: ApiKey,
    /// Every version that can be decoded.
    pub versions: VersionRange,
    handle: for<'a> fn(&'a Context, i16, Bytes) -> Handled<'a>,
    #[cfg(test)]
    pub decodes: fn(i16, Bytes) -> bool,
    /// Its file's name.
    #[cfg(test)]
    pub module: &'static str,
}

macro_rules! table {
    ($($key:ident => $module:ident ($request:ident);)*) => {
        static TABLE: &[Api] = &[$(Api {
            key: ApiKey::$key,
            versions: <messages::$request as Message>::VERSIONS,
            handle: |context, version, body| Box::pin(async move {
                let request = dispatch::decode::<messages::$request>(version, body)?;
                let response = $module::handle(context, version, request).await?;
                dispatch::Respond::respond(throttle::Throttle::throttled(response, context), version)
            }),
            #[cfg(test)]
            decodes: |version, body| dispatch::decode::<messages::$request>(version, body).is_ok(),
            #[cfg(test)]
            module: stringify!($module),
        }),*];
    };
}

table! {
    Produce => produce(ProduceRequest);
    Fetch => fetch(FetchRequest);
    ListOffsets => list_offsets(ListOffsetsRequest);
    Metadata => metadata(MetadataRequest);
    OffsetCommit => offset_commit(OffsetCommitRequest);
    OffsetFetch => offset_fetch(OffsetFetchRequest);
    FindCoordinator => find_coordinator(FindCoordinatorRequest);
    JoinGroup => join_group(JoinGroupRequest);
    Heartbeat => heartbeat(HeartbeatRequest);
    LeaveGroup => leave_group(LeaveGroupRequest);
    SyncGroup => sync_group(SyncGroupRequest);
    DescribeGroups => describe_groups(DescribeGroupsRequest);
    ListGroups => list_groups(ListGroupsRequest);
    ApiVersions => api_versions(ApiVersionsRequest);
    CreateTopics => create_topics(CreateTopicsRequest);
    DeleteTopics => delete_topics(DeleteTopicsRequest);
    DeleteRecords => delete_records(DeleteRecordsRequest);
    InitProducerId => init_producer_id(InitProducerIdRequest);
    OffsetForLeaderEpoch => offset_for_leader_epoch(OffsetForLeaderEpochRequest);
    AddPartitionsToTxn => add_partitions_to_txn(AddPartitionsToTxnRequest);
    AddOffsetsToTxn => add_offsets_to_txn(AddOffsetsToTxnRequest);
    EndTxn => end_txn(EndTxnRequest);
    WriteTxnMarkers => write_txn_markers(WriteTxnMarkersRequest);
    TxnOffsetCommit => txn_offset_commit(TxnOffsetCommitRequest);
    DescribeConfigs => describe_configs(DescribeConfigsRequest);
    AlterConfigs => alter_configs(AlterConfigsRequest);
    AlterReplicaLogDirs => alter_replica_log_dirs(AlterReplicaLogDirsRequest);
    DescribeLogDirs => describe_log_dirs(DescribeLogDirsRequest);
    CreatePartitions => create_partitions(CreatePartitionsRequest);
    DeleteGroups => delete_groups(DeleteGroupsRequest);
    ElectLeaders => elect_leaders(ElectLeadersRequest);
    IncrementalAlterConfigs => incremental_alter_configs(IncrementalAlterConfigsRequest);
    AlterPartitionReassignments => alter_partition_reassignments(AlterPartitionReassignmentsRequest);
    ListPartitionReassignments => list_partition_reassignments(ListPartitionReassignmentsRequest);
    OffsetDelete => offset_delete(OffsetDeleteRequest);
    DescribeClientQuotas => describe_client_quotas(DescribeClientQuotasRequest);
    AlterClientQuotas => alter_client_quotas(AlterClientQuotasRequest);
    DescribeQuorum => describe_quorum(DescribeQuorumRequest);
    UpdateFeatures => update_features(UpdateFeaturesRequest);
    DescribeCluster => describe_cluster(DescribeClusterRequest);
    DescribeProducers => describe_producers(DescribeProducersRequest);
    UnregisterBroker => unregister_broker(UnregisterBrokerRequest);
    DescribeTransactions => describe_transactions(DescribeTransactionsRequest);
    ListTransactions => list_transactions(ListTransactionsRequest);
    GetTelemetrySubscriptions => get_telemetry_subscriptions(GetTelemetrySubscriptionsRequest);
    PushTelemetry => push_telemetry(PushTelemetryRequest);
    ListConfigResources => list_config_resources(ListConfigResourcesRequest);
    DescribeTopicPartitions => describe_topic_partitions(DescribeTopicPartitionsRequest);
}

/// Every API, in the order of the table, which is that of their keys.
pub(crate) fn all() -> impl Iterator<Item = Api> {
    TABLE.iter().copied()
}
