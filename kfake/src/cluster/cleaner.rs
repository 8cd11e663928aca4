//! The log cleaner: compacts the logs of topics whose `cleanup.policy` says so (Kafka's `LogCleaner`, of one thread).

use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

use super::configs::logs::LogConfig;
use super::exits::{Closing, Wait};
use super::log_config;
use super::state::Shared;
use super::topics::Topic;
use crate::log::{Cleaning, Log, LogToClean, Step};

/// After how many bytes the cleaner lets others run, and looks whether the cluster closes.
const STRIDE: usize = 64 * 1024;

/// Why a topic was not compacted.
#[derive(Debug, Error, Clone, Copy, PartialEq, Eq)]
pub enum CompactError {
    /// There is no such topic.
    #[error("there is no such topic")]
    UnknownTopic,
    /// `cleanup.policy` does not contain `compact`.
    #[error("the topic's cleanup.policy does not contain compact")]
    NotCompacted,
    /// The cluster closes.
    #[error("the cluster was closed before the topic was compacted")]
    ClusterClosed,
}

impl From<Closing> for CompactError {
    fn from(_: Closing) -> Self {
        Self::ClusterClosed
    }
}

/// Compacts every log that is due, the filthiest first, and deletes what retention lets go of all logs that are compacted
/// (`LogCleaner.cleanFilthiestLog`).
pub(crate) async fn clean_what_is_due(shared: &Arc<Shared>) -> Result<(), Closing> {
    let _thread = cleaner_thread(shared).await?;
    let now_ms = shared.now_ms();
    let topics: Vec<_> = shared.topics.read().iter().cloned().collect();
    let mut due = Vec::new();
    for topic in &topics {
        for partition in &topic.partitions {
            if let Some(rules) = log_config::compaction_rules(topic.log_config(partition)) {
                let to_clean = partition.log.lock().to_clean(&rules, now_ms);
                due.extend(to_clean.map(|to_clean| (&partition.log, to_clean)));
            }
        }
    }
    due.sort_by(|(_, a), (_, b)| b.dirty_ratio().total_cmp(&a.dirty_ratio()));
    for (log, to_clean) in due {
        clean(shared, log, to_clean).await?;
    }
    for topic in &topics {
        delete_old_segments(shared, topic, |config| config.cleanup.compact);
    }
    Ok(())
}

/// Compacts a topic now: the active segments are rolled, and neither the dirty ratio nor the lags are asked for. Returns by how
/// many bytes the logs have shrunk.
pub(crate) async fn compact(shared: &Arc<Shared>, topic: &str) -> Result<usize, CompactError> {
    let _thread = cleaner_thread(shared).await?;
    let topic = shared.topics.read().by_name(topic).cloned();
    let topic = topic.ok_or(CompactError::UnknownTopic)?;
    let compacted = topic.partitions.iter().filter_map(|partition| {
        let rules = log_config::compaction_rules(topic.log_config(partition))?;
        Some((partition, rules))
    });
    let compacted: Vec<_> = compacted.collect();
    if compacted.is_empty() {
        return Err(CompactError::NotCompacted);
    }
    let mut freed = 0;
    for (partition, rules) in compacted {
        let now_ms = shared.now_ms();
        let (before, to_clean) = {
            let mut log = partition.log.lock();
            log.roll(now_ms);
            (log.size(), log.to_clean_now(&rules, now_ms))
        };
        if let Some(to_clean) = to_clean {
            clean(shared, &partition.log, to_clean).await?;
            freed += before.saturating_sub(partition.log.lock().size());
        }
    }
    Ok(freed)
}

/// Deletes what retention lets go of those of a topic's logs that are wanted, and takes note of what comes next.
pub(super) fn delete_old_segments(
    shared: &Arc<Shared>,
    topic: &Topic,
    is_wanted: impl Fn(&LogConfig) -> bool,
) -> usize {
    let now_ms = shared.now_ms();
    let mut deleted = 0;
    for partition in &topic.partitions {
        let config = topic.log_config(partition);
        if !is_wanted(config) {
            continue;
        }
        let mut log = partition.log.lock();
        let expired = log.delete_old_segments(&log_config::retention_rules(config), now_ms);
        shared.housekeeping.look_at(shared, config, &log);
        drop(log);
        deleted += expired.segments;
        expired.wakeups.notify();
    }
    deleted
}

/// One log is compacted at a time.
async fn cleaner_thread(shared: &Shared) -> Result<tokio::sync::SemaphorePermit<'_>, Closing> {
    tokio::select! {
        biased;
        () = shared.exits.shutdown(), if shared.exits.heard_in(Wait::Housekeeping) => Err(Closing),
        permit = shared.cleaner.acquire() => permit.map_err(|_| Closing),
    }
}

async fn clean(shared: &Shared, log: &Mutex<Log>, to_clean: LogToClean) -> Result<(), Closing> {
    let mut cleaning = Cleaning::new(to_clean);
    let mut stride = 0;
    loop {
        match cleaning.step() {
            Ok(Step::More(bytes)) => stride += bytes,
            Ok(Step::Done(cleaned)) => {
                if !log.lock().replace_cleaned(cleaned) {
                    tracing::debug!("a segment was deleted while it was compacted");
                }
                return Ok(());
            }
            Err(error) => {
                tracing::warn!(%error, "a log cannot be read, and is not compacted any more");
                log.lock().give_up_cleaning();
                return Ok(());
            }
        }
        if stride >= STRIDE {
            stride = 0;
            tokio::task::yield_now().await;
            if shared.exits.is_shut_down() {
                return Err(Closing);
            }
        }
    }
}
