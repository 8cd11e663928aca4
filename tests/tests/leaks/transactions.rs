//! A cluster that is closed in the middle of a transaction: its timeout is pending, a fetch waits for its end, and a group
//! waits to be asked.

use bytes::Bytes;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::{
    DescribeTransactionsRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest, GroupId,
    IncrementalAlterConfigsRequest, InitProducerIdRequest, MetadataRequest, ProduceRequest, ProducerId, TopicName,
    TransactionalId, TxnOffsetCommitRequest,
};
use kafka_protocol::records::Record;
use kfake::client::{Client, ClientError, Pending};
use kfake::messages::OffsetFetchRequest;
use kfake::messages::offset_fetch_request::OffsetFetchRequestTopic;
use kfake::{BrokerId, Cluster, Plant};
use kfake_tests::{Member, batch_of, coordinator, first_broker, record, text};
use leakcheck::leakcheck;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

use super::planted::{caught, line_of, waits_in};

const DEADLINES: &str = "kfake/src/txn/deadlines.rs";
const ID: &str = "transfers";
/// A quarter of an hour, the longest that a producer may ask for.
const TIMEOUT_MS: i32 = 900_000;

/// A transactional producer, and its connections by what it asks there.
struct Producer<S> {
    coordinator: Client<S>,
    leader: Client<S>,
    group: Client<S>,
    id: i64,
    epoch: i16,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Producer<S> {
    /// `clients` are of the id's coordinator, of the partition's leader, and of the group's coordinator.
    async fn initialized(clients: [Client<S>; 3], timeout_ms: i32) -> Result<Self, ClientError> {
        let [mut coordinator, leader, group] = clients;
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(TransactionalId(text(ID))))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = coordinator.send(request).await?;
        assert_eq!(answer.error_code, 0);
        Ok(Self {
            coordinator,
            leader,
            group,
            id: answer.producer_id.0,
            epoch: answer.producer_epoch,
        })
    }

    /// Begins a transaction with a record.
    async fn begin(&mut self) -> Result<(), ClientError> {
        let record = Record {
            transactional: true,
            producer_id: self.id,
            producer_epoch: self.epoch,
            sequence: 0,
            ..record(1, Bytes::from_static(b"a transfer"))
        };
        let partition = PartitionProduceData::default()
            .with_index(0)
            .with_records(Some(batch_of(&record)));
        let topic = TopicProduceData::default()
            .with_name(TopicName(text("orders")))
            .with_partition_data(vec![partition]);
        let request = ProduceRequest::default()
            .with_transactional_id(Some(TransactionalId(text(ID))))
            .with_acks(-1)
            .with_timeout_ms(1_000)
            .with_topic_data(vec![topic]);
        let produced = self.leader.send_version(request, 12).await?;
        assert_eq!(produced.responses[0].partition_responses[0].error_code, 0);
        Ok(())
    }

    async fn end(&mut self, committed: bool) -> Result<(), ClientError> {
        let request = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_committed(committed);
        let ended = self.coordinator.send(request).await?;
        assert_eq!(ended.error_code, 0);
        (self.id, self.epoch) = (ended.producer_id.0, ended.producer_epoch);
        Ok(())
    }

    fn offsets(&self, group: &str) -> TxnOffsetCommitRequest {
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![
                TxnOffsetCommitRequestPartition::default().with_committed_offset(1),
            ]);
        TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text(ID)))
            .with_group_id(GroupId(text(group)))
            .with_producer_id(ProducerId(self.id))
            .with_producer_epoch(self.epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic])
    }
}

/// A fetch that may see what is committed alone.
fn committed(offset: i64, wait_ms: i32) -> FetchRequest {
    let partition = FetchPartition::default()
        .with_partition(0)
        .with_fetch_offset(offset)
        .with_partition_max_bytes(1 << 20);
    let topic = FetchTopic::default()
        .with_topic(TopicName(text("orders")))
        .with_partitions(vec![partition]);
    FetchRequest::default()
        .with_isolation_level(1)
        .with_max_wait_ms(wait_ms)
        .with_min_bytes(1)
        .with_topics(vec![topic])
}

/// A producer's connections over memory.
fn clients(cluster: &Cluster) -> [Client<DuplexStream>; 3] {
    let leader = first_broker(cluster);
    [coordinator(cluster, ID), leader, coordinator(cluster, "billing")]
}

/// What is under way when the cluster closes. Dropping it drops the connections.
struct UnderWay<S> {
    _producer: Producer<S>,
    reader: Client<S>,
    fetch: Pending<FetchRequest>,
}

/// An open transaction with a pending offset, and a fetch that waits for its end.
async fn under_way<S: AsyncRead + AsyncWrite + Unpin>(mut clients: impl AsyncFnMut() -> Client<S>) -> UnderWay<S> {
    let of_producer = [clients().await, clients().await, clients().await];
    let mut producer = Producer::initialized(of_producer, TIMEOUT_MS).await.unwrap();
    producer.begin().await.unwrap();
    let offsets = producer.offsets("billing");
    let answer = producer.group.send_version(offsets, 5).await.unwrap();
    assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    let mut reader = clients().await;
    let fetch = reader.start(committed(0, i32::MAX), 12).await.unwrap();
    // Who asks next on another connection is answered: the fetch has been read by then, and waits.
    clients().await.send(MetadataRequest::default()).await.unwrap();
    UnderWay {
        _producer: producer,
        reader,
        fetch,
    }
}

