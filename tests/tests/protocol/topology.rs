//! Leaders that move, followers that fall behind, brokers that go: what clients are told.

use std::time::Duration;

use kafka_protocol::error::ResponseError::{self, *};
use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::describe_quorum_request::{PartitionData as QuorumPartition, TopicData as QuorumTopic};
use kafka_protocol::messages::elect_leaders_request::TopicPartitions;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    AlterPartitionReassignmentsRequest, BrokerId as WireBrokerId, DeleteTopicsRequest, DescribeClusterRequest,
    DescribeProducersRequest, DescribeQuorumRequest, DescribeTopicPartitionsRequest, DescribeTransactionsRequest,
    ElectLeadersRequest, EndTxnRequest, FetchRequest, FindCoordinatorRequest, InitProducerIdRequest,
    ListPartitionReassignmentsRequest, MetadataRequest, OffsetForLeaderEpochRequest, ProducerId, TopicName,
    TransactionalId, WriteTxnMarkersRequest,
};
use kafka_protocol::records::Record;
use kfake::client::Client;
use kfake::{BrokerError, BrokerId, Builder, Cluster, MoveError, PartitionView};
use kfake_tests::records::{TOPIC, fetch, fetched, produce, produced};
use kfake_tests::{Member, batch_of, coordinator, record, text};
use leakcheck::leakcheck;
use tokio::io::DuplexStream;
use tokio::time::advance;

const ONE: BrokerId = BrokerId(1);
const TWO: BrokerId = BrokerId(2);
const THREE: BrokerId = BrokerId(3);

/// One partition on brokers 1, 2 and 3, led by 1.
fn builder() -> Builder {
    Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(3))
}

fn view(cluster: &Cluster) -> PartitionView {
    cluster.partition(TOPIC, 0).unwrap()
}

fn code(error: ResponseError) -> i16 {
    error.code()
}

async fn produce_one(cluster: &Cluster, broker: BrokerId, acks: i16) -> i16 {
    let mut client = cluster.client(broker).unwrap();
    produced(client.send_version(produce(acks), 9).await.unwrap()).error_code
}

