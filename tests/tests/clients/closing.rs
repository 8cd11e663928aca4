//! Closing a cluster whose groups have real members, in every state, with no DeleteGroups: the bug that this project exists
//! for.

use kfake::{Builder, Cluster, GroupState, GroupView};
use leakcheck::leakcheck;

use tokio::process::Child;

use super::librdkafka::{Consumer, process};

pub fn builder() -> Builder {
    Cluster::builder().brokers(3).topic("orders", 4)
}

/// Members of groups, alive.
pub struct Members {
    consumers: Vec<Consumer>,
    processes: Vec<Child>,
}

impl Members {
    fn and(mut self, other: Self) -> Self {
        self.consumers.extend(other.consumers);
        self.processes.extend(other.processes);
        self
    }

    /// Ends them.
    pub async fn end(self) {
        for consumer in self.consumers {
            consumer.close().await;
        }
        for mut process in self.processes {
            process.kill().await.expect("the member runs");
        }
    }
}

impl From<Vec<Consumer>> for Members {
    fn from(consumers: Vec<Consumer>) -> Self {
        Self {
            consumers,
            processes: Vec::new(),
        }
    }
}

/// Two members with their partitions.
pub async fn stable(cluster: &Cluster, group: &str) -> Members {
    let first = Consumer::of(cluster, group);
    first.assigned(4).await;
    let second = Consumer::of(cluster, group);
    first.assigned(2).await;
    second.assigned(2).await;
    let view = cluster.wait_for_group(group, |g| g.is_stable()).await.unwrap();
    assert_eq!(view.members.len(), 2);
    vec![first, second].into()
}

/// A member that waits for another, which is not polled and so does not join again. That one is a process: librdkafka may
/// wait forever when a client ends that has not served a revocation.
pub async fn rebalancing(cluster: &Cluster, group: &str) -> Members {
    let unpolled = process(cluster, group, "45000", "stops");
    cluster.wait_for_group(group, |g| g.is_stable()).await.unwrap();
    let waiting = Consumer::of(cluster, group);
    let waits = |g: &GroupView| g.members.len() == 2 && g.members[1].is_joining;
    let view = cluster.wait_for_group(group, waits).await.unwrap();
    assert_eq!(view.state, GroupState::PreparingRebalance);
    Members {
        consumers: vec![waiting],
        processes: vec![unpolled],
    }
}

/// A member that has left, and whose client lives.
pub async fn empty(cluster: &Cluster, group: &str) -> Members {
    let consumer = Consumer::of(cluster, group);
    consumer.assigned(4).await;
    consumer.unsubscribe().await;
    cluster.wait_for_group(group, |g| g.is_empty()).await.unwrap();
    vec![consumer].into()
}

/// A member in its group's initial delay.
async fn joining(cluster: &Cluster, group: &str) -> Members {
    let consumer = Consumer::of(cluster, group);
    let joins = |g: &GroupView| g.members.iter().any(|m| m.is_joining);
    let view = cluster.wait_for_group(group, joins).await.unwrap();
    assert_eq!(view.state, GroupState::PreparingRebalance);
    vec![consumer].into()
}

/// Closes the cluster under its members, and then ends these.
async fn closes_under(cluster: Cluster, members: Members) {
    cluster.close().await;
    assert_eq!(cluster.task_count(), 0);
    members.end().await;
}

async fn with_groups_in_every_state() {
    let cluster = builder().start().await.unwrap();
    let (stable, rebalancing, empty) = tokio::join!(
        stable(&cluster, "stable"),
        rebalancing(&cluster, "rebalancing"),
        empty(&cluster, "empty"),
    );
    closes_under(cluster, stable.and(rebalancing).and(empty)).await;
}

async fn with_a_group_in_its_initial_delay() {
    let cluster = builder()
        .broker_config("group.initial.rebalance.delay.ms", "300000")
        .start()
        .await
        .unwrap();
    let members = joining(&cluster, "joining").await;
    closes_under(cluster, members).await;
}

#[leakcheck]
async fn closing_ends_groups_of_real_members_in_every_state() {
    with_groups_in_every_state().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_ends_groups_of_real_members_in_every_state_on_many_threads() {
    with_groups_in_every_state().await;
}

#[leakcheck]
async fn closing_ends_a_group_whose_real_member_is_in_its_initial_delay() {
    with_a_group_in_its_initial_delay().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 4)]
async fn closing_ends_a_group_whose_real_member_is_in_its_initial_delay_on_many_threads() {
    with_a_group_in_its_initial_delay().await;
}

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn closing_while_real_members_leave_ends_their_groups() {
    let cluster = builder().start().await.unwrap();
    let members = stable(&cluster, "stable").await;
    tokio::join!(members.end(), cluster.close());
    assert_eq!(cluster.task_count(), 0);
}