async fn in_memory() -> Cluster {
    Cluster::builder()
        .brokers(1)
        .in_memory()
        .topic("orders", 1)
        .start()
        .await
        .unwrap()
}

#[leakcheck(start_paused)]
async fn closing_in_the_middle_of_a_transaction_ends_its_timeout_and_who_waits_for_its_end() {
    let cluster = in_memory().await;
    let mut under_way = under_way(async || first_broker(&cluster)).await;
    let begun = tokio::time::Instant::now();
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
    assert!(begun.elapsed().is_zero(), "the timeout was not waited for");
    let answer = under_way.reader.finish(under_way.fetch).await;
    assert!(matches!(answer, Err(error) if error.is_closed()));
}

#[leakcheck(start_paused)]
async fn dropping_the_cluster_in_the_middle_of_a_transaction_ends_its_tasks_too() {
    let cluster = in_memory().await;
    let _under_way = under_way(async || first_broker(&cluster)).await;
    drop(cluster);
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_in_the_middle_of_a_transaction_over_tcp_leaves_nothing_behind() {
    let cluster = Cluster::builder().brokers(1).topic("orders", 1).start().await.unwrap();
    let address = cluster.bootstrap_servers().parse().unwrap();
    let _under_way = under_way(async || Client::<TcpStream>::connect(address).await.unwrap()).await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}

#[leakcheck(start_paused)]
async fn closing_ends_who_waits_for_a_stalled_group_to_take_a_transactions_offsets() {
    let cluster = in_memory().await;
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    let mut producer = Producer::initialized(clients(&cluster), TIMEOUT_MS).await.unwrap();
    cluster.stall_group("billing", true);
    let offsets = producer.offsets("billing");
    let (answer, ()) = tokio::join!(producer.group.send_version(offsets, 5), async {
        cluster.wait_for_group("billing", |g| g.queued == 1).await.unwrap();
        cluster.close().await;
    });
    assert!(matches!(answer, Err(error) if error.is_closed()));
}

/// The transaction is decided, and its offsets are not: too few replicas of them are in sync to take the marker.
#[leakcheck(start_paused)]
async fn closing_while_offsets_wait_for_a_transactions_marker_leaves_nothing_behind() {
    for is_written in [false, true] {
        let mut builder = Cluster::builder()
            .brokers(2)
            .in_memory()
            .topic_spec("orders", Some(1), Some(1));
        for (name, value) in [
            ("offsets.topic.num.partitions", "1"),
            ("offsets.topic.replication.factor", "2"),
            ("min.insync.replicas", "2"),
        ] {
            builder = builder.broker_config(name, value);
        }
        let cluster = builder.start().await.unwrap();
        let [leads, follows] = match cluster.coordinator("billing") {
            BrokerId(1) => [BrokerId(1), BrokerId(2)],
            _ => [BrokerId(2), BrokerId(1)],
        };
        let of_orders = cluster.partition("orders", 0).unwrap().leader.unwrap();
        let of_producer = [
            coordinator(&cluster, ID),
            cluster.client(of_orders).unwrap(),
            cluster.client(leads).unwrap(),
        ];
        let mut producer = Producer::initialized(of_producer, TIMEOUT_MS).await.unwrap();
        producer.begin().await.unwrap();
        let offsets = producer.offsets("billing");
        let answer = producer.group.send_version(offsets, 5).await.unwrap();
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
        cluster.shrink_isr("__consumer_offsets", 0, follows).unwrap();
        producer.end(true).await.unwrap();
        assert_eq!(state_of(&mut producer.coordinator).await, "PrepareCommit");
        assert_eq!(offset_of_billing(&mut producer.group).await, -1);
        if is_written {
            cluster.expand_isr("__consumer_offsets", 0, follows).unwrap();
            assert_eq!(offset_of_billing(&mut producer.group).await, 1);
            assert_eq!(state_of(&mut producer.coordinator).await, "CompleteCommit");
            // Nothing is written to the groups' topic itself.
            assert_eq!(cluster.partition("__consumer_offsets", 0).unwrap().log_end_offset, 0);
        }
        cluster.close().await;
        assert_eq!(cluster.task_count(), 0);
    }
}

/// The partition takes no marker any more, and the transaction stays as it is: its coordinator does not send it again. The fetch that waits for
/// its end, and the task that waits for another coordinator, are ended by the cluster; another coordinator ends them as well.
#[leakcheck(start_paused)]
async fn closing_while_a_marker_is_refused_leaves_nothing_behind() {
    for is_moved in [false, true] {
        let cluster = Cluster::builder()
            .brokers(2)
            .in_memory()
            .topic_spec("orders", Some(1), Some(1))
            .broker_config("transaction.state.log.replication.factor", "2")
            .broker_config("transaction.state.log.num.partitions", "1")
            .start()
            .await
            .unwrap();
        // Its topic is there once it is looked for.
        let find = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(ID)]);
        first_broker(&cluster).send(find).await.unwrap();
        let of_orders = cluster.partition("orders", 0).unwrap().leader.unwrap();
        let leader = || cluster.client(of_orders).unwrap();
        let of_producer = [coordinator(&cluster, ID), leader(), leader()];
        let mut producer = Producer::initialized(of_producer, TIMEOUT_MS).await.unwrap();
        producer.begin().await.unwrap();
        let mut reader = leader();
        let fetch = reader.start(committed(0, i32::MAX), 12).await.unwrap();
        leader().send(MetadataRequest::default()).await.unwrap();
        limit_batches_of_orders(&cluster, Some("77")).await;
        producer.end(true).await.unwrap();
        assert_eq!(state_of(&mut producer.coordinator).await, "PrepareCommit");
        // A larger limit alone changes nothing.
        limit_batches_of_orders(&cluster, None).await;
        assert_eq!(state_of(&mut producer.coordinator).await, "PrepareCommit");
        if is_moved {
            let coordinates = cluster.partition("__transaction_state", 0).unwrap().leader.unwrap();
            let other = BrokerId(3 - coordinates.0);
            cluster.set_leader("__transaction_state", 0, other).unwrap();
            // Nobody has to ask for it.
            let fetched = reader.finish(fetch).await.unwrap();
            assert_eq!(fetched.responses[0].partitions[0].last_stable_offset, 2);
            let mut next = cluster.client(other).unwrap();
            assert_eq!(state_of(&mut next).await, "CompleteCommit");
            cluster.close().await;
        } else {
            cluster.close().await;
            let answer = reader.finish(fetch).await;
            assert!(matches!(answer, Err(error) if error.is_closed()));
        }
        assert_eq!(cluster.task_count(), 0);
    }
}

