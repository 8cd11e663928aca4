//! Leaders that move, and followers that fall behind: what their readers and writers are told.

use kafka_protocol::error::ResponseError::*;
use kafka_protocol::messages::offset_for_leader_epoch_request::{OffsetForLeaderPartition, OffsetForLeaderTopic};
use kafka_protocol::messages::{
    BrokerId as WireBrokerId, FetchRequest, MetadataRequest, OffsetForLeaderEpochRequest, TopicName,
};
use kfake::Cluster;
use kfake_tests::records::{TOPIC, fetch, fetched, produce, produced};
use kfake_tests::text;
use leakcheck::leakcheck;

use super::{ONE, THREE, TWO, builder, code, produce_one, until_a_fetch_waits, view};

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
