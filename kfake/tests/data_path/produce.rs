use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::PartitionProduceData;
use kafka_protocol::messages::{BrokerId as WireBrokerId, ProduceRequest, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{Compression, Record};
use leakcheck::leakcheck;

use super::given::*;

/// Fills in the name or the id, whichever the version has.
fn at_version(mut request: ProduceRequest, version: i16, id: uuid::Uuid) -> ProduceRequest {
    if version >= 13 {
        for topic in &mut request.topic_data {
            (topic.name, topic.topic_id) = (Default::default(), id);
        }
    }
    request
}

#[leakcheck(start_paused)]
async fn every_version_appends_and_answers_the_offset() {
    let mut given = given().await;
    for (version, offset) in (3..=13).zip(0..) {
        let request = at_version(produce("t", 0, batch(10)), version, given.topic_id);
        let response = given.client.send_version(request, version).await.unwrap();
        assert!(response.node_endpoints.is_empty());
        let answer = only_produced(response);
        assert_eq!(
            (answer.error_code, answer.base_offset),
            (0, offset),
            "version {version}"
        );
        assert_eq!(answer.log_append_time_ms, -1);
        assert_eq!(answer.log_start_offset, if version >= 5 { 0 } else { -1 });
        assert_eq!((answer.record_errors.len(), answer.error_message), (0, None));
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn every_version_says_who_does_not_lead_and_from_10_who_does() {
    let given = given().await;
    let mut other = given.client_of(2).await;
    for version in 3..=13 {
        let request = at_version(produce("t", 0, batch(10)), version, given.topic_id);
        let response = other.send_version(request, version).await.unwrap();
        let hosts: Vec<_> = response
            .node_endpoints
            .iter()
            .map(|node| (node.node_id.0, node.port))
            .collect();
        let answer = only_produced(response);
        assert_eq!(
            answer.error_code,
            ResponseError::NotLeaderOrFollower.code(),
            "version {version}"
        );
        assert_eq!((answer.base_offset, answer.log_start_offset), (-1, -1));
        if version >= 10 {
            assert_eq!(
                (answer.current_leader.leader_id, answer.current_leader.leader_epoch),
                (WireBrokerId(1), 0)
            );
            assert_eq!(hosts, [(1, 9092)]);
        } else {
            assert!(hosts.is_empty());
        }
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn topics_and_partitions_that_do_not_exist_are_unknown() {
    let mut given = given().await;
    for (topic, partition) in [("nope", 0), ("t", 3), ("t", -1)] {
        let answer = given.produced(produce(topic, partition, batch(10))).await;
        assert_eq!(
            answer.error_code,
            ResponseError::UnknownTopicOrPartition.code(),
            "{topic}-{partition}"
        );
    }
    let by_id = at_version(produce("t", 0, batch(10)), 13, uuid::Uuid::from_u128(1));
    let answer = only_produced(given.client.send_version(by_id, 13).await.unwrap());
    assert_eq!(answer.error_code, ResponseError::UnknownTopicId.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn acks_other_than_all_one_and_none_are_refused_after_the_bytes_were_looked_at() {
    let mut given = given().await;
    for acks in [2, -2] {
        let answer = given.produced(produce_acks(acks, "t", 0, batch(10))).await;
        assert_eq!(
            answer.error_code,
            ResponseError::InvalidRequiredAcks.code(),
            "acks {acks}"
        );
    }
    let answer = given.produced(produce_acks(2, "t", 0, Default::default())).await;
    assert_eq!(answer.error_code, ResponseError::InvalidRecord.code());
    let answer = given.produced(produce_acks(2, "nope", 0, Default::default())).await;
    assert_eq!(answer.error_code, ResponseError::UnknownTopicOrPartition.code());
    assert_eq!(given.has_records(batch(10)).await, 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn without_acks_there_is_no_answer_and_the_next_request_is_served() {
    let mut given = given().await;
    let unanswered = given.client.start(produce_acks(0, "t", 0, batch(10)), BY_NAME).await;
    drop(unanswered.unwrap());
    assert_eq!(given.has_records(batch(10)).await, 1);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn what_was_sent_without_acks_is_stored_although_its_sender_hangs_up() {
    let mut given = given_with(|builder| builder.brokers(1)).await;
    let mut request = produce_acks(0, "t", 0, Bytes::new());
    let compressed = compressed_batch_of(vec![record(0, b"x")], Compression::Zstd);
    request.topic_data[0].partition_data = (0..3)
        .map(|index| {
            PartitionProduceData::default()
                .with_index(index)
                .with_records(Some(compressed.clone()))
        })
        .collect();
    let mut hasty = given.client_of(1).await;
    drop(hasty.start(request, BY_NAME).await.unwrap());
    drop(hasty);
    // Its connection's task ends once that is handled: the paused clock goes on when nothing is left to do, on no thread.
    tokio::time::sleep(Duration::from_millis(1)).await;
    // The connection of the test's own client stays, and the task that waits for the records to grow old.
    assert_eq!(given.cluster.task_count(), 2, "{}", leakcheck::find());
    for partition in 0..3 {
        let answer = given.produced(produce("t", partition, batch(10))).await;
        assert_eq!((answer.error_code, answer.base_offset), (0, 1), "partition {partition}");
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn without_acks_an_error_closes_the_connection() {
    let mut given = given().await;
    let request = produce_acks(0, "nope", 0, batch(10));
    assert_closed(given.client.send_version(request, BY_NAME).await);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_batch_over_the_limit_is_too_large_and_a_broken_one_corrupt() {
    let mut given = given_with(|builder| builder.broker_config("message.max.bytes", "200")).await;
    let answer = given.produced(produce("t", 0, batch(200))).await;
    assert_eq!(answer.error_code, ResponseError::MessageTooLarge.code());
    let mut broken = batch(10).to_vec();
    broken[70] ^= 1;
    let answer = given.produced(produce("t", 0, broken.into())).await;
    assert_eq!(answer.error_code, ResponseError::CorruptMessage.code());
    assert_eq!((answer.base_offset, answer.log_start_offset), (-1, -1));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn refused_records_are_named_from_version_8() {
    let mut given = given().await;
    given.has_topic("compact", &[("cleanup.policy", "compact")]).await;
    let records = || batch_of(vec![record(0, b"no key"), record(0, b"no key")]);
    for version in 3..=12 {
        let request = produce("compact", 2, records());
        let answer = only_produced(given.client.send_version(request, version).await.unwrap());
        assert_eq!(
            answer.error_code,
            ResponseError::InvalidRecord.code(),
            "version {version}"
        );
        assert_eq!(answer.log_start_offset, if version >= 5 { 0 } else { -1 });
        let indexes: Vec<_> = answer.record_errors.iter().map(|error| error.batch_index).collect();
        assert_eq!(indexes, if version >= 8 { vec![0, 1] } else { vec![] });
        assert_eq!(answer.error_message.is_some(), version >= 8);
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn with_log_append_time_the_brokers_clock_is_answered_and_stored() {
    let mut given = given().await;
    let config = ("message.timestamp.type", "LogAppendTime");
    given.has_topic("stamped", &[config]).await;
    let first = given.produced(produce("stamped", 2, batch(10))).await;
    tokio::time::advance(Duration::from_millis(1_500)).await;
    let second = given.produced(produce("stamped", 2, batch(10))).await;
    assert_eq!(second.log_append_time_ms - first.log_append_time_ms, 1_500);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn an_idempotent_producer_is_answered_twice_and_appends_once() {
    let mut given = given().await;
    let from = |sequence| {
        let record = Record {
            producer_id: 40,
            producer_epoch: 0,
            sequence,
            ..record(77, b"v")
        };
        batch_of(vec![record])
    };
    assert_eq!(given.has_records(from(0)).await, 0);
    assert_eq!(given.has_records(from(1)).await, 1);
    let again = given.produced(produce("t", 0, from(0))).await;
    assert_eq!(
        (again.error_code, again.base_offset, again.log_append_time_ms),
        (0, 0, 77)
    );
    let gap = given.produced(produce("t", 0, from(5))).await;
    assert_eq!(gap.error_code, ResponseError::OutOfOrderSequenceNumber.code());
    assert_eq!((gap.base_offset, gap.log_start_offset), (-1, 0));
    assert_eq!(given.has_records(from(2)).await, 2);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_transactional_batch_needs_a_transactional_id_and_its_producer() {
    let mut given = given().await;
    let transactional = || {
        let record = Record {
            transactional: true,
            producer_id: 40,
            producer_epoch: 0,
            sequence: 0,
            ..record(0, b"v")
        };
        produce("t", 0, batch_of(vec![record]))
    };
    let answer = given.produced(transactional()).await;
    assert_eq!(
        answer.error_code,
        ResponseError::TransactionalIdAuthorizationFailed.code()
    );
    let id = TransactionalId(StrBytes::from_static_str("x"));
    let answer = given.produced(transactional().with_transactional_id(Some(id))).await;
    assert_eq!(answer.error_code, ResponseError::InvalidProducerIdMapping.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn no_more_replicas_must_be_in_sync_than_there_are() {
    let mut given = given().await;
    given.has_topic("safe", &[("min.insync.replicas", "2")]).await;
    let answer = given.produced(produce("safe", 2, batch(10))).await;
    assert_eq!(answer.error_code, 0);
    let answer = given.produced(produce_acks(1, "safe", 2, batch(10))).await;
    assert_eq!(answer.error_code, 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn impossible_sizes_and_formats_are_explained_and_other_faults_are_not() {
    let mut given = given().await;
    let with = |at: usize, bytes: &[u8]| {
        let mut batch = batch(10).to_vec();
        batch[at..at + bytes.len()].copy_from_slice(bytes);
        produce("t", 0, batch.into())
    };
    let faults = [
        (with(8, &13_i32.to_be_bytes()), ResponseError::CorruptMessage, true),
        (with(16, &[3]), ResponseError::CorruptMessage, true),
        (
            with(8, &i32::MAX.to_be_bytes()),
            ResponseError::UnknownServerError,
            false,
        ),
        (with(17, &[0; 4]), ResponseError::CorruptMessage, false),
        (with(0, &5_i64.to_be_bytes()), ResponseError::InvalidRecord, false),
    ];
    for (request, error, explained) in faults {
        let answer = given.produced(request).await;
        let got = (answer.error_code, answer.error_message.is_some());
        assert_eq!(got, (error.code(), explained), "{error}");
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_large_batch_is_compressed_aside_and_answered_as_a_small_one() {
    let mut given = given().await;
    given.has_topic("packed", &[("compression.type", "gzip")]).await;
    for size in [10, 900_000] {
        let answer = given.produced(produce("packed", 2, batch(size))).await;
        assert_eq!(answer.error_code, 0, "{size} bytes");
    }
    let mut request = fetch(&[("packed", 2, 1)]);
    request.max_bytes = 1 << 20;
    let records = given.fetched(request).await.records.expect("records");
    assert!(records.len() < 10_000, "{} bytes", records.len());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_cluster_closes_while_a_large_batch_is_compressed() {
    let mut given = given().await;
    given
        .has_topic(
            "packed",
            &[("compression.type", "gzip"), ("compression.gzip.level", "9")],
        )
        .await;
    let others = given.cluster.task_count();
    let _sent = given
        .client
        .start(produce("packed", 2, batch(1_000_000)), BY_NAME)
        .await
        .unwrap();
    // The connection's task begins it when it is polled: here, and in few steps.
    for _ in 0..100 {
        if given.cluster.task_count() > others {
            break;
        }
        tokio::task::yield_now().await;
    }
    assert_eq!(
        given.cluster.task_count(),
        others + 1,
        "it is compressed by a task of its own"
    );
    given.closes().await;
}
