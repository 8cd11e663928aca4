//! What becomes due by the markers that end transactions, on the paused clock.

use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{
    DescribeProducersRequest, EndTxnRequest, FetchRequest, InitProducerIdRequest, ListTransactionsRequest,
    ProduceRequest, ProducerId, TopicName, TransactionalId,
};
use kafka_protocol::records::Record;
use kfake::Cluster;
use kfake::client::Client;
use kfake::messages::WriteTxnMarkersRequest;
use kfake::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kfake_tests::{batch_of, first_broker, record, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::{Instant, sleep};

const ID: &str = "transfers";
const MINUTE: Duration = Duration::from_secs(60);
/// The time of day when a cluster starts.
const NOW: Duration = Duration::from_secs(1_700_000_000);

struct Producer {
    client: Client<DuplexStream>,
    id: i64,
    epoch: i16,
}

impl Producer {
    /// Begins a transaction with a record.
    async fn begin(cluster: &Cluster) -> Self {
        let mut client = first_broker(cluster);
        let initialize = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(ID))))
            .with_transaction_timeout_ms(900_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = client.send(initialize).await.unwrap();
        assert_eq!(answer.error_code, 0);
        let (id, epoch) = (answer.producer_id.0, answer.producer_epoch);
        let mut producer = Self { client, id, epoch };
        producer.write(0).await;
        producer
    }

    /// Writes a record, always of the same key.
    async fn write(&mut self, sequence: i32) {
        let record = Record {
            transactional: true,
            producer_id: self.id,
            producer_epoch: self.epoch,
            sequence,
            key: Some(Bytes::from_static(b"k")),
            ..record(NOW.as_millis() as i64, Bytes::from_static(b"a transfer"))
        };
        let data = PartitionProduceData::default().with_records(Some(batch_of(&record)));
        let topic = TopicProduceData::default()
            .with_name(TopicName(text("orders")))
            .with_partition_data(vec![data]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(text(ID))))
            .with_acks(-1)
            .with_topic_data(vec![topic]);
        let produced = self.client.send_version(request, 12).await.unwrap();
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
    }

    async fn commit(&mut self) {
        let end = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(true);
        assert_eq!(self.client.send(end).await.unwrap().error_code, 0);
    }

    /// As an administrator ends it.
    async fn abort_by_marker(&mut self) {
        let topic = WritableTxnMarkerTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partition_indexes(vec![0]);
        let marker = WritableTxnMarker::default()
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_topics(vec![topic]);
        let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
        let written = self.client.send_version(request, 1).await.unwrap();
        assert_eq!(written.markers[0].topics[0].partitions[0].error_code, 0);
    }
}

/// How many producers the partition remembers.
async fn producers(cluster: &Cluster) -> usize {
    let topic = TopicRequest::default()
        .with_name(TopicName(text("orders")))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let answer = first_broker(cluster).send(request).await.unwrap();
    answer.topics[0].partitions[0].active_producers.len()
}

/// The offset of the first batch that is left.
async fn first_batch(cluster: &Cluster) -> i64 {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default().with_topics(vec![topic]);
    let fetched = first_broker(cluster).send_version(request, 12).await.unwrap();
    let records = fetched.responses[0].partitions[0].records.as_ref().unwrap();
    i64::from_be_bytes(*records.first_chunk().unwrap())
}

async fn cluster(configs: &[(&str, &str)]) -> Cluster {
    let mut builder = Cluster::builder()
        .brokers(1)
        .in_memory()
        .start_time(UNIX_EPOCH + NOW)
        .topic("orders", 1);
    for (name, value) in configs {
        builder = builder.broker_config(*name, *value);
    }
    builder.start().await.unwrap()
}

/// While the transaction is open its producer is not forgotten, and from its end on nothing else happens in the partition.
#[leakcheck(start_paused)]
async fn a_producer_expires_whose_transaction_ended_last() {
    for by_marker in [false, true] {
        let cluster = cluster(&[
            ("log.retention.ms", "-1"),
            ("producer.id.expiration.ms", "60000"),
            ("producer.id.expiration.check.interval.ms", "1000"),
        ])
        .await;
        let mut producer = Producer::begin(&cluster).await;
        sleep(2 * MINUTE).await;
        assert_eq!(producers(&cluster).await, 1);
        match by_marker {
            true => producer.abort_by_marker().await,
            false => producer.commit().await,
        }
        let ended = Instant::now();
        while producers(&cluster).await > 0 {
            assert!(ended.elapsed() < 10 * MINUTE, "it is never forgotten");
            sleep(Duration::from_secs(1)).await;
        }
        let passed = ended.elapsed();
        assert!(
            passed >= MINUTE && passed <= MINUTE + Duration::from_secs(2),
            "{passed:?}"
        );
        cluster.close().await;
    }
}

/// The marker comes so late that it begins another segment: what is before it can be compacted.
#[leakcheck(start_paused)]
async fn a_segment_is_compacted_that_a_marker_has_closed() {
    let cluster = cluster(&[
        ("log.cleanup.policy", "compact"),
        ("log.roll.ms", "10000"),
        ("log.cleaner.min.cleanable.ratio", "0"),
    ])
    .await;
    let mut producer = Producer::begin(&cluster).await;
    producer.write(1).await;
    sleep(MINUTE).await;
    assert_eq!(first_batch(&cluster).await, 0, "what is not decided is not compacted");
    producer.commit().await;
    let ended = Instant::now();
    while first_batch(&cluster).await == 0 {
        assert!(ended.elapsed() < 10 * MINUTE, "it is never compacted");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(first_batch(&cluster).await, 1);
    assert!(
        ended.elapsed() <= Duration::from_secs(16),
        "log.cleaner.backoff.ms is 15 seconds"
    );
    cluster.close().await;
}

/// Of one that has never begun Apache Kafka knows no start, which is -1: longer ago than any number can say.
#[leakcheck(start_paused)]
async fn at_the_end_of_time_transactions_are_listed_by_how_long_they_last() {
    let builder = Cluster::builder().in_memory().brokers(1);
    let last = UNIX_EPOCH + Duration::from_millis(i64::MAX as u64);
    let cluster = builder.start_time(last).start().await.unwrap();
    let mut client = first_broker(&cluster);
    let initialize = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text(ID))))
        .with_transaction_timeout_ms(900_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    assert_eq!(client.send(initialize).await.unwrap().error_code, 0);
    for (duration, listed) in [(-1, 1), (0, 1), (i64::MAX - 1, 1), (i64::MAX, 0), (i64::MIN, 1)] {
        let request = ListTransactionsRequest::default().with_duration_filter(duration);
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.transaction_states.len(), listed, "{duration}");
    }
    cluster.close().await;
}
