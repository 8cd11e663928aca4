//! Offsets and groups that grow old, on the paused clock (KIP-211).

use std::time::Duration;

use kafka_protocol::messages::OffsetCommitRequest;
use kfake::{Cluster, ClusterClosed};
use kfake_tests::{Member, commit_of, coordinator, until_idle};
use leakcheck::leakcheck;
use tokio::time::{Instant, sleep};

const DAY: Duration = Duration::from_secs(24 * 3600);
const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// `offsets.retention.check.interval.ms`
const INTERVAL: Duration = Duration::from_secs(600);

async fn cluster() -> Cluster {
    Cluster::builder().in_memory().topic("orders", 2).start().await.unwrap()
}

/// A cluster that keeps offsets for a minute, and looks for older ones only when it is told to.
async fn looking_on_demand() -> Cluster {
    Cluster::builder()
        .in_memory()
        .topic("orders", 2)
        .broker_config("offsets.retention.minutes", "1")
        .broker_config("offsets.retention.check.interval.ms", "2147483647")
        .start()
        .await
        .unwrap()
}

fn commit(group: &str) -> OffsetCommitRequest {
    commit_of(group, 5)
}

/// Waits until the group is gone; how long that took.
async fn until_gone(cluster: &Cluster, group: &str) -> Duration {
    let since = Instant::now();
    while cluster.group(group).is_some() {
        assert!(since.elapsed() < 10 * WEEK, "it never ends");
        sleep(INTERVAL / 2).await;
    }
    since.elapsed()
}

#[leakcheck(start_paused)]
async fn a_group_that_nothing_is_left_of_ends_with_its_task() {
    let cluster = cluster().await;
    let mut client = coordinator(&cluster, "billing");
    client.send(commit("billing")).await.unwrap();
    drop(client);
    sleep(3 * DAY).await;
    coordinator(&cluster, "billing").send(commit("billing")).await.unwrap();
    let passed = until_gone(&cluster, "billing").await;
    assert!(passed >= WEEK && passed <= WEEK + 2 * INTERVAL, "{passed:?}");
    // Neither its own task is left, nor the one that found it.
    until_idle().await;
    assert_eq!(cluster.task_count(), 0);
    // And another can have its name.
    coordinator(&cluster, "billing").send(commit("billing")).await.unwrap();
    assert_eq!(cluster.group("billing").unwrap().committed, 1);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_group_whose_task_has_ended_is_forgotten_all_the_same() {
    let cluster = cluster().await;
    coordinator(&cluster, "billing").send(commit("billing")).await.unwrap();
    cluster.end_group("billing").await.unwrap();
    assert!(until_gone(&cluster, "billing").await >= WEEK);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn a_group_that_was_left_keeps_its_offsets_for_a_week_from_then_on() {
    let cluster = cluster().await;
    let mut member = Member::of(&cluster, "billing");
    member.session_timeout = i32::try_from((DAY / 48).as_millis()).unwrap();
    member.join_alone().await.unwrap();
    let mut request = commit("billing");
    request.generation_id_or_member_epoch = member.generation;
    request.member_id = member.id.clone();
    member.client.send(request).await.unwrap();
    for _ in 0..10 * 100 {
        sleep(DAY / 100).await;
        assert_eq!(member.heartbeat().await.unwrap(), 0);
    }
    assert_eq!(
        cluster.group("billing").unwrap().committed,
        1,
        "it lives as long as it has a member"
    );
    member.leave().await.unwrap();
    let passed = until_gone(&cluster, "billing").await;
    assert!(passed >= WEEK && passed <= WEEK + 2 * INTERVAL, "{passed:?}");
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn old_offsets_are_forgotten_on_demand_and_younger_ones_are_not() {
    let cluster = looking_on_demand().await;
    coordinator(&cluster, "old").send(commit("old")).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    coordinator(&cluster, "young").send(commit("young")).await.unwrap();
    sleep(Duration::from_secs(30)).await;
    cluster.expire_offsets();
    assert!(cluster.group("old").is_none() && cluster.group("young").is_some());
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn requests_that_wait_for_a_group_while_it_is_forgotten_reach_the_next_of_its_name() {
    let cluster = looking_on_demand().await;
    coordinator(&cluster, "billing").send(commit("billing")).await.unwrap();
    sleep(Duration::from_secs(60)).await;
    assert!(cluster.stall_group("billing", true));
    let mut client = coordinator(&cluster, "billing");
    let waiting = client.start(commit("billing"), 7).await.unwrap();
    cluster.wait_for_group("billing", |g| g.queued == 1).await.unwrap();
    cluster.expire_offsets();
    let committed = client.finish(waiting).await.unwrap();
    assert_eq!(committed.topics[0].partitions[0].error_code, 0);
    assert_eq!(cluster.group("billing").unwrap().committed, 1);
    cluster.close().await;
}

#[leakcheck(start_paused)]
async fn who_waits_for_a_group_that_is_forgotten_waits_on_until_the_cluster_closes() {
    let cluster = cluster().await;
    coordinator(&cluster, "billing").send(commit("billing")).await.unwrap();
    let waiting = cluster.wait_for_group("billing", |g| g.committed == 9);
    let closing = async {
        until_gone(&cluster, "billing").await;
        cluster.close().await;
    };
    let (waited, ()) = tokio::join!(waiting, closing);
    assert_eq!(waited, Err(ClusterClosed));
}
