//! From a frame to its response, over memory: what a request costs without the system's sockets.

use std::hint::black_box;

use bytes::{BufMut, Bytes, BytesMut};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, FetchRequest, GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse,
    ProduceRequest, RequestHeader, SyncGroupRequest, TopicName,
};
use kafka_protocol::protocol::{Decodable, Encodable, Request, StrBytes};
use kfake::{BrokerId, Cluster};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::runtime::Runtime;

const PRODUCE: i16 = 9;
const FETCH: i16 = 12;
const JOIN: i16 = 3;
const SYNC: i16 = 3;
const HEARTBEAT: i16 = 4;

/// A connection to a running cluster, and the runtime of both.
struct Given {
    runtime: Runtime,
    _cluster: Cluster,
    stream: DuplexStream,
    answer: Vec<u8>,
}

impl Given {
    fn a_cluster() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let builder = Cluster::builder().brokers(1).topic("t", 1);
        let builder = builder.broker_config("group.initial.rebalance.delay.ms", "0");
        let cluster = runtime.block_on(builder.start()).expect("a cluster");
        let stream = cluster.connect(BrokerId(1)).expect("a connection");
        Self {
            runtime,
            _cluster: cluster,
            stream,
            answer: Vec::new(),
        }
    }

    /// Sends a frame and waits for its response: its bytes behind the size.
    fn ask(&mut self, frame: &[u8]) -> &[u8] {
        let (stream, answer) = (&mut self.stream, &mut self.answer);
        self.runtime.block_on(async {
            stream.write_all(frame).await.expect("sent");
            let size = stream.read_u32().await.expect("answered");
            answer.resize(size as usize, 0);
            stream.read_exact(answer).await.expect("answered whole");
        });
        answer
    }
}

fn frame<R: Request>(request: &R, version: i16) -> Vec<u8> {
    let mut out = BytesMut::new();
    out.put_i32(0);
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_client_id(Some(StrBytes::from_static_str("bench")));
    header.encode(&mut out, R::header_version(version)).expect("a header");
    request.encode(&mut out, version).expect("a request");
    let size = out.len() as i32 - 4;
    out[..4].copy_from_slice(&size.to_be_bytes());
    out.to_vec()
}

/// A batch with one record, whose value is of `size` bytes.
fn batch(size: usize) -> Bytes {
    fn varint(value: i64, out: &mut Vec<u8>) {
        let mut left = ((value << 1) ^ (value >> 63)) as u64;
        while left >= 0x80 {
            out.push(left as u8 | 0x80);
            left >>= 7;
        }
        out.push(left as u8);
    }
    let mut body = vec![0, 0, 0, 1];
    varint(size as i64, &mut body);
    body.extend(vec![7; size]);
    body.push(0);
    let mut out = vec![0_u8; 61];
    varint(body.len() as i64, &mut out);
    out.extend(body);
    let length = out.len() as i32 - 12;
    out[8..12].copy_from_slice(&length.to_be_bytes());
    out[16] = 2;
    out[27..43].fill(0xff);
    out[43..57].fill(0xff);
    out[60] = 1;
    let crc = crc32c::crc32c(&out[21..]);
    out[17..21].copy_from_slice(&crc.to_be_bytes());
    out.into()
}

fn produce(size: usize) -> Vec<u8> {
    let data = PartitionProduceData::default().with_records(Some(batch(size)));
    let topic = TopicProduceData::default()
        .with_name(TopicName(StrBytes::from_static_str("t")))
        .with_partition_data(vec![data]);
    let request = ProduceRequest::default()
        .with_acks(-1)
        .with_timeout_ms(30_000)
        .with_topic_data(vec![topic]);
    frame(&request, PRODUCE)
}

fn fetch() -> Vec<u8> {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(StrBytes::from_static_str("t")))
        .with_partitions(vec![partition]);
    let request = FetchRequest::default()
        .with_replica_id(WireBrokerId(-1))
        .with_max_bytes(1 << 20)
        .with_topics(vec![topic]);
    frame(&request, FETCH)
}

/// Makes a group with a member, and returns its heartbeat.
fn heartbeat(given: &mut Given) -> Vec<u8> {
    let group = || GroupId(StrBytes::from_static_str("g"));
    let protocol = JoinGroupRequestProtocol::default().with_name(StrBytes::from_static_str("range"));
    let join = JoinGroupRequest::default()
        .with_group_id(group())
        .with_session_timeout_ms(300_000)
        .with_rebalance_timeout_ms(300_000)
        .with_protocol_type(StrBytes::from_static_str("consumer"))
        .with_protocols(vec![protocol]);
    let answer = given.ask(&frame(&join, JOIN)).to_vec();
    let joined = JoinGroupResponse::decode(&mut Bytes::from(answer).slice(4..), JOIN).expect("joined");
    assert_eq!(joined.error_code, 0);
    let assignment = SyncGroupRequestAssignment::default().with_member_id(joined.member_id.clone());
    let sync = SyncGroupRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id.clone())
        .with_assignments(vec![assignment]);
    given.ask(&frame(&sync, SYNC));
    let heartbeat = HeartbeatRequest::default()
        .with_group_id(group())
        .with_generation_id(joined.generation_id)
        .with_member_id(joined.member_id);
    frame(&heartbeat, HEARTBEAT)
}

fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("frame to response");
    let mut given = Given::a_cluster();
    let small = produce(100);
    group.bench_function("produce a record of 100 bytes", |b| {
        b.iter(|| given.ask(black_box(&small)).len());
    });

    let mut given = Given::a_cluster();
    let large = produce(900_000);
    given.ask(&large);
    group.throughput(Throughput::Bytes(900_000));
    let ask = fetch();
    group.bench_function("fetch 900 kB", |b| b.iter(|| given.ask(black_box(&ask)).len()));
    drop(given);

    group.throughput(Throughput::Elements(1));
    let mut given = Given::a_cluster();
    let beat = heartbeat(&mut given);
    let answer = given.ask(&beat).to_vec();
    // Correlation id, tags of the header, throttle time, error code.
    assert_eq!(answer[9..11], [0, 0], "the heartbeat is answered without an error");
    group.bench_function("heartbeat", |b| b.iter(|| given.ask(black_box(&beat)).len()));
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
