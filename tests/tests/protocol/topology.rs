//! Leaders that move, followers that fall behind, brokers that go: what clients are told.

mod brokers;
mod followers;
mod transactions;

use kafka_protocol::error::ResponseError;
use kfake::{BrokerId, Builder, Cluster, PartitionView};
use kfake_tests::records::{TOPIC, produce, produced};
use kfake_tests::until_idle;

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
const THREE: BrokerId = BrokerId(3);

/// One partition on brokers 1, 2 and 3, led by 1.
fn builder() -> Builder {
    Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(3))
}

fn view(cluster: &Cluster) -> PartitionView {
    cluster.partition(TOPIC, 0).unwrap()
}

fn code(error: ResponseError) -> i16 {
    error.code()
}

async fn produce_one(cluster: &Cluster, broker: BrokerId, acks: i16) -> i16 {
    let mut client = cluster.client(broker).unwrap();
    produced(client.send_version(produce(acks), 9).await.unwrap()).error_code
}

/// Lets the cluster's tasks run until a fetch waits for the partition.
async fn until_a_fetch_waits(cluster: &Cluster) {
    until_idle().await;
    assert_eq!(view(cluster).waiting_fetches, 1);
}
