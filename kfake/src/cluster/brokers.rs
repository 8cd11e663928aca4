//! What a test does with brokers and with who leads: methods of [`Cluster`].

use std::io;

use thiserror::Error;

use super::handle::Cluster;
use super::lifeline::{Ending, Lifeline};
use super::partition::Partition;
use super::topics::{BrokerId, Topics};
use super::topology::{MoveError, Woken};
use crate::net::tcp;

/// A partition as it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PartitionView {
    /// Who leads; `None` while nobody may.
    pub leader: Option<BrokerId>,
    /// How often it has been led anew.
    pub leader_epoch: i32,
    /// The replicas, the preferred leader first.
    pub replicas: Vec<BrokerId>,
    /// The replicas in sync.
    pub in_sync: Vec<BrokerId>,
    /// Replicas not in sync that have every committed record (KIP-966).
    pub eligible_leaders: Vec<BrokerId>,
    /// The replicas that a reassignment brings.
    pub adding: Vec<BrokerId>,
    /// The replicas that a reassignment takes away.
    pub removing: Vec<BrokerId>,
    /// The offset of the first record.
    pub log_start_offset: i64,
    /// The offset after the last committed record.
    pub high_watermark: i64,
    /// The offset after the last record.
    pub log_end_offset: i64,
    /// Fetches that wait for this partition's next record.
    pub waiting_fetches: usize,
}

impl PartitionView {
    fn of(partition: &Partition) -> Self {
        let log = partition.log.lock();
        Self {
            leader: partition.leader,
            leader_epoch: partition.leader_epoch,
            replicas: partition.replicas.clone(),
            in_sync: partition.isr.clone(),
            eligible_leaders: partition.elr.clone(),
            adding: partition.adding.clone(),
            removing: partition.removing.clone(),
            log_start_offset: log.start_offset(),
            high_watermark: log.high_watermark(),
            log_end_offset: log.end_offset(),
            waiting_fetches: log.waiters().len(),
        }
    }
}

