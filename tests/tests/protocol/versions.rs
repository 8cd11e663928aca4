//! Every API at every version that kafka-protocol can encode: a request that works, and its answer read back.

use std::ops::RangeInclusive;

use bytes::Bytes;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    ApiVersionsRequest, CreateTopicsRequest, DeleteGroupsRequest, DeleteTopicsRequest, DescribeGroupsRequest,
    FindCoordinatorRequest, GroupId, HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, ListGroupsRequest,
    MetadataRequest, OffsetCommitRequest, OffsetFetchRequest, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Message, StrBytes};
use kfake::Cluster;
use kfake::client::Client;
use kfake_tests::{MEMBER_ID_REQUIRED, coordinator, first_broker, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().topic("orders", 2).start().await.unwrap()
}

fn versions<R: Message>() -> RangeInclusive<i16> {
    R::VERSIONS.min..=R::VERSIONS.max
}

fn group(id: &str) -> GroupId {
    GroupId(text(id))
}

fn orders() -> TopicName {
    TopicName(text("orders"))
}

#[leakcheck(start_paused)]
async fn api_versions() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    for version in versions::<ApiVersionsRequest>() {
        let mut request = ApiVersionsRequest::default();
        if version >= 3 {
            request.client_software_name = text("test");
            request.client_software_version = text("1");
        }
        let response = client.send_version(request, version).await.unwrap();
        assert_eq!(response.error_code, 0, "{version}");
        let joins = response.api_keys.iter().find(|api| api.api_key == 11).unwrap();
        assert_eq!((joins.min_version, joins.max_version), (0, 9), "{version}");
        // Apache Kafka 4.4 says so too, and closes the connection of who believes it.
        let produces = response.api_keys.iter().find(|api| api.api_key == 0).unwrap();
        assert_eq!((produces.min_version, produces.max_version), (0, 13), "{version}");
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn metadata() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    for version in versions::<MetadataRequest>() {
        let named = MetadataRequestTopic::default().with_name(Some(orders()));
        let request = MetadataRequest::default().with_topics(Some(vec![named]));
        let response = client.send_version(request, version).await.unwrap();
        assert_eq!(response.brokers.len(), 3, "{version}");
        assert_eq!(response.topics[0].partitions.len(), 2, "{version}");
        assert_eq!(response.cluster_id.is_some(), version >= 2, "{version}");
        assert_eq!(response.topics[0].topic_id.is_nil(), version < 10, "{version}");
        let none = MetadataRequest::default().with_topics(Some(Vec::new()));
        let response = client.send_version(none, version).await.unwrap();
        assert_eq!(
            response.topics.len(),
            usize::from(version == 0),
            "{version}: an empty list"
        );
        if version >= 1 {
            let all = MetadataRequest::default().with_topics(None);
            assert_eq!(
                client.send_version(all, version).await.unwrap().topics.len(),
                1,
                "{version}: null"
            );
        }
        if (8..=10).contains(&version) {
            let asked = MetadataRequest::default()
                .with_topics(None)
                .with_include_cluster_authorized_operations(true)
                .with_include_topic_authorized_operations(true);
            let response = client.send_version(asked, version).await.unwrap();
            assert!(response.cluster_authorized_operations > 0 && response.topics[0].topic_authorized_operations > 0);
        }
        if version >= 12 {
            let id = response_id(&mut client).await;
            let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
            let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
            let response = client.send_version(request, version).await.unwrap();
            assert_eq!(response.topics[0].name, Some(orders()), "{version}");
        }
    }
    cluster.close().await;
}

async fn response_id(client: &mut Client<DuplexStream>) -> uuid::Uuid {
    let all = MetadataRequest::default().with_topics(None);
    client.send(all).await.unwrap().topics[0].topic_id
}

