//! Retention and compaction: on the clock, on demand, and cut short by the cluster's end.

use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::records::Record;
use kfake::CompactError;
use leakcheck::leakcheck;
use tokio::task::yield_now;
use tokio::time::Instant;

use super::given::{Given, batch, batch_of, given, name, produce, record};

/// Each batch in a segment of its own.
const SMALL_SEGMENTS: (&str, &str) = ("segment.index.bytes", "12");
const COMPACT: (&str, &str) = ("cleanup.policy", "compact");

fn keyed(key: &str, value: &[u8]) -> Record {
    Record {
        key: Some(Bytes::copy_from_slice(key.as_bytes())),
        ..record(1_000, value)
    }
}

impl Given {
    /// What ListOffsets says of partition 2 of a topic.
    async fn offset(&mut self, topic: &str, timestamp: i64) -> i64 {
        let partition = ListOffsetsPartition::default()
            .with_partition_index(2)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(name(topic))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id((-1).into())
            .with_topics(vec![topic]);
        let answer = self.client.send_version(request, 6).await.expect("an answer");
        answer.topics[0].partitions[0].offset
    }

    async fn writes(&mut self, topic: &str, records: Vec<Record>) {
        let answer = self.produced(produce(topic, 2, batch_of(records))).await;
        assert_eq!(answer.error_code, 0);
    }

    /// Lets time pass until ListOffsets says so, and tells how many seconds it was.
    async fn seconds_until(&mut self, topic: &str, timestamp: i64, offset: i64) -> u64 {
        let begin = Instant::now();
        while self.offset(topic, timestamp).await != offset {
            assert!(begin.elapsed() < Duration::from_secs(3600), "it never comes to be");
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        begin.elapsed().as_secs()
    }
}

#[leakcheck(start_paused)]
async fn old_segments_go_when_apache_kafka_would_look_for_them() {
    let mut given = given().await;
    given.has_topic("old", &[SMALL_SEGMENTS]).await;
    given.writes("old", vec![record(0, b"a")]).await;
    // `log.initial.task.delay.ms`, then `log.retention.check.interval.ms`.
    assert_eq!(given.seconds_until("old", -2, 1).await, 30);
    given.writes("old", vec![record(0, b"b")]).await;
    assert_eq!(given.seconds_until("old", -2, 2).await, 300);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_log_is_compacted_when_the_cleaner_looks_next() {
    let mut given = given().await;
    given.has_topic("table", &[SMALL_SEGMENTS, COMPACT]).await;
    given.writes("table", vec![keyed("a", b"1"), keyed("a", b"2")]).await;
    given.writes("table", vec![keyed("b", b"1")]).await;
    assert_eq!(given.offset("table", 0).await, 0);
    assert_eq!(given.seconds_until("table", 0, 1).await, 15);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_lag_is_waited_for() {
    let mut given = given().await;
    let lag = ("min.compaction.lag.ms", "100000");
    given.has_topic("table", &[SMALL_SEGMENTS, COMPACT, lag]).await;
    let now = i64::try_from(std::time::UNIX_EPOCH.elapsed().unwrap().as_millis()).unwrap();
    let young = |value| Record {
        timestamp: now,
        ..keyed("a", value)
    };
    given.writes("table", vec![young(b"1"), young(b"2")]).await;
    given.writes("table", vec![keyed("b", b"1")]).await;
    let waited = given.seconds_until("table", now, 1).await;
    assert!((90..=120).contains(&waited), "{waited} s");
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn retention_can_be_asked_for() {
    let mut given = given().await;
    given.has_topic("old", &[SMALL_SEGMENTS]).await;
    for value in [b"a", b"b"] {
        given.writes("old", vec![record(0, value)]).await;
    }
    assert_eq!(given.cluster.apply_retention(), 2);
    assert_eq!((given.offset("old", -2).await, given.offset("old", -1).await), (2, 2));
    assert_eq!(given.cluster.apply_retention(), 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn compaction_can_be_asked_for() {
    let mut given = given().await;
    given.has_topic("table", &[COMPACT]).await;
    given.writes("table", vec![keyed("a", b"1"), keyed("b", b"1")]).await;
    given.writes("table", vec![keyed("a", b"2")]).await;
    assert!(given.cluster.compact("table").await.unwrap() > 0);
    assert_eq!(given.offset("table", 0).await, 1);
    assert_eq!(given.cluster.compact("table").await, Ok(0));
    assert_eq!(given.cluster.compact("t").await, Err(CompactError::NotCompacted));
    assert_eq!(given.cluster.compact("nope").await, Err(CompactError::UnknownTopic));
    given.cluster.close().await;
    assert_eq!(given.cluster.compact("table").await, Err(CompactError::ClusterClosed));
}

#[leakcheck(start_paused)]
async fn a_cluster_closes_between_the_deadlines() {
    let mut given = given().await;
    let before = given.cluster.task_count();
    assert_eq!(given.has_records(batch(10)).await, 0);
    assert_eq!(given.cluster.task_count(), before + 1, "one task waits for retention");
    assert_eq!(given.has_records(batch(10)).await, 1);
    assert_eq!(given.cluster.task_count(), before + 1);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_producer_that_has_not_written_for_a_day_is_forgotten() {
    let mut given = given().await;
    given.has_topic("kept", &[("retention.ms", "-1")]).await;
    let by_producer = |sequence| Record {
        producer_id: 7,
        producer_epoch: 0,
        sequence,
        ..record(0, b"x")
    };
    let produced = |sequence| produce("kept", 2, batch_of(vec![by_producer(sequence)]));
    assert_eq!(given.produced(produced(0)).await.error_code, 0);
    let out_of_order = ResponseError::OutOfOrderSequenceNumber.code();
    assert_eq!(given.produced(produced(9)).await.error_code, out_of_order);
    // Its records are of 1970: it goes when it is looked for next, after `producer.id.expiration.check.interval.ms`.
    tokio::time::advance(Duration::from_secs(599)).await;
    assert_eq!(given.produced(produced(9)).await.error_code, out_of_order);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(given.produced(produced(9)).await.error_code, 0);
    assert_eq!(given.cluster.expire_producers(), 1, "and when it is asked for");
    assert_eq!(given.produced(produced(3)).await.error_code, 0);
    given.closes().await;
}

/// A topic with two megabytes to compact.
async fn with_much_to_compact() -> Given {
    let mut given = given().await;
    given.has_topic("table", &[SMALL_SEGMENTS, COMPACT]).await;
    for _ in 0..20 {
        given.writes("table", vec![keyed("a", &[b'x'; 100_000])]).await;
    }
    given
}

#[leakcheck(start_paused)]
async fn a_cluster_closes_in_the_middle_of_a_compaction_that_was_asked_for() {
    let given = with_much_to_compact().await;
    let closing = async {
        for _ in 0..5 {
            yield_now().await;
        }
        given.cluster.close().await;
    };
    let (compacted, ()) = tokio::join!(given.cluster.compact("table"), closing);
    assert_eq!(compacted, Err(CompactError::ClusterClosed));
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_cluster_closes_at_every_step_of_a_compaction_on_the_clock() {
    let mut compacted = 0;
    for steps in (0..60).step_by(3) {
        let mut given = with_much_to_compact().await;
        tokio::time::advance(Duration::from_secs(15)).await;
        for _ in 0..steps {
            yield_now().await;
        }
        // The answer tells how far it was: at first nothing has happened, at last everything.
        compacted += i32::from(given.offset("table", 0).await != 0);
        given.closes().await;
    }
    assert!(
        (1..20).contains(&compacted),
        "{compacted} of 20 were compacted to the end"
    );
}
