//! Committed offsets: topics that come again under their name, and answers that would be longer than any frame.

use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{CreateTopicsRequest, DeleteTopicsRequest, GroupId, MetadataRequest, TopicName};
use kfake::Cluster;
use kfake::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kfake::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kfake::messages::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};
use kfake_tests::{coordinator, first_broker, text};
use leakcheck::leakcheck;
use uuid::Uuid;

fn commit(topic: OffsetCommitRequestTopic) -> OffsetCommitRequest {
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text("billing")))
        .with_topics(vec![topic])
}

fn partitions(offset: i64) -> Vec<OffsetCommitRequestPartition> {
    vec![OffsetCommitRequestPartition::default().with_committed_offset(offset)]
}

fn fetch(topics: Option<Vec<OffsetFetchRequestTopics>>) -> OffsetFetchRequest {
    let group = OffsetFetchRequestGroup::default()
        .with_group_id(GroupId(text("billing")))
        .with_topics(topics);
    OffsetFetchRequest::default().with_groups(vec![group])
}

fn orders() -> OffsetFetchRequestTopics {
    OffsetFetchRequestTopics::default().with_partition_indexes(vec![0])
}

fn offset(response: &OffsetFetchResponse) -> (i16, i64) {
    let partition = &response.groups[0].topics[0].partitions[0];
    (partition.error_code, partition.committed_offset)
}

async fn id_of_orders(cluster: &Cluster) -> Uuid {
    let all = MetadataRequest::default().with_topics(None);
    first_broker(cluster).send(all).await.unwrap().topics[0].topic_id
}

/// Offsets are kept by name; but one that was committed by id is not that of a later topic
/// (`OffsetMetadataManager.isMismatchedTopicId`).
#[leakcheck(start_paused)]
async fn a_commit_by_id_that_waits_while_its_topic_is_made_again_is_not_the_new_topics() {
    let cluster = Cluster::builder().in_memory().topic("orders", 1).start().await.unwrap();
    let mut client = coordinator(&cluster, "billing");
    let old = id_of_orders(&cluster).await;
    let by_id = OffsetCommitRequestTopic::default().with_topic_id(old);
    client
        .send(commit(by_id.clone().with_partitions(partitions(5))))
        .await
        .unwrap();
    assert!(cluster.stall_group("billing", true));
    let waiting = client
        .start(commit(by_id.with_partitions(partitions(6))), 10)
        .await
        .unwrap();
    cluster.wait_for_group("billing", |g| g.queued == 1).await.unwrap();
    let mut admin = first_broker(&cluster);
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text("orders"))]);
    admin.send_version(delete, 5).await.unwrap();
    let again = CreatableTopic::default()
        .with_name(TopicName(text("orders")))
        .with_num_partitions(1)
        .with_replication_factor(1);
    admin
        .send(CreateTopicsRequest::default().with_topics(vec![again]))
        .await
        .unwrap();
    assert!(cluster.stall_group("billing", false));
    let committed = client.finish(waiting).await.unwrap();
    assert_eq!(
        committed.topics[0].partitions[0].error_code, 0,
        "it was there when it was asked for"
    );
    let new = id_of_orders(&cluster).await;
    assert_ne!(new, old);
    let found = client
        .send(fetch(Some(vec![orders().with_topic_id(new)])))
        .await
        .unwrap();
    assert_eq!(offset(&found), (0, -1));
    let found = client
        .send(fetch(Some(vec![orders().with_topic_id(old)])))
        .await
        .unwrap();
    assert_eq!(offset(&found), (100, -1), "UNKNOWN_TOPIC_ID");
    cluster.close().await;
}

/// A megabyte of metadata, and a group that is named often enough for more than any frame holds.
#[leakcheck(start_paused)]
async fn an_answer_that_would_be_longer_than_any_frame_closes_the_connection() {
    let cluster = Cluster::builder()
        .in_memory()
        .topic("orders", 256)
        .start()
        .await
        .unwrap();
    let mut client = coordinator(&cluster, "billing");
    let metadata = text("m").repeat(4096);
    let partitions = (0..256).map(|index| {
        OffsetCommitRequestPartition::default()
            .with_partition_index(index)
            .with_committed_metadata(Some(metadata.clone().into()))
    });
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(partitions.collect());
    client.send_version(commit(topic), 9).await.unwrap();
    let mut twice = fetch(None);
    twice.groups.push(twice.groups[0].clone());
    let answer = client.send(twice).await.unwrap();
    assert_eq!(
        answer
            .groups
            .iter()
            .map(|group| group.topics[0].partitions.len())
            .sum::<usize>(),
        512
    );
    let mut often = fetch(None);
    often.groups.resize(2048, often.groups[0].clone());
    let error = client.send(often).await.unwrap_err();
    assert!(error.is_closed(), "{error}");
    cluster.close().await;
}
