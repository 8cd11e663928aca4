//! Apache Kafka's `ApiVersionsRequest`, versions 0 to 5. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `ApiVersionsRequest`.
    ApiVersionsRequest {
        /// Apache Kafka's `clientSoftwareName`: from version 3.
        client_software_name (with_client_software_name): StrBytes = Default::default(), "clientSoftwareName" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `clientSoftwareVersion`: from version 3.
        client_software_version (with_client_software_version): StrBytes = Default::default(), "clientSoftwareVersion" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `clusterId`: from version 5.
        cluster_id (with_cluster_id): Option<StrBytes> = None, "clusterId" in 5..=i16::MAX, null in 5..=i16::MAX, tag None, ignorable true;
        /// Apache Kafka's `nodeId`: from version 5.
        node_id (with_node_id): i32 = -1, "nodeId" in 5..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
    }
}

wire::message!(ApiVersionsRequest, key 18, response super::ApiVersionsResponse, versions 0 to 5, flexible from 3, header 1 or 2);
