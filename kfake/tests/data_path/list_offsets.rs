use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::ListOffsetsRequest;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::list_offsets_response::ListOffsetsPartitionResponse;
use leakcheck::leakcheck;

use super::given::*;

/// Asks for these partitions and timestamps of one topic.
fn list(topic: &str, asked: &[(i32, i64)]) -> ListOffsetsRequest {
    let partitions = asked.iter().map(|(partition, timestamp)| {
        ListOffsetsPartition::default()
            .with_partition_index(*partition)
            .with_timestamp(*timestamp)
            .with_current_leader_epoch(-1)
    });
    let topic = ListOffsetsTopic::default()
        .with_name(name(topic))
        .with_partitions(partitions.collect());
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic])
}

impl Given {
    async fn lists(&mut self, request: ListOffsetsRequest, version: i16) -> ListOffsetsPartitionResponse {
        let mut response = self.client.send_version(request, version).await.expect("an answer");
        assert_eq!((response.topics.len(), response.topics[0].partitions.len()), (1, 1));
        response.topics[0].partitions.remove(0)
    }

    /// Error, timestamp, offset.
    async fn finds(&mut self, timestamp: i64, version: i16) -> (i16, i64, i64) {
        let answer = self.lists(list("t", &[(0, timestamp)]), version).await;
        (answer.error_code, answer.timestamp, answer.offset)
    }
}

async fn given_records() -> Given {
    let mut given = given().await;
    given
        .has_records(batch_of(vec![record(100, b""), record(300, b""), record(200, b"")]))
        .await;
    given.has_records(batch_of(vec![record(400, b"")])).await;
    given
}

#[leakcheck(start_paused)]
async fn every_version_finds_the_ends_and_the_record_at_or_after_a_time() {
    let mut given = given_records().await;
    for version in 1..=10 {
        for (asked, found) in [
            (-2, (0, -1, 0)),
            (-1, (0, -1, 4)),
            (0, (0, 100, 0)),
            (101, (0, 300, 1)),
            (301, (0, 400, 3)),
            (401, (0, -1, -1)),
        ] {
            assert_eq!(
                given.finds(asked, version).await,
                found,
                "version {version} timestamp {asked}"
            );
        }
        let answer = given.lists(list("t", &[(0, 301)]), version).await;
        assert_eq!(answer.leader_epoch, if version >= 4 { 0 } else { -1 });
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn each_special_timestamp_is_unsupported_before_its_version() {
    let mut given = given_records().await;
    let unsupported = (ResponseError::UnsupportedVersion.code(), -1, -1);
    for (asked, since, found) in [(-3, 7, (0, 400, 3)), (-4, 8, (0, -1, 0)), (-5, 9, (0, -1, -1))] {
        for version in 1..=10 {
            let expected = if version >= since { found } else { unsupported };
            assert_eq!(
                given.finds(asked, version).await,
                expected,
                "version {version} timestamp {asked}"
            );
        }
    }
    for asked in [-6, -7, i64::MIN] {
        assert_eq!(given.finds(asked, 10).await, unsupported, "timestamp {asked}");
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn who_does_not_lead_or_know_says_so() {
    let mut given = given_records().await;
    for (topic, partition, error) in [
        ("nope", 0, ResponseError::UnknownTopicOrPartition),
        ("t", 9, ResponseError::UnknownTopicOrPartition),
        ("t", 1, ResponseError::NotLeaderOrFollower),
    ] {
        let answer = given.lists(list(topic, &[(partition, -1)]), 10).await;
        assert_eq!(answer.error_code, error.code(), "{topic}-{partition}");
    }
    let mut future = list("t", &[(0, -1)]);
    future.topics[0].partitions[0].current_leader_epoch = 5;
    let answer = given.lists(future, 10).await;
    assert_eq!(answer.error_code, ResponseError::UnknownLeaderEpoch.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_partition_that_is_named_twice_is_refused_once() {
    let mut given = given_records().await;
    let answer = given.lists(list("t", &[(0, -1), (0, -2)]), 5).await;
    assert_eq!(answer.error_code, ResponseError::InvalidRequest.code());
    given.closes().await;
}
