//! A cluster that is closed while clients are made to wait: for what they asked, or for connecting too often.

use std::time::Duration;

use kafka_protocol::messages::alter_client_quotas_request::{EntityData, EntryData, OpData};
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{
    AlterClientQuotasRequest, CreateTopicsRequest, IncrementalAlterConfigsRequest, MetadataRequest, TopicName,
};
use kfake::client::Client;
use kfake::{BrokerId, Cluster};
use kfake_tests::records::{TOPIC, fetch};
use kfake_tests::{IDLE, one_connection_a_second, text, until_idle};
use leakcheck::leakcheck;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::Instant;

async fn limit<S: AsyncRead + AsyncWrite + Unpin>(
    admin: &mut Client<S>,
    kind: &str,
    name: Option<&str>,
    key: &str,
    value: f64,
) {
    let entity = EntityData::default()
        .with_entity_type(text(kind))
        .with_entity_name(name.map(text));
    let op = OpData::default().with_key(text(key)).with_value(value);
    let entry = EntryData::default().with_entity(vec![entity]).with_ops(vec![op]);
    let request = AlterClientQuotasRequest::default().with_entries(vec![entry]);
    assert_eq!(admin.send(request).await.unwrap().entries[0].error_code, 0);
}

/// Takes what is left for hours: the connection is not listened to any more.
async fn exhaust<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>) -> i32 {
    limit(
        client,
        "client-id",
        Some("kfake-client"),
        "controller_mutation_rate",
        0.01,
    )
    .await;
    let topic = CreatableTopic::default()
        .with_name(TopicName(text("wide")))
        .with_num_partitions(100)
        .with_replication_factor(1);
    let create = CreateTopicsRequest::default().with_topics(vec![topic]);
    client.send_version(create, 5).await.unwrap().throttle_time_ms
}

#[leakcheck(start_paused)]
async fn closing_ends_a_connection_that_is_throttled_and_has_sent_more() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let mut client = cluster.client(BrokerId(1)).unwrap();
    assert!(exhaust(&mut client).await > 9_000_000);
    let pending = client.start(MetadataRequest::default(), 12).await.unwrap();
    let before = Instant::now();
    cluster.close().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (Duration::ZERO, 0));
    let answer = client.finish(pending).await;
    assert!(matches!(answer, Err(error) if error.is_closed()));
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_cluster_over_tcp_ends_its_throttled_connections() {
    let cluster = Cluster::builder().brokers(1).start().await.unwrap();
    let address = cluster.bootstrap_servers().parse().unwrap();
    let mut client = Client::<TcpStream>::connect(address).await.unwrap();
    assert!(exhaust(&mut client).await > 9_000_000);
    drop(cluster);
}

/// The quota lets no connection in for a second: those who come then wait to be closed.
async fn one_too_many<S>(first: S, mut connect: impl AsyncFnMut() -> S) -> Vec<S>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut admin = Client::new(first);
    limit(&mut admin, "ip", None, "connection_creation_rate", 1.0).await;
    let mut all = Vec::new();
    for _ in 0..20 {
        all.push(connect().await);
    }
    all
}

#[leakcheck(start_paused)]
async fn closing_ends_connections_that_wait_to_be_closed() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let first = cluster.connect(BrokerId(1)).unwrap();
    let mut all = one_too_many(first, async || cluster.connect(BrokerId(1)).unwrap()).await;
    let before = Instant::now();
    cluster.close().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (Duration::ZERO, 0));
    for stream in &mut all {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_connections_over_tcp_that_wait_to_be_closed() {
    let cluster = Cluster::builder().brokers(1).start().await.unwrap();
    let address = cluster.bootstrap_servers();
    let first = TcpStream::connect(&address).await.unwrap();
    let _all = one_too_many(first, async || TcpStream::connect(&address).await.unwrap()).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn a_connection_that_waits_to_be_closed_ends_with_its_peer() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let first = cluster.connect(BrokerId(1)).unwrap();
    let all = one_too_many(first, async || cluster.connect(BrokerId(1)).unwrap()).await;
    let before = Instant::now();
    drop(all);
    until_idle().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (IDLE, 0));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn stopping_a_broker_ends_its_connections_that_wait_to_be_closed() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let first = cluster.connect(BrokerId(1)).unwrap();
    let mut all = one_too_many(first, async || cluster.connect(BrokerId(1)).unwrap()).await;
    let before = Instant::now();
    cluster.stop_broker(BrokerId(1)).await.unwrap();
    for stream in &mut all {
        assert_eq!(stream.read(&mut [0; 1]).await.unwrap(), 0);
    }
    assert_eq!(before.elapsed(), Duration::ZERO);
    cluster.close().await;
}