/// Why a broker was not stopped or started.
#[derive(Debug, Error)]
pub enum BrokerError {
    /// The cluster has no such broker.
    #[error("the cluster has no broker {0}")]
    Unknown(BrokerId),
    /// The broker's port cannot be bound again.
    #[error("broker {broker} cannot listen again")]
    Listen {
        /// The broker.
        broker: BrokerId,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Cluster {
    /// A partition as it is now; `None` if there is none of that topic and index.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().in_memory().topic_spec("orders", Some(1), Some(2)).start().await?;
    /// let partition = cluster.partition("orders", 0).unwrap();
    /// assert_eq!(partition.replicas, [BrokerId(1), BrokerId(2)]);
    /// assert_eq!((partition.high_watermark, partition.waiting_fetches), (0, 0));
    /// assert!(cluster.partition("orders", 1).is_none());
    /// # cluster.close().await; Ok(()) }
    /// ```
    pub fn partition(&self, topic: &str, index: i32) -> Option<PartitionView> {
        let topics = self.shared.topics.read();
        let partition = topics.by_name(topic)?.partition(index)?.clone();
        drop(topics);
        Some(PartitionView::of(&partition))
    }

    /// Makes another replica the leader, as an election does: the leader epoch rises, fetches that wait end with
    /// NOT_LEADER_OR_FOLLOWER, and clients that ask the old leader learn who leads (KIP-951). A replica that is not in sync
    /// loses what it lacks, as in an unclean election: consumers that had read further see the log diverge. The leaders of
    /// `__consumer_offsets` and `__transaction_state`, which are there once a coordinator has been looked for, are the coordinators:
    /// groups move with them, and who waits for one is answered NOT_COORDINATOR.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use kfake::client::Client;
    /// let cluster = Cluster::builder().in_memory().topic_spec("orders", Some(1), Some(3)).start().await?;
    /// let led = cluster.partition("orders", 0).unwrap();
    /// assert_eq!((led.leader, led.leader_epoch), (Some(BrokerId(1)), 0));
    /// let moved = cluster.set_leader("orders", 0, BrokerId(2))?;
    /// assert_eq!((moved.leader, moved.leader_epoch), (Some(BrokerId(2)), 1));
    /// # cluster.close().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`MoveError`].
    pub fn set_leader(&self, topic: &str, index: i32, broker: BrokerId) -> Result<PartitionView, MoveError> {
        self.change(topic, index, |topics| topics.lead(topic, index, broker))
    }

    /// Takes a follower out of the in-sync replicas, where it stays until [`expand_isr`](Self::expand_isr): it gets no more
    /// records, and consumers that read from it see none. With fewer in sync than `min.insync.replicas`, `acks=all` is answered
    /// with NOT_ENOUGH_REPLICAS, and what is written with less is not committed.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().in_memory().topic_spec("orders", Some(1), Some(3)).start().await?;
    /// let shrunk = cluster.shrink_isr("orders", 0, BrokerId(3))?;
    /// assert_eq!(shrunk.in_sync, [BrokerId(1), BrokerId(2)]);
    /// let whole = cluster.expand_isr("orders", 0, BrokerId(3))?;
    /// assert_eq!(whole.in_sync.len(), 3);
    /// # cluster.close().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`MoveError`].
    pub fn shrink_isr(&self, topic: &str, index: i32, follower: BrokerId) -> Result<PartitionView, MoveError> {
        self.change(topic, index, |topics| topics.hold_back(topic, index, follower))
    }

    /// Lets a follower that [`shrink_isr`](Self::shrink_isr) holds back catch up: it is in sync at once, if its broker is up. What
    /// was not committed for want of it is, and fetches that wait for that end.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().in_memory().topic_spec("orders", Some(1), Some(2)).start().await?;
    /// cluster.shrink_isr("orders", 0, BrokerId(2))?;
    /// assert_eq!(cluster.expand_isr("orders", 0, BrokerId(2))?.in_sync, [BrokerId(1), BrokerId(2)]);
    /// # cluster.close().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`MoveError`].
    pub fn expand_isr(&self, topic: &str, index: i32, follower: BrokerId) -> Result<PartitionView, MoveError> {
        self.change(topic, index, |topics| topics.let_catch_up(topic, index, follower))
    }

    fn change(
        &self,
        topic: &str,
        index: i32,
        change: impl FnOnce(&mut Topics) -> Result<Woken, MoveError>,
    ) -> Result<PartitionView, MoveError> {
        let mut topics = self.shared.topics.write();
        let woken = change(&mut topics)?;
        self.groups.led_anew(topics, woken);
        self.partition(topic, index).ok_or(MoveError::NoPartition)
    }

    /// Holds reassignments: the replicas that AlterPartitionReassignments brings get no records, and
    /// ListPartitionReassignments lists them, until they are let go. Unless held, a reassignment is complete at once.
    ///
    /// ```
    /// use kafka_protocol::messages::alter_partition_reassignments_request::{ReassignablePartition, ReassignableTopic};
    /// use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, BrokerId as Wire, TopicName};
    /// # use kfake::{BrokerId, Cluster};
    ///
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().in_memory().topic_spec("orders", Some(1), Some(1)).start().await?;
    /// cluster.hold_reassignments(true);
    /// let partition = ReassignablePartition::default().with_replicas(Some(vec![Wire(2)]));
    /// let topic = ReassignableTopic::default().with_name(TopicName("orders".into())).with_partitions(vec![partition]);
    /// let request = AlterPartitionReassignmentsRequest::default().with_topics(vec![topic]);
    /// cluster.client(BrokerId(1))?.send(request).await?;
    /// let held = cluster.partition("orders", 0).unwrap();
    /// assert_eq!((held.leader, held.adding), (Some(BrokerId(1)), vec![BrokerId(2)]));
    /// cluster.hold_reassignments(false);
    /// assert_eq!(cluster.partition("orders", 0).unwrap().replicas, [BrokerId(2)]);
    /// # cluster.close().await; Ok(()) }
    /// ```
    pub fn hold_reassignments(&self, hold: bool) {
        let mut topics = self.shared.topics.write();
        let woken = topics.hold_reassignments(hold);
        self.groups.led_anew(topics, woken);
    }

    /// Stops a broker, as a crash does: its connections break, its port is closed, others lead what it led, and it is in sync
    /// with nobody. What it led alone is led by nobody until it comes back, or an unclean election is asked for. Returns once
    /// the last of its tasks has dropped all that it had, also where another call has stopped the broker before. On a runtime of
    /// several threads [`task_count`](Self::task_count) may count such a task for a moment longer.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().topic_spec("orders", Some(1), Some(3)).start().await?;
    /// cluster.stop_broker(BrokerId(1)).await?;
    /// assert_eq!(cluster.partition("orders", 0).unwrap().leader, Some(BrokerId(2)));
    /// cluster.start_broker(BrokerId(1)).await?;
    /// assert_eq!(cluster.partition("orders", 0).unwrap().in_sync.len(), 3);
    /// # cluster.close().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// [`BrokerError::Unknown`].
    pub async fn stop_broker(&self, broker: BrokerId) -> Result<(), BrokerError> {
        let lifeline = self.shared.lifeline(broker).ok_or(BrokerError::Unknown(broker))?;
        let ending = {
            let _changing = lifeline.change();
            match lifeline.ending() {
                Some(ending) => ending,
                None => {
                    // Its connections break first: who waits on one hears nothing of what follows, as from a broker that crashes.
                    let ending = lifeline.stop();
                    self.change_brokers(|topics| topics.fence(broker));
                    ending
                }
            }
        };
        ending.ended().await;
        Ok(())
    }

    /// Starts a broker that was stopped: it listens on the port that it had, leads what nobody leads, and is in sync again.
    /// What it had in memory alone is gone: its clients' fetch sessions, and what it had measured of them for their quotas.
    /// It gets no leadership back before an election is asked for. A broker that runs already stays as it is, also where another
    /// call has just started it; of one that is being stopped, the end is waited for. A cluster that is closed starts nothing.
    ///
    /// ```
    /// # use kfake::{BrokerId, Cluster};
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let cluster = Cluster::builder().topic_spec("orders", Some(1), Some(1)).start().await?;
    /// cluster.stop_broker(BrokerId(1)).await?;
    /// assert_eq!(cluster.partition("orders", 0).unwrap().leader, None); // nobody else has it
    /// cluster.start_broker(BrokerId(1)).await?;
    /// assert_eq!(cluster.partition("orders", 0).unwrap().leader, Some(BrokerId(1)));
    /// # cluster.close().await; Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// See [`BrokerError`]; the broker stays stopped then.
    pub async fn start_broker(&self, broker: BrokerId) -> Result<(), BrokerError> {
        let lifeline = self.shared.lifeline(broker).ok_or(BrokerError::Unknown(broker))?;
        while let Some(ending) = self.start_or_wait(broker, lifeline)? {
            ending.ended().await;
        }
        Ok(())
    }

    /// Starts a broker that is stopped, in one step; gives the life that has to end before that can be done.
    fn start_or_wait(&self, broker: BrokerId, lifeline: &Lifeline) -> Result<Option<Ending>, BrokerError> {
        // Held until the task is spawned: a close that begins in between waits for it.
        let _hold = self.shared.tasks.all.token();
        let _changing = lifeline.change();
        let Some(ending) = lifeline.ending() else {
            return Ok(None);
        };
        if self.shared.exits.is_shut_down() {
            return Ok(None);
        }
        if !ending.has_ended() {
            // Its port is still bound.
            return Ok(Some(ending));
        }
        // Bound before anything else is done: a broker that cannot listen stays stopped.
        let listener = lifeline.address.map(tcp::bind).transpose();
        let listener = listener.map_err(|source| BrokerError::Listen { broker, source })?;
        self.shared.forget_of(broker);
        lifeline.start();
        if let Some(listener) = listener {
            tcp::listen(&self.transactions, broker, listener);
        }
        self.change_brokers(|topics| topics.unfence(broker));
        Ok(None)
    }

    /// Changes which brokers are up.
    fn change_brokers(&self, change: impl FnOnce(&mut Topics) -> Woken) {
        let mut topics = self.shared.topics.write();
        let woken = change(&mut topics);
        self.shared.elect_controller(&topics);
        self.groups.led_anew(topics, woken);
    }
}
