//! Groups in every state, for a cluster to be closed over.

use kafka_protocol::messages::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use kafka_protocol::messages::{
    DeleteGroupsRequest, GroupId, JoinGroupRequest, OffsetCommitRequest, SyncGroupRequest, TopicName,
};
use kfake::client::Pending;
use kfake::{Cluster, GroupState};
use kfake_tests::{Member, text};
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream};
use tokio::net::TcpStream;

/// How members reach the cluster.
pub trait Connect: AsyncRead + AsyncWrite + Unpin + Sized {
    async fn member(cluster: &Cluster, group: &str) -> Member<Self>;
}

impl Connect for DuplexStream {
    async fn member(cluster: &Cluster, group: &str) -> Member<Self> {
        Member::of(cluster, group)
    }
}

impl Connect for TcpStream {
    async fn member(cluster: &Cluster, group: &str) -> Member<Self> {
        Member::over_tcp(cluster, group).await
    }
}

/// Members that wait, with what they wait for. Dropping it drops their connections.
#[derive(Default)]
pub struct Waiting<S> {
    members: Vec<Member<S>>,
    joins: Vec<Pending<JoinGroupRequest>>,
    syncs: Vec<Pending<SyncGroupRequest>>,
}

impl<S: Connect> Waiting<S> {
    pub fn new() -> Self {
        Self {
            members: Vec::new(),
            joins: Vec::new(),
            syncs: Vec::new(),
        }
    }

    /// A group whose one member has its assignment.
    pub async fn stable(&mut self, cluster: &Cluster, group: &str) {
        let mut member = S::member(cluster, group).await;
        member.join_alone().await.unwrap();
        assert!(cluster.group(group).unwrap().is_stable());
        self.members.push(member);
    }

    /// A group that was stable; a second member waits for the first, which does not join again.
    pub async fn rebalancing(&mut self, cluster: &Cluster, group: &str) {
        self.stable(cluster, group).await;
        self.joining(cluster, group).await;
        let view = cluster.wait_for_group(group, |g| g.members.len() == 2).await.unwrap();
        assert_eq!(view.state, GroupState::PreparingRebalance);
    }

    /// One more member that waits for its join to be answered.
    pub async fn joining(&mut self, cluster: &Cluster, group: &str) {
        let mut member = S::member(cluster, group).await;
        self.joins.push(member.start_join().await.unwrap());
        let id = member.id.to_string();
        self.members.push(member);
        let has_it = |g: &kfake::GroupView| g.members.iter().any(|m| m.id == id);
        cluster.wait_for_group(group, has_it).await.unwrap();
    }

    /// A group whose leader has joined and not assigned; a second member waits for that.
    pub async fn awaiting_sync(&mut self, cluster: &Cluster, group: &str) {
        let mut leader = S::member(cluster, group).await;
        leader.join_alone().await.unwrap();
        let mut other = S::member(cluster, group).await;
        let joining = other.start_join().await.unwrap();
        cluster.wait_for_group(group, |g| g.members.len() == 2).await.unwrap();
        leader.join().await.unwrap();
        other.finish_join(joining).await.unwrap();
        self.syncs
            .push(other.client.start(other.sync_request(&[]), 5).await.unwrap());
        let waits = |g: &kfake::GroupView| g.members.iter().any(|m| m.is_syncing);
        let view = cluster.wait_for_group(group, waits).await.unwrap();
        assert_eq!(view.state, GroupState::CompletingRebalance);
        self.members.extend([leader, other]);
    }

    /// A group whose member has left.
    pub async fn empty(&mut self, cluster: &Cluster, group: &str) {
        let mut member = S::member(cluster, group).await;
        member.join_alone().await.unwrap();
        assert_eq!(member.leave().await.unwrap(), 0);
        assert!(cluster.group(group).unwrap().is_empty());
        self.members.push(member);
    }

    /// A group that was deleted.
    pub async fn dead(&mut self, cluster: &Cluster, group: &str) {
        self.empty(cluster, group).await;
        let request = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text(group))]);
        let client = &mut self.members.last_mut().unwrap().client;
        assert_eq!(client.send(request).await.unwrap().results[0].error_code, 0);
        assert!(cluster.group(group).is_none());
    }

    /// A group that a consumer without membership has committed to.
    pub async fn simple(&mut self, cluster: &Cluster, group: &str) {
        let mut member = S::member(cluster, group).await;
        let topic = OffsetCommitRequestTopic::default()
            .with_name(TopicName(text("orders")))
            .with_partitions(vec![OffsetCommitRequestPartition::default()]);
        let request = OffsetCommitRequest::default()
            .with_group_id(GroupId(text(group)))
            .with_generation_id_or_member_epoch(-1)
            .with_topics(vec![topic]);
        let committed = member.client.send(request).await.unwrap();
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
        self.members.push(member);
    }

    /// One group in each state. The last one is in its initial delay, where the cluster has one.
    pub async fn every_state(&mut self, cluster: &Cluster) {
        self.awaiting_sync(cluster, "awaiting-sync").await;
        self.stable(cluster, "stable").await;
        self.rebalancing(cluster, "rebalancing").await;
        self.empty(cluster, "empty").await;
        self.dead(cluster, "dead").await;
        self.simple(cluster, "simple").await;
        self.joining(cluster, "joining").await;
    }

    /// The members go without a word.
    pub fn vanish(self) {}
}
