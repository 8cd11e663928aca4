//! Transactions in time and under the eyes of others. What requests are answered is compared with Apache Kafka elsewhere.

use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{
    DescribeTransactionsRequest, EndTxnRequest, InitProducerIdRequest, ProducerId, TransactionalId,
};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::Record;
use leakcheck::leakcheck;
use tokio::time::Instant;

use super::given::*;

const ID: &str = "x";

fn id() -> TransactionalId {
    TransactionalId(StrBytes::from_static_str(ID))
}

/// A batch of a producer's transaction.
fn in_transaction((producer_id, producer_epoch): (i64, i16), sequence: i32) -> bytes::Bytes {
    batch_of(vec![Record {
        transactional: true,
        producer_id,
        producer_epoch,
        sequence,
        // Of no time, so that retention does not find it old.
        ..record(-1, b"v")
    }])
}

impl Given {
    async fn initialized(&self, timeout_ms: i32) -> (i64, i16) {
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(id()))
            .with_transaction_timeout_ms(timeout_ms)
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let answer = self.coordinator_of(ID).await.send(request).await.unwrap();
        assert_eq!(answer.error_code, 0);
        (answer.producer_id.0, answer.producer_epoch)
    }

    /// Produces in version 12, which adds the partition to the transaction.
    async fn begun(&mut self, topic: &str, producer: (i64, i16)) {
        let request = produce(topic, 0, in_transaction(producer, 0)).with_transactional_id(Some(id()));
        let answer = self.client.send_version(request, 12).await.unwrap();
        assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
    }

    async fn state(&self) -> (i16, String) {
        let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
        let answer = self.coordinator_of(ID).await.send(request).await.unwrap();
        let state = &answer.transaction_states[0];
        (state.error_code, state.transaction_state.to_string())
    }
}

