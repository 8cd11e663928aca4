//! Consumer groups of librdkafka's members.

use std::collections::BTreeSet;

use kfake::{Builder, Cluster, GroupView};
use leakcheck::leakcheck;

use super::librdkafka::{Consumed, Consumer, Producer, produce, producer};

const PARTITIONS: i32 = 4;

fn builder() -> Builder {
    Cluster::builder().brokers(3).topic("orders", PARTITIONS)
}

/// Produces so many records to each partition, numbered from `from`.
async fn produce_each(producer: &Producer, from: usize, count: usize) {
    for partition in 0..PARTITIONS {
        produce(producer, partition, (from..from + count).map(|n| n.to_string())).await;
    }
}

/// That these are the first so many records of each partition, each once.
fn assert_each_once(mut consumed: Vec<Consumed>, count: usize) {
    consumed.sort();
    let of = |partition| {
        (0..count).map(move |n| Consumed {
            partition,
            offset: n as i64,
            value: n.to_string(),
        })
    };
    assert_eq!(consumed, (0..PARTITIONS).flat_map(of).collect::<Vec<_>>());
}

/// Two members with two partitions each.
async fn two_members(cluster: &Cluster, settings: [&[(&str, &str)]; 2]) -> [Consumer; 2] {
    let first = Consumer::with(cluster, "billing", settings[0]);
    first.assigned(4).await;
    let second = Consumer::with(cluster, "billing", settings[1]);
    let (had, got) = (first.assigned(2).await, second.assigned(2).await);
    assert_eq!(&had | &got, BTreeSet::from([0, 1, 2, 3]));
    let stable = cluster.wait_for_group("billing", |g| g.is_stable()).await.unwrap();
    assert_eq!(stable.members.len(), 2);
    [first, second]
}

async fn shares_and_takes_over() {
    let cluster = builder().start().await.unwrap();
    let producer = producer(&cluster, &[]);
    produce_each(&producer, 0, 10).await;
    let mut first = Consumer::of(&cluster, "billing");
    let mut consumed = first.take(40).await;
    first.commit().await;

    let mut second = Consumer::of(&cluster, "billing");
    let (had, got) = (first.assigned(2).await, second.assigned(2).await);
    assert_eq!(&had | &got, BTreeSet::from([0, 1, 2, 3]));
    produce_each(&producer, 10, 10).await;
    consumed.extend(first.take(20).await);
    consumed.extend(second.take(20).await);
    first.commit().await;
    second.commit().await;

    assert!(second.close().await.is_empty());
    first.assigned(4).await;
    produce_each(&producer, 20, 10).await;
    consumed.extend(first.take(40).await);
    assert_each_once(consumed, 30);
    assert!(first.close().await.is_empty());
    let group = cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    assert_eq!(group.committed, 4);
    cluster.close().await;
}

