//! What the tests in `tests/` share: a member of a consumer group, request by request.

/// The README's examples are compiled, and those that can end are run.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

pub mod records;

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::leave_group_request::MemberIdentity;
use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::{
    GroupId, HeartbeatRequest, JoinGroupRequest, JoinGroupResponse, LeaveGroupRequest, OffsetCommitRequest,
    SyncGroupRequest, SyncGroupResponse, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType};
use kfake::client::{Client, ClientError, Pending};
use kfake::{BrokerId, Cluster};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// MEMBER_ID_REQUIRED
pub const MEMBER_ID_REQUIRED: i16 = 79;

/// A commit to the first partition of `orders`, of a consumer without membership.
#[must_use]
pub fn commit_of(group: &str, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default().with_committed_offset(offset);
    let topic = OffsetCommitRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text(group)))
        .with_topics(vec![topic])
}

/// Text as kafka-protocol has it.
pub fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

/// A record without a key, of no producer.
pub fn record(timestamp: i64, value: Bytes) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: -1,
        producer_id: -1,
        producer_epoch: -1,
        timestamp_type: TimestampType::Creation,
        offset: 0,
        sequence: -1,
        timestamp,
        key: None,
        value: Some(value),
        headers: Default::default(),
    }
}

/// An uncompressed batch of one record.
pub fn batch_of(record: &Record) -> Bytes {
    let options = RecordEncodeOptions {
        version: 2,
        compression: Compression::None,
    };
    let mut bytes = BytesMut::new();
    RecordBatchEncoder::encode(&mut bytes, [record], &options).expect("it can be encoded");
    bytes.freeze()
}

/// A client of the broker that coordinates a group.
pub fn coordinator(cluster: &Cluster, group: &str) -> Client<DuplexStream> {
    cluster.client(cluster.coordinator(group)).expect("the cluster is open")
}

/// A client of broker 1.
pub fn first_broker(cluster: &Cluster) -> Client<DuplexStream> {
    cluster.client(BrokerId(1)).expect("the cluster is open")
}

/// A cluster in memory whose brokers take a new connection a second, measured over their windows.
pub async fn one_connection_a_second() -> Cluster {
    let builder = Cluster::builder().in_memory();
    let builder = builder.broker_config("max.connection.creation.rate", "1");
    builder.start().await.expect("it starts")
}

/// By how much [`until_idle`] moves the clock on.
pub const IDLE: Duration = Duration::from_millis(1);

/// Waits until no task can go on by itself, which is when a paused clock moves on to its next timer. Only for a paused clock, and for
/// what is in memory: sockets' events come from outside of the runtime.
pub async fn until_idle() {
    tokio::time::sleep(IDLE).await;
}

/// A member of a classic group, or one that wants to be.
pub struct Member<S = DuplexStream> {
    /// Its connection to the coordinator.
    pub client: Client<S>,
    /// The group.
    pub group: GroupId,
    /// The id it was given; empty before.
    pub id: StrBytes,
    /// `group.instance.id`
    pub instance: Option<StrBytes>,
    /// The generation it joined last; -1 before.
    pub generation: i32,
    /// Milliseconds.
    pub session_timeout: i32,
    /// Milliseconds.
    pub rebalance_timeout: i32,
    /// Assignors by name.
    pub protocols: Vec<&'static str>,
    /// The version of JoinGroup.
    pub version: i16,
}

impl Member {
    /// Connects to the group's coordinator over memory.
    pub fn of(cluster: &Cluster, group: &str) -> Self {
        Self::over(coordinator(cluster, group), group)
    }
}

