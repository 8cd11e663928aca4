//! How many connections a broker has, and how many it takes in a second (KIP-402, KIP-612), to the millisecond.

use std::time::Duration;

use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::{IncrementalAlterConfigsRequest, ListGroupsRequest};
use kfake::client::Client;
use kfake::{BrokerId, Builder, Cluster};
use kfake_tests::text;
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::{Instant, timeout};

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);

fn memory() -> Builder {
    Cluster::builder().in_memory()
}

/// Sets or deletes a configuration of all brokers (``) or of one.
async fn configure(client: &mut Client<DuplexStream>, broker: &str, name: &str, value: Option<&str>) -> i16 {
    let config = AlterableConfig::default()
        .with_name(text(name))
        .with_config_operation(i8::from(value.is_none()))
        .with_value(value.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_resource_name(text(broker))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    client.send(request).await.unwrap().responses[0].error_code
}

async fn ask(client: &mut Client<DuplexStream>) -> bool {
    match client.send(ListGroupsRequest::default()).await {
        Ok(_) => true,
        Err(error) => {
            assert!(error.is_closed(), "{error}");
            false
        }
    }
}

/// Whether it is answered, or has no answer in an hour.
async fn waits(client: &mut Client<DuplexStream>) -> bool {
    timeout(Duration::from_secs(3600), ask(client)).await.is_err()
}

/// A broker started with a limit keeps it, each broker for itself, and the first to wait is the first to come in.
#[leakcheck(start_paused)]
async fn a_connection_waits_for_its_turn_and_a_slot() {
    let cluster = memory().broker_config("max.connections", "2").start().await.unwrap();
    let (mut a, b) = (cluster.client(ONE).unwrap(), cluster.client(ONE).unwrap());
    let (mut c, mut d) = (cluster.client(ONE).unwrap(), cluster.client(ONE).unwrap());
    assert!(
        ask(&mut cluster.client(TWO).unwrap()).await,
        "another broker has its own"
    );
    let of_c = c.start(ListGroupsRequest::default(), 0).await.unwrap();
    let of_d = d.start(ListGroupsRequest::default(), 0).await.unwrap();
    assert!(ask(&mut a).await);
    drop(b);
    c.finish(of_c).await.unwrap();
    let mut of_d = Box::pin(d.finish(of_d));
    assert!(timeout(Duration::from_secs(3600), &mut of_d).await.is_err());
    drop(a);
    of_d.await.unwrap();
    cluster.close().await;
}

/// Of what a peer has sent before it left, everything is handled; one that left without a word gives up its place.
#[leakcheck(start_paused)]
async fn who_leaves_while_it_waits_lets_the_others_pass() {
    let cluster = memory().broker_config("max.connections", "1").start().await.unwrap();
    let mut a = cluster.client(ONE).unwrap();
    assert!(ask(&mut a).await);
    let silent = cluster.client(ONE).unwrap();
    let mut spoke = cluster.client(ONE).unwrap();
    let config = AlterableConfig::default()
        .with_name(text("message.max.bytes"))
        .with_value(Some(text("77")));
    let resource = AlterConfigsResource::default()
        .with_resource_type(4)
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    drop(spoke.start(request, 1).await.unwrap());
    let mut last = cluster.client(ONE).unwrap();
    drop((silent, spoke));
    assert!(waits(&mut last).await);
    drop((a, last));
    let mut next = cluster.client(ONE).unwrap();
    let describe = kafka_protocol::messages::DescribeConfigsRequest::default().with_resources(vec![
        kafka_protocol::messages::describe_configs_request::DescribeConfigsResource::default()
            .with_resource_type(4)
            .with_resource_name(text("1"))
            .with_configuration_keys(Some(vec![text("message.max.bytes")])),
    ]);
    let described = next.send(describe).await.unwrap();
    assert_eq!(described.results[0].configs[0].value.as_deref(), Some("77"));
    cluster.close().await;
}

/// The limit of all connections closes the ones used longest ago; that of a listener closes none.
#[leakcheck(start_paused)]
async fn a_limit_that_falls_closes_the_connections_used_longest_ago() {
    let cluster = memory().start().await.unwrap();
    let mut all: Vec<_> = (0..4).map(|_| cluster.client(ONE).unwrap()).collect();
    for used in [3, 2, 1, 0, 3] {
        assert!(ask(&mut all[used]).await);
    }
    let listener = "listener.name.plaintext.max.connections";
    assert_eq!(configure(&mut all[0], "1", listener, Some("1")).await, 0);
    for used in [3, 2, 1, 3] {
        assert!(ask(&mut all[used]).await);
    }
    assert_eq!(configure(&mut all[0], "", "max.connections", Some("2")).await, 0);
    for (nth, stays) in [(0, true), (1, false), (2, false), (3, true)] {
        assert_eq!(ask(&mut all[nth]).await, stays, "{nth}");
    }
    all.truncate(1);
    let mut next = cluster.client(ONE).unwrap();
    assert!(waits(&mut next).await, "the listener takes one");
    assert_eq!(configure(&mut all[0], "1", listener, None).await, 0);
    let mut another = cluster.client(ONE).unwrap();
    assert!(waits(&mut another).await, "the broker takes two");
    assert_eq!(configure(&mut all[0], "", "max.connections", None).await, 0);
    assert!(ask(&mut cluster.client(ONE).unwrap()).await);
    cluster.close().await;
}

/// Two a second over ten seconds: the 21st is half a second too early, and each next one waits for itself.
#[leakcheck(start_paused)]
async fn connections_that_come_too_fast_are_taken_one_by_one() {
    let builder = memory().broker_config("listener.name.plaintext.max.connection.creation.rate", "2");
    let cluster = builder.start().await.unwrap();
    let mut all: Vec<_> = (0..23).map(|_| cluster.client(ONE).unwrap()).collect();
    let before = Instant::now();
    let mut taken = Vec::new();
    for one in &mut all {
        assert!(ask(one).await);
        taken.push(before.elapsed().as_millis());
    }
    assert_eq!(taken[..20], [0; 20]);
    assert_eq!(taken[20..], [500, 1500, 2500], "as many too many, and a window at most");
    cluster.close().await;
}

/// A broker that may have no connection is not one that a client can ask for.
#[leakcheck(start_paused)]
async fn no_connections_at_all_are_refused_while_it_runs() {
    let cluster = memory().start().await.unwrap();
    let mut client = cluster.client(ONE).unwrap();
    for name in ["max.connections", "max.connection.creation.rate"] {
        assert_eq!(configure(&mut client, "", name, Some("0")).await, 42);
        assert_eq!(configure(&mut client, "", name, Some("1")).await, 0);
    }
    cluster.close().await;
}