/// A broker that is full, with its connection and those that wait for a slot.
async fn full<S>(mut connect: impl AsyncFnMut() -> S) -> Vec<Client<S>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut first = Client::new(connect().await);
    first.send(MetadataRequest::default()).await.unwrap();
    let mut waiting = Client::new(connect().await);
    drop(waiting.start(MetadataRequest::default(), 12).await.unwrap());
    // What the first sends later is answered, and it is the only one.
    first.send(MetadataRequest::default()).await.unwrap();
    vec![first, waiting, Client::new(connect().await)]
}

#[leakcheck(start_paused)]
async fn closing_ends_connections_that_wait_for_a_slot() {
    let builder = Cluster::builder().in_memory().broker_config("max.connections", "1");
    let cluster = builder.start().await.unwrap();
    let mut all = full(async || cluster.connect(BrokerId(1)).unwrap()).await;
    let before = Instant::now();
    cluster.close().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (Duration::ZERO, 0));
    for client in &mut all {
        client.closed().await.unwrap();
    }
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_connections_over_tcp_that_wait_for_a_slot() {
    let builder = Cluster::builder().brokers(1).broker_config("max.connections", "1");
    let cluster = builder.start().await.unwrap();
    let address = cluster.bootstrap_servers();
    let _all = full(async || TcpStream::connect(&address).await.unwrap()).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn connections_that_wait_for_a_slot_end_with_their_peers_and_their_broker() {
    let builder = Cluster::builder().in_memory().broker_config("max.connections", "1");
    let cluster = builder.start().await.unwrap();
    let before = Instant::now();
    drop(full(async || cluster.connect(BrokerId(1)).unwrap()).await);
    until_idle().await;
    assert_eq!(cluster.task_count(), 0);
    let mut all = full(async || cluster.connect(BrokerId(1)).unwrap()).await;
    cluster.stop_broker(BrokerId(1)).await.unwrap();
    for client in &mut all {
        client.closed().await.unwrap();
    }
    assert_eq!((before.elapsed(), cluster.task_count()), (IDLE, 0));
    cluster.close().await;
}

/// A second over the rate is a second to wait.
#[leakcheck(start_paused)]
async fn closing_ends_connections_that_came_too_fast() {
    let cluster = one_connection_a_second().await;
    let _all: Vec<_> = (0..20).map(|_| cluster.connect(BrokerId(1)).unwrap()).collect();
    let before = Instant::now();
    cluster.close().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (Duration::ZERO, 0));
}

/// The connections used longest ago are closed in the middle of what they wait for, and leave nothing behind.
#[leakcheck(start_paused)]
async fn connections_too_many_end_in_the_middle_of_their_fetches() {
    let builder = Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(1));
    let cluster = builder.start().await.unwrap();
    let leader = cluster.partition(TOPIC, 0).unwrap().leader.unwrap();
    let mut waiting = Vec::new();
    for fetches in 1..=3 {
        let mut client = cluster.client(leader).unwrap();
        drop(client.start(fetch(0, i32::MAX), 12).await.unwrap());
        until_idle().await;
        assert_eq!(cluster.partition(TOPIC, 0).unwrap().waiting_fetches, fetches);
        waiting.push(client);
    }
    let before = Instant::now();
    let config = AlterableConfig::default()
        .with_name(text("max.connections"))
        .with_value(Some(text("2")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let mut admin = cluster.client(leader).unwrap();
    assert_eq!(admin.send(request).await.unwrap().responses[0].error_code, 0);
    for client in &mut waiting[..2] {
        client.closed().await.unwrap();
    }
    until_idle().await;
    // The connections of the fetch that stays and of the administrator.
    assert_eq!(cluster.task_count(), 2);
    assert_eq!(cluster.partition(TOPIC, 0).unwrap().waiting_fetches, 1);
    cluster.close().await;
    assert_eq!((before.elapsed(), cluster.task_count()), (IDLE, 0));
}
