//! rskafka: Kafka's protocol in Rust alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::StreamExt;
use kfake::{BrokerId, Cluster};
use leakcheck::leakcheck;
use rskafka::chrono::{DateTime, Utc};
use rskafka::client::consumer::{StartOffset, StreamConsumerBuilder};
use rskafka::client::error::{Error, ProtocolError};
use rskafka::client::partition::{Compression, OffsetAt, PartitionClient, UnknownTopicHandling};
use rskafka::client::{Client, ClientBuilder};
use rskafka::record::Record;

use super::given::{Codec, stored, value};

async fn connect(cluster: &Cluster) -> Client {
    let brokers = cluster.bootstrap_servers().split(',').map(str::to_owned).collect();
    ClientBuilder::new(brokers).build().await.unwrap()
}

async fn partition(client: &Client, topic: &str, partition: i32) -> PartitionClient {
    client
        .partition_client(topic, partition, UnknownTopicHandling::Error)
        .await
        .unwrap()
}

fn record(value: &str) -> Record {
    Record {
        key: Some(b"key".to_vec()),
        value: Some(value.as_bytes().to_vec()),
        headers: BTreeMap::from([("header".to_owned(), b"of the record".to_vec())]),
        timestamp: timestamp(1_000),
    }
}

fn timestamp(milliseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(milliseconds).unwrap()
}

/// Produces with a codec and consumes the same again.
async fn carries(compression: Compression, codec: Codec) {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect(&cluster).await;
    let controller = client.controller_client().unwrap();
    controller.create_topic("orders", 1, 1, 5_000).await.unwrap();
    let partition = partition(&client, "orders", 0).await;
    let records: Vec<_> = (0..50).map(|n| record(&value(n))).collect();
    let offsets = partition.produce(records.clone(), compression).await.unwrap();
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());

    let (fetched, high_watermark) = partition.fetch_records(0, 1..1_000_000, 1_000).await.unwrap();
    assert_eq!(high_watermark, 50);
    let (fetched, at): (Vec<_>, Vec<_>) = fetched.into_iter().map(|f| (f.record, f.offset)).unzip();
    assert_eq!(fetched, records);
    assert_eq!(at, offsets);
    let batches = stored(&cluster, BrokerId(1), "orders", 0).await;
    assert_eq!(batches.iter().map(|b| b.records).sum::<i32>(), 50);
    assert!(batches.iter().all(|b| b.codec == codec as i16), "{batches:?}");
    cluster.close().await;
}

#[leakcheck]
async fn records_come_back_as_they_went_uncompressed() {
    carries(Compression::NoCompression, Codec::None).await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_gzip() {
    carries(Compression::Gzip, Codec::Gzip).await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_snappy() {
    carries(Compression::Snappy, Codec::Snappy).await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_lz4() {
    carries(Compression::Lz4, Codec::Lz4).await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_zstd() {
    carries(Compression::Zstd, Codec::Zstd).await;
}

#[leakcheck]
async fn offsets_are_those_of_the_log() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let client = connect(&cluster).await;
    let partition = partition(&client, "orders", 0).await;
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 0);
    for n in 1..=3 {
        let records = vec![Record {
            timestamp: timestamp(n * 1_000),
            ..record("order")
        }];
        partition.produce(records, Compression::NoCompression).await.unwrap();
    }
    assert_eq!(partition.get_offset(OffsetAt::Earliest).await.unwrap(), 0);
    assert_eq!(partition.get_offset(OffsetAt::Latest).await.unwrap(), 3);
    let later_than_the_first = OffsetAt::Timestamp(timestamp(1_001));
    assert_eq!(partition.get_offset(later_than_the_first).await.unwrap(), 1);
    cluster.close().await;
}

#[leakcheck]
async fn a_fetch_beyond_the_end_is_out_of_range() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let client = connect(&cluster).await;
    let partition = partition(&client, "orders", 0).await;
    match partition.fetch_records(1, 1..1_000, 100).await.unwrap_err() {
        Error::ServerError { protocol_error, .. } => assert_eq!(protocol_error, ProtocolError::OffsetOutOfRange),
        other => panic!("{other:?}"),
    }
    cluster.close().await;
}

#[leakcheck]
async fn partitions_on_several_brokers_each_have_their_records() {
    let cluster = Cluster::builder().brokers(3).topic("orders", 6).start().await.unwrap();
    let client = connect(&cluster).await;
    for index in 0..6 {
        let records = vec![record(&format!("order in {index}"))];
        let partition = partition(&client, "orders", index).await;
        assert_eq!(partition.produce(records, Compression::Lz4).await.unwrap(), [0]);
    }
    for index in 0..6 {
        let partition = partition(&client, "orders", index).await;
        let (records, high_watermark) = partition.fetch_records(0, 1..100_000, 1_000).await.unwrap();
        assert_eq!(high_watermark, 1);
        let expected = format!("order in {index}").into_bytes();
        assert_eq!(records[0].record.value, Some(expected));
    }
    cluster.close().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_gets_records_as_they_are_produced() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let client = connect(&cluster).await;
    // A connection's requests are answered in turn: what is produced over that of a waiting fetch waits for it.
    let produced_to = partition(&client, "orders", 0).await;
    let fetched_from = Arc::new(partition(&client, "orders", 0).await);
    let mut stream = StreamConsumerBuilder::new(fetched_from, StartOffset::Earliest).build();
    for offset in 0..20 {
        let produce = produced_to.produce(vec![record("order")], Compression::Snappy);
        let (next, produced) = tokio::join!(stream.next(), produce);
        assert_eq!(produced.unwrap(), [offset]);
        let (got, high_watermark) = next.unwrap().unwrap();
        assert_eq!((got.offset, high_watermark), (offset, offset + 1));
    }
    cluster.close().await;
}

#[leakcheck]
async fn topics_come_and_go() {
    let cluster = Cluster::builder().start().await.unwrap();
    let client = connect(&cluster).await;
    let controller = client.controller_client().unwrap();
    controller.create_topic("orders", 3, 1, 5_000).await.unwrap();
    let topics = client.list_topics().await.unwrap();
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].name, "orders");
    assert_eq!(topics[0].partitions, BTreeSet::from([0, 1, 2]));
    match controller.create_topic("orders", 3, 1, 5_000).await.unwrap_err() {
        Error::ServerError { protocol_error, .. } => assert_eq!(protocol_error, ProtocolError::TopicAlreadyExists),
        other => panic!("{other:?}"),
    }
    controller.delete_topic("orders", 5_000).await.unwrap();
    assert!(client.list_topics().await.unwrap().is_empty());
    cluster.close().await;
}

#[leakcheck]
async fn closing_ends_the_connections_of_a_client_that_fetches() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let client = connect(&cluster).await;
    let partition = Arc::new(partition(&client, "orders", 0).await);
    partition
        .produce(vec![record("order")], Compression::NoCompression)
        .await
        .unwrap();
    let mut stream = StreamConsumerBuilder::new(partition, StartOffset::Earliest)
        .with_max_wait_ms(300_000)
        .build();
    stream.next().await.unwrap().unwrap();
    // rskafka tries to connect again for as long as it is asked to.
    tokio::select! {
        biased;
        next = stream.next() => panic!("{next:?}"),
        () = cluster.close() => {}
    }
    assert_eq!(cluster.task_count(), 0);
}
