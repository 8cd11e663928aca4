use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::{BrokerId as WireBrokerId, CreateTopicsRequest, DeleteTopicsRequest, FetchRequest};
use kafka_protocol::records::RecordBatchDecoder;
use leakcheck::leakcheck;
use tokio::time::Instant;

use super::given::*;

/// Fills in the name or the id, whichever the version has.
fn at_version(mut request: FetchRequest, version: i16, id: uuid::Uuid) -> FetchRequest {
    for topic in request.topics.iter_mut().filter(|_| version >= 13) {
        (topic.topic, topic.topic_id) = (Default::default(), id);
    }
    if version < 7 {
        request.session_epoch = -1;
    }
    if version >= 15 {
        request.replica_id = (-1).into();
    }
    request
}

#[leakcheck(start_paused)]
async fn every_version_reads_what_was_produced() {
    let mut given = given().await;
    // More than is copied into a response, so that it is handed on as it is.
    given
        .has_records(batch_of(vec![record(5, &[b'a'; 20_000]), record(6, b"b")]))
        .await;
    for version in 4..=18 {
        let request = at_version(fetch(&[("t", 0, 0)]), version, given.topic_id);
        let response = given.client.send_version(request, version).await.unwrap();
        let answer = only_fetched(response);
        assert_eq!((answer.error_code, answer.high_watermark), (0, 2), "version {version}");
        assert_eq!(answer.last_stable_offset, 2);
        assert_eq!(answer.log_start_offset, if version >= 5 { 0 } else { -1 });
        assert_eq!(answer.aborted_transactions, None);
        let mut bytes = answer.records.unwrap();
        let records = RecordBatchDecoder::decode(&mut bytes).unwrap().records;
        let got: Vec<_> = records
            .iter()
            .map(|r| (r.offset, r.timestamp, r.value.as_ref().unwrap()[0]))
            .collect();
        assert_eq!(got, [(0, 5, b'a'), (1, 6, b'b')]);
        assert!(bytes.is_empty());
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn every_version_says_who_does_not_lead_and_from_16_who_does() {
    let given = given().await;
    let mut other = given.client_of(2).await;
    for version in 4..=18 {
        let request = at_version(fetch(&[("t", 0, 0)]), version, given.topic_id);
        let response = other.send_version(request, version).await.unwrap();
        let hosts: Vec<_> = response
            .node_endpoints
            .iter()
            .map(|node| (node.node_id.0, node.port))
            .collect();
        let answer = only_fetched(response);
        assert_eq!(
            answer.error_code,
            ResponseError::NotLeaderOrFollower.code(),
            "version {version}"
        );
        assert_eq!((answer.high_watermark, size(&answer)), (-1, 0));
        let leader = answer.current_leader;
        if version >= 16 {
            assert_eq!((leader.leader_id, leader.leader_epoch), (WireBrokerId(1), 0));
            assert_eq!(hosts, [(1, 9092)]);
        } else {
            assert_eq!((leader.leader_id, hosts.len()), (WireBrokerId(-1), 0));
        }
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn read_committed_lists_no_aborted_transactions_but_lists_them() {
    let mut given = given().await;
    given.has_records(batch(10)).await;
    let answer = given.fetched(fetch(&[("t", 0, 0)]).with_isolation_level(1)).await;
    assert_eq!(answer.aborted_transactions.map(|list| list.len()), Some(0));
    assert!(answer.records.is_some_and(|records| !records.is_empty()));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn offsets_outside_of_the_log_and_unknown_epochs_are_errors() {
    let mut given = given().await;
    given.has_records(batch(10)).await;
    for offset in [-1, 2] {
        let answer = given.fetched(fetch(&[("t", 0, offset)])).await;
        assert_eq!(
            answer.error_code,
            ResponseError::OffsetOutOfRange.code(),
            "offset {offset}"
        );
        assert_eq!((answer.high_watermark, answer.log_start_offset), (-1, -1));
    }
    let mut future = fetch(&[("t", 0, 0)]);
    future.topics[0].partitions[0].current_leader_epoch = 5;
    let answer = given.fetched(future).await;
    assert_eq!(answer.error_code, ResponseError::UnknownLeaderEpoch.code());
    let mut current = fetch(&[("t", 0, 0)]);
    current.topics[0].partitions[0].current_leader_epoch = 0;
    assert_eq!(given.fetched(current).await.error_code, 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn unknown_topics_are_answered_last_and_do_not_keep_the_others_from_waiting() {
    let mut given = given().await;
    let start = Instant::now();
    let request = fetch(&[("nope", 0, 0), ("t", 0, 0)]).with_max_wait_ms(300);
    let response = given.client.send_version(request, BY_NAME).await.unwrap();
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    let answers: Vec<_> = response
        .responses
        .iter()
        .map(|t| (t.topic.clone(), t.partitions[0].error_code))
        .collect();
    assert_eq!(
        answers,
        [
            (name("t"), 0),
            (name("nope"), ResponseError::UnknownTopicOrPartition.code())
        ]
    );
    let only_unknown = given.fetched(fetch(&[("nope", 0, 0)]).with_max_wait_ms(300)).await;
    assert_eq!(only_unknown.error_code, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(start.elapsed(), Duration::from_millis(300));
    let by_id = at_version(fetch(&[("t", 0, 0)]), 13, uuid::Uuid::from_u128(1));
    let answer = only_fetched(given.client.send_version(by_id, 13).await.unwrap());
    assert_eq!(answer.error_code, ResponseError::UnknownTopicId.code());
    given.closes().await;
}

/// 180 bytes.
fn batch_180() -> Bytes {
    let batch = batch(110);
    assert_eq!(batch.len(), 180);
    batch
}

#[leakcheck(start_paused)]
async fn the_first_batch_comes_whole_and_the_limits_are_filled() {
    let mut given = given().await;
    for _ in 0..4 {
        given.has_records(batch_180()).await;
    }
    for (limit, expected) in [(0, 180), (10, 180), (185, 185), (460, 460), (1_000, 720)] {
        let mut request = fetch(&[("t", 0, 0)]);
        request.topics[0].partitions[0].partition_max_bytes = limit;
        assert_eq!(size(&given.fetched(request).await), expected, "partition limit {limit}");
        let request = fetch(&[("t", 0, 0)]).with_max_bytes(limit);
        assert_eq!(size(&given.fetched(request).await), expected, "limit {limit}");
    }
    let negative = given.fetched(fetch(&[("t", 0, 0)]).with_max_bytes(-1)).await;
    assert_eq!(negative.error_code, ResponseError::UnknownServerError.code());
    let negative = given.fetched(fetch(&[("t", 0, 4)]).with_max_bytes(-1)).await;
    assert_eq!(negative.error_code, 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn only_the_first_partition_with_records_may_exceed_the_limit() {
    let mut given = given_with(|builder| builder.brokers(1)).await;
    for partition in 0..3 {
        given.produced(produce("t", partition, batch_180())).await;
    }
    let request = fetch(&[("t", 0, 1), ("t", 1, 0), ("t", 2, 0)]).with_max_bytes(10);
    let response = given.client.send_version(request, BY_NAME).await.unwrap();
    let sizes: Vec<_> = response
        .responses
        .iter()
        .flat_map(|t| &t.partitions)
        .map(size)
        .collect();
    assert_eq!(sizes, [0, 180, 0]);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_fetch_waits_for_enough_bytes_and_not_longer() {
    let mut given = given().await;
    let mut consumer = given.client_of(1).await;
    let start = Instant::now();
    let request = fetch(&[("t", 0, 0)]).with_max_wait_ms(10_000).with_min_bytes(200);
    let pending = consumer.start(request, BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    given.has_records(batch_180()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    given.has_records(batch_180()).await;
    let answer = only_fetched(consumer.finish(pending).await.unwrap());
    assert_eq!((size(&answer), answer.high_watermark), (360, 2));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_fetch_that_gets_too_little_answers_what_there_is_when_its_time_is_up() {
    let mut given = given().await;
    given.has_records(batch_180()).await;
    let start = Instant::now();
    let answer = given
        .fetched(fetch(&[("t", 0, 0)]).with_max_wait_ms(700).with_min_bytes(1_000))
        .await;
    assert_eq!((size(&answer), start.elapsed()), (180, Duration::from_millis(700)));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn min_bytes_above_max_bytes_counts_as_max_bytes() {
    let mut given = given().await;
    given.has_records(batch_180()).await;
    let start = Instant::now();
    let request = fetch(&[("t", 0, 0)])
        .with_max_wait_ms(2_000)
        .with_min_bytes(1_000)
        .with_max_bytes(10);
    assert_eq!(size(&given.fetched(request).await), 180);
    assert_eq!(start.elapsed(), Duration::ZERO);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn an_error_is_answered_at_once() {
    let mut given = given().await;
    let start = Instant::now();
    let request = fetch(&[("t", 0, 0), ("t", 1, 0)]).with_max_wait_ms(2_000);
    let response = given.client.send_version(request, BY_NAME).await.unwrap();
    let codes: Vec<_> = response
        .responses
        .iter()
        .flat_map(|t| &t.partitions)
        .map(|p| p.error_code)
        .collect();
    assert_eq!(codes, [0, ResponseError::NotLeaderOrFollower.code()]);
    assert_eq!(start.elapsed(), Duration::ZERO);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn deleting_the_topic_ends_the_wait() {
    let mut given = given().await;
    let mut consumer = given.client_of(1).await;
    let start = Instant::now();
    let request = fetch(&[("t", 0, 0)]).with_max_wait_ms(60_000);
    let pending = consumer.start(request, BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    given.deletes_topic("t").await;
    let answer = only_fetched(consumer.finish(pending).await.unwrap());
    assert_eq!(answer.error_code, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(answer.aborted_transactions, None, "as of what was read before");
    assert_eq!(start.elapsed(), Duration::from_secs(1));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_topic_that_is_created_again_wakes_who_waited_for_the_old_one() {
    let mut given = given_with(|builder| builder.brokers(1)).await;
    let mut consumer = given.client_of(1).await;
    let start = Instant::now();
    let request = fetch(&[("t", 0, 0)]).with_max_wait_ms(60_000);
    let pending = consumer.start(request, BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    // Both at once, so that the fetch sees neither the one nor the other alone.
    let delete =
        DeleteTopicsRequest::default().with_topics(vec![DeleteTopicState::default().with_name(Some(name("t")))]);
    let again = CreatableTopic::default()
        .with_name(name("t"))
        .with_num_partitions(1)
        .with_replication_factor(1);
    let deleted = given.client.start(delete, 6).await.unwrap();
    let created = given
        .client
        .start(CreateTopicsRequest::default().with_topics(vec![again]), 7)
        .await
        .unwrap();
    assert_eq!(given.client.finish(deleted).await.unwrap().responses[0].error_code, 0);
    assert_eq!(given.client.finish(created).await.unwrap().topics[0].error_code, 0);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(given.produced(produce("t", 0, batch_180())).await.error_code, 0);
    let answer = only_fetched(consumer.finish(pending).await.unwrap());
    assert_eq!((answer.error_code, answer.high_watermark > 0), (0, true));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn closing_the_cluster_ends_the_wait_without_an_answer() {
    let given = given().await;
    let mut consumer = given.client_of(1).await;
    let request = fetch(&[("t", 0, 0)]).with_max_wait_ms(i32::MAX);
    let pending = consumer.start(request, BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    given.closes().await;
    assert_closed(consumer.finish(pending).await);
}

#[leakcheck(start_paused)]
async fn a_consumer_that_leaves_takes_its_connection_with_it() {
    let mut given = given().await;
    let tasks = given.cluster.task_count();
    let mut consumer = given.client_of(1).await;
    let request = fetch(&[("t", 0, 0)]).with_max_wait_ms(i32::MAX);
    let pending = consumer.start(request, BY_NAME).await.unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(given.cluster.task_count(), tasks + 1);
    drop((consumer, pending));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(given.cluster.task_count(), tasks);
    given.has_records(batch(1)).await;
    given.closes().await;
}
