//! Apache Kafka's `DeleteGroupsRequest`, versions 0 to 3. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `DeleteGroupsRequest`.
    DeleteGroupsRequest {
        /// Apache Kafka's `groupsNames`: every version.
        groups_names (with_groups_names): Vec<super::GroupId> = Default::default(), "groupsNames" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(DeleteGroupsRequest, key 42, response super::DeleteGroupsResponse, versions 0 to 3, flexible from 2, header 1 or 2);