/// Sets `max.message.bytes`, or what it is by default.
async fn limit_batches_of_orders(cluster: &Cluster, limit: Option<&str>) {
    let config = AlterableConfig::default()
        .with_name(text("max.message.bytes"))
        .with_config_operation(limit.map_or(1, |_| 0))
        .with_value(limit.map(text));
    let resource = AlterConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("orders"))
        .with_configs(vec![config]);
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![resource]);
    let answer = first_broker(cluster).send(request).await.unwrap();
    assert_eq!(answer.responses[0].error_code, 0);
}

async fn state_of(coordinator: &mut Client<DuplexStream>) -> String {
    let ids = vec![TransactionalId(text(ID))];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    let answer = coordinator.send(request).await.unwrap();
    answer.transaction_states[0].transaction_state.to_string()
}

/// What the group has committed of the first partition; -1 for nothing.
async fn offset_of_billing(client: &mut Client<DuplexStream>) -> i64 {
    let topic = OffsetFetchRequestTopic::default()
        .with_name(TopicName(text("orders")))
        .with_partition_indexes(vec![0]);
    let request = OffsetFetchRequest::default()
        .with_group_id(GroupId(text("billing")))
        .with_topics(Some(vec![topic]));
    let answer = client.send_version(request, 6).await.unwrap();
    answer.topics[0].partitions[0].committed_offset
}

#[test]
fn a_transactions_timeout_without_shutdown_is_caught() {
    let task = (DEADLINES, line_of(DEADLINES, "fn watch", ".spawn_named_on"));
    let leak = caught(Plant::Transactions, "transactions", task, async |cluster: &Cluster| {
        Producer::initialized(clients(cluster), TIMEOUT_MS).await.unwrap()
    });
    assert_eq!(leak.name, "deadlines");
    waits_in(&leak, DEADLINES, "async fn keep_deadlines");
    let timer = line_of(DEADLINES, "async fn keep_deadlines", "sleep_until(deadline)");
    assert!(leak.waiting.iter().any(|wait| wait.line == Some(timer)), "{leak}");
}

/// One transaction is committed, with offsets and under the eyes of a fetch that waits for it, one is aborted, and one times
/// out.
pub(crate) async fn transaction(cluster: &Cluster) -> Result<(), ClientError> {
    let mut producer = Producer::initialized(clients(cluster), 1_000).await?;
    let mut reader = cluster.client(BrokerId(1)).map_err(ClientError::Io)?;
    producer.begin().await?;
    let fetch = reader.start(committed(0, 60_000), 12).await?;
    let offsets = producer.offsets("billing");
    producer.group.send_version(offsets, 5).await?;
    producer.end(true).await?;
    let fetched = reader.finish(fetch).await?;
    assert_eq!(fetched.responses[0].partitions[0].last_stable_offset, 2);
    producer.begin().await?;
    producer.end(false).await?;
    producer.begin().await?;
    let fetched = reader.send_version(committed(4, 60_000), 12).await?;
    assert_eq!(fetched.responses[0].partitions[0].last_stable_offset, 6);
    Ok(())
}
