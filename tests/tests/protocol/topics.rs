//! Topics: creation, deletion, metadata.

use kafka_protocol::error::ResponseError::{self, *};
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig, CreateTopicsRequest,
};
use kafka_protocol::messages::delete_topics_request::{DeleteTopicState, DeleteTopicsRequest};
use kafka_protocol::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use kafka_protocol::messages::{BrokerId as WireBrokerId, FindCoordinatorRequest, TopicName};
use kfake::client::Client;
use kfake::{BrokerId, Cluster, StartError};
use kfake_tests::{first_broker, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;

async fn cluster() -> (Cluster, Client<DuplexStream>) {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let client = first_broker(&cluster);
    (cluster, client)
}

fn topic(name: &str, partitions: i32, replicas: i16) -> CreatableTopic {
    CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(partitions)
        .with_replication_factor(replicas)
}

fn create(topics: Vec<CreatableTopic>) -> CreateTopicsRequest {
    CreateTopicsRequest::default().with_topics(topics)
}

fn metadata(name: &str) -> MetadataRequest {
    let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text(name))));
    MetadataRequest::default()
        .with_topics(Some(vec![topic]))
        .with_allow_auto_topic_creation(true)
}

async fn refusal(client: &mut Client<DuplexStream>, topic: CreatableTopic) -> (i16, String) {
    let result = client.send(create(vec![topic])).await.unwrap().topics.remove(0);
    (result.error_code, result.error_message.unwrap_or_default().to_string())
}

fn code(error: ResponseError) -> i16 {
    error.code()
}