#[leakcheck]
async fn a_second_member_gets_half_of_the_partitions_and_the_first_all_when_it_leaves() {
    shares_and_takes_over().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn on_many_threads_a_second_member_gets_half_and_the_first_all_when_it_leaves() {
    shares_and_takes_over().await;
}

/// Records flow while a second member joins and while it leaves; members commit what is taken from them.
async fn flows_through_rebalances(assignor: &str) {
    let cluster = builder().start().await.unwrap();
    let producer = producer(&cluster, &[]);
    let settings = [
        ("enable.auto.commit", "true"),
        ("partition.assignment.strategy", assignor),
    ];
    let mut first = Consumer::with(&cluster, "billing", &settings);
    // A partition taken from librdkafka while it asks for the earliest offset may be set back to it later: the question
    // outlives the partition. So each has a position before the second member comes.
    produce_each(&producer, 0, 1).await;
    let mut consumed = first.take(4).await;
    let second = Consumer::with(&cluster, "billing", &settings);
    let mut produced = 1;
    while (first.partitions(), second.partitions()) != (2, 2) {
        produce_each(&producer, produced, 1).await;
        produced += 1;
    }
    produce_each(&producer, produced, 5).await;
    produced += 5;
    let leaving = async {
        second.unsubscribe().await;
        // librdkafka that is ended while it commits what was taken from it may go without leaving its group.
        let has_left = |g: &GroupView| g.members.len() == 1;
        cluster.wait_for_group("billing", has_left).await.unwrap();
        second.close().await
    };
    let (of_second, ()) = tokio::join!(leaving, produce_each(&producer, produced, 5));
    consumed.extend(of_second);
    produced += 5;
    first.assigned(4).await;
    produce_each(&producer, produced, 1).await;
    produced += 1;
    let left = produced * 4 - consumed.len();
    consumed.extend(first.take(left).await);
    assert_each_once(consumed, produced);
    assert!(first.close().await.is_empty());
    cluster.close().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_members_come_and_go() {
    flows_through_rebalances("range").await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled_while_members_come_and_go_cooperatively() {
    flows_through_rebalances("cooperative-sticky").await;
}

#[leakcheck]
async fn a_static_member_that_restarts_causes_no_rebalance() {
    let cluster = builder().start().await.unwrap();
    let producer = producer(&cluster, &[]);
    let settings: [&[(&str, &str)]; 2] = [&[("group.instance.id", "a")], &[("group.instance.id", "b")]];
    let [leader, follower] = two_members(&cluster, settings).await;
    let before = cluster.group("billing").unwrap();
    let (of_leader, of_follower) = (leader.assigned(2).await, follower.assigned(2).await);

    follower.close().await;
    assert_eq!(cluster.group("billing").unwrap().members.len(), 2);
    let follower = Consumer::with(&cluster, "billing", settings[1]);
    assert_eq!(follower.assigned(2).await, of_follower);
    assert_eq!(leader.revocations(), 1);

    leader.close().await;
    assert_eq!(cluster.group("billing").unwrap().members.len(), 2);
    let leader = Consumer::with(&cluster, "billing", settings[0]);
    assert_eq!(leader.assigned(2).await, of_leader);
    assert_eq!(follower.revocations(), 0);

    // Both go on as before.
    produce_each(&producer, 0, 5).await;
    let (mut leader, mut follower) = (leader, follower);
    let mut consumed = leader.take(10).await;
    consumed.extend(follower.take(10).await);
    assert_each_once(consumed, 5);
    let after = cluster.group("billing").unwrap();
    assert_eq!((after.state, after.generation), (before.state, before.generation));
    let ids = |group: &GroupView| group.members.iter().map(|m| m.id.clone()).collect::<BTreeSet<_>>();
    assert!(ids(&before).is_disjoint(&ids(&after)));
    leader.close().await;
    follower.close().await;
    cluster.close().await;
}

#[leakcheck]
async fn a_consumer_that_restarts_goes_on_where_it_committed() {
    let cluster = Cluster::builder().topic("orders", 1).start().await.unwrap();
    let producer = producer(&cluster, &[]);
    produce(&producer, 0, (0..10).map(|n| n.to_string())).await;
    let mut consumer = Consumer::of(&cluster, "billing");
    consumer.take(10).await;
    consumer.commit().await;
    produce(&producer, 0, (10..20).map(|n| n.to_string())).await;
    // Consumed and not committed.
    consumer.take(10).await;
    consumer.close().await;
    cluster.wait_for_group("billing", |g| g.is_empty()).await.unwrap();
    // Its task may end meanwhile: the offsets stay.
    cluster.end_group("billing").await.unwrap();

    let mut again = Consumer::of(&cluster, "billing");
    let consumed = again.take(10).await;
    assert_eq!(
        consumed.iter().map(|c| c.offset).collect::<Vec<_>>(),
        (10..20).collect::<Vec<_>>()
    );
    let mut other = Consumer::of(&cluster, "shipping");
    assert_eq!(other.next().await.offset, 0);
    other.close().await;
    again.close().await;
    cluster.close().await;
}
