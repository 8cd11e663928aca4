//! Members that are killed: their sockets close, and no word is said.

use kfake::{GroupState, GroupView};
use leakcheck::leakcheck;

use super::closing::builder;
use super::librdkafka::{Consumer, process};

async fn a_member_that_is_killed_before_the_cluster_closes() {
    let cluster = builder().start().await.unwrap();
    let survivor = Consumer::of(&cluster, "billing");
    survivor.assigned(4).await;
    let mut killed = process(&cluster, "billing", "45000", "polls");
    survivor.assigned(2).await;
    let both = |g: &GroupView| g.is_stable() && g.members.len() == 2;
    cluster.wait_for_group("billing", both).await.unwrap();
    let mut alone = process(&cluster, "shipping", "45000", "polls");
    cluster.wait_for_group("shipping", |g| g.is_stable()).await.unwrap();

    killed.kill().await.unwrap();
    alone.kill().await.unwrap();
    // Their sessions have not ended.
    assert_eq!(cluster.group("billing").unwrap().members.len(), 2);
    assert_eq!(cluster.group("shipping").unwrap().members.len(), 1);
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
    survivor.close().await;
}

#[leakcheck]
async fn closing_ends_groups_whose_real_members_were_killed() {
    a_member_that_is_killed_before_the_cluster_closes().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_ends_groups_whose_real_members_were_killed_on_many_threads() {
    a_member_that_is_killed_before_the_cluster_closes().await;
}

#[leakcheck]
async fn closing_ends_a_rebalance_in_which_a_real_member_was_killed() {
    let cluster = builder().start().await.unwrap();
    let mut unpolled = process(&cluster, "billing", "45000", "stops");
    cluster.wait_for_group("billing", |g| g.is_stable()).await.unwrap();
    let mut killed = process(&cluster, "billing", "45000", "polls");
    let waits = |g: &GroupView| g.members.len() == 2 && g.members[1].is_joining;
    cluster.wait_for_group("billing", waits).await.unwrap();
    killed.kill().await.unwrap();
    let group = cluster.group("billing").unwrap();
    assert_eq!(group.state, GroupState::PreparingRebalance);
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
    unpolled.kill().await.unwrap();
}

#[leakcheck]
async fn a_member_that_is_killed_loses_its_partitions_when_its_session_ends() {
    let cluster = builder()
        .broker_config("group.min.session.timeout.ms", "1000")
        .start()
        .await
        .unwrap();
    let survivor = Consumer::of(&cluster, "billing");
    survivor.assigned(4).await;
    let mut killed = process(&cluster, "billing", "1000", "polls");
    survivor.assigned(2).await;
    killed.kill().await.unwrap();
    survivor.assigned(4).await;
    let alone = |g: &GroupView| g.is_stable() && g.members.len() == 1;
    cluster.wait_for_group("billing", alone).await.unwrap();
    survivor.close().await;
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
}
