//! A Fetch response on the wire, with the record bytes between its fields instead of copied into them.
//!
//! The encoder of kafka-protocol copies records into its buffer. This one hands large pieces on as they are; a test holds
//! its bytes against kafka-protocol's for each version.

use bytes::{BufMut, Bytes, BytesMut};
use kafka_protocol::error::ResponseError;

use crate::api::context::Context;
use crate::api::dispatch::Answer;
use crate::api::leader::{Leader, brokers_of};
use crate::cluster::fetch_sessions::{NO_SESSION, PartitionKey, TopicKey};
use crate::cluster::state::Broker;
use crate::cluster::topics::BrokerId;
use crate::log::{AbortedTransaction, LogRead};

/// Pieces up to this size are copied: that is less work than a write of their own.
const COPIED_UP_TO: usize = 16 * 1024;

const DIVERGING_EPOCH_TAG: u32 = 0;
const CURRENT_LEADER_TAG: u32 = 1;
const NODE_ENDPOINTS_TAG: u32 = 0;

/// A whole response.
#[derive(Debug)]
pub(super) struct FetchAnswer {
    /// An error of the session, which names no partition.
    pub error: Option<ResponseError>,
    pub session_id: i32,
    /// For how many milliseconds the client is not listened to, since it has used more than its quota.
    pub throttle_ms: i32,
    pub partitions: Vec<(PartitionKey, PartitionAnswer)>,
    /// How many of the partitions each topic has, where a topic is to be named as often as it was asked for.
    pub apart: Option<Vec<(TopicKey, usize)>>,
}

/// What a response says of a partition.
#[derive(Debug)]
pub(super) struct PartitionAnswer {
    pub error: Option<ResponseError>,
    pub high_watermark: i64,
    pub last_stable_offset: i64,
    pub log_start_offset: i64,
    /// The aborted transactions in what was read, as a `read_committed` fetch wants them.
    pub aborted: Option<Vec<AbortedTransaction>>,
    /// Who leads instead, from version 16 on.
    pub leader: Option<Leader>,
    /// The last epoch that the log and the client have in common, and where it ended (KIP-595), from version 12 on.
    pub diverging: Option<(i32, i64)>,
    /// Who should be read from instead (KIP-392).
    pub preferred_read_replica: Option<BrokerId>,
    pub records: LogRead,
}

impl PartitionAnswer {
    pub fn failed(error: ResponseError) -> Self {
        Self {
            error: Some(error),
            high_watermark: -1,
            last_stable_offset: -1,
            log_start_offset: -1,
            aborted: None,
            leader: None,
            diverging: None,
            preferred_read_replica: None,
            records: LogRead::default(),
        }
    }
}

impl PartitionAnswer {
    /// Of a partition that was not even read: Apache Kafka builds the answer another way then
    /// (`FetchResponse.partitionResponse`), with an empty list where the rest has null.
    pub fn unread(error: ResponseError) -> Self {
        Self {
            aborted: Some(Vec::new()),
            ..Self::failed(error)
        }
    }
}

impl FetchAnswer {
    pub fn failed(error: ResponseError) -> Self {
        Self {
            error: Some(error),
            session_id: NO_SESSION,
            throttle_ms: 0,
            partitions: Vec::new(),
            apart: None,
        }
    }

    /// Of a client that must wait before it is given more.
    pub fn throttled(session_id: i32, throttle_ms: i32) -> Self {
        Self {
            error: None,
            session_id,
            throttle_ms,
            partitions: Vec::new(),
            apart: None,
        }
    }

    /// The response's bytes, without a header.
    pub fn encode(self, context: &Context, version: i16) -> Answer {
        let leaders = self.partitions.iter().filter_map(|(_, answer)| answer.leader);
        let endpoints = brokers_of(context, leaders);
        Answer::Reply(self.parts(version, &endpoints))
    }

    fn parts(self, version: i16, endpoints: &[&Broker]) -> Vec<Bytes> {
        let mut out = Writer::new(version);
        out.buffer.put_i32(self.throttle_ms);
        if version >= 7 {
            out.buffer.put_i16(self.error.map_or(0, |error| error.code()));
            out.buffer.put_i32(self.session_id);
        }
        let chunks = self.partitions.chunk_by(|(a, _), (b, _)| a.topic == b.topic);
        let together = || chunks.map(|chunk| (chunk[0].0.topic.clone(), chunk.len())).collect();
        let topics: Vec<_> = self.apart.unwrap_or_else(together);
        out.array(topics.len());
        let mut partitions = self.partitions.into_iter();
        for (topic, count) in topics {
            match &topic {
                TopicKey::Name(name) => out.string(name),
                TopicKey::Id(id) => out.buffer.put_slice(id.as_bytes()),
            }
            out.array(count);
            for (key, answer) in partitions.by_ref().take(count) {
                out.partition(key.index, answer);
            }
            out.no_tags();
        }
        match endpoints {
            [] => out.no_tags(),
            endpoints => out.endpoints(endpoints),
        }
        out.finish()
    }
}

/// Fields in the encoding of a version, and the pieces between which they are.
struct Writer {
    parts: Vec<Bytes>,
    buffer: BytesMut,
    version: i16,
}

