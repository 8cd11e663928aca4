//! Apache Kafka's `DescribeLogDirsRequest`, versions 1 to 5. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, VersionRange};

use super::wire;

wire::structs! {
    /// Apache Kafka's `DescribeLogDirsRequest`.
    DescribeLogDirsRequest {
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Option<Vec<DescribableLogDirTopic>> = Some(Default::default()), "topics" in 0..=i16::MAX, null in 0..=i16::MAX, tag None, ignorable false;
    }
    /// Apache Kafka's `DescribableLogDirTopic`.
    DescribableLogDirTopic {
        /// Apache Kafka's `topic`: every version.
        topic (with_topic): super::TopicName = Default::default(), "topic" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<i32> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(DescribeLogDirsRequest, key 35, response super::DescribeLogDirsResponse, versions 1 to 5, flexible from 2, header 1 or 2);