/// Lets the cluster's tasks run until a fetch waits for the partition.
async fn until_a_fetch_waits(cluster: &Cluster) {
    for _ in 0..100_000 {
        if view(cluster).waiting_fetches == 1 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("no fetch waits");
}

/// Where epoch `epoch` ended, by the leader.
async fn end_of_epoch(cluster: &Cluster, epoch: i32) -> (i32, i64) {
    let partition = OffsetForLeaderPartition::default()
        .with_current_leader_epoch(-1)
        .with_leader_epoch(epoch);
    let topic = OffsetForLeaderTopic::default()
        .with_topic(TopicName(text(TOPIC)))
        .with_partitions(vec![partition]);
    let request = OffsetForLeaderEpochRequest::default()
        .with_replica_id(WireBrokerId(-1))
        .with_topics(vec![topic]);
    let mut client = cluster.client(view(cluster).leader.unwrap()).unwrap();
    let response = client.send(request).await.unwrap();
    let answer = &response.topics[0].partitions[0];
    assert_eq!(answer.error_code, 0);
    (answer.leader_epoch, answer.end_offset)
}

#[leakcheck(start_paused)]
async fn a_fetch_that_waits_ends_at_once_when_the_leader_moves_and_names_the_new_one() {
    let cluster = builder().start().await.unwrap();
    let mut reader = cluster.client(ONE).unwrap();
    // Before version 11 nobody reads from followers.
    let waits = reader.start(fetch(0, i32::MAX), 10).await.unwrap();
    until_a_fetch_waits(&cluster).await;
    cluster.set_leader(TOPIC, 0, TWO).unwrap();
    let answer = fetched(reader.finish(waits).await.unwrap());
    assert_eq!(answer.error_code, code(NotLeaderOrFollower));

    let mut writer = cluster.client(ONE).unwrap();
    let refused = writer.send_version(produce(-1), 10).await.unwrap();
    let endpoint = refused.node_endpoints[0].clone();
    assert_eq!(
        (endpoint.node_id, &*endpoint.host),
        (WireBrokerId(2), "broker-2.memory")
    );
    let refused = produced(refused);
    assert_eq!(refused.error_code, code(NotLeaderOrFollower));
    assert_eq!(refused.current_leader.leader_id, WireBrokerId(2));
    assert_eq!(refused.current_leader.leader_epoch, 1);
    assert_eq!(produce_one(&cluster, TWO, -1).await, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_leader_that_lacks_records_makes_the_log_diverge_from_its_readers() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    assert_eq!(view(&cluster).log_end_offset, 3);
    let moved = cluster.set_leader(TOPIC, 0, THREE).unwrap();
    assert_eq!((moved.log_end_offset, moved.leader_epoch), (1, 1));
    assert_eq!(end_of_epoch(&cluster, 0).await, (0, 1));

    let mut request = fetch(3, 60_000);
    request.topics[0].partitions[0].last_fetched_epoch = 0;
    let mut reader = cluster.client(THREE).unwrap();
    let answer = fetched(reader.send_version(request, 12).await.unwrap());
    assert_eq!(answer.error_code, 0);
    assert_eq!(
        (answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset),
        (0, 1)
    );
    // Who does not say what it read last is simply too far.
    let answer = fetched(reader.send_version(fetch(3, 60_000), 12).await.unwrap());
    assert_eq!(answer.error_code, code(OffsetOutOfRange));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_follower_that_falls_behind_shows_less_and_is_not_waited_for() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    let mut reader = cluster.client(TWO).unwrap();
    let answer = fetched(reader.send_version(fetch(0, 1_000), 12).await.unwrap());
    let one_batch = kfake_tests::records::batch().len();
    assert_eq!((answer.high_watermark, answer.records.unwrap().len()), (1, one_batch));
    let answer = fetched(reader.send_version(fetch(2, 1_000), 12).await.unwrap());
    assert_eq!(answer.error_code, code(OffsetOutOfRange));
    cluster.expand_isr(TOPIC, 0, TWO).unwrap();
    let answer = fetched(reader.send_version(fetch(1, 1_000), 12).await.unwrap());
    assert_eq!((answer.high_watermark, answer.records.unwrap().len()), (2, one_batch));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn with_too_few_in_sync_acks_all_is_refused_and_what_is_written_with_less_is_not_committed() {
    let cluster = builder()
        .broker_config("min.insync.replicas", "2")
        .start()
        .await
        .unwrap();
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    let shrunk = cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    assert_eq!(shrunk.eligible_leaders, [THREE]);
    assert_eq!(produce_one(&cluster, ONE, -1).await, code(NotEnoughReplicas));
    assert_eq!(produce_one(&cluster, ONE, 1).await, 0);
    let held = view(&cluster);
    assert_eq!((held.high_watermark, held.log_end_offset), (1, 2));
    // A consumer that waits for the record gets it as soon as it is committed.
    let mut reader = cluster.client(ONE).unwrap();
    let waits = reader.start(fetch(1, i32::MAX), 12).await.unwrap();
    until_a_fetch_waits(&cluster).await;
    cluster.expand_isr(TOPIC, 0, THREE).unwrap();
    let answer = fetched(reader.finish(waits).await.unwrap());
    assert_eq!((answer.error_code, answer.high_watermark), (0, 2));
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.close().await;
}

/// A transaction's producer, at its coordinator.
struct Transaction {
    coordinator: Client<DuplexStream>,
    producer: (ProducerId, i16),
}

const ID: &str = "transfers";

fn id() -> TransactionalId {
    TransactionalId(text(ID))
}

impl Transaction {
    /// A client of the coordinator, which `asked` knows.
    async fn coordinator(cluster: &Cluster, asked: BrokerId) -> Client<DuplexStream> {
        let find = FindCoordinatorRequest::default()
            .with_key_type(1)
            .with_coordinator_keys(vec![text(ID)]);
        let found = cluster.client(asked).unwrap().send(find).await.unwrap();
        cluster.client(BrokerId(found.coordinators[0].node_id.0)).unwrap()
    }

    /// A record in a transaction, to the leader: the error code.
    async fn write(cluster: &Cluster, (id_, epoch): (ProducerId, i16), acks: i16) -> i16 {
        let record = Record {
            transactional: true,
            producer_id: id_.0,
            producer_epoch: epoch,
            sequence: 0,
            ..record(1, "a transfer".into())
        };
        let mut request = produce(acks).with_transactional_id(Some(id()));
        request.topic_data[0].partition_data[0].records = Some(batch_of(&record));
        let mut leader = cluster.client(view(cluster).leader.unwrap()).unwrap();
        produced(leader.send_version(request, 12).await.unwrap()).error_code
    }

    /// Begins with one record at the leader.
    async fn begin(cluster: &Cluster) -> Self {
        let mut coordinator = Self::coordinator(cluster, ONE).await;
        let init = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(60_000)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let init = coordinator.send(init).await.unwrap();
        assert_eq!(init.error_code, 0);
        let producer = (init.producer_id, init.producer_epoch);
        assert_eq!(Self::write(cluster, producer, -1).await, 0);
        Self { coordinator, producer }
    }

    /// Ends it: the producer as it is then.
    async fn end(mut self, committed: bool) -> (ProducerId, i16) {
        let request = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(self.producer.0)
            .with_producer_epoch(self.producer.1)
            .with_committed(committed);
        let ended = self.coordinator.send(request).await.unwrap();
        assert_eq!(ended.error_code, 0);
        (ended.producer_id, ended.producer_epoch)
    }
}

/// What a consumer of committed records gets from the beginning on.
async fn committed(cluster: &Cluster) -> PartitionData {
    let mut reader = cluster.client(view(cluster).leader.unwrap()).unwrap();
    let request = fetch(0, 0).with_isolation_level(1);
    fetched(reader.send_version(request, 12).await.unwrap())
}

#[leakcheck(start_paused)]
async fn a_transaction_that_a_new_leader_lacks_never_was_for_its_readers() {
    let cluster = builder().start().await.unwrap();
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    let transaction = Transaction::begin(&cluster).await;
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    let open = committed(&cluster).await;
    assert_eq!((open.high_watermark, open.last_stable_offset), (2, 0));

    assert_eq!(cluster.set_leader(TOPIC, 0, THREE).unwrap().log_end_offset, 0);
    assert_eq!(produce_one(&cluster, THREE, -1).await, 0);
    let read = committed(&cluster).await;
    assert_eq!((read.high_watermark, read.last_stable_offset), (1, 1));
    assert_eq!(read.records.unwrap().len(), kfake_tests::records::batch().len());
    // Its end finds nothing to abort.
    transaction.end(false).await;
    let read = committed(&cluster).await;
    assert_eq!((read.high_watermark, read.last_stable_offset), (2, 2));
    assert_eq!(read.aborted_transactions, Some(vec![]));
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn an_end_that_too_few_have_ends_the_transaction_for_nobody_yet() {
    let cluster = builder()
        .broker_config("min.insync.replicas", "2")
        .start()
        .await
        .unwrap();
    let transaction = Transaction::begin(&cluster).await;
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    let producer = transaction.end(true).await;
    let held = committed(&cluster).await;
    assert_eq!((held.high_watermark, held.last_stable_offset), (1, 0));
    // The next transaction may not begin before the last one has ended everywhere.
    let refused = Transaction::write(&cluster, producer, 1).await;
    assert_eq!(refused, code(ConcurrentTransactions));
    assert!(held.records.unwrap().is_empty());
    // Who writes markers by hand is told.
    let topic = WritableTxnMarkerTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partition_indexes(vec![0]);
    let marker = WritableTxnMarker::default()
        .with_producer_id(ProducerId(77))
        .with_topics(vec![topic]);
    let request = WriteTxnMarkersRequest::default().with_markers(vec![marker]);
    let answer = cluster.client(ONE).unwrap().send_version(request, 1).await.unwrap();
    let refused = answer.markers[0].topics[0].partitions[0].error_code;
    assert_eq!(refused, code(NotEnoughReplicas));
    cluster.expand_isr(TOPIC, 0, THREE).unwrap();
    let read = committed(&cluster).await;
    assert_eq!((read.high_watermark, read.last_stable_offset), (2, 2));
    assert!(!read.records.unwrap().is_empty());
    assert_eq!(Transaction::write(&cluster, producer, 1).await, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_transaction_that_ends_while_nobody_leads_stays_open_there() {
    let builder = Cluster::builder().in_memory().topic_spec(TOPIC, Some(1), Some(1));
    let cluster = builder.start().await.unwrap();
    let mut transaction = Transaction::begin(&cluster).await;
    cluster.stop_broker(ONE).await.unwrap();
    transaction.coordinator = Transaction::coordinator(&cluster, TWO).await;
    transaction.end(true).await;
    let gone = view(&cluster);
    assert_eq!((gone.leader, gone.log_end_offset), (None, 1));
    cluster.start_broker(ONE).await.unwrap();
    // Apache Kafka takes the partition for deleted when it looks where to send the marker.
    let read = committed(&cluster).await;
    assert_eq!((read.high_watermark, read.last_stable_offset), (1, 0));
    assert!(read.records.unwrap().is_empty());
    cluster.close().await;
}

/// What its coordinator says of the transaction.
async fn described(cluster: &Cluster) -> (String, usize) {
    let mut coordinator = Transaction::coordinator(cluster, ONE).await;
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let answer = coordinator.send(request).await.unwrap();
    let state = &answer.transaction_states[0];
    (state.transaction_state.to_string(), state.topics.len())
}

#[leakcheck(start_paused)]
async fn a_transaction_whose_marker_is_missing_is_ending_until_it_is_written_or_its_topic_is_gone() {
    let builder = builder().broker_config("min.insync.replicas", "2");
    let builder = builder.broker_config("transactional.id.expiration.ms", "1000");
    let cluster = builder.start().await.unwrap();
    for is_deleted in [false, true] {
        let transaction = Transaction::begin(&cluster).await;
        cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
        cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
        transaction.end(true).await;
        assert_eq!(described(&cluster).await, ("PrepareCommit".to_owned(), 1));
        // An id that is ending does not expire, however long that takes.
        advance(Duration::from_secs(3600)).await;
        cluster.sweep_transactions();
        assert_eq!(described(&cluster).await, ("PrepareCommit".to_owned(), 1));
        if is_deleted {
            let topic = DeleteTopicState::default().with_name(Some(TopicName(text(TOPIC))));
            let request = DeleteTopicsRequest::default().with_topics(vec![topic]);
            cluster.client(ONE).unwrap().send(request).await.unwrap();
        } else {
            cluster.expand_isr(TOPIC, 0, TWO).unwrap();
        }
        assert_eq!(described(&cluster).await, ("CompleteCommit".to_owned(), 0));
        // From now on it may.
        advance(Duration::from_millis(1_500)).await;
        cluster.sweep_transactions();
        assert_eq!(described(&cluster).await, (String::new(), 0));
    }
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_marker_names_the_epoch_of_the_coordinator_that_has_sent_it() {
    let builder = builder().broker_config("transaction.state.log.num.partitions", "1");
    let cluster = builder.start().await.unwrap();
    let mut transaction = Transaction::begin(&cluster).await;
    for leader in [TWO, THREE, TWO] {
        cluster.set_leader("__transaction_state", 0, leader).unwrap();
    }
    transaction.coordinator = Transaction::coordinator(&cluster, ONE).await;
    transaction.end(true).await;
    let topic = TopicRequest::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partition_indexes(vec![0]);
    let request = DescribeProducersRequest::default().with_topics(vec![topic]);
    let answer = cluster.client(ONE).unwrap().send(request).await.unwrap();
    let leader_epoch = cluster.partition("__transaction_state", 0).unwrap().leader_epoch;
    assert!(leader_epoch >= 2);
    assert_eq!(
        answer.topics[0].partitions[0].active_producers[0].coordinator_epoch,
        leader_epoch
    );
    cluster.close().await;
}

/// The active controller by Metadata and by DescribeCluster; by DescribeQuorum with its epoch and those that follow it.
async fn controllers(cluster: &Cluster, asked: BrokerId) -> (i32, i32, (i32, i32, Vec<i32>)) {
    let mut client = cluster.client(asked).unwrap();
    let metadata = client.send(MetadataRequest::default()).await.unwrap();
    let described = client.send(DescribeClusterRequest::default()).await.unwrap();
    let topic = QuorumTopic::default()
        .with_topic_name(TopicName(text("__cluster_metadata")))
        .with_partitions(vec![QuorumPartition::default()]);
    let request = DescribeQuorumRequest::default().with_topics(vec![topic]);
    let quorum = client.send(request).await.unwrap();
    let partition = &quorum.topics[0].partitions[0];
    assert_eq!(partition.current_voters.len(), 1);
    assert_eq!(partition.current_voters[0].replica_id, partition.leader_id);
    assert_eq!(quorum.nodes[0].node_id, partition.leader_id);
    let observers = partition.observers.iter().map(|observer| observer.replica_id.0);
    (
        metadata.controller_id.0,
        described.controller_id.0,
        (partition.leader_id.0, partition.leader_epoch, observers.collect()),
    )
}

#[leakcheck(start_paused)]
async fn every_answer_names_the_same_controller_which_is_up() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(controllers(&cluster, TWO).await, (1, 1, (1, 1, vec![2, 3])));
    cluster.stop_broker(ONE).await.unwrap();
    assert_eq!(controllers(&cluster, TWO).await, (2, 2, (2, 2, vec![3])));
    // Who comes back follows.
    cluster.start_broker(ONE).await.unwrap();
    assert_eq!(controllers(&cluster, ONE).await, (2, 2, (2, 2, vec![1, 3])));
    cluster.close().await;
}

/// A consumer's fetch that says which rack it is in.
fn fetch_in(rack: &str) -> FetchRequest {
    fetch(0, 60_000).with_rack_id(text(rack))
}

#[leakcheck(start_paused)]
async fn a_consumer_is_sent_to_the_follower_in_its_rack() {
    let selector = "org.apache.kafka.common.replica.RackAwareReplicaSelector";
    let cluster = builder()
        .racks(["a", "b", "c"])
        .broker_config("replica.selector.class", selector)
        .start()
        .await
        .unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    let mut leader = cluster.client(ONE).unwrap();
    let answer = fetched(leader.send_version(fetch_in("b"), 12).await.unwrap());
    assert_eq!((answer.error_code, answer.preferred_read_replica), (0, WireBrokerId(2)));
    assert!(answer.records.is_none_or(|records| records.is_empty()));
    let mut follower = cluster.client(TWO).unwrap();
    let answer = fetched(follower.send_version(fetch_in("b"), 12).await.unwrap());
    assert_eq!(
        (answer.preferred_read_replica, answer.high_watermark),
        (WireBrokerId(-1), 1)
    );
    assert!(!answer.records.unwrap().is_empty());
    // In the leader's rack, in none, and in one whose replica is not in sync, the leader is read from.
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    for rack in ["a", "", "z", "c"] {
        let answer = fetched(leader.send_version(fetch_in(rack), 12).await.unwrap());
        assert_eq!(answer.preferred_read_replica, WireBrokerId(-1), "{rack}");
        assert!(!answer.records.unwrap().is_empty(), "{rack}");
    }
    let metadata = leader.send(MetadataRequest::default()).await.unwrap();
    let racks: Vec<_> = metadata.brokers.iter().map(|b| b.rack.as_deref().unwrap()).collect();
    assert_eq!(racks, ["a", "b", "c"]);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_broker_that_stops_leads_nothing_and_is_not_named_until_it_is_back() {
    let cluster = builder().start().await.unwrap();
    let mut at_one = cluster.client(ONE).unwrap();
    let waits = at_one.start(fetch(0, i32::MAX), 12).await.unwrap();
    until_a_fetch_waits(&cluster).await;
    cluster.stop_broker(ONE).await.unwrap();
    assert!(at_one.finish(waits).await.unwrap_err().is_closed());
    assert_eq!(
        cluster.client(ONE).unwrap_err().kind(),
        std::io::ErrorKind::ConnectionRefused
    );
    let stopped = view(&cluster);
    assert_eq!((stopped.leader, stopped.leader_epoch), (Some(TWO), 1));
    assert_eq!(stopped.in_sync, [TWO, THREE]);
    assert_eq!(stopped.waiting_fetches, 0);

    let mut at_two = cluster.client(TWO).unwrap();
    let metadata = at_two.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    let ids: Vec<_> = metadata.brokers.iter().map(|b| b.node_id.0).collect();
    assert_eq!((ids, metadata.controller_id.0), (vec![2, 3], 2));
    assert_eq!(metadata.topics[0].partitions[0].offline_replicas, [WireBrokerId(1)]);
    let all = DescribeClusterRequest::default().with_include_fenced_brokers(true);
    let all = at_two.send(all).await.unwrap();
    let fenced: Vec<_> = all
        .brokers
        .iter()
        .filter(|b| b.is_fenced)
        .map(|b| b.broker_id.0)
        .collect();
    assert_eq!((all.brokers.len(), fenced), (3, vec![1]));

    cluster.start_broker(ONE).await.unwrap();
    let back = view(&cluster);
    assert_eq!((back.leader, back.in_sync), (Some(TWO), vec![ONE, TWO, THREE]));
    assert_eq!(elect(&mut at_two, 0).await, (0, None));
    assert_eq!(view(&cluster).leader, Some(ONE));
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.close().await;
}

async fn elect(client: &mut Client<DuplexStream>, kind: i8) -> (i16, Option<String>) {
    let topic = TopicPartitions::default()
        .with_topic(TopicName(text(TOPIC)))
        .with_partitions(vec![0]);
    let request = ElectLeadersRequest::default()
        .with_election_type(kind)
        .with_topic_partitions(Some(vec![topic]));
    let response = client.send(request).await.unwrap();
    let result = &response.replica_election_results[0].partition_result[0];
    (result.error_code, result.error_message.as_ref().map(|m| m.to_string()))
}

#[leakcheck(start_paused)]
async fn a_partition_whose_last_replica_in_sync_is_gone_has_no_leader_until_an_unclean_election() {
    let cluster = builder().start().await.unwrap();
    cluster.shrink_isr(TOPIC, 0, TWO).unwrap();
    cluster.shrink_isr(TOPIC, 0, THREE).unwrap();
    assert_eq!(produce_one(&cluster, ONE, -1).await, 0);
    cluster.stop_broker(ONE).await.unwrap();
    let orphan = view(&cluster);
    assert_eq!((orphan.leader, orphan.eligible_leaders), (None, vec![ONE]));
    assert_eq!(cluster.set_leader(TOPIC, 0, ONE), Err(MoveError::Stopped(ONE)));

    let mut client = cluster.client(TWO).unwrap();
    let metadata = client.send(MetadataRequest::default().with_topics(None)).await.unwrap();
    let partition = &metadata.topics[0].partitions[0];
    assert_eq!(
        (partition.error_code, partition.leader_id.0),
        (code(LeaderNotAvailable), -1)
    );
    let described = client.send(DescribeTopicPartitionsRequest::default().with_response_partition_limit(9));
    let described = described.await.unwrap();
    let partition = &described.topics[0].partitions[0];
    assert_eq!((partition.leader_id.0, partition.error_code), (-1, 0));
    assert_eq!(partition.eligible_leader_replicas, Some(vec![WireBrokerId(1)]));
    assert_eq!(partition.last_known_elr, Some(vec![WireBrokerId(1)]));
    let refused = client.send_version(produce(-1), 10).await.unwrap();
    let refused = produced(refused);
    assert_eq!(
        (refused.error_code, refused.current_leader.leader_id.0),
        (code(NotLeaderOrFollower), -1)
    );

    let unavailable = "The preferred leader was not available.".to_owned();
    assert_eq!(
        elect(&mut client, 0).await,
        (code(PreferredLeaderNotAvailable), Some(unavailable))
    );
    assert_eq!(elect(&mut client, 1).await, (0, None));
    let elected = view(&cluster);
    assert_eq!((elected.leader, elected.log_end_offset), (Some(TWO), 0));
    cluster.start_broker(ONE).await.unwrap();
    assert_eq!(view(&cluster).in_sync, [ONE, TWO]);
    cluster.close().await;
}

fn reassign(replicas: Option<&[i32]>) -> AlterPartitionReassignmentsRequest {
    let replicas = replicas.map(|ids| ids.iter().copied().map(WireBrokerId).collect());
    let topic = ReassignableTopic::default()
        .with_name(TopicName(text(TOPIC)))
        .with_partitions(vec![ReassignablePartition::default().with_replicas(replicas)]);
    AlterPartitionReassignmentsRequest::default().with_topics(vec![topic])
}

#[leakcheck(start_paused)]
async fn a_reassignment_that_is_held_is_listed_and_can_be_taken_back() {
    let cluster = Cluster::builder()
        .in_memory()
        .brokers(4)
        .topic_spec(TOPIC, Some(1), Some(2))
        .start()
        .await
        .unwrap();
    let mut client = cluster.client(ONE).unwrap();
    cluster.hold_reassignments(true);
    client.send(reassign(Some(&[3, 4]))).await.unwrap();
    let list = || ListPartitionReassignmentsRequest::default().with_topics(None);
    let listed = client.send(list()).await.unwrap();
    let ongoing = &listed.topics[0].partitions[0];
    let ids = |brokers: &[WireBrokerId]| brokers.iter().map(|b| b.0).collect::<Vec<_>>();
    assert_eq!(ids(&ongoing.replicas), [3, 4, 1, 2]);
    assert_eq!(ids(&ongoing.adding_replicas), [3, 4]);
    assert_eq!(ids(&ongoing.removing_replicas), [1, 2]);
    client.send(reassign(None)).await.unwrap();
    assert!(client.send(list()).await.unwrap().topics.is_empty());
    assert_eq!(view(&cluster).replicas, [ONE, TWO]);
    let refused = client.send(reassign(None)).await.unwrap();
    assert_eq!(
        refused.responses[0].partitions[0].error_code,
        code(NoReassignmentInProgress)
    );

    client.send(reassign(Some(&[4]))).await.unwrap();
    cluster.hold_reassignments(false);
    let done = view(&cluster);
    assert_eq!((done.leader, done.replicas), (Some(BrokerId(4)), vec![BrokerId(4)]));
    assert_eq!(produce_one(&cluster, BrokerId(4), -1).await, 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_groups_coordinator_is_the_leader_of_its_partition_and_moves_with_it() {
    let cluster = Cluster::builder().in_memory().start().await.unwrap();
    let before = cluster.coordinator("billing");
    let mut member = Member::of(&cluster, "billing");
    member.join_alone().await.unwrap();
    cluster.stop_broker(before).await.unwrap();
    let after = cluster.coordinator("billing");
    assert_ne!(before, after);
    // The member's generation goes on there.
    member.client = coordinator(&cluster, "billing");
    assert_eq!(member.heartbeat().await.unwrap(), 0);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn what_is_not_there_cannot_be_moved_or_stopped() {
    let cluster = builder().start().await.unwrap();
    assert_eq!(cluster.set_leader("bills", 0, ONE), Err(MoveError::NoPartition));
    assert_eq!(cluster.set_leader(TOPIC, 1, ONE), Err(MoveError::NoPartition));
    assert_eq!(
        cluster.set_leader(TOPIC, 0, BrokerId(9)),
        Err(MoveError::NoReplica(BrokerId(9)))
    );
    assert_eq!(cluster.shrink_isr(TOPIC, 0, ONE), Err(MoveError::Leads(ONE)));
    let unknown = cluster.stop_broker(BrokerId(9)).await.unwrap_err();
    assert!(matches!(unknown, BrokerError::Unknown(BrokerId(9))));
    let unknown = cluster.start_broker(BrokerId(9)).await.unwrap_err();
    assert!(matches!(unknown, BrokerError::Unknown(BrokerId(9))));
    cluster.close().await;
}

/// A real port this time: it is closed while the broker is stopped, and the same one afterwards.
#[leakcheck]
async fn a_broker_that_starts_again_has_its_port_again() {
    let cluster = Cluster::builder()
        .topic_spec(TOPIC, Some(1), Some(3))
        .start()
        .await
        .unwrap();
    let broker = &cluster.brokers()[1];
    let address = (broker.host.clone(), broker.port);
    let mut client = Client::connect(format!("{}:{}", address.0, address.1).parse().unwrap())
        .await
        .unwrap();
    client.send(MetadataRequest::default()).await.unwrap();
    cluster.stop_broker(TWO).await.unwrap();
    assert!(client.send(MetadataRequest::default()).await.unwrap_err().is_closed());
    let refused = tokio::net::TcpStream::connect(address.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    cluster.start_broker(TWO).await.unwrap();
    tokio::net::TcpStream::connect(address).await.unwrap();
    assert_eq!(view(&cluster).in_sync.len(), 3);
    cluster.close().await;
}
