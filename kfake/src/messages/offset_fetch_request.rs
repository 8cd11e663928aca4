//! Apache Kafka's `OffsetFetchRequest`, versions 1 to 10. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange};
use uuid::Uuid;

use super::wire;

wire::structs! {
    /// Apache Kafka's `OffsetFetchRequest`.
    OffsetFetchRequest {
        /// Apache Kafka's `groupId`: versions 0 to 7.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `topics`: versions 0 to 7.
        topics (with_topics): Option<Vec<OffsetFetchRequestTopic>> = Some(Default::default()), "topics" in 0..=7, null in 2..=7, tag None, ignorable false;
        /// Apache Kafka's `groups`: from version 8.
        groups (with_groups): Vec<OffsetFetchRequestGroup> = Default::default(), "groups" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `requireStable`: from version 7.
        require_stable (with_require_stable): bool = false, "requireStable" in 7..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchRequestTopic`.
    OffsetFetchRequestTopic {
        /// Apache Kafka's `name`: versions 0 to 7.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=7, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `partitionIndexes`: versions 0 to 7.
        partition_indexes (with_partition_indexes): Vec<i32> = Default::default(), "partitionIndexes" in 0..=7, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchRequestGroup`.
    OffsetFetchRequestGroup {
        /// Apache Kafka's `groupId`: from version 8.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `memberId`: from version 9.
        member_id (with_member_id): Option<StrBytes> = None, "memberId" in 9..=i16::MAX, null in 9..=i16::MAX, tag None, ignorable true;
        /// Apache Kafka's `memberEpoch`: from version 9.
        member_epoch (with_member_epoch): i32 = -1, "memberEpoch" in 9..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topics`: from version 8.
        topics (with_topics): Option<Vec<OffsetFetchRequestTopics>> = Some(Default::default()), "topics" in 8..=i16::MAX, null in 8..=i16::MAX, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetFetchRequestTopics`.
    OffsetFetchRequestTopics {
        /// Apache Kafka's `name`: versions 8 to 9.
        name (with_name): super::TopicName = Default::default(), "name" in 8..=9, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topicId`: from version 10.
        topic_id (with_topic_id): Uuid = Default::default(), "topicId" in 10..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `partitionIndexes`: from version 8.
        partition_indexes (with_partition_indexes): Vec<i32> = Default::default(), "partitionIndexes" in 8..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
}

wire::message!(OffsetFetchRequest, key 9, response super::OffsetFetchResponse, versions 1 to 10, flexible from 6, header 1 or 2);
