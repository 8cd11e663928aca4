//! Apache Kafka's `ListOffsetsRequest`, versions 1 to 11. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `ListOffsetsRequest`.
    ListOffsetsRequest {
        /// Apache Kafka's `replicaId`: every version.
        replica_id (with_replica_id): super::BrokerId = Default::default(), "replicaId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `isolationLevel`: from version 2.
        isolation_level (with_isolation_level): i8 = Default::default(), "isolationLevel" in 2..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<ListOffsetsTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `timeoutMs`: from version 10.
        timeout_ms (with_timeout_ms): i32 = Default::default(), "timeoutMs" in 10..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
    }
    /// Apache Kafka's `ListOffsetsTopic`.
    ListOffsetsTopic {
        /// Apache Kafka's `name`: every version.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<ListOffsetsPartition> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `ListOffsetsPartition`.
    ListOffsetsPartition {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `currentLeaderEpoch`: from version 4.
        current_leader_epoch (with_current_leader_epoch): i32 = -1, "currentLeaderEpoch" in 4..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `timestamp`: every version.
        timestamp (with_timestamp): i64 = Default::default(), "timestamp" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(ListOffsetsRequest, key 2, response super::ListOffsetsResponse, versions 1 to 11, flexible from 6, header 1 or 2);
