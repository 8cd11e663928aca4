//! Apache Kafka's `TxnOffsetCommitRequest`, versions 0 to 6. Written by `cargo xtask messages`.

use std::collections::BTreeMap;

use bytes::Bytes;
use kafka_protocol::protocol::buf::{ByteBuf, ByteBufMut};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes, VersionRange};
use uuid::Uuid;

use super::wire;

wire::structs! {
    /// Apache Kafka's `TxnOffsetCommitRequest`.
    TxnOffsetCommitRequest {
        /// Apache Kafka's `transactionalId`: every version.
        transactional_id (with_transactional_id): super::TransactionalId = Default::default(), "transactionalId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `groupId`: every version.
        group_id (with_group_id): super::GroupId = Default::default(), "groupId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `producerId`: every version.
        producer_id (with_producer_id): super::ProducerId = Default::default(), "producerId" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `producerEpoch`: every version.
        producer_epoch (with_producer_epoch): i16 = Default::default(), "producerEpoch" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `generationIdOrMemberEpoch`: from version 3.
        generation_id_or_member_epoch (with_generation_id_or_member_epoch): i32 = -1, "generationIdOrMemberEpoch" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `memberId`: from version 3.
        member_id (with_member_id): StrBytes = Default::default(), "memberId" in 3..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `groupInstanceId`: from version 3.
        group_instance_id (with_group_instance_id): Option<StrBytes> = None, "groupInstanceId" in 3..=i16::MAX, null in 3..=i16::MAX, tag None, ignorable false;
        /// Apache Kafka's `topics`: every version.
        topics (with_topics): Vec<TxnOffsetCommitRequestTopic> = Default::default(), "topics" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `TxnOffsetCommitRequestTopic`.
    TxnOffsetCommitRequestTopic {
        /// Apache Kafka's `name`: versions 0 to 5.
        name (with_name): super::TopicName = Default::default(), "name" in 0..=5, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `topicId`: from version 6.
        topic_id (with_topic_id): Uuid = Default::default(), "topicId" in 6..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `partitions`: every version.
        partitions (with_partitions): Vec<TxnOffsetCommitRequestPartition> = Default::default(), "partitions" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
    }
    /// Apache Kafka's `TxnOffsetCommitRequestPartition`.
    TxnOffsetCommitRequestPartition {
        /// Apache Kafka's `partitionIndex`: every version.
        partition_index (with_partition_index): i32 = Default::default(), "partitionIndex" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedOffset`: every version.
        committed_offset (with_committed_offset): i64 = Default::default(), "committedOffset" in 0..=i16::MAX, null in wire::NEVER, tag None, ignorable false;
        /// Apache Kafka's `committedLeaderEpoch`: from version 2.
        committed_leader_epoch (with_committed_leader_epoch): i32 = -1, "committedLeaderEpoch" in 2..=i16::MAX, null in wire::NEVER, tag None, ignorable true;
        /// Apache Kafka's `committedMetadata`: every version.
        committed_metadata (with_committed_metadata): Option<StrBytes> = Some(Default::default()), "committedMetadata" in 0..=i16::MAX, null in 0..=i16::MAX, tag None, ignorable false;
    }
}

wire::message!(TxnOffsetCommitRequest, key 28, response super::TxnOffsetCommitResponse, versions 0 to 6, flexible from 3, header 1 or 2);
