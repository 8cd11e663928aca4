//! Closing a cluster while brokers are stopped, reassignments are held, and fetches wait for what does not come.

use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, TopicName};
use kfake::client::Client;
use kfake::{BrokerId, Cluster};
use kfake_tests::records::{TOPIC, fetch};
use kfake_tests::text;
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::net::TcpStream;

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);

/// One partition on brokers 1 and 2, led by 1.
async fn memory() -> Cluster {
    let builder = Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(2));
    builder.start().await.unwrap()
}

async fn until_fetches_wait(cluster: &Cluster, fetches: usize) {
    for _ in 0..100_000 {
        if cluster.partition(TOPIC, 0).unwrap().waiting_fetches == fetches {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no {fetches} fetches wait");
}

/// A consumer that waits for records at the leader, and one that does at a follower.
async fn waiting(cluster: &Cluster) -> Vec<Client<DuplexStream>> {
    let mut clients = Vec::new();
    for broker in [ONE, TWO] {
        let mut client = cluster.client(broker).unwrap();
        drop(client.start(fetch(0, i32::MAX), 12).await.unwrap());
        clients.push(client);
    }
    until_fetches_wait(cluster, 2).await;
    clients
}

#[leakcheck(start_paused)]
async fn closing_ends_fetches_while_a_reassignment_is_held() {
    let cluster = memory().await;
    cluster.hold_reassignments(true);
    let partition = ReassignablePartition::default().with_replicas(Some(vec![WireBrokerId(3)]));
    let topic = ReassignableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    cluster.client(ONE).unwrap().send(request).await.unwrap();
    assert_eq!(cluster.partition(TOPIC, 0).unwrap().adding, [BrokerId(3)]);
    let _clients = waiting(&cluster).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn stopping_a_broker_ends_its_connections_alone() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    assert_eq!(cluster.task_count(), 2);
    cluster.stop_broker(ONE).await.unwrap();
    assert_eq!(cluster.task_count(), 1);
    until_fetches_wait(&cluster, 1).await;
    cluster.stop_broker(TWO).await.unwrap();
    assert_eq!(cluster.task_count(), 0);
    cluster.start_broker(ONE).await.unwrap();
    cluster.close().await;
    // A cluster that is closed starts nothing.
    cluster.start_broker(TWO).await.unwrap();
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_a_fetch_at_a_follower_while_the_leader_is_stopped() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    cluster.stop_broker(ONE).await.unwrap();
    let stopped = cluster.partition(TOPIC, 0).unwrap();
    assert_eq!((stopped.leader, stopped.in_sync), (None, vec![]));
    assert_eq!(cluster.task_count(), 1);
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_the_wait_for_a_broker_that_is_being_stopped() {
    let cluster = memory().await;
    let _clients = waiting(&cluster).await;
    // The broker's connection has not been dropped when the cluster begins to close.
    let (stopped, ()) = tokio::join!(cluster.stop_broker(ONE), cluster.close());
    stopped.unwrap();
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_while_brokers_stop_and_start_leaves_no_task_and_no_port() {
    let builder = Cluster::builder().topic_spec(TOPIC, Some(3), Some(3));
    let cluster = builder.start().await.unwrap();
    let mut clients = Vec::new();
    for broker in cluster.brokers() {
        clients.push(TcpStream::connect((broker.host.clone(), broker.port)).await.unwrap());
    }
    let stir = async {
        for _ in 0..8 {
            for id in [ONE, TWO] {
                cluster.stop_broker(id).await.unwrap();
                cluster.start_broker(id).await.unwrap();
            }
        }
    };
    let (_, ()) = tokio::join!(stir, async {
        tokio::task::yield_now().await;
        cluster.close().await;
    });
    assert_eq!(cluster.task_count(), 0);
    for broker in cluster.brokers() {
        let refused = TcpStream::connect((broker.host.clone(), broker.port))
            .await
            .unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    }
}
