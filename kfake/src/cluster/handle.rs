//! The handle of a running cluster.

use std::io;
use std::sync::Arc;

use thiserror::Error;
use tokio::io::DuplexStream;

use super::builder::Builder;
use super::cleaner::{self, CompactError};
use super::housekeeping::{self, Scope};
use super::state::{Broker, Shared};
use super::telemetry::ClientMetrics;
use super::topics::BrokerId;
use crate::client::Client;
use crate::group::handle::EndGroupError;
use crate::group::registry::Groups;
use crate::group::view::GroupView;
use crate::net::memory;
use crate::txn::coordinator::Transactions;

/// A running cluster. [`close`](Self::close) ends it; so does dropping it, only without waiting.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let cluster = kfake::Cluster::builder().brokers(3).topic("orders", 6).start().await?;
/// let servers = cluster.bootstrap_servers(); // for rdkafka, rskafka, …
/// assert_eq!(servers.split(',').count(), 3);
/// cluster.close().await; // every task has exited, no port listens
/// # Ok(()) }
/// ```
#[derive(Debug)]
pub struct Cluster {
    pub(super) shared: Arc<Shared>,
    pub(super) groups: Arc<Groups>,
    pub(super) transactions: Arc<Transactions>,
}

/// Why a group did not come to the state waited for.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
#[error("the cluster was closed before the group came to the state waited for")]
pub struct ClusterClosed;

impl Cluster {
    pub(crate) fn new(transactions: Arc<Transactions>) -> Self {
        let groups = transactions.groups.clone();
        Self {
            shared: groups.shared.clone(),
            groups,
            transactions,
        }
    }

    /// Describes a cluster to start.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// The brokers, in the order of their node ids.
    pub fn brokers(&self) -> &[Broker] {
        &self.shared.brokers
    }

    /// The cluster's id, as DescribeCluster and Metadata name it.
    pub fn cluster_id(&self) -> &str {
        &self.shared.cluster_id
    }

