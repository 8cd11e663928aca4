//! A cluster of three brokers with topic `t`: partition 0 is led by broker 1, partition 1 by 2, partition 2 by 3.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{
    CreateTopicsRequest, DeleteTopicsRequest, FetchRequest, FetchResponse, MetadataRequest, ProduceRequest,
    ProduceResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use kfake::client::{Client, ClientError};
use kfake::{BrokerId, Builder, Cluster};
use tokio::io::DuplexStream;
use uuid::Uuid;

pub struct Given {
    pub cluster: Cluster,
    /// Of broker 1.
    pub client: Client<DuplexStream>,
    /// Of topic `t`.
    pub topic_id: Uuid,
}

pub async fn given() -> Given {
    given_with(|builder| builder).await
}

pub async fn given_with(configure: impl FnOnce(Builder) -> Builder) -> Given {
    let builder = Cluster::builder().brokers(3).in_memory().topic("t", 3);
    let cluster = configure(builder).start().await.expect("the cluster starts");
    let mut client = cluster.client(BrokerId(1)).expect("broker 1 exists");
    let metadata = client.send(MetadataRequest::default().with_topics(None)).await;
    let topics = metadata.expect("metadata").topics;
    let topic_id = topics
        .iter()
        .find(|topic| topic.name == Some(name("t")))
        .expect("the topic exists")
        .topic_id;
    Given {
        cluster,
        client,
        topic_id,
    }
}

pub fn name(topic: &str) -> TopicName {
    TopicName(StrBytes::from_string(topic.to_owned()))
}

pub fn record(timestamp: i64, value: &[u8]) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp,
        key: None,
        value: Some(Bytes::copy_from_slice(value)),
        headers: Default::default(),
    }
}

/// A batch of these records.
pub fn batch_of(records: Vec<Record>) -> Bytes {
    compressed_batch_of(records, Compression::None)
}

/// A batch of these records, compressed.
pub fn compressed_batch_of(mut records: Vec<Record>, compression: Compression) -> Bytes {
    for (record, offset) in records.iter_mut().zip(0..) {
        record.offset = i64::from(offset);
        // Without a producer too: the encoder begins another batch where offsets and sequences do not go together.
        record.sequence += offset;
    }
    let options = RecordEncodeOptions {
        version: 2,
        compression,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, &records, &options).expect("a batch");
    bytes.freeze()
}

/// A batch with one record of that many bytes.
pub fn batch(size: usize) -> Bytes {
    batch_of(vec![record(0, &vec![b'x'; size])])
}

/// A Produce request for one partition of one topic.
pub fn produce(topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    produce_acks(-1, topic, partition, records)
}

pub fn produce_acks(acks: i16, topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default()
        .with_index(partition)
        .with_records(Some(records));
    let topic = TopicProduceData::default()
        .with_name(name(topic))
        .with_partition_data(vec![data]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

/// What a Fetch request wants of partitions: topic, partition, offset.
pub fn fetch(wanted: &[(&str, i32, i64)]) -> FetchRequest {
    let topics = wanted.iter().map(|(topic, partition, offset)| {
        let partition = FetchPartition::default()
            .with_partition(*partition)
            .with_fetch_offset(*offset)
            .with_partition_max_bytes(1 << 20);
        FetchTopic::default()
            .with_topic(name(topic))
            .with_partitions(vec![partition])
    });
    FetchRequest::default()
        .with_replica_id((-1).into())
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(1 << 20)
        .with_session_epoch(-1)
        .with_topics(topics.collect())
}

/// The version up to which topics have names.
pub const BY_NAME: i16 = 12;

impl Given {
    pub async fn client_of(&self, broker: i32) -> Client<DuplexStream> {
        self.cluster.client(BrokerId(broker)).expect("the broker exists")
    }

    /// A client of the broker that coordinates a group or a transactional id.
    pub async fn coordinator_of(&self, id: &str) -> Client<DuplexStream> {
        self.cluster
            .client(self.cluster.coordinator(id))
            .expect("the broker exists")
    }

    /// Produces to partition 0 of `t`; the offset that the batch got.
    pub async fn has_records(&mut self, records: Bytes) -> i64 {
        let answer = self.produced(produce("t", 0, records)).await;
        assert_eq!(answer.error_code, 0);
        answer.base_offset
    }

    /// The answer for a request's only partition.
    pub async fn produced(&mut self, request: ProduceRequest) -> PartitionProduceResponse {
        let response = self.client.send_version(request, BY_NAME).await;
        only_produced(response.expect("an answer"))
    }

    /// The answer for a request's only partition.
    pub async fn fetched(&mut self, request: FetchRequest) -> PartitionData {
        let response = self.client.send_version(request, BY_NAME).await;
        only_fetched(response.expect("an answer"))
    }

    pub async fn has_topic(&mut self, topic: &str, configs: &[(&str, &str)]) {
        let configs = configs.iter().map(|(name, value)| {
            CreatableTopicConfig::default()
                .with_name(StrBytes::from_string((*name).to_owned()))
                .with_value(Some(StrBytes::from_string((*value).to_owned())))
        });
        // The second topic's leaders start at broker 2, so that three partitions put its last one on broker 1.
        let topic = CreatableTopic::default()
            .with_name(name(topic))
            .with_num_partitions(3)
            .with_replication_factor(1)
            .with_configs(configs.collect());
        let request = CreateTopicsRequest::default()
            .with_topics(vec![topic])
            .with_timeout_ms(1_000);
        let response = self.client.send(request).await.expect("an answer");
        assert_eq!(
            response.topics[0].error_code, 0,
            "{:?}",
            response.topics[0].error_message
        );
    }

    pub async fn deletes_topic(&mut self, topic: &str) {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![name(topic)])
            .with_timeout_ms(1_000);
        let response = self.client.send_version(request, 5).await.expect("an answer");
        assert_eq!(response.responses[0].error_code, 0);
    }

    /// Closes the cluster: nothing of it may be left then.
    pub async fn closes(self) {
        self.cluster.close().await;
        assert_eq!(self.cluster.task_count(), 0);
    }
}

pub fn only_produced(mut response: ProduceResponse) -> PartitionProduceResponse {
    assert_eq!(response.responses.len(), 1);
    let mut partitions = std::mem::take(&mut response.responses[0].partition_responses);
    assert_eq!(partitions.len(), 1);
    partitions.remove(0)
}

pub fn only_fetched(mut response: FetchResponse) -> PartitionData {
    assert_eq!((response.error_code, response.responses.len()), (0, 1));
    let mut partitions = std::mem::take(&mut response.responses[0].partitions);
    assert_eq!(partitions.len(), 1);
    partitions.remove(0)
}

pub fn size(data: &PartitionData) -> usize {
    data.records.as_ref().map_or(0, Bytes::len)
}

#[track_caller]
pub fn assert_closed<T: std::fmt::Debug>(result: Result<T, ClientError>) {
    assert!(result.expect_err("the connection is closed").is_closed());
}
