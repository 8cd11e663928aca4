//! A small test suite, as many servers have: each test starts a cluster, does something with it over TCP, and closes it. By it
//! the benchmark tells what observing a test suite costs.

#[path = "../src/wire.rs"]
#[expect(dead_code, reason = "the benchmark needs more of it")]
mod wire;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

struct Given {
    cluster: kfake::Cluster,
    stream: TcpStream,
}

impl Given {
    async fn a_cluster() -> Self {
        let builder = kfake::Cluster::builder().brokers(1).topic("payload", 6);
        let builder = builder.broker_config("group.initial.rebalance.delay.ms", "0");
        let cluster = builder.start().await.unwrap();
        let stream = TcpStream::connect(cluster.bootstrap_servers()).await.unwrap();
        stream.set_nodelay(true).unwrap();
        Self { cluster, stream }
    }

    async fn ask(&mut self, frame: Vec<u8>) -> Vec<u8> {
        ask(&mut self.stream, frame).await
    }

    async fn ends(self) {
        self.cluster.close().await;
        assert_eq!(self.cluster.task_count(), 0);
    }
}

/// Sends a frame and waits for the body of its answer.
async fn ask(stream: &mut TcpStream, frame: Vec<u8>) -> Vec<u8> {
    stream.write_all(&frame).await.unwrap();
    let size = stream.read_u32().await.unwrap();
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).await.unwrap();
    answer.split_off(4)
}

async fn produces_and_consumes(records: usize, size: usize) {
    let mut given = Given::a_cluster().await;
    let batch = wire::batch(records, size, 0);
    for _ in 0..50 {
        wire::check_produced(&given.ask(wire::produce(&["payload"], 0..6, &batch)).await).unwrap();
    }
    let (mut offsets, mut read) = (vec![0; 6], 0);
    while read < (50 * 6 * batch.len()) as u64 {
        let answer = given.ask(wire::fetch("payload", &offsets)).await;
        read += wire::fetched(&answer, &mut offsets).unwrap();
    }
    assert_eq!(offsets, [50 * records as i64; 6]);
    given.ends().await;
}

async fn groups_live(groups: usize, heartbeats: usize) {
    let mut given = Given::a_cluster().await;
    for nth in 0..groups {
        let group = format!("group-{nth}");
        let joined = wire::joined(&given.ask(wire::join(&group, "")).await).unwrap();
        let sync = wire::sync(&group, &joined, &[&joined.member]);
        wire::check_throttled(&given.ask(sync).await).unwrap();
        for _ in 0..heartbeats {
            wire::check_throttled(&given.ask(wire::heartbeat(&group, &joined)).await).unwrap();
        }
        wire::check_throttled(&given.ask(wire::leave(&group, &joined)).await).unwrap();
    }
    given.ends().await;
}

async fn connections_open(connections: usize, requests: usize) {
    let given = Given::a_cluster().await;
    let servers = given.cluster.bootstrap_servers();
    for _ in 0..connections {
        let mut stream = TcpStream::connect(&servers).await.unwrap();
        for _ in 0..requests {
            assert!(ask(&mut stream, wire::api_versions()).await.len() > 6);
        }
    }
    given.ends().await;
}

macro_rules! tests {
    ($($name:ident: $test:expr;)*) => {
        $(#[tokio::test]
        async fn $name() {
            $test.await;
        })*
    };
}

tests! {
    small_records_come_back: produces_and_consumes(1, 100);
    batches_come_back: produces_and_consumes(64, 100);
    large_records_come_back: produces_and_consumes(4, 10_000);
    a_group_lives_long: groups_live(1, 500);
    several_groups_live: groups_live(10, 50);
    a_connection_asks_often: connections_open(1, 500);
    several_connections_ask: connections_open(10, 50);
    a_cluster_starts_and_ends: connections_open(1, 1);
}
