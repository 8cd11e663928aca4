//! librdkafka: what most of Kafka's clients in other languages are made of.

use kfake::{BrokerId, Cluster};
use leakcheck::leakcheck;
use rdkafka::producer::FutureRecord;

use super::given::{Codec, stored, value};
use super::librdkafka::{Consumer, Producer, producer};

/// Produces these values to a partition, in this order; the offsets they got.
async fn produce(producer: &Producer, partition: i32, values: impl IntoIterator<Item = String>) -> Vec<i64> {
    let mut sent = Vec::new();
    for value in values {
        let record = FutureRecord::<(), _>::to("orders").partition(partition).payload(&value);
        sent.push(producer.send_result(record).expect("the queue has room"));
    }
    let mut offsets = Vec::new();
    for delivery in sent {
        let delivery = delivery.await.expect("the producer lives").expect("a delivery");
        assert_eq!(delivery.partition, partition);
        offsets.push(delivery.offset);
    }
    offsets
}

/// Produces with a codec and consumes the same again.
async fn carries(codec: Codec, name: &str) {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let producer = producer(&cluster, &[("compression.codec", name), ("linger.ms", "10")]);
    let offsets = produce(&producer, 0, (0..50).map(value)).await;
    assert_eq!(offsets, (0..50).collect::<Vec<_>>());

    let consumer = Consumer::of(&cluster, "billing", "orders", &[]);
    for (offset, consumed) in consumer.take(50).await.into_iter().enumerate() {
        assert_eq!((consumed.offset, consumed.value), (offset as i64, value(offset)));
    }
    let batches = stored(&cluster, BrokerId(1), "orders", 0).await;
    assert_eq!(batches.iter().map(|b| b.records).sum::<i32>(), 50);
    assert!(batches.iter().all(|b| b.codec == codec as i16), "{batches:?}");
    consumer.close().await;
    cluster.close().await;
}

#[leakcheck]
async fn records_come_back_as_they_went_uncompressed() {
    carries(Codec::None, "none").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_gzip() {
    carries(Codec::Gzip, "gzip").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_snappy() {
    carries(Codec::Snappy, "snappy").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_lz4() {
    carries(Codec::Lz4, "lz4").await;
}

#[leakcheck]
async fn records_come_back_as_they_went_with_zstd() {
    carries(Codec::Zstd, "zstd").await;
}