impl Writer {
    fn new(version: i16) -> Self {
        Self {
            parts: Vec::new(),
            buffer: BytesMut::new(),
            version,
        }
    }

    fn is_flexible(&self) -> bool {
        self.version >= 12
    }

    fn varint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.buffer.put_u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.buffer.put_u8(value as u8);
    }

    /// A length in front of elements or bytes. Responses are shorter than `i32::MAX`, or dispatch refuses to send them.
    fn length(&mut self, length: usize) {
        if self.is_flexible() {
            self.varint(length as u32 + 1);
        } else {
            self.buffer.put_i32(length as i32);
        }
    }

    fn array(&mut self, length: usize) {
        self.length(length);
    }

    fn string(&mut self, text: &str) {
        if self.is_flexible() {
            self.varint(text.len() as u32 + 1);
        } else {
            self.buffer.put_i16(text.len() as i16);
        }
        self.buffer.put_slice(text.as_bytes());
    }

    fn no_tags(&mut self) {
        if self.is_flexible() {
            self.varint(0);
        }
    }

    fn partition(&mut self, index: i32, answer: PartitionAnswer) {
        self.buffer.put_i32(index);
        self.buffer.put_i16(answer.error.map_or(0, |error| error.code()));
        self.buffer.put_i64(answer.high_watermark);
        self.buffer.put_i64(answer.last_stable_offset);
        if self.version >= 5 {
            self.buffer.put_i64(answer.log_start_offset);
        }
        match (answer.aborted, self.is_flexible()) {
            (Some(aborted), _) => self.aborted(&aborted),
            (None, true) => self.varint(0),
            (None, false) => self.buffer.put_i32(-1),
        }
        if self.version >= 11 {
            self.buffer
                .put_i32(answer.preferred_read_replica.map_or(-1, |broker| broker.0));
        }
        self.length(answer.records.size);
        for chunk in answer.records.chunks {
            self.bytes(chunk);
        }
        if self.is_flexible() {
            self.varint(u32::from(answer.diverging.is_some()) + u32::from(answer.leader.is_some()));
            if let Some(diverging) = answer.diverging {
                self.diverging_epoch(diverging);
            }
            if let Some(leader) = answer.leader {
                self.current_leader(leader);
            }
        }
    }

    fn aborted(&mut self, transactions: &[AbortedTransaction]) {
        self.array(transactions.len());
        for transaction in transactions {
            self.buffer.put_i64(transaction.producer_id);
            self.buffer.put_i64(transaction.first_offset);
            self.no_tags();
        }
    }

    /// A tagged field: a number of 4 bytes, one of 8, and no tags of its own.
    fn diverging_epoch(&mut self, (epoch, end_offset): (i32, i64)) {
        self.varint(DIVERGING_EPOCH_TAG);
        self.varint(13);
        self.buffer.put_i32(epoch);
        self.buffer.put_i64(end_offset);
        self.no_tags();
    }

    fn bytes(&mut self, chunk: Bytes) {
        if chunk.len() <= COPIED_UP_TO {
            self.buffer.put_slice(&chunk);
        } else {
            self.parts.push(self.buffer.split().freeze());
            self.parts.push(chunk);
        }
    }

    /// A tagged field: two 4-byte numbers and no tags of its own.
    fn current_leader(&mut self, leader: Leader) {
        self.varint(CURRENT_LEADER_TAG);
        self.varint(9);
        self.buffer.put_i32(leader.id.0);
        self.buffer.put_i32(leader.epoch);
        self.no_tags();
    }

    /// One tagged field, whose size comes before it.
    fn endpoints(&mut self, endpoints: &[&Broker]) {
        let mut field = Self::new(self.version);
        field.array(endpoints.len());
        for broker in endpoints {
            field.buffer.put_i32(broker.id.0);
            field.string(&broker.host);
            field.buffer.put_i32(i32::from(broker.port));
            match &broker.rack {
                Some(rack) => field.string(rack),
                None => field.varint(0),
            }
            field.no_tags();
        }
        self.varint(1);
        self.varint(NODE_ENDPOINTS_TAG);
        self.varint(field.buffer.len() as u32);
        self.buffer.put_slice(&field.buffer);
    }

    fn finish(mut self) -> Vec<Bytes> {
        if !self.buffer.is_empty() {
            self.parts.push(self.buffer.freeze());
        }
        self.parts
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::messages::fetch_response::{
        AbortedTransaction as WireAborted, EpochEndOffset, FetchableTopicResponse, LeaderIdAndEpoch, NodeEndpoint,
        PartitionData,
    };
    use kafka_protocol::messages::{BrokerId as WireBrokerId, FetchResponse, ProducerId, TopicName};
    use kafka_protocol::protocol::{Encodable, StrBytes};
    use uuid::Uuid;

    use super::*;
    use crate::cluster::topics::BrokerId;

    const ID: Uuid = Uuid::from_u128(7);

    fn answers(version: i16) -> FetchAnswer {
        let key = |topic: &str, index| PartitionKey {
            topic: match version {
                13.. => TopicKey::Id(ID),
                _ => TopicKey::Name(topic.into()),
            },
            index,
        };
        let read = |chunks: &[usize]| LogRead {
            ends_with_segment: false,
            chunks: chunks
                .iter()
                .map(|size| Bytes::from(vec![*size as u8; *size]))
                .collect(),
            size: chunks.iter().sum(),
        };
        let good = |records, aborted: Option<&[i64]>| PartitionAnswer {
            error: None,
            high_watermark: 10,
            last_stable_offset: 9,
            log_start_offset: 2,
            aborted: aborted.map(|ids| ids.iter().map(|id| AbortedTransaction::new(*id, 3, 8)).collect()),
            leader: None,
            diverging: None,
            preferred_read_replica: None,
            records,
        };
        let diverged = PartitionAnswer {
            diverging: (version >= 12).then_some((3, 8)),
            ..good(read(&[]), None)
        };
        let nearer = PartitionAnswer {
            preferred_read_replica: (version >= 11).then_some(BrokerId(2)),
            ..good(read(&[]), None)
        };
        let elsewhere = PartitionAnswer {
            leader: (version >= 16).then_some(Leader {
                id: BrokerId(3),
                epoch: 5,
            }),
            ..PartitionAnswer::failed(ResponseError::NotLeaderOrFollower)
        };
        FetchAnswer {
            error: None,
            session_id: if version >= 7 { 99 } else { 0 },
            throttle_ms: 0,
            apart: None,
            partitions: vec![
                (key("a", 0), good(read(&[61, 20_000, 61, 3]), None)),
                (key("a", 1), good(read(&[]), Some(&[]))),
                (key("a", 3), good(read(&[70]), Some(&[7, 1 << 40]))),
                (key("a", 2), elsewhere),
                (key("a", 4), diverged),
                (key("a", 5), nearer),
            ],
        }
    }

    /// The same by kafka-protocol.
    fn encoded_by_kafka_protocol(version: i16, endpoints: &[&Broker]) -> Vec<u8> {
        let named = |aborted: AbortedTransaction| {
            WireAborted::default()
                .with_producer_id(ProducerId(aborted.producer_id))
                .with_first_offset(aborted.first_offset)
        };
        let partitions = answers(version).partitions.into_iter().map(|(key, answer)| {
            let data = PartitionData::default()
                .with_partition_index(key.index)
                .with_error_code(answer.error.map_or(0, |error| error.code()))
                .with_high_watermark(answer.high_watermark)
                .with_last_stable_offset(answer.last_stable_offset)
                .with_log_start_offset(answer.log_start_offset)
                .with_aborted_transactions(answer.aborted.map(|aborted| aborted.into_iter().map(named).collect()))
                .with_records(Some(answer.records.chunks.concat().into()));
            let data = match answer.diverging {
                None => data,
                Some((epoch, end)) => {
                    data.with_diverging_epoch(EpochEndOffset::default().with_epoch(epoch).with_end_offset(end))
                }
            };
            let data = match answer.preferred_read_replica {
                None => data,
                Some(broker) => data.with_preferred_read_replica(WireBrokerId(broker.0)),
            };
            match answer.leader {
                None => data,
                Some(leader) => data.with_current_leader(
                    LeaderIdAndEpoch::default()
                        .with_leader_id(WireBrokerId(leader.id.0))
                        .with_leader_epoch(leader.epoch),
                ),
            }
        });
        let topic = FetchableTopicResponse::default()
            .with_topic(TopicName(StrBytes::from_static_str("a")))
            .with_topic_id(ID)
            .with_partitions(partitions.collect());
        let endpoints = endpoints.iter().map(|broker| {
            NodeEndpoint::default()
                .with_node_id(WireBrokerId(broker.id.0))
                .with_host(StrBytes::from_string(broker.host.clone()))
                .with_port(i32::from(broker.port))
                .with_rack(broker.rack.clone().map(StrBytes::from_string))
        });
        let mut out = BytesMut::new();
        FetchResponse::default()
            .with_session_id(if version >= 7 { 99 } else { 0 })
            .with_responses(vec![topic])
            .with_node_endpoints(endpoints.collect())
            .encode(&mut out, version)
            .unwrap();
        out.to_vec()
    }

    #[test]
    fn every_version_has_the_bytes_that_kafka_protocol_writes() {
        let broker = Broker {
            id: BrokerId(3),
            host: "127.0.0.1".to_owned(),
            port: 9_094,
            rack: Some("a".to_owned()),
            bound: None,
        };
        for version in 4..=18 {
            let endpoints: &[&Broker] = if version >= 16 { &[&broker] } else { &[] };
            let ours = answers(version).parts(version, endpoints).concat();
            assert_eq!(ours, encoded_by_kafka_protocol(version, endpoints), "version {version}");
        }
    }

    #[test]
    fn large_pieces_are_handed_on_and_small_ones_copied() {
        let answer = answers(12);
        let large = answer.partitions[0].1.records.chunks[1].as_ptr();
        let parts = answer.parts(12, &[]);
        assert_eq!(parts.len(), 3);
        assert_eq!(parts[1].as_ptr(), large);
    }
}
