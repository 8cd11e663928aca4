//! Apache Kafka's `OffsetCommitRequest`, versions 2 to 10. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange};
use uuid::Uuid;

use super::wire;

wire::structs! {
    /// Apache Kafka's `OffsetCommitRequest`.
    OffsetCommitRequest {
        /// Apache Kafka's `groupId`: every version.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `generationIdOrMemberEpoch`: from version 1.
        generation_id_or_member_epoch (with_generation_id_or_member_epoch): i32 = -1, "generationIdOrMemberEpoch" in 1..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `memberId`: from version 1.
        member_id (with_member_id): StrBytes = Default::default(), "memberId" in 1..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `groupInstanceId`: from version 7.
        group_instance_id (with_group_instance_id): Option<StrBytes> = None, "groupInstanceId" in 7..=i16::MAX, null in 7..=i16::MAX, tag None, ignorable false;
        /// Apache Kafka's `retentionTimeMs`: versions 2 to 4.
        retention_time_ms (with_retention_time_ms): i64 = -1, "retentionTimeMs" in 2..=4, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<OffsetCommitRequestTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetCommitRequestTopic`.
    OffsetCommitRequestTopic {
        /// Apache Kafka's `name`: versions 0 to 9.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=9, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topicId`: from version 10.
        topic_id (with_topic_id): Uuid = Default::default(), "topicId" in 10..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<OffsetCommitRequestPartition> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `OffsetCommitRequestPartition`.
    OffsetCommitRequestPartition {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedOffset`: every version.
        committed_offset (with_committed_offset): i64 = Default::default(), "committedOffset" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedLeaderEpoch`: from version 6.
        committed_leader_epoch (with_committed_leader_epoch): i32 = -1, "committedLeaderEpoch" in 6..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `committedMetadata`: every version.
        committed_metadata (with_committed_metadata): Option<StrBytes> = Some(Default::default()), "committedMetadata" in 0..=i16::MAX, null in 0..=i16::MAX, tag None, ignorable false;
    }
}

wire::message!(OffsetCommitRequest, key 8, response super::OffsetCommitResponse, versions 2 to 10, flexible from 8, header 1 or 2);
