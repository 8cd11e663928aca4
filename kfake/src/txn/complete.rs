//! The end of a transaction over all of its partitions and groups: one step, of which no fetch sees half.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::{MutexGuard, RwLockReadGuard, RwLockWriteGuard};

use super::coordinator::{Held, Refused, State};
use super::transaction::TopicPartition;
use crate::cluster::configs::logs::LogConfig;
use crate::cluster::internal::Internal;
use crate::cluster::log_config;
use crate::cluster::partition::Partition;
use crate::cluster::state::Shared;
use crate::cluster::topics::{BrokerId, Topic, Topics};
use crate::group::classic::ClassicGroup;
use crate::group::handle::Group;
use crate::log::{Log, Marker, MarkerError, Wakeups};

/// The topics, kept from changing. A fetch reads all of its partitions under one lock of them: written to, they keep out
/// whoever would see one partition before the end of a transaction and another after it.
enum TopicsLock<'a> {
    Alone(RwLockWriteGuard<'a, Topics>),
    Shared(RwLockReadGuard<'a, Topics>),
}

/// What became of a marker in a transaction's partitions.
#[derive(Default)]
struct Written {
    /// Those that get it later, and those that have refused it.
    owing: Vec<TopicPartition>,
    refused: Vec<TopicPartition>,
    wakeups: Vec<Wakeups>,
    /// When the first of the offsets that it has decided expires.
    expires_ms: Option<i64>,
    any_group: bool,
}

impl Held<'_> {
    /// Writes a transaction's marker to each of its partitions, and decides the offsets that it commits: those are in partitions of
    /// `__consumer_offsets`, whose markers groups hear of. The transaction has no partitions then.
    ///
    /// A partition that was deleted meanwhile has nothing to decide. One that refuses the marker, as it is larger than the partition takes
    /// or another one of a newer epoch of the producer or of a later coordinator has come before, is not sent it again: the
    /// transaction stays as it is until another coordinator tries ([`retry_refused`](Self::retry_refused)). One of which too few replicas are in sync gets it when that is
    /// over, and until then the transaction is ending. One that nobody leads never gets it, and stays open: Apache Kafka finds no
    /// broker of it and takes it for deleted (`TransactionMarkerChannelManager.addTxnMarkersToBrokerQueue`). A later transaction's
    /// marker decides then what the producer has open there.
    pub(super) fn complete(&mut self, id: &str, marker: &Marker) {
        let Some(transaction) = self.state.by_id.get_mut(id) else {
            return;
        };
        let partitions = std::mem::take(&mut transaction.partitions);
        let shared = &self.transactions.groups.shared;
        let marker = &Marker {
            coordinator_epoch: shared.coordinator_epoch(Internal::Transactions, id),
            ..*marker
        };
        let topics = match partitions.count() {
            // Several groups may be in one partition of `__consumer_offsets`.
            0 | 1 if partitions.0.keys().all(|name| name != Internal::Offsets.name()) => {
                TopicsLock::Shared(shared.topics.read())
            }
            _ => TopicsLock::Alone(shared.topics.write()),
        };
        let known = match &topics {
            TopicsLock::Alone(topics) => &**topics,
            TopicsLock::Shared(topics) => &**topics,
        };
        let now_ms = shared.now_ms();
        let found = partitions.iter().filter_map(|(name, index)| {
            let topic = known.by_name(name)?;
            Some((topic.clone(), topic.partition(index)?.clone()))
        });
        let found: Vec<(Arc<Topic>, Arc<Partition>)> = found.collect();
        let written = self.write_markers(id, marker, &found, now_ms);
        drop(topics);
        self.keep(id, marker, &written, now_ms);
        written.wakeups.into_iter().for_each(|waiting| self.wake(waiting));
        if written.any_group {
            self.transactions.groups.changed();
        }
        if let Some(at_ms) = written.expires_ms {
            self.transactions.groups.expires_at(at_ms);
        }
    }

    /// Writes a marker to partitions of topics that are kept from changing.
    fn write_markers(&self, id: &str, marker: &Marker, found: &[(Arc<Topic>, Arc<Partition>)], now_ms: i64) -> Written {
        let shared = &self.transactions.groups.shared;
        let mut refusing: BTreeSet<BrokerId> = BTreeSet::new();
        let mut written = Written {
            wakeups: Vec::with_capacity(found.len()),
            ..Written::default()
        };
        // Everything is held before anything is written; what was written is seen once everything is released. The topics are
        // kept from changing, so that each log is led in the epoch that its partition says.
        let logs = found
            .iter()
            .map(|(topic, partition)| (topic, partition, partition.log.lock()));
        let mut logs: Vec<(_, _, MutexGuard<'_, Log>)> = logs.collect();
        let undecided = &self.transactions.groups.undecided;
        let mut of_groups: BTreeSet<Arc<str>> = BTreeSet::new();
        let mut later = Vec::new();
        for (topic, partition, log) in &mut logs {
            let config = topic.log_config(partition);
            let mut refuse = |error: MarkerError| {
                tracing::info!(%id, topic = %topic.name, partition = partition.index, %error, "the transaction stays as it is");
                written.refused.push((topic.name.clone(), partition.index));
                refusing.extend(partition.leader);
            };
            if partition.leader.is_none() {
                tracing::warn!(%id, topic = %topic.name, partition = partition.index, "nobody leads it: the transaction stays open there");
                continue;
            }
            let is_offsets = topic.name == Internal::Offsets.name();
            if !partition.takes_markers(log) {
                // What is groups' is in the log at once, and waits there.
                match log.check_marker(marker) {
                    Err(error) if is_offsets => refuse(error),
                    _ => later.push((topic, partition, log)),
                }
                continue;
            }
            if is_offsets {
                // Groups' offsets are kept with the groups, not in their topic.
                match remember_marker(shared, config, log, marker) {
                    Ok(()) => of_groups.extend(undecided.take(partition.index, marker.producer_id)),
                    Err(error) => refuse(error),
                }
                continue;
            }
            match write_marker(shared, config, log, marker) {
                Ok(waiting) => written.wakeups.push(waiting),
                Err(error) => refuse(error),
            }
        }
        for (topic, partition, log) in later {
            let is_offsets = topic.name == Internal::Offsets.name();
            let place = (topic.name.clone(), partition.index);
            // The markers that a broker has answered together are not sent again where it refuses one of them.
            if !is_offsets && partition.leader.is_some_and(|leader| refusing.contains(&leader)) {
                written.refused.push(place);
                continue;
            }
            log.owe_marker(marker, (topic.log_config(partition).timestamp_type, now_ms));
            if is_offsets {
                self.transactions.groups.unreplicated.write(partition.index);
            }
            written.owing.push(place);
        }
        let of_groups = of_groups.iter();
        let groups = of_groups.filter_map(|group| self.transactions.groups.get(group));
        let groups: Vec<Arc<Group>> = groups.collect();
        written.any_group = !groups.is_empty();
        let mut states: Vec<MutexGuard<'_, ClassicGroup>> = groups.iter().map(|group| group.state.lock()).collect();
        let retention = shared.config.offsets_retention.0;
        for state in &mut states {
            written.expires_ms = [written.expires_ms, state.decide(marker, now_ms, retention)]
                .into_iter()
                .flatten()
                .min();
        }
        written
    }

    /// Keeps what a transaction still waits for. With nothing left it has ended.
    fn keep(&mut self, id: &str, marker: &Marker, written: &Written, now_ms: i64) {
        let Written { owing, refused, .. } = written;
        let State {
            by_id,
            ending,
            refused: all_refused,
            ..
        } = &mut *self.state;
        if let Some(transaction) = by_id.get_mut(id) {
            transaction.partitions = owing.iter().chain(refused).cloned().collect();
            if !owing.is_empty() {
                ending.insert(id.to_owned(), marker.producer_id);
            }
            if !refused.is_empty() {
                let (marker, partitions) = (*marker, refused.iter().cloned().collect());
                all_refused.insert(id.to_owned(), Refused { marker, partitions });
            } else if owing.is_empty() {
                transaction.settle(now_ms);
            }
        }
    }
}

impl Held<'_> {
    /// Looks which of the transactions that are ending have ended: those whose markers are written, or have nowhere to be.
    pub(super) fn settle(&mut self) {
        let shared = &self.transactions.groups.shared;
        let now_ms = shared.now_ms();
        let mut settled = Vec::new();
        {
            let State {
                by_id, ending, refused, ..
            } = &mut *self.state;
            let topics = shared.topics.read();
            ending.retain(|id, producer_id| {
                let Some(transaction) = by_id.get_mut(id) else {
                    return false;
                };
                let owes = |name: &str, index: i32| {
                    let partition = topics.by_name(name).and_then(|topic| topic.partition(index));
                    partition.is_some_and(|partition| partition.log.lock().owes_marker_of(*producer_id))
                };
                let left = transaction.partitions.iter().filter(|(name, index)| owes(name, *index));
                let left: Vec<TopicPartition> = left.map(|(name, index)| (name.to_owned(), index)).collect();
                let owes_none = left.is_empty();
                let refused = refused.get(id).map(|refused| &refused.partitions);
                if owes_none && refused.is_none() {
                    transaction.settle(now_ms);
                    settled.push(id.clone());
                } else {
                    transaction.partitions = left.into_iter().chain(refused.into_iter().flatten().cloned()).collect();
                }
                !owes_none
            });
        }
        for id in settled {
            self.watch(&id);
        }
    }

    /// Sends the markers that were refused once more where another coordinator has come: it finds transactions that are ending and goes on
    /// with them (`TransactionStateManager.loadTransactionsForTxnTopicPartition`).
    pub(super) fn retry_refused(&mut self) {
        let shared = &self.transactions.groups.shared;
        let State { refused, ending, .. } = &mut *self.state;
        let anew = refused.iter().filter(|(id, refused)| {
            let is_led = shared.coordinator_in(Internal::Transactions, id).is_some();
            let epoch = shared.coordinator_epoch(Internal::Transactions, id);
            is_led && epoch != refused.marker.coordinator_epoch && !ending.contains_key(*id)
        });
        let anew: Vec<String> = anew.map(|(id, _)| id.clone()).collect();
        for id in anew {
            if let Some(refused) = self.state.refused.remove(&id) {
                self.complete(&id, &refused.marker);
                self.watch(&id);
            }
        }
    }
}

