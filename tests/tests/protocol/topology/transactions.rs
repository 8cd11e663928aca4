//! Transactions whose partitions move, go, or have too few replicas in sync.

use kafka_protocol::error::ResponseError::*;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic};
use kafka_protocol::messages::{
    DeleteTopicsRequest, DescribeProducersRequest, DescribeTransactionsRequest, EndTxnRequest, FindCoordinatorRequest,
    InitProducerIdRequest, ProducerId, TopicName, TransactionalId, WriteTxnMarkersRequest,
};
use kafka_protocol::records::Record;
use kfake::client::Client;
use kfake::{BrokerId, Cluster};
use kfake_tests::records::{TOPIC, fetch, fetched, produce, produced};
use kfake_tests::{batch_of, record, text};
use leakcheck::leakcheck;
use std::time::Duration;
use tokio::io::DuplexStream;
use tokio::time::advance;

use super::{ONE, THREE, TWO, builder, code, produce_one, view};

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
