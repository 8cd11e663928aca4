//! The transactional ids of the cluster. One lock guards them all: whoever begins, verifies or ends a transaction holds it
//! until what follows from that is done, so that nothing is ever added to a transaction that has just ended.
//!
//! Locks are taken in this order: the transactions, the topics, logs by topic and partition, groups by id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use leakcheck::TaskTracker;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use super::transaction::{
    Ended, IdAndEpoch, Initialized, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, Protocol, TopicPartition, Transaction,
};
use crate::cluster::state::Shared;
use crate::group::registry::Groups;
use crate::log::{Marker, Wakeups};

/// The transactional ids, and when the first of them has a deadline.
#[derive(Debug, Default)]
pub(super) struct State {
    pub by_id: BTreeMap<String, Transaction>,
    /// When the task that watches deadlines looks again, in milliseconds since 1970; `None` while there is no task.
    pub watched_until: Option<i64>,
    /// The transactional ids whose markers are missing somewhere, and the producer ids that those name.
    pub ending: BTreeMap<String, i64>,
    /// The transactional ids whose markers were refused. Their coordinator does not send them again
    /// (`TransactionMarkerRequestCompletionHandler`), and their transactions stay as they are.
    pub refused: BTreeMap<String, Refused>,
}

/// A marker that was refused.
#[derive(Debug)]
pub(super) struct Refused {
    pub marker: Marker,
    /// Who has refused it, and who has not been asked again.
    pub partitions: BTreeSet<TopicPartition>,
}

/// The transaction coordinators of all brokers.
#[derive(Debug)]
pub(crate) struct Transactions {
    pub groups: Arc<Groups>,
    pub(super) state: Mutex<State>,
    /// Wakes the task that watches deadlines: there is an earlier one.
    pub(super) earlier: Notify,
    /// Wakes it where it could not do what was due: replicas of `__transaction_state` are in sync that were not.
    pub(super) replicated: Arc<Notify>,
    /// That task.
    pub(super) tasks: TaskTracker,
}

impl Transactions {
    pub fn new(groups: Arc<Groups>) -> Self {
        let tasks = groups.shared.tasks.all.group("transactions");
        let replicated = groups.shared.topics.read().transactions_replicated.clone();
        Self {
            replicated,
            groups,
            state: Mutex::default(),
            earlier: Notify::new(),
            tasks,
        }
    }

    pub(super) fn shared(&self) -> &Shared {
        &self.groups.shared
    }

    /// Keeps every transaction as it is until the guard is dropped.
    pub fn hold(self: &Arc<Self>) -> Held<'_> {
        let mut held = Held {
            transactions: self,
            state: self.state.lock(),
            wakeups: Later(Vec::new()),
        };
        if !held.state.ending.is_empty() {
            held.settle();
        }
        if !held.state.refused.is_empty() {
            held.retry_refused();
        }
        held
    }
}

/// The transactions, held. Those who wait for what was decided meanwhile are woken when the guard is dropped.
pub(crate) struct Held<'a> {
    pub(super) transactions: &'a Arc<Transactions>,
    pub(super) state: MutexGuard<'a, State>,
    /// Behind the lock, which is released first: fields are dropped in the order of their declaration.
    wakeups: Later,
}

/// Whom to wake in the end.
struct Later(Vec<Wakeups>);

impl Drop for Later {
    fn drop(&mut self) {
        self.0.drain(..).for_each(Wakeups::notify);
    }
}

