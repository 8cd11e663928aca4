//! Apache Kafka's `OffsetFetchResponse`, versions 1 to 10. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes, VersionRange};
use uuid::Uuid;

use super::wire;

wire::structs! {
    /// Apache Kafka's `OffsetFetchResponse`.
    OffsetFetchResponse {
        /// Apache Kafka's `throttleTimeMs`: from version 3.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topics`: versions 0 to 7.
        topics (with_topics): Vec<OffsetFetchResponseTopic> = Default::default(), "topics" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: versions 2 to 7.
        error_code (with_error_code): i16 = 0, "errorCode" in 2..=7, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `groups`: from version 8.
        groups (with_groups): Vec<OffsetFetchResponseGroup> = Default::default(), "groups" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchResponseTopic`.
    OffsetFetchResponseTopic {
        /// Apache Kafka's `name`: versions 0 to 7.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: versions 0 to 7.
        partitions (with_partitions): Vec<OffsetFetchResponsePartition> = Default::default(), "partitions" in 0..=7, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchResponsePartition`.
    OffsetFetchResponsePartition {
        /// Apache Kafka's `partitionIndex`: versions 0 to 7.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedOffset`: versions 0 to 7.
        committed_offset (with_committed_offset): i64 = Default::default(), "committedOffset" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedLeaderEpoch`: versions 5 to 7.
        committed_leader_epoch (with_committed_leader_epoch): i32 = -1, "committedLeaderEpoch" in 5..=7, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `metadata`: versions 0 to 7.
        metadata (with_metadata): Option<StrBytes> = Some(Default::default()), "metadata" in 0..=7, null in 0..=7, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: versions 0 to 7.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=7, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchResponseGroup`.
    OffsetFetchResponseGroup {
        /// Apache Kafka's `groupId`: from version 8.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: from version 8.
        topics (with_topics): Vec<OffsetFetchResponseTopics> = Default::default(), "topics" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: from version 8.
        error_code (with_error_code): i16 = 0, "errorCode" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchResponseTopics`.
    OffsetFetchResponseTopics {
        /// Apache Kafka's `name`: versions 8 to 9.
        name (with_name): super::TopicName = Default::default(), "name" in 8..=9, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topicId`: from version 10.
        topic_id (with_topic_id): Uuid = Default::default(), "topicId" in 10..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `partitions`: from version 8.
        partitions (with_partitions): Vec<OffsetFetchResponsePartitions> = Default::default(), "partitions" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchResponsePartitions`.
    OffsetFetchResponsePartitions {
        /// Apache Kafka's `partitionIndex`: from version 8.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedOffset`: from version 8.
        committed_offset (with_committed_offset): i64 = Default::default(), "committedOffset" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedLeaderEpoch`: from version 8.
        committed_leader_epoch (with_committed_leader_epoch): i32 = -1, "committedLeaderEpoch" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `metadata`: from version 8.
        metadata (with_metadata): Option<StrBytes> = Some(Default::default()), "metadata" in 8..=i16::MAX, null in 8..=i16::MAX, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: from version 8.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(OffsetFetchResponse, versions 1 to 10, flexible from 6, header 0 or 1);
