//! Apache Kafka's `TxnOffsetCommitResponse`, versions 0 to 6. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};
use uuid::Uuid;

use super::wire;

wire::structs! {
    /// Apache Kafka's `TxnOffsetCommitResponse`.
    TxnOffsetCommitResponse {
        /// Apache Kafka's `throttleTimeMs`: every version.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<TxnOffsetCommitResponseTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `TxnOffsetCommitResponseTopic`.
    TxnOffsetCommitResponseTopic {
        /// Apache Kafka's `name`: versions 0 to 5.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=5, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topicId`: from version 6.
        topic_id (with_topic_id): Uuid = Default::default(), "topicId" in 6..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<TxnOffsetCommitResponsePartition> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `TxnOffsetCommitResponsePartition`.
    TxnOffsetCommitResponsePartition {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(TxnOffsetCommitResponse, versions 0 to 6, flexible from 3, header 0 or 1);
