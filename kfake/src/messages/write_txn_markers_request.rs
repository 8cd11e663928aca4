//! Apache Kafka's `WriteTxnMarkersRequest`, versions 1 to 2. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `WriteTxnMarkersRequest`.
    WriteTxnMarkersRequest {
        /// Apache Kafka's `markers`: every version.
        markers (with_markers): Vec<WritableTxnMarker> = Default::default(), "markers" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `WritableTxnMarker`.
    WritableTxnMarker {
        /// Apache Kafka's `producerId`: every version.
        producer_id (with_producer_id): super::ProducerId = Default::default(), "producerId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `producerEpoch`: every version.
        producer_epoch (with_producer_epoch): i16 = Default::default(), "producerEpoch" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `transactionResult`: every version.
        transaction_result (with_transaction_result): bool = Default::default(), "transactionResult" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<WritableTxnMarkerTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `coordinatorEpoch`: every version.
        coordinator_epoch (with_coordinator_epoch): i32 = Default::default(), "coordinatorEpoch" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `transactionVersion`: from version 2.
        transaction_version (with_transaction_version): i8 = 0, "transactionVersion" in 2..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
    }
    /// Apache Kafka's `WritableTxnMarkerTopic`.
    WritableTxnMarkerTopic {
        /// Apache Kafka's `name`: every version.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitionIndexes`: every version.
        partition_indexes (with_partition_indexes): Vec<i32> = Default::default(), "partitionIndexes" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(WriteTxnMarkersRequest, key 27, response super::WriteTxnMarkersResponse, versions 1 to 2, flexible from 1, header 1 or 2);