    /// Every broker's `host:port`, separated by commas: a client's `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> String {
        let address = |b: &Broker| match b.host.contains(':') {
            true => format!("[{}]:{}", b.host, b.port),
            false => format!("{}:{}", b.host, b.port),
        };
        self.shared.brokers.iter().map(address).collect::<Vec<_>>().join(",")
    }

    /// A connection to a broker over memory: what a socket would carry, without one. The other end closes with the cluster.
    ///
    /// # Errors
    ///
    /// `NotFound` for a broker that the cluster has not, `ConnectionRefused` once it is closed.
    pub fn connect(&self, broker: BrokerId) -> io::Result<DuplexStream> {
        memory::connect(&self.transactions, broker)
    }

    /// A typed client of a broker, over memory.
    ///
    /// # Errors
    ///
    /// As [`connect`](Self::connect).
    pub fn client(&self, broker: BrokerId) -> io::Result<Client<DuplexStream>> {
        Ok(Client::new(self.connect(broker)?))
    }

    /// The broker that coordinates a group, and the leader of the group's partition of `__consumer_offsets`.
    pub fn coordinator(&self, group: &str) -> BrokerId {
        self.shared.coordinator(group)
    }

    /// What a group looks like now; `None` if there is none of that name.
    pub fn group(&self, id: &str) -> Option<GroupView> {
        self.groups.get(id).map(|group| group.view())
    }

    /// Waits until a group is as `wanted` says. It looks now and after changes; a state that lasts for a moment alone may
    /// pass between two looks.
    ///
    /// # Errors
    ///
    /// [`ClusterClosed`] if the cluster closes first.
    pub async fn wait_for_group(
        &self,
        id: &str,
        mut wanted: impl FnMut(&GroupView) -> bool,
    ) -> Result<GroupView, ClusterClosed> {
        let mut changes = self.groups.changes();
        loop {
            if let Some(view) = self.group(id)
                && wanted(&view)
            {
                return Ok(view);
            }
            tokio::select! {
                biased;
                () = self.shared.exits.shutdown() => return Err(ClusterClosed),
                _ = changes.changed() => {}
            }
        }
    }

    /// Ends the task of a group that has no member and keeps its committed offsets. The next request for the group starts
    /// another. (DeleteGroups ends it and forgets the offsets.)
    ///
    /// # Errors
    ///
    /// See [`EndGroupError`].
    pub async fn end_group(&self, id: &str) -> Result<(), EndGroupError> {
        let group = self.groups.get(id).ok_or(EndGroupError::NotRunning)?;
        let mut changes = self.groups.changes();
        group.ask_to_retire()?;
        loop {
            tokio::select! {
                biased;
                () = self.shared.exits.shutdown() => return Ok(()),
                () = group.tasks.wait() => return Ok(()),
                _ = changes.changed() => {}
            }
            // Requests that were waiting come first, and may have given the group a member.
            if group.ask_to_retire() == Err(EndGroupError::NotEmpty) {
                return Err(EndGroupError::NotEmpty);
            }
        }
    }

    /// Forgets the committed offsets that are older than `offsets.retention.minutes`, and the groups that nothing is left of,
    /// as a task of the cluster's does every `offsets.retention.check.interval.ms` (KIP-211). Ages are by tokio's clock.
    /// With too few replicas in sync clients see that once it is committed.
    pub fn expire_offsets(&self) {
        self.groups.expire_offsets();
    }

    /// Makes a group's coordinator take no more requests, or take them again: requests wait, clients time out, as with a
    /// broker that hangs. A group that does not exist is not created: `false`.
    pub fn stall_group(&self, id: &str, stalled: bool) -> bool {
        let group = self.groups.get(id);
        if let Some(group) = &group {
            group.stall(stalled);
        }
        group.is_some()
    }

    /// Aborts the transactions whose timeout is over, and forgets the transactional ids that were not used for
    /// `transactional.id.expiration.ms`. The cluster does so by itself, when each is due; who moves the clock by hand need not
    /// wait for that. With too few replicas of `__transaction_state` in sync it is put off.
    pub fn sweep_transactions(&self) {
        self.transactions.sweep();
    }

    /// The metrics that each client has pushed last (KIP-714). Clients push where the cluster was started with
    /// `metric.reporters` of any name besides Kafka's own, and a subscription asks them to.
    pub fn client_metrics(&self) -> Vec<ClientMetrics> {
        self.shared.telemetry.pushed()
    }

    /// Deletes at once what retention lets go (`retention.ms`, `retention.bytes`, and segments before the log start offset),
    /// instead of at the next `log.retention.check.interval.ms`. As in Apache Kafka, whole segments go. Returns how many.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = kfake::Cluster::builder().in_memory().topic("orders", 1).start().await?;
    /// assert_eq!(cluster.apply_retention(), 0); // nothing was ever written
    /// # cluster.close().await; Ok(()) }
    /// ```
    pub fn apply_retention(&self) -> usize {
        housekeeping::apply_retention(&self.shared, Scope::All)
    }

    /// Compacts a topic at once, whatever its dirty ratio and lags: of all records with one key, the last stays. The active
    /// segments are rolled first, so that everything written until now takes part, up to the first open transaction. A tombstone
    /// goes when it is compacted again after `delete.retention.ms`. Returns by how many bytes the logs have shrunk.
    ///
    /// On the clock, a topic is compacted as by Apache Kafka's log cleaner: never its active segment, and the rest when
    /// `min.cleanable.dirty.ratio` or `max.compaction.lag.ms` says so, which it asks each `log.cleaner.backoff.ms`.
    ///
    /// # Errors
    ///
    /// See [`CompactError`].
    pub async fn compact(&self, topic: &str) -> Result<usize, CompactError> {
        cleaner::compact(&self.shared, topic).await
    }

    /// Makes partitions forget at once the producers that have not written for `producer.id.expiration.ms`, by their records'
    /// timestamps, instead of at the next `producer.id.expiration.check.interval.ms`. Returns how many, counted a partition.
    pub fn expire_producers(&self) -> usize {
        housekeeping::expire_producers(&self.shared)
    }

    /// How many of the cluster's tasks are alive.
    pub fn task_count(&self) -> usize {
        self.shared.tasks.all.len()
    }

    /// Ends the cluster, and returns once each of its tasks has been dropped: no connection is open, no port listens.
    /// A reply that is being written is finished, unless its reader does not read: then the connection is reset, so that
    /// no reader takes half a reply for a whole one.
    ///
    /// Idempotent; concurrent calls all wait.
    pub async fn close(&self) {
        self.shared.exits.shut_down();
        self.shared.tasks.all.close();
        self.shared.tasks.all.wait().await;
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.shared.exits.shut_down();
        self.shared.tasks.all.close();
    }
}
