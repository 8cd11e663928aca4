//! Brokers that stop and start: who controls, who leads afterwards, and what is elected and reassigned.

use kafka_protocol::error::ResponseError::*;
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::describe_quorum_request::{PartitionData as QuorumPartition, TopicData as QuorumTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, DescribeClusterRequest, DescribeQuorumRequest,
    DescribeTopicPartitionsRequest, ElectLeadersRequest, ListPartitionReassignmentsRequest, MetadataRequest, TopicName,
};
use kfake::client::Client;
use kfake::{BrokerError, BrokerId, Cluster, MoveError};
use kfake_tests::records::{TOPIC, fetch, produce, produced};
use kfake_tests::{Member, coordinator, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;

use super::{ONE, THREE, TWO, builder, code, produce_one, until_a_fetch_waits, view};

/// The active controller by Metadata and by DescribeCluster; by DescribeQuorum with its epoch and those that follow it.
async fn controllers(cluster: &Cluster, asked: BrokerId) -> (i32, i32, (i32, i32, Vec<i32>)) {
    let mut client = cluster.client(asked).unwrap();
    let metadata = client.send(MetadataRequest::default()).await.unwrap();
    let described = client.send(DescribeClusterRequest::default()).await.unwrap();
    let topic = QuorumTopic::default()
        .with_topic_name(TopicName(text("__cluster_metadata")))
        .with_partitions(vec![QuorumPartition::default()]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let quorum = client.send(request).await.unwrap();
    let partition = &quorum.topics[0].partitions[0];
    assert_eq!(partition.current_voters.len(), 1);
    assert_eq!(partition.current_voters[0].replica_id, partition.leader_id);
    assert_eq!(quorum.nodes[0].node_id, partition.leader_id);
    let observers = partition.observers.iter().map(|observer| observer.replica_id.0);
    (
        metadata.controller_id.0,
        described.controller_id.0,
        (partition.leader_id.0, partition.leader_epoch, observers.collect()),
    )
}

#[leakcheck(start_paused)]
async fn every_answer_names_the_same_controller_which_is_up() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(controllers(&cluster, TWO).await, (1, 1, (1, 1, vec![2, 3])));
    cluster.stop_broker(ONE).await.unwrap();
    assert_eq!(controllers(&cluster, TWO).await, (2, 2, (2, 2, vec![3])));
    // Who comes back follows.
    cluster.start_broker(ONE).await.unwrap();
    assert_eq!(controllers(&cluster, ONE).await, (2, 2, (2, 2, vec![1, 3])));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_broker_that_stops_leads_nothing_and_is_not_named_until_it_is_back() {
    let cluster = builder().start().await.unwrap();
    let mut at_one = cluster.client(ONE).unwrap();
    let waits = at_one.start(fetch(0, i32::MAX), 12).await.unwrap();
    until_a_fetch_waits(&cluster).await;
    cluster.stop_broker(ONE).await.unwrap();
    assert!(at_one.finish(waits).await.unwrap_err().is_closed());
    assert_eq!(
        cluster.client(ONE).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    let stopped = view(&cluster);
    assert_eq!((stopped.leader, stopped.leader_epoch), (Some(TWO), 1));
    assert_eq!(stopped.in_sync, [TWO, THREE]);
    assert_eq!(stopped.waiting_fetches, 0);

    let mut at_two = cluster.client(TWO).unwrap();
    let metadata = at_two.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    let ids: Vec<_> = metadata.brokers.iter().map(|b| b.node_id.0).collect();
    assert_eq!((ids, metadata.controller_id.0), (vec![2, 3], 2));
    assert_eq!(metadata.topics[0].partitions[0].offline_replicas, [WireBrokerId(1)]);
    let all = DescribeClusterRequest::default().with_include_fenced_brokers(true);
    let all = at_two.send(all).await.unwrap();
    let fenced: Vec<_> = all
        .brokers
        .iter()
        .filter(|b| b.is_fenced)
        .map(|b| b.broker_id.0)
        .collect();
    assert_eq!((all.brokers.len(), fenced), (3, vec![1]));

    cluster.start_broker(ONE).await.unwrap();
    let back = view(&cluster);
    assert_eq!((back.leader, back.in_sync), (Some(TWO), vec![ONE, TWO, THREE]));
    assert_eq!(elect(&mut at_two, 0).await, (0, None));
    assert_eq!(view(&cluster).leader, Some(ONE));
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.close().await;
}

async fn elect(client: &mut Client<DuplexStream>, kind: i8) -> (i16, Option<String>) {
    let topic = TopicPartitions::default()
        .with_topic(TopicName(text(TOPIC)))
        .with_partitions(vec![0]);
    let request = ElectLeadersRequest::default()
        .with_election_type(kind)
        .with_topic_partitions(Some(vec![topic]));
    let response = client.send(request).await.unwrap();
    let result = &response.replica_election_results[0].partition_result[0];
    (result.error_code, result.error_message.as_ref().map(|m| m.to_string()))
}

#[leakcheck(start_paused)]
async fn a_partition_whose_last_replica_in_sync_is_gone_has_no_leader_until_an_unclean_election() {
    let cluster = builder().start().await.unwrap();
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.stop_broker(ONE).await.unwrap();
    let orphan = view(&cluster);
    assert_eq!((orphan.leader, orphan.eligible_leaders), (None, vec![ONE]));
    assert_eq!(cluster.set_leader(TOPIC, 0, ONE), Err(MoveError::Stopped(ONE)));

    let mut client = cluster.client(TWO).unwrap();
    let metadata = client.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!(
        (partition.error_code, partition.leader_id.0),
        (code(LeaderNotAvailable), -1)
    );
    let described = client.send(DescribeTopicPartitionsRequest::default().with_response_partition_limit(9));
    let described = described.await.unwrap();
    let partition = &described.topics[0].partitions[0];
    assert_eq!((partition.leader_id.0, partition.error_code), (-1, 0));
    assert_eq!(partition.eligible_leader_replicas, Some(vec![WireBrokerId(1)]));
    assert_eq!(partition.last_known_elr, Some(vec![WireBrokerId(1)]));
    let refused = client.send_version(produce(-1), 10).await.unwrap();
    let refused = produced(refused);
    assert_eq!(
        (refused.error_code, refused.current_leader.leader_id.0),
        (code(NotLeaderOrFollower), -1)
    );

    let unavailable = "The preferred leader was not available.".to_owned();
    assert_eq!(
        elect(&mut client, 0).await,
        (code(PreferredLeaderNotAvailable), Some(unavailable))
    );
    assert_eq!(elect(&mut client, 1).await, (0, None));
    let elected = view(&cluster);
    assert_eq!((elected.leader, elected.log_end_offset), (Some(TWO), 0));
    cluster.start_broker(ONE).await.unwrap();
    assert_eq!(view(&cluster).in_sync, [ONE, TWO]);
    cluster.close().await;
}

fn reassign(replicas: Option<&[i32]>) -> AlterPartitionReassignmentsRequest {
    let replicas = replicas.map(|ids| ids.iter().copied().map(WireBrokerId).collect());
    let topic = ReassignableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![ReassignablePartition::default().with_replicas(replicas)]);
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

#[leakcheck(start_paused)]
async fn a_reassignment_that_is_held_is_listed_and_can_be_taken_back() {
    let cluster = Cluster::builder()
        .in_memory()
        .brokers(4)
        .topic_spec(TOPIC, Some(1), Some(2))
        .start()
        .await
        .unwrap();
    let mut client = cluster.client(ONE).unwrap();
    cluster.hold_reassignments(true);
    client.send(reassign(Some(&[3, 4]))).await.unwrap();
    let list = || ListPartitionReassignmentsRequest::default().with_topics(None);
    let listed = client.send(list()).await.unwrap();
    let ongoing = &listed.topics[0].partitions[0];
    let ids = |brokers: &[WireBrokerId]| brokers.iter().map(|b| b.0).collect::<Vec<_>>();
    assert_eq!(ids(&ongoing.replicas), [3, 4, 1, 2]);
    assert_eq!(ids(&ongoing.adding_replicas), [3, 4]);
    assert_eq!(ids(&ongoing.removing_replicas), [1, 2]);
    client.send(reassign(None)).await.unwrap();
    assert!(client.send(list()).await.unwrap().topics.is_empty());
    assert_eq!(view(&cluster).replicas, [ONE, TWO]);
    let refused = client.send(reassign(None)).await.unwrap();
    assert_eq!(
        refused.responses[0].partitions[0].error_code,
        code(NoReassignmentInProgress)
    );

    client.send(reassign(Some(&[4]))).await.unwrap();
    cluster.hold_reassignments(false);
    let done = view(&cluster);
    assert_eq!((done.leader, done.replicas), (Some(BrokerId(4)), vec![BrokerId(4)]));
    assert_eq!(produce_one(&cluster, BrokerId(4), -1).await, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_groups_coordinator_is_the_leader_of_its_partition_and_moves_with_it() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let before = cluster.coordinator("billing");
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    cluster.stop_broker(before).await.unwrap();
    let after = cluster.coordinator("billing");
    assert_ne!(before, after);
    // The member's generation goes on there.
    member.client = coordinator(&cluster, "billing");
    assert_eq!(member.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn what_is_not_there_cannot_be_moved_or_stopped() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(cluster.set_leader("bills", 0, ONE), Err(MoveError::NoPartition));
    assert_eq!(cluster.set_leader(TOPIC, 1, ONE), Err(MoveError::NoPartition));
    assert_eq!(
        cluster.set_leader(TOPIC, 0, BrokerId(9)),
        Err(MoveError::NoReplica(BrokerId(9)))
    );
    assert_eq!(cluster.shrink_isr(TOPIC, 0, ONE), Err(MoveError::Leads(ONE)));
    let unknown = cluster.stop_broker(BrokerId(9)).await.unwrap_err();
    assert!(matches!(unknown, BrokerError::Unknown(BrokerId(9))));
    let unknown = cluster.start_broker(BrokerId(9)).await.unwrap_err();
    assert!(matches!(unknown, BrokerError::Unknown(BrokerId(9))));
    cluster.close().await;
}

/// A real port this time: it is closed while the broker is stopped, and the same one afterwards.
#[leakcheck]
async fn a_broker_that_starts_again_has_its_port_again() {
    let cluster = Cluster::builder()
        .topic_spec(TOPIC, Some(1), Some(3))
        .start()
        .await
        .unwrap();
    let broker = &cluster.brokers()[1];
    let address = (broker.host.clone(), broker.port);
    let mut client = Client::connect(format!("{}:{}", address.0, address.1).parse().unwrap())
        .await
        .unwrap();
    client.send(MetadataRequest::default()).await.unwrap();
    cluster.stop_broker(TWO).await.unwrap();
    assert!(client.send(MetadataRequest::default()).await.unwrap_err().is_closed());
    let refused = tokio::net::TcpStream::connect(address.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    cluster.start_broker(TWO).await.unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(view(&cluster).in_sync.len(), 3);
    cluster.close().await;
}
