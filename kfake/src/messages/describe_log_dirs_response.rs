//! Apache Kafka's `DescribeLogDirsResponse`, versions 1 to 5. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `DescribeLogDirsResponse`.
    DescribeLogDirsResponse {
        /// Apache Kafka's `throttleTimeMs`: every version.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: from version 3.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `results`: every version.
        results (with_results): Vec<DescribeLogDirsResult> = Default::default(), "results" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `DescribeLogDirsResult`.
    DescribeLogDirsResult {
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `logDir`: every version.
        log_dir (with_log_dir): StrBytes = Default::default(), "logDir" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<DescribeLogDirsTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `totalBytes`: from version 4.
        total_bytes (with_total_bytes): i64 = -1, "totalBytes" in 4..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `usableBytes`: from version 4.
        usable_bytes (with_usable_bytes): i64 = -1, "usableBytes" in 4..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `isCordoned`: from version 5.
        is_cordoned (with_is_cordoned): bool = false, "isCordoned" in 5..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
    }
    /// Apache Kafka's `DescribeLogDirsTopic`.
    DescribeLogDirsTopic {
        /// Apache Kafka's `name`: every version.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<DescribeLogDirsPartition> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `DescribeLogDirsPartition`.
    DescribeLogDirsPartition {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitionSize`: every version.
        partition_size (with_partition_size): i64 = Default::default(), "partitionSize" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `offsetLag`: every version.
        offset_lag (with_offset_lag): i64 = Default::default(), "offsetLag" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `isFutureKey`: every version.
        is_future_key (with_is_future_key): bool = Default::default(), "isFutureKey" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(DescribeLogDirsResponse, versions 1 to 5, flexible from 2, header 0 or 1);
