//! What the tests of every client share: the codecs, and a look at what the cluster stored.

use bytes::Buf;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{FetchRequest, TopicName};
use kfake::{BrokerId, Cluster};
use kfake_tests::text;

/// The version of Fetch up to which topics have names.
const BY_NAME: i16 = 12;

/// The codecs of record batches, by their number in a batch's attributes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    None = 0,
    Gzip = 1,
    Snappy = 2,
    Lz4 = 3,
    Zstd = 4,
}

/// The header of a batch as it lies in a partition: what a client really sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredBatch {
    pub codec: i16,
    pub producer_id: i64,
    pub base_sequence: i32,
    pub records: i32,
}

/// The batches of a partition.
pub async fn stored(cluster: &Cluster, leader: BrokerId, topic: &str, partition: i32) -> Vec<StoredBatch> {
    let wanted = FetchPartition::default()
        .with_partition(partition)
        .with_partition_max_bytes(i32::MAX);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text(topic)))
        .with_partitions(vec![wanted]);
    let request = FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_bytes(i32::MAX)
        .with_session_epoch(-1)
        .with_topics(vec![topic]);
    let mut client = cluster.client(leader).expect("the cluster is open");
    let response = client.send_version(request, BY_NAME).await.expect("an answer");
    let partition = &response.responses[0].partitions[0];
    assert_eq!(partition.error_code, 0);
    let mut bytes = partition.records.clone().unwrap_or_default();
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let length = (&bytes[8..]).get_i32();
        let batch = bytes.split_to(12 + usize::try_from(length).expect("a length"));
        batches.push(StoredBatch {
            codec: (&batch[21..]).get_i16() & 0b111,
            producer_id: (&batch[43..]).get_i64(),
            base_sequence: (&batch[53..]).get_i32(),
            records: (&batch[57..]).get_i32(),
        });
    }
    batches
}

/// A value that every codec makes smaller: clients send a batch that does not shrink as it is.
pub fn value(n: usize) -> String {
    format!("{n} {}", "compressible ".repeat(100))
}
