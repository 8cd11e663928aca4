//! Apache Kafka's `WriteTxnMarkersResponse`, versions 1 to 2. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `WriteTxnMarkersResponse`.
    WriteTxnMarkersResponse {
        /// Apache Kafka's `markers`: every version.
        markers (with_markers): Vec<WritableTxnMarkerResult> = Default::default(), "markers" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `WritableTxnMarkerResult`.
    WritableTxnMarkerResult {
        /// Apache Kafka's `producerId`: every version.
        producer_id (with_producer_id): super::ProducerId = Default::default(), "producerId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<WritableTxnMarkerTopicResult> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `WritableTxnMarkerTopicResult`.
    WritableTxnMarkerTopicResult {
        /// Apache Kafka's `name`: every version.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<WritableTxnMarkerPartitionResult> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `WritableTxnMarkerPartitionResult`.
    WritableTxnMarkerPartitionResult {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(WriteTxnMarkersResponse, versions 1 to 2, flexible from 1, header 0 or 1);