/// Appends a marker to a log with this configuration, as what the broker itself writes is stamped, and takes note of what becomes due by it:
/// a producer whose transaction has ended can expire, and a segment may have been rolled.
///
/// # Errors
///
/// The marker is from a time that is over, or larger than `max.message.bytes`: `UnifiedLog.append` measures whatever is not the controllers' own.
/// The log is unchanged then.
pub(crate) fn write_marker(
    shared: &Arc<Shared>,
    config: &LogConfig,
    log: &mut Log,
    marker: &Marker,
) -> Result<Wakeups, MarkerError> {
    Log::check_marker_size(config.max_message_bytes)?;
    log.set_segment_rules(log_config::segment_rules(config, |limit| shared.random_below(limit)));
    let waiting = log.end_transaction(marker, (config.timestamp_type, shared.now_ms()))?;
    shared.housekeeping.look_at(shared, config, log);
    Ok(waiting)
}

/// The same for a partition of `__consumer_offsets`, in which nothing is written: what is due is that the producer expires.
///
/// # Errors
///
/// As [`write_marker`], but for the size.
pub(crate) fn remember_marker(
    shared: &Arc<Shared>,
    config: &LogConfig,
    log: &mut Log,
    marker: &Marker,
) -> Result<(), MarkerError> {
    log.remember_marker(marker, shared.now_ms())?;
    shared.housekeeping.look_at(shared, config, log);
    Ok(())
}
