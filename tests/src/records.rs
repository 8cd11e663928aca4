//! Records for a topic `orders`, and the requests that carry them.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{PartitionProduceResponse, ProduceResponse};
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, TopicName};

use crate::{batch_of, record, text};

/// The topic that the requests are about.
pub const TOPIC: &str = "orders";

/// A batch with one record.
pub fn batch() -> Bytes {
    batch_of(&record(1, Bytes::from_static(b"a book")))
}

/// A Produce of one record to partition 0, for a version below 13.
pub fn produce(acks: i16) -> ProduceRequest {
    let partition = PartitionProduceData::default()
        .with_index(0)
        .with_records(Some(batch()));
    let topic = TopicProduceData::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partition_data(vec![partition]);
    ProduceRequest::default()
        .with_acks(acks)
        .with_timeout_ms(1_000)
        .with_topic_data(vec![topic])
}

/// A Fetch of partition 0 from `offset` that waits for at most `wait` milliseconds, for a version below 13.
pub fn fetch(offset: i64, wait: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_max_wait_ms(wait)
        .with_min_bytes(1)
        .with_topics(vec![topic])
}

/// What a Produce's response says of its partition.
pub fn produced(response: ProduceResponse) -> PartitionProduceResponse {
    response.responses[0].partition_responses[0].clone()
}

/// What a Fetch's response says of its partition.
pub fn fetched(response: FetchResponse) -> PartitionData {
    response.responses[0].partitions[0].clone()
}
