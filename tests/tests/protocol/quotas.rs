//! Quotas of requests (KIP-124), of controller mutations (KIP-599) and of new connections (KIP-612), to the millisecond.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::{
    AlterClientQuotasRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, HeartbeatRequest,
    ListGroupsRequest, MetadataRequest, TopicName,
};
use kfake::client::Client;
use kfake::{BrokerId, Cluster};
use kfake_tests::{one_connection_a_second, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::{Instant, advance};

const EXCEEDED: i16 = ResponseError::ThrottlingQuotaExceeded.code();

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().topic("orders", 1).start().await.unwrap()
}

fn client(cluster: &Cluster) -> Client<DuplexStream> {
    cluster.client(BrokerId(1)).unwrap().with_client_id("me")
}

/// Sets a quota, by a client that has none itself.
async fn limit(cluster: &Cluster, (kind, name): (&str, &str), key: &str, value: f64) {
    let entity = EntityData::default()
        .with_entity_type(text(kind))
        .with_entity_name(Some(text(name)));
    let op = OpData::default().with_key(text(key)).with_value(value);
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    let mut admin = cluster.client(BrokerId(2)).unwrap();
    assert_eq!(admin.send(request).await.unwrap().entries[0].error_code, 0);
}

const ME: (&str, &str) = ("client-id", "me");

fn create(name: &str, partitions: i32) -> CreateTopicsRequest {
    let topic = CreatableTopic::default()
        .with_name(TopicName(text(name)))
        .with_num_partitions(partitions)
        .with_replication_factor(1);
    CreateTopicsRequest::default().with_topics(vec![topic])
}

/// The error and the throttle time of a creation.
async fn created(cluster: &Cluster, name: &str, partitions: i32, version: i16) -> (i16, i32) {
    let answer = client(cluster)
        .send_version(create(name, partitions), version)
        .await
        .unwrap();
    (answer.topics[0].error_code, answer.throttle_time_ms)
}

/// A request counts as a tenth of a millisecond of a thread: a hundredth of a percent of one for ten seconds is ten requests.
#[leakcheck(start_paused)]
async fn who_asks_for_more_of_a_threads_time_than_its_quota_waits_a_window_at_most() {
    let cluster = cluster().await;
    limit(&cluster, ME, "request_percentage", 0.01).await;
    let mut me = client(&cluster);
    for nth in 0..10 {
        let answer = me.send(ListGroupsRequest::default()).await.unwrap();
        assert_eq!(answer.throttle_time_ms, 0, "request {nth}");
    }
    let answer = me.send(HeartbeatRequest::default()).await.unwrap();
    assert_eq!(answer.throttle_time_ms, 1000);
    let before = Instant::now();
    let answer = me.send(MetadataRequest::default()).await.unwrap();
    assert_eq!(
        before.elapsed(),
        Duration::from_millis(1000),
        "it is not listened to meanwhile"
    );
    assert_eq!(
        answer.throttle_time_ms, 1000,
        "two requests too many take two seconds, and a window is one"
    );
    let mut another = cluster.client(BrokerId(1)).unwrap();
    assert_eq!(
        another
            .send(ListGroupsRequest::default())
            .await
            .unwrap()
            .throttle_time_ms,
        0
    );
    advance(Duration::from_secs(12)).await;
    assert_eq!(me.send(ListGroupsRequest::default()).await.unwrap().throttle_time_ms, 0);
    cluster.close().await;
}