#[leakcheck(start_paused)]
async fn a_topic_is_created_described_and_deleted() {
    let (cluster, mut client) = cluster().await;
    let created = client
        .send(create(vec![topic("orders", 6, 3)]))
        .await
        .unwrap()
        .topics
        .remove(0);
    assert_eq!(
        (created.error_code, created.num_partitions, created.replication_factor),
        (0, 6, 3)
    );
    let described = client.send(metadata("orders")).await.unwrap().topics.remove(0);
    assert_eq!(described.topic_id, created.topic_id);
    let leaders: Vec<_> = described.partitions.iter().map(|p| p.leader_id.0).collect();
    assert_eq!(leaders, [1, 2, 3, 1, 2, 3]);
    assert!(
        described
            .partitions
            .iter()
            .all(|p| p.replica_nodes.len() == 3 && p.isr_nodes.len() == 3)
    );

    let by_id = DeleteTopicState::default()
        .with_name(None)
        .with_topic_id(created.topic_id);
    let delete = DeleteTopicsRequest::default().with_topics(vec![by_id]);
    let deleted = client.send(delete.clone()).await.unwrap().responses.remove(0);
    assert_eq!((deleted.error_code, deleted.name), (0, Some(TopicName(text("orders")))));
    let again = client.send(delete).await.unwrap().responses.remove(0);
    assert_eq!(again.error_code, code(UnknownTopicId));
    let gone = client.send(metadata("orders")).await.unwrap().topics.remove(0);
    assert_eq!(gone.error_code, code(UnknownTopicOrPartition));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn numbers_left_out_are_the_brokers_defaults() {
    let (cluster, mut client) = cluster().await;
    let created = client
        .send(create(vec![topic("orders", -1, -1)]))
        .await
        .unwrap()
        .topics
        .remove(0);
    assert_eq!(
        (created.error_code, created.num_partitions, created.replication_factor),
        (0, 10, 1)
    );
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_topic_that_cannot_be_is_refused_with_kafkas_error() {
    let (cluster, mut client) = cluster().await;
    for (topic, error) in [
        (topic("a/b", 1, 1), InvalidTopicException),
        (topic("..", 1, 1), InvalidTopicException),
        (topic("", 1, 1), InvalidTopicException),
        (topic("a", 0, 1), InvalidPartitions),
        (topic("a", -2, 1), InvalidPartitions),
        (topic("a", 1, 0), InvalidReplicationFactor),
        (topic("a", 1, 4), InvalidReplicationFactor),
    ] {
        let (got, message) = refusal(&mut client, topic.clone()).await;
        assert_eq!(got, code(error), "{topic:?} {message}");
        assert!(!message.is_empty());
    }
    let with_config = |name: &str, value: &str| {
        let config = CreatableTopicConfig::default()
            .with_name(text(name))
            .with_value(Some(text(value)));
        topic("a", 1, 1).with_configs(vec![config])
    };
    assert_eq!(
        refusal(&mut client, with_config("retention", "1")).await,
        (code(InvalidConfig), "Unknown topic config name: retention".to_owned())
    );
    assert_eq!(
        refusal(&mut client, with_config("retention.ms", "x")).await.0,
        code(InvalidConfig)
    );
    client.send(create(vec![topic("a.b", 1, 1)])).await.unwrap();
    assert_eq!(
        refusal(&mut client, topic("a.b", 1, 1)).await.0,
        code(TopicAlreadyExists)
    );
    assert_eq!(
        refusal(&mut client, topic("a_b", 1, 1)).await.0,
        code(InvalidTopicException)
    );
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_name_that_stands_twice_in_a_request_is_refused_once() {
    let (cluster, mut client) = cluster().await;
    let request = create(vec![topic("a", 1, 1), topic("b", 1, 1), topic("a", 2, 1)]);
    let results = client.send(request).await.unwrap().topics;
    let mut results: Vec<_> = results.iter().map(|t| (t.name.to_string(), t.error_code)).collect();
    results.sort();
    assert_eq!(results, [("a".to_owned(), code(InvalidRequest)), ("b".to_owned(), 0)]);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn validation_alone_creates_nothing() {
    let (cluster, mut client) = cluster().await;
    let request = create(vec![topic("a", 2, 1)]).with_validate_only(true);
    let validated = client.send(request).await.unwrap().topics.remove(0);
    assert_eq!((validated.error_code, validated.num_partitions), (0, 2));
    let gone = client.send(metadata("a")).await.unwrap().topics.remove(0);
    assert_eq!(gone.error_code, code(UnknownTopicOrPartition));
    cluster.close().await;
}

/// `ReplicationControlManager.validateTotalNumberOfPartitions`.
#[leakcheck(start_paused)]
async fn a_request_for_too_many_partitions_in_all_creates_nothing() {
    let (cluster, mut client) = cluster().await;
    let request = create(vec![topic("a", 5_000, 1), topic("b", -1, 1), topic("c", 4_991, 1)]);
    let results = client.send(request).await.unwrap().topics;
    assert!(
        results.iter().all(|t| t.error_code == code(PolicyViolation)),
        "{results:?}"
    );
    assert_eq!(results.len(), 3);
    let gone = client.send(metadata("a")).await.unwrap().topics.remove(0);
    assert_eq!(gone.error_code, code(UnknownTopicOrPartition));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn replicas_go_where_they_are_assigned() {
    let (cluster, mut client) = cluster().await;
    let assigned = |assignments: &[(i32, &[i32])]| {
        let assignments = assignments.iter().map(|(partition, brokers)| {
            CreatableReplicaAssignment::default()
                .with_partition_index(*partition)
                .with_broker_ids(brokers.iter().map(|b| WireBrokerId(*b)).collect())
        });
        topic("a", -1, -1).with_assignments(assignments.collect())
    };
    for wrong in [
        assigned(&[(0, &[9])]),
        assigned(&[(0, &[])]),
        assigned(&[(0, &[1, 1])]),
        assigned(&[(1, &[1])]),
        assigned(&[(0, &[1, 2]), (1, &[1])]),
    ] {
        let (got, message) = refusal(&mut client, wrong.clone()).await;
        assert_eq!(got, code(InvalidReplicaAssignment), "{wrong:?} {message}");
    }
    let created = client
        .send(create(vec![assigned(&[(1, &[3, 1]), (0, &[2, 3])])]))
        .await
        .unwrap();
    assert_eq!(created.topics[0].error_code, 0);
    let described = client.send(metadata("a")).await.unwrap().topics.remove(0);
    let leaders: Vec<_> = described.partitions.iter().map(|p| p.leader_id.0).collect();
    assert_eq!(leaders, [2, 3]);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn metadata_creates_topics_only_where_broker_and_client_allow_it() {
    let (strict, mut client) = cluster().await;
    let unknown = client.send(metadata("a")).await.unwrap().topics.remove(0);
    assert_eq!(unknown.error_code, code(UnknownTopicOrPartition));
    strict.close().await;

    let cluster = Cluster::builder()
        .in_memory()
        .auto_create_topics(true)
        .start()
        .await
        .unwrap();
    let mut client = first_broker(&cluster);
    let forbidden = metadata("a").with_allow_auto_topic_creation(false);
    let unknown = client.send(forbidden).await.unwrap().topics.remove(0);
    assert_eq!(unknown.error_code, code(UnknownTopicOrPartition));
    let asked = client.send(metadata("a")).await.unwrap().topics.remove(0);
    assert_eq!(
        asked.error_code,
        code(UnknownTopicOrPartition),
        "it is created meanwhile"
    );
    let created = client.send(metadata("a")).await.unwrap().topics.remove(0);
    assert_eq!((created.error_code, created.partitions.len()), (0, 10));
    let invalid = client.send(metadata("a/b")).await.unwrap().topics.remove(0);
    assert_eq!(invalid.error_code, code(InvalidTopicException));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_group_has_one_coordinator_whichever_broker_is_asked() {
    let (cluster, _client) = cluster().await;
    for broker in [1, 2, 3] {
        let mut client = cluster.client(BrokerId(broker)).unwrap();
        let request = FindCoordinatorRequest::default().with_coordinator_keys(vec![text("billing"), text("x")]);
        let found = client.send(request).await.unwrap().coordinators;
        assert_eq!(found[0].node_id.0, cluster.coordinator("billing").0);
        assert_eq!(found[1].node_id.0, cluster.coordinator("x").0);
        let unknown = FindCoordinatorRequest::default()
            .with_coordinator_keys(vec![text("x")])
            .with_key_type(9);
        assert_eq!(
            client.send(unknown).await.unwrap().coordinators[0].error_code,
            code(InvalidRequest)
        );
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_start_that_fails_leaves_nothing_behind() {
    let start = async |builder: kfake::Builder| builder.in_memory().start().await.unwrap_err();
    assert!(matches!(
        start(Cluster::builder().brokers(0)).await,
        StartError::NoBrokers
    ));
    assert!(matches!(
        start(Cluster::builder().topic("a/b", 1)).await,
        StartError::Topic { .. }
    ));
    assert!(matches!(
        start(Cluster::builder().topic("a", 1).topic("a", 1)).await,
        StartError::Topic { .. }
    ));
    assert!(matches!(
        start(Cluster::builder().broker_config("x", "1")).await,
        StartError::Config(_)
    ));
    assert!(matches!(
        start(Cluster::builder().max_version(3, 99)).await,
        StartError::Version(_)
    ));
    assert!(matches!(
        start(Cluster::builder().brokers(1).ports([0, 0])).await,
        StartError::TooManyPorts { .. }
    ));
    // Sizes that no cluster has, before anything is made of them.
    for brokers in [1_001, usize::MAX] {
        assert!(matches!(
            start(Cluster::builder().brokers(brokers)).await,
            StartError::TooManyBrokers { .. }
        ));
    }
    for partitions in [10_001, i32::MAX] {
        let huge = partitions.to_string();
        for builder in [
            Cluster::builder().topic("a", partitions),
            Cluster::builder()
                .topic_spec("a", None, None)
                .broker_config("num.partitions", &huge),
            Cluster::builder().broker_config("offsets.topic.num.partitions", &huge),
            Cluster::builder().broker_config("transaction.state.log.num.partitions", &huge),
        ] {
            assert!(matches!(start(builder).await, StartError::TooManyPartitions { .. }));
        }
    }
    let mut many = Cluster::builder().brokers(1_000);
    for topic in ["a", "b"] {
        many = many.topic_spec(topic, Some(501), Some(1_000));
    }
    assert!(matches!(
        start(many).await,
        StartError::TooManyReplicas { replicas: 1_002_000 }
    ));
    assert!(matches!(
        start(Cluster::builder().topic_spec("a", Some(1), Some(i32::MAX))).await,
        StartError::Topic { .. }
    ));
}

/// As the controller refuses it, which the client is not told.
#[leakcheck(start_paused)]
async fn a_topic_that_would_have_too_many_partitions_is_not_created_by_who_asks_for_it() {
    let cluster = Cluster::builder()
        .in_memory()
        .auto_create_topics(true)
        .broker_config("num.partitions", i32::MAX.to_string())
        .start()
        .await
        .unwrap();
    let mut client = first_broker(&cluster);
    for _ in 0..2 {
        let topic = MetadataRequestTopic::default().with_name(Some(TopicName(text("a"))));
        let request = MetadataRequest::default().with_topics(Some(vec![topic]));
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.topics[0].error_code, code(UnknownTopicOrPartition));
    }
    cluster.close().await;
}
