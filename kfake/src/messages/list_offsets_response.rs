//! Apache Kafka's `ListOffsetsResponse`, versions 1 to 11. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `ListOffsetsResponse`.
    ListOffsetsResponse {
        /// Apache Kafka's `throttleTimeMs`: from version 2.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 2..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<ListOffsetsTopicResponse> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `ListOffsetsTopicResponse`.
    ListOffsetsTopicResponse {
        /// Apache Kafka's `name`: every version.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<ListOffsetsPartitionResponse> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `ListOffsetsPartitionResponse`.
    ListOffsetsPartitionResponse {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `timestamp`: from version 1.
        timestamp (with_timestamp): i64 = -1, "timestamp" in 1..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `offset`: from version 1.
        offset (with_offset): i64 = -1, "offset" in 1..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `leaderEpoch`: from version 4.
        leader_epoch (with_leader_epoch): i32 = -1, "leaderEpoch" in 4..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(ListOffsetsResponse, versions 1 to 11, flexible from 6, header 0 or 1);