#[leakcheck(start_paused)]
async fn a_transaction_that_takes_too_long_is_aborted_and_wakes_who_waits_for_its_end() {
    let mut given = given().await;
    let producer = given.initialized(60_000).await;
    given.begun("t", producer).await;
    let begun = Instant::now();
    let mut reader = given.client_of(1).await;
    let wait = fetch(&[("t", 0, 0)])
        .with_isolation_level(1)
        .with_max_wait_ms(3_600_000);
    let answer = reader.send_version(wait, BY_NAME).await.unwrap();
    let waited = begun.elapsed();
    // Kafka: once more than the timeout has passed.
    assert!(
        waited > Duration::from_millis(60_000) && waited < Duration::from_millis(60_010),
        "{waited:?}"
    );
    let partition = &answer.responses[0].partitions[0];
    assert_eq!(partition.last_stable_offset, 2);
    let aborted = partition.aborted_transactions.as_ref().unwrap();
    assert_eq!((aborted[0].producer_id.0, aborted[0].first_offset), (producer.0, 0));
    assert_eq!(given.state().await, (0, "CompleteAbort".to_owned()));
    let late = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(ProducerId(producer.0))
        .with_producer_epoch(producer.1)
        .with_committed(true);
    let answer = given.coordinator_of(ID).await.send_version(late, 4).await.unwrap();
    assert_eq!(answer.error_code, ResponseError::ProducerFenced.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn the_shorter_of_two_timeouts_is_kept_whichever_begins_first() {
    for timeouts in [[60_000, 1_000], [1_000, 60_000]] {
        let mut given = given().await;
        let producer = given.initialized(timeouts[0]).await;
        given.begun("t", producer).await;
        let other = TransactionalId(StrBytes::from_static_str("y"));
        let request = InitProducerIdRequest::default()
            .with_transactional_id(Some(other.clone()))
            .with_transaction_timeout_ms(timeouts[1])
            .with_producer_id(ProducerId(-1))
            .with_producer_epoch(-1);
        let second = given.coordinator_of("y").await.send(request).await.unwrap();
        let batch = in_transaction((second.producer_id.0, 0), 0);
        let request = produce("t", 0, batch).with_transactional_id(Some(other));
        given.client.send_version(request, 12).await.unwrap();
        let begun = Instant::now();
        tokio::time::sleep(Duration::from_millis(2_000)).await;
        let first_is_short = timeouts[0] < timeouts[1];
        let expected = if first_is_short { "CompleteAbort" } else { "Ongoing" };
        assert_eq!(given.state().await.1, expected);
        let wait = fetch(&[("t", 0, 0)])
            .with_isolation_level(1)
            .with_max_wait_ms(3_600_000);
        let answer = given.client.send_version(wait, BY_NAME).await.unwrap();
        // The first record is that of the first transaction.
        let seen = answer.responses[0].partitions[0].last_stable_offset;
        assert!(seen > 0, "after {:?}", begun.elapsed());
        given.closes().await;
    }
}

#[leakcheck(start_paused)]
async fn an_id_that_nobody_uses_is_forgotten_and_its_task_ends() {
    let given = given_with(|builder| builder.broker_config("transactional.id.expiration.ms", "1000")).await;
    let connections = given.cluster.task_count();
    given.initialized(60_000).await;
    assert_eq!(given.state().await, (0, "Empty".to_owned()));
    tokio::time::sleep(Duration::from_millis(990)).await;
    assert_eq!(given.state().await, (0, "Empty".to_owned()));
    tokio::time::sleep(Duration::from_millis(20)).await;
    let (code, _) = given.state().await;
    assert_eq!(code, ResponseError::TransactionalIdNotFound.code());
    tokio::time::sleep(Duration::from_millis(1)).await;
    // Clients of its own have come and gone; what watches deadlines is gone too.
    assert_eq!(given.cluster.task_count(), connections);
    // The next id starts it again.
    given.initialized(60_000).await;
    tokio::time::sleep(Duration::from_millis(1_010)).await;
    assert_eq!(given.state().await.0, ResponseError::TransactionalIdNotFound.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn what_is_due_is_done_on_demand() {
    let mut given = given().await;
    let producer = given.initialized(1_000).await;
    given.begun("t", producer).await;
    given.cluster.sweep_transactions();
    assert_eq!(given.state().await.1, "Ongoing", "nothing is due");
    tokio::time::advance(Duration::from_millis(1_001)).await;
    given.cluster.sweep_transactions();
    assert_eq!(given.state().await.1, "CompleteAbort");
    given.closes().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn no_fetch_sees_half_of_a_transactions_end() {
    const TRANSACTIONS: i64 = 300;
    let mut given = given().await;
    // Led by the same broker, so that one fetch reads both.
    given.has_topic("u", &[]).await;
    let partition = 2;
    let mut producer = given.initialized(60_000).await;
    let mut reader = given.client_of(1).await;
    let reads = tokio::spawn(async move {
        let mut seen = 0;
        while seen < TRANSACTIONS * 2 {
            let request = fetch(&[("t", 0, 0), ("u", partition, 0)]).with_isolation_level(1);
            let answer = reader.send_version(request, BY_NAME).await.unwrap();
            let stable = |nth: usize| answer.responses[nth].partitions[0].last_stable_offset;
            assert_eq!(stable(0), stable(1), "one partition was decided before the other");
            seen = stable(0);
        }
    });
    let mut coordinator = given.coordinator_of(ID).await;
    for _ in 0..TRANSACTIONS {
        for (topic, index) in [("t", 0), ("u", partition)] {
            let request = produce(topic, index, in_transaction(producer, 0)).with_transactional_id(Some(id()));
            let answer = given.client.send_version(request, 12).await.unwrap();
            assert_eq!(answer.responses[0].partition_responses[0].error_code, 0);
        }
        let end = EndTxnRequest::default()
            .with_transactional_id(id())
            .with_producer_id(ProducerId(producer.0))
            .with_producer_epoch(producer.1)
            .with_committed(true);
        let answer = coordinator.send(end).await.unwrap();
        assert_eq!(answer.error_code, 0);
        producer = (answer.producer_id.0, answer.producer_epoch);
    }
    reads.await.unwrap();
    given.closes().await;
}