/// One a second, and eleven seconds' worth at once.
#[leakcheck(start_paused)]
async fn topics_beyond_the_quota_are_refused_in_strict_versions_until_there_is_something_left_again() {
    let cluster = cluster().await;
    limit(&cluster, ME, "controller_mutation_rate", 1.0).await;
    assert_eq!(
        created(&cluster, "a", 14, 7).await,
        (0, 0),
        "it begins with something left"
    );
    let answer = client(&cluster).send_version(create("b", 1), 6).await.unwrap();
    assert_eq!((answer.topics[0].error_code, answer.throttle_time_ms), (EXCEEDED, 3000));
    assert_eq!(answer.topics[0].error_message, None);
    advance(Duration::from_millis(2600)).await;
    assert_eq!(created(&cluster, "b", 1, 7).await, (EXCEEDED, 400));
    advance(Duration::from_millis(400)).await;
    assert_eq!(created(&cluster, "b", 2, 7).await, (0, 0));
    // A strict request that is refused for another reason takes nothing.
    advance(Duration::from_secs(2)).await;
    let exists = ResponseError::TopicAlreadyExists.code();
    assert_eq!(created(&cluster, "b", 100, 7).await, (exists, 0));
    assert_eq!(created(&cluster, "c", 1, 7).await, (0, 0));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn older_versions_change_what_they_want_and_wait_afterwards() {
    let cluster = cluster().await;
    limit(&cluster, ME, "controller_mutation_rate", 1.0).await;
    assert_eq!(created(&cluster, "a", 14, 5).await, (0, 3000));
    let more = CreatePartitionsTopic::default()
        .with_name(TopicName(text("a")))
        .with_count(16);
    let more = CreatePartitionsRequest::default().with_topics(vec![more.with_assignments(None)]);
    let refused = client(&cluster).send_version(more.clone(), 3).await.unwrap();
    assert_eq!(
        (refused.results[0].error_code, refused.throttle_time_ms),
        (EXCEEDED, 3000)
    );
    let grown = client(&cluster).send_version(more, 2).await.unwrap();
    assert_eq!((grown.results[0].error_code, grown.throttle_time_ms), (0, 5000));
    let delete = DeleteTopicsRequest::default().with_topic_names(vec![TopicName(text("a"))]);
    let refused = client(&cluster).send_version(delete.clone(), 5).await.unwrap();
    assert_eq!(
        (refused.responses[0].error_code, refused.throttle_time_ms),
        (EXCEEDED, 5000)
    );
    let mut me = client(&cluster);
    let deleted = me.send_version(delete, 4).await.unwrap();
    assert_eq!((deleted.responses[0].error_code, deleted.throttle_time_ms), (0, 21_000));
    let before = Instant::now();
    me.send(MetadataRequest::default()).await.unwrap();
    assert_eq!(before.elapsed(), Duration::from_secs(21));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_connection_too_many_is_closed_once_there_may_be_another() {
    let cluster = cluster().await;
    limit(&cluster, ("ip", "127.0.0.1"), "connection_creation_rate", 2.0).await;
    let mut open: Vec<_> = (0..20).map(|_| client(&cluster)).collect();
    let mut refused = client(&cluster);
    let before = Instant::now();
    let pending = refused.start(MetadataRequest::default(), 12).await.unwrap();
    let answer = refused.finish(pending).await;
    assert!(matches!(answer, Err(error) if error.is_closed()));
    assert_eq!(before.elapsed(), Duration::from_millis(500));
    for one in &mut open {
        one.send(MetadataRequest::default()).await.unwrap();
    }
    cluster
        .client(BrokerId(2))
        .unwrap()
        .send(MetadataRequest::default())
        .await
        .unwrap();
    advance(Duration::from_secs(11)).await;
    client(&cluster).send(MetadataRequest::default()).await.unwrap();
    cluster.close().await;
}

/// The first answer to `me` on a broker that made it wait: how long it has to.
async fn asked(cluster: &Cluster, broker: i32) -> i32 {
    let mut me = cluster.client(BrokerId(broker)).unwrap().with_client_id("me");
    me.send(ListGroupsRequest::default()).await.unwrap().throttle_time_ms
}

async fn restart(cluster: &Cluster, broker: i32) {
    cluster.stop_broker(BrokerId(broker)).await.unwrap();
    cluster.start_broker(BrokerId(broker)).await.unwrap();
}

#[leakcheck(start_paused)]
async fn a_broker_that_starts_again_has_measured_nothing_of_its_clients() {
    let cluster = cluster().await;
    limit(&cluster, ME, "request_percentage", 0.01).await;
    for broker in [1, 2] {
        for _ in 0..10 {
            assert_eq!(asked(&cluster, broker).await, 0);
        }
        assert_ne!(asked(&cluster, broker).await, 0);
    }
    restart(&cluster, 1).await;
    assert_eq!(asked(&cluster, 1).await, 0);
    assert_ne!(asked(&cluster, 2).await, 0, "the other has not started again");
    cluster.close().await;
}

/// The controller measures. One that takes over has measured nothing, and another broker's start changes nothing.
#[leakcheck(start_paused)]
async fn mutations_are_counted_anew_by_the_next_controller_and_by_one_that_starts_again() {
    let cluster = cluster().await;
    limit(&cluster, ME, "controller_mutation_rate", 1.0).await;
    assert_eq!(created(&cluster, "a", 14, 7).await, (0, 0));
    restart(&cluster, 3).await;
    assert_eq!(created(&cluster, "b", 1, 7).await, (EXCEEDED, 3000));
    restart(&cluster, 1).await;
    assert_eq!(
        created(&cluster, "b", 14, 7).await,
        (0, 0),
        "broker 2 is the controller now"
    );
    assert_eq!(created(&cluster, "c", 1, 7).await, (EXCEEDED, 3000));
    // Nobody is left to take over: it is the controller again.
    for broker in [1, 3, 2] {
        cluster.stop_broker(BrokerId(broker)).await.unwrap();
    }
    cluster.start_broker(BrokerId(2)).await.unwrap();
    cluster.start_broker(BrokerId(1)).await.unwrap();
    assert_eq!(created(&cluster, "c", 1, 7).await, (0, 0));
    cluster.close().await;
}

/// How long a new connection waits for its first answer.
async fn connected(cluster: &Cluster) -> Duration {
    let before = Instant::now();
    client(cluster).send(MetadataRequest::default()).await.unwrap();
    before.elapsed()
}

#[leakcheck(start_paused)]
async fn a_broker_that_starts_again_has_seen_no_connections() {
    let cluster = one_connection_a_second().await;
    for _ in 0..10 {
        assert_eq!(connected(&cluster).await, Duration::ZERO);
    }
    assert_eq!(connected(&cluster).await, Duration::from_secs(1));
    restart(&cluster, 1).await;
    assert_eq!(connected(&cluster).await, Duration::ZERO);
    cluster.close().await;
}