#[leakcheck(start_paused)]
async fn create_and_delete_topics() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    for version in versions::<CreateTopicsRequest>() {
        let name = TopicName(text(&format!("created-in-{version}")));
        let topic = CreatableTopic::default()
            .with_name(name)
            .with_num_partitions(2)
            .with_replication_factor(1);
        let request = CreateTopicsRequest::default().with_topics(vec![topic]);
        let created = client
            .send_version(request.clone(), version)
            .await
            .unwrap()
            .topics
            .remove(0);
        assert_eq!(created.error_code, 0, "{version}");
        if version >= 5 {
            assert_eq!(created.num_partitions, 2, "{version}");
            assert!(
                created.configs.unwrap().iter().any(|c| &*c.name == "retention.ms"),
                "{version}"
            );
        }
        let again = client.send_version(request, version).await.unwrap().topics.remove(0);
        assert_eq!(again.error_code, 36, "{version}");
    }
    for version in versions::<DeleteTopicsRequest>() {
        let name = TopicName(text(&format!("created-in-{}", version.max(2))));
        let request = match version {
            6.. => DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default().with_name(Some(name))]),
            _ => DeleteTopicsRequest::default().with_topic_names(vec![name]),
        };
        let deleted = client
            .send_version(request.clone(), version)
            .await
            .unwrap()
            .responses
            .remove(0);
        assert_eq!(deleted.error_code, if version == 2 { 3 } else { 0 }, "{version}");
        let again = client.send_version(request, version).await.unwrap().responses.remove(0);
        assert_eq!(again.error_code, 3, "{version}");
        assert_eq!(again.error_message.is_some(), version >= 5, "{version}");
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn find_coordinator() {
    let cluster = cluster().await;
    let mut client = first_broker(&cluster);
    let expected = cluster.coordinator("billing").0;
    for version in versions::<FindCoordinatorRequest>() {
        let request = match version {
            4.. => FindCoordinatorRequest::default().with_coordinator_keys(vec![text("billing")]),
            _ => FindCoordinatorRequest::default().with_key(text("billing")),
        };
        let response = client.send_version(request, version).await.unwrap();
        let found = match version {
            4.. => response.coordinators[0].node_id.0,
            _ => response.node_id.0,
        };
        assert_eq!(found, expected, "{version}");
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn join_sync_heartbeat_and_leave() {
    let cluster = cluster().await;
    for version in versions::<JoinGroupRequest>() {
        let id = format!("joined-in-{version}");
        let mut client = coordinator(&cluster, &id);
        let protocol = JoinGroupRequestProtocol::default()
            .with_name(text("range"))
            .with_metadata(Bytes::from_static(b"m"));
        let mut request = JoinGroupRequest::default()
            .with_group_id(group(&id))
            .with_session_timeout_ms(10_000)
            .with_protocol_type(text("consumer"))
            .with_protocols(vec![protocol]);
        if version >= 1 {
            request.rebalance_timeout_ms = 10_000;
        }
        let mut joined = client.send_version(request.clone(), version).await.unwrap();
        if version >= 4 {
            assert_eq!(joined.error_code, MEMBER_ID_REQUIRED, "{version}");
            request.member_id = joined.member_id;
            joined = client.send_version(request, version).await.unwrap();
        }
        assert_eq!((joined.error_code, joined.generation_id), (0, 1), "{version}");
        assert_eq!(joined.protocol_name, Some(text("range")), "{version}");
        assert_eq!(joined.protocol_type.is_some(), version >= 7, "{version}");
        assert_eq!(
            (&joined.leader, joined.members.len()),
            (&joined.member_id, 1),
            "{version}"
        );

        let version = version.min(SyncGroupRequest::VERSIONS.max);
        let assignment = SyncGroupRequestAssignment::default()
            .with_member_id(joined.member_id.clone())
            .with_assignment(Bytes::from_static(b"all"));
        let mut request = SyncGroupRequest::default()
            .with_group_id(group(&id))
            .with_generation_id(1)
            .with_member_id(joined.member_id.clone())
            .with_assignments(vec![assignment]);
        if version >= 5 {
            request.protocol_type = Some(text("consumer"));
            request.protocol_name = Some(text("range"));
        }
        let synced = client.send_version(request, version).await.unwrap();
        assert_eq!(
            (synced.error_code, &synced.assignment[..]),
            (0, &b"all"[..]),
            "{version}"
        );

        let version = version.min(HeartbeatRequest::VERSIONS.max);
        let request = HeartbeatRequest::default()
            .with_group_id(group(&id))
            .with_generation_id(1)
            .with_member_id(joined.member_id.clone());
        assert_eq!(
            client.send_version(request, version).await.unwrap().error_code,
            0,
            "{version}"
        );
    }
    for version in versions::<LeaveGroupRequest>() {
        let id = format!("joined-in-{version}");
        let mut client = coordinator(&cluster, &id);
        let member = StrBytes::from_string(cluster.group(&id).unwrap().members[0].id.clone());
        let request = LeaveGroupRequest::default().with_group_id(group(&id));
        let request = match version {
            3.. => request.with_members(vec![MemberIdentity::default().with_member_id(member)]),
            _ => request.with_member_id(member),
        };
        let left = client.send_version(request, version).await.unwrap();
        let code = if version >= 3 {
            left.members[0].error_code
        } else {
            left.error_code
        };
        assert_eq!((left.error_code, code), (0, 0), "{version}");
        assert!(cluster.group(&id).unwrap().is_empty(), "{version}");
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn commit_and_fetch_offsets() {
    let cluster = cluster().await;
    let mut client = coordinator(&cluster, "billing");
    for version in versions::<OffsetCommitRequest>() {
        let partition = OffsetCommitRequestPartition::default()
            .with_partition_index(0)
            .with_committed_offset(i64::from(version))
            .with_committed_metadata(Some(text("m")));
        let topic = OffsetCommitRequestTopic::default()
            .with_name(orders())
            .with_partitions(vec![partition]);
        let request = OffsetCommitRequest::default()
            .with_group_id(group("billing"))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let committed = client.send_version(request, version).await.unwrap();
        assert_eq!(committed.topics[0].partitions[0].error_code, 0, "{version}");
    }
    let last = i64::from(OffsetCommitRequest::VERSIONS.max);
    for version in versions::<OffsetFetchRequest>() {
        let offset = if version >= 8 {
            let topic = OffsetFetchRequestTopics::default()
                .with_name(orders())
                .with_partition_indexes(vec![0]);
            let asked = OffsetFetchRequestGroup::default()
                .with_group_id(group("billing"))
                .with_topics(Some(vec![topic]));
            let request = OffsetFetchRequest::default().with_groups(vec![asked]);
            let response = client.send_version(request, version).await.unwrap();
            response.groups[0].topics[0].partitions[0].committed_offset
        } else {
            let topic = OffsetFetchRequestTopic::default()
                .with_name(orders())
                .with_partition_indexes(vec![0]);
            let request = OffsetFetchRequest::default()
                .with_group_id(group("billing"))
                .with_topics(Some(vec![topic]));
            let response = client.send_version(request, version).await.unwrap();
            response.topics[0].partitions[0].committed_offset
        };
        assert_eq!(offset, last, "{version}");
    }
    // Asked at a broker that is not the coordinator, each version says so in its own place.
    let elsewhere = cluster
        .brokers()
        .iter()
        .find(|b| b.id != cluster.coordinator("billing"))
        .unwrap();
    let mut elsewhere = cluster.client(elsewhere.id).unwrap();
    for version in 1..=7 {
        let topic = OffsetFetchRequestTopic::default()
            .with_name(orders())
            .with_partition_indexes(vec![0]);
        let request = OffsetFetchRequest::default()
            .with_group_id(group("billing"))
            .with_topics(Some(vec![topic]));
        let response = elsewhere.send_version(request, version).await.unwrap();
        match version {
            1 => assert_eq!(response.topics[0].partitions[0].error_code, 16),
            _ => assert_eq!(response.error_code, 16, "{version}"),
        }
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn describe_list_and_delete_groups() {
    let cluster = cluster().await;
    let mut client = coordinator(&cluster, "billing");
    let topic = OffsetCommitRequestTopic::default()
        .with_name(orders())
        .with_partitions(vec![OffsetCommitRequestPartition::default()]);
    let commit = OffsetCommitRequest::default()
        .with_group_id(group("billing"))
        .with_generation_id_or_member_epoch(-1)
        .with_topics(vec![topic]);
    for version in versions::<DeleteGroupsRequest>() {
        client.send(commit.clone()).await.unwrap();
        let request = DeleteGroupsRequest::default().with_groups_names(vec![group("billing")]);
        let deleted = client.send_version(request.clone(), version).await.unwrap();
        assert_eq!(deleted.results[0].error_code, 0, "{version}");
        let again = client.send_version(request, version).await.unwrap();
        assert_eq!(again.results[0].error_code, 69, "{version}");
    }
    client.send(commit).await.unwrap();
    for version in versions::<DescribeGroupsRequest>() {
        let request = DescribeGroupsRequest::default().with_groups(vec![group("billing")]);
        let request = request.with_include_authorized_operations(version >= 3);
        let described = client.send_version(request, version).await.unwrap().groups.remove(0);
        assert_eq!(
            (described.error_code, &*described.group_state),
            (0, "Empty"),
            "{version}"
        );
        assert_eq!(described.authorized_operations > 0, version >= 3, "{version}");
    }
    for version in versions::<ListGroupsRequest>() {
        let listed = client
            .send_version(ListGroupsRequest::default(), version)
            .await
            .unwrap();
        assert_eq!(listed.groups.len(), 1, "{version}");
        assert_eq!(listed.groups[0].group_state.is_empty(), version < 4, "{version}");
    }
    cluster.close().await;
}