impl Member<TcpStream> {
    /// Connects to the group's coordinator over TCP.
    pub async fn over_tcp(cluster: &Cluster, group: &str) -> Self {
        let id = cluster.coordinator(group);
        let broker = cluster
            .brokers()
            .iter()
            .find(|b| b.id == id)
            .expect("the coordinator is a broker");
        let address = format!("{}:{}", broker.host, broker.port).parse().expect("an address");
        let client = Client::connect(address).await.expect("the cluster is open");
        Self::over(client, group)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Member<S> {
    /// Speaks over a connection to the group's coordinator.
    pub fn over(client: Client<S>, group: &str) -> Self {
        Self {
            client,
            group: GroupId(text(group)),
            id: StrBytes::new(),
            instance: None,
            generation: -1,
            session_timeout: 10_000,
            rebalance_timeout: 60_000,
            protocols: vec!["range"],
            version: 9,
        }
    }

    /// As a static member.
    pub fn with_instance(mut self, instance: &str) -> Self {
        self.instance = Some(text(instance));
        self
    }

    /// Its JoinGroup as it would be sent now.
    pub fn join_request(&self) -> JoinGroupRequest {
        let protocol = |name: &&'static str| {
            JoinGroupRequestProtocol::default()
                .with_name(text(name))
                .with_metadata(Bytes::from_static(b"subscription"))
        };
        let request = JoinGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_session_timeout_ms(self.session_timeout)
            .with_rebalance_timeout_ms(self.rebalance_timeout)
            .with_member_id(self.id.clone())
            .with_protocol_type(text("consumer"))
            .with_protocols(self.protocols.iter().map(protocol).collect());
        match self.version {
            5.. => request.with_group_instance_id(self.instance.clone()),
            _ => request,
        }
    }

    /// Gets its id, if it needs one, and sends the JoinGroup that waits for the rebalance.
    pub async fn start_join(&mut self) -> Result<Pending<JoinGroupRequest>, ClientError> {
        if self.id.is_empty() && self.instance.is_none() && self.version >= 4 {
            let refused = self.client.send_version(self.join_request(), self.version).await?;
            assert_eq!(refused.error_code, MEMBER_ID_REQUIRED);
            self.id = refused.member_id;
        }
        self.client.start(self.join_request(), self.version).await
    }

    /// Waits for the rebalance it started to join.
    pub async fn finish_join(&mut self, pending: Pending<JoinGroupRequest>) -> Result<JoinGroupResponse, ClientError> {
        let joined = self.client.finish(pending).await?;
        self.id = joined.member_id.clone();
        self.generation = joined.generation_id;
        Ok(joined)
    }

    /// Joins and waits for the rebalance.
    pub async fn join(&mut self) -> Result<JoinGroupResponse, ClientError> {
        let pending = self.start_join().await?;
        self.finish_join(pending).await
    }

    /// Its SyncGroup; a leader names who gets what.
    pub fn sync_request(&self, assignments: &[(&StrBytes, &'static [u8])]) -> SyncGroupRequest {
        let assignment = |(id, bytes): &(&StrBytes, &'static [u8])| {
            SyncGroupRequestAssignment::default()
                .with_member_id((*id).clone())
                .with_assignment(Bytes::from_static(bytes))
        };
        SyncGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone())
            .with_protocol_type(Some(text("consumer")))
            .with_protocol_name(Some(text(self.protocols[0])))
            .with_assignments(assignments.iter().map(assignment).collect())
    }

    /// Syncs and waits for its assignment.
    pub async fn sync(&mut self, assignments: &[(&StrBytes, &'static [u8])]) -> Result<SyncGroupResponse, ClientError> {
        self.client.send(self.sync_request(assignments)).await
    }

    /// Joins alone as the leader and makes the group stable.
    pub async fn join_alone(&mut self) -> Result<(), ClientError> {
        let joined = self.join().await?;
        assert_eq!((joined.error_code, &joined.leader), (0, &self.id));
        let id = self.id.clone();
        let synced = self.sync(&[(&id, b"everything")]).await?;
        assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"everything"[..]));
        Ok(())
    }

    /// Sends a heartbeat and returns the error code.
    pub async fn heartbeat(&mut self) -> Result<i16, ClientError> {
        let request = HeartbeatRequest::default()
            .with_group_id(self.group.clone())
            .with_generation_id(self.generation)
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone());
        Ok(self.client.send(request).await?.error_code)
    }

    /// Leaves the group and returns the error code.
    pub async fn leave(&mut self) -> Result<i16, ClientError> {
        let identity = MemberIdentity::default()
            .with_member_id(self.id.clone())
            .with_group_instance_id(self.instance.clone());
        let request = LeaveGroupRequest::default()
            .with_group_id(self.group.clone())
            .with_members(vec![identity]);
        let left = self.client.send(request).await?;
        Ok(match left.error_code {
            0 => left.members[0].error_code,
            code => code,
        })
    }
}