impl Held<'_> {
    pub fn get(&self, id: &str) -> Option<&Transaction> {
        self.state.by_id.get(id)
    }

    /// Every transactional id, in the order of the ids.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Transaction)> {
        self.state
            .by_id
            .iter()
            .map(|(id, transaction)| (id.as_str(), transaction))
    }

    /// `TransactionCoordinator.handleInitProducerId` of a transactional id that was checked.
    ///
    /// # Errors
    ///
    /// CONCURRENT_TRANSACTIONS where a transaction was open, which is aborted then; PRODUCER_FENCED; COORDINATOR_NOT_AVAILABLE where too
    /// few replicas are in sync to keep what comes of it, as in [`add`](Self::add) and [`end`](Self::end).
    pub fn initialize(
        &mut self,
        id: &str,
        timeout_ms: i32,
        expected: Option<IdAndEpoch>,
    ) -> Result<IdAndEpoch, ResponseError> {
        let shared = self.transactions.shared();
        let now_ms = shared.now_ms();
        let transaction = self.state.by_id.get_mut(id);
        let new_id = || shared.next_producer_id();
        if !shared.keeps_transactions_of(id) {
            // A new id is known from here on all the same, without an epoch.
            let known = match transaction {
                Some(transaction) => transaction,
                None => {
                    let transaction = Transaction::new(new_id(), timeout_ms, now_ms);
                    self.state.by_id.entry(id.to_owned()).or_insert(transaction)
                }
            };
            let tried = known.clone().initialize(timeout_ms, expected, now_ms, new_id);
            return Err(tried.err().unwrap_or(ResponseError::CoordinatorNotAvailable));
        }
        let initialized = match transaction {
            Some(transaction) => transaction.initialize(timeout_ms, expected, now_ms, new_id)?,
            None => {
                let mut transaction = Transaction::new(new_id(), timeout_ms, now_ms);
                let initialized = transaction.initialize(timeout_ms, expected, now_ms, new_id)?;
                self.state.by_id.insert(id.to_owned(), transaction);
                initialized
            }
        };
        let answer = match initialized {
            Initialized::Ready(producer) => Ok(producer),
            Initialized::Fenced(marker) => {
                self.complete(id, &marker);
                Err(ResponseError::ConcurrentTransactions)
            }
        };
        self.watch(id);
        answer
    }

    /// Adds partitions to a transaction, and begins it where none is open.
    ///
    /// # Errors
    ///
    /// INVALID_REQUEST where the id is empty, INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED.
    pub fn add(
        &mut self,
        id: &str,
        producer: IdAndEpoch,
        partitions: impl IntoIterator<Item = TopicPartition>,
    ) -> Result<(), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let now_ms = self.transactions.shared().now_ms();
        let transaction = self.state.by_id.get_mut(id);
        let transaction = transaction.ok_or(ResponseError::InvalidProducerIdMapping)?;
        let began_ms = transaction.started_ms;
        if !self.transactions.groups.shared.keeps_transactions_of(id) {
            let mut tried = transaction.clone();
            tried.add(producer, partitions, now_ms)?;
            // What has been added before is answered without being written.
            return match tried.is_as_far_as(transaction) {
                true => Ok(()),
                false => Err(ResponseError::CoordinatorNotAvailable),
            };
        }
        transaction.add(producer, partitions, now_ms)?;
        if transaction.started_ms != began_ms {
            self.watch(id);
        }
        Ok(())
    }

    /// Whether a partition is in a producer's transaction.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add), and TRANSACTION_ABORTABLE where it is not.
    pub fn verify(&self, id: &str, producer: IdAndEpoch, topic: &str, index: i32) -> Result<(), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        let transaction = self.get(id).ok_or(ResponseError::InvalidProducerIdMapping)?;
        transaction.verify(producer, topic, index)
    }

    /// Ends a transaction as a client asks: the id and epoch of the next one.
    ///
    /// # Errors
    ///
    /// INVALID_PRODUCER_ID_MAPPING, PRODUCER_FENCED, INVALID_TXN_STATE.
    pub fn end(
        &mut self,
        id: &str,
        producer: IdAndEpoch,
        committed: bool,
        protocol: Protocol,
    ) -> Result<IdAndEpoch, ResponseError> {
        let shared = self.transactions.shared();
        let transaction = self.state.by_id.get_mut(id);
        let transaction = transaction.ok_or(ResponseError::InvalidProducerIdMapping)?;
        let new_id = || shared.next_producer_id();
        if !shared.keeps_transactions_of(id) {
            let tried = transaction
                .clone()
                .end(producer, committed, protocol, shared.now_ms(), new_id)?;
            return match tried {
                Ended::Before(next) => Ok(next),
                Ended::Now(..) => Err(ResponseError::CoordinatorNotAvailable),
            };
        }
        let ended = transaction.end(producer, committed, protocol, shared.now_ms(), new_id)?;
        match ended {
            Ended::Before(next) => Ok(next),
            Ended::Now(marker, next) => {
                self.complete(id, &marker);
                self.watch(id);
                Ok(next)
            }
        }
    }

    /// Does what is due now: aborts transactions whose timeout is over, and forgets ids that were not used for long. Returns
    /// when there is something to do next, in milliseconds since 1970, or [`ONCE_REPLICATED`].
    ///
    /// Where too few replicas are in sync to keep it, it is put off (`TransactionCoordinator.abortTimedOutTransactions`,
    /// `TransactionStateManager.removeExpiredTransactionalIds`).
    pub(super) fn sweep(&mut self) -> Option<i64> {
        let shared = self.transactions.shared();
        let now_ms = shared.now_ms();
        let expiration_ms = i64::from(shared.config.transactional_id_expiration_ms.0);
        let late = self.state.by_id.iter();
        let late = late.filter(|(_, transaction)| transaction.times_out_at().is_some_and(|at| at <= now_ms));
        for id in late.map(|(id, _)| id.clone()).collect::<Vec<_>>() {
            if let Some(transaction) = self.state.by_id.get_mut(&id)
                && shared.keeps_transactions_of(&id)
            {
                let marker = transaction.fence(now_ms, || shared.next_producer_id());
                tracing::info!(%id, "the transaction has timed out and is aborted");
                self.complete(&id, &marker);
            }
        }
        let expired = |transaction: &Transaction| transaction.expires_at(expiration_ms).is_some_and(|at| at <= now_ms);
        let is_gone = |id: &str, transaction: &Transaction| expired(transaction) && shared.keeps_transactions_of(id);
        self.state.by_id.retain(|id, transaction| !is_gone(id, transaction));
        let deadlines = self.state.by_id.values().filter_map(|transaction| {
            let times_out = transaction.times_out_at();
            times_out.or(transaction.expires_at(expiration_ms))
        });
        // What is due and was not done waits for replicas, and what was refused for another coordinator.
        let refused = (!self.state.refused.is_empty()).then_some(ONCE_REPLICATED);
        deadlines
            .map(|at| if at <= now_ms { ONCE_REPLICATED } else { at })
            .chain(refused)
            .min()
    }

    pub(super) fn wake(&mut self, wakeups: Wakeups) {
        if !wakeups.is_empty() {
            self.wakeups.0.push(wakeups);
        }
    }
}

/// The deadline of what can be done once replicas are in sync, whenever that is.
pub(super) const ONCE_REPLICATED: i64 = i64::MAX;

/// The answer where there is no producer.
pub(crate) const NO_PRODUCER: IdAndEpoch = (NO_PRODUCER_ID, NO_PRODUCER_EPOCH);
