//! Apache Kafka's `DeleteGroupsResponse`, versions 0 to 3. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, StrBytes, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `DeleteGroupsResponse`.
    DeleteGroupsResponse {
        /// Apache Kafka's `throttleTimeMs`: every version.
        throttle_time_ms (with_throttle_time_ms): i32 = Default::default(), "throttleTimeMs" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `results`: every version.
        results (with_results): Vec<DeletableGroupResult> = Default::default(), "results" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `DeletableGroupResult`.
    DeletableGroupResult {
        /// Apache Kafka's `groupId`: every version.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorCode`: every version.
        error_code (with_error_code): i16 = Default::default(), "errorCode" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `errorMessage`: from version 3.
        error_message (with_error_message): Option<StrBytes> = None, "errorMessage" in 3..=i16::MAX, null in 3..=i16::MAX, tag None, ignorable true;
    }
}

wire::message!(DeleteGroupsResponse, versions 0 to 3, flexible from 2, header 0 or 1);
