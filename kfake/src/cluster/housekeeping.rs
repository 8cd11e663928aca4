//! What the brokers do to their logs of themselves, on the clock: retention (`LogManager.cleanupLogs`), compaction (`LogCleaner`),
//! and forgetting producers (`UnifiedLog.removeExpiredProducers`).
//!
//! One task does it for the whole cluster. It begins with the first deadline that there is, and sleeps until the next: there is
//! none where nothing is to be deleted or compacted. Apache Kafka looks in intervals; the task wakes at those of these moments at
//! which there is something to do, so that clients see the same at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::configs::logs::LogConfig;
use super::exits::Wait;
use super::state::Shared;
use super::{cleaner, log_config};
use crate::log::Log;

/// No deadline.
const NEVER: i64 = i64::MAX;

/// A kind of work, and the moments for it.
#[derive(Debug)]
struct Chore {
    /// In milliseconds since 1970.
    next: AtomicI64,
}

impl Chore {
    fn new() -> Self {
        Self {
            next: AtomicI64::new(NEVER),
        }
    }

    fn next(&self) -> i64 {
        self.next.load(Ordering::Acquire)
    }

    /// The work begins: whatever changes from here on makes a deadline of its own. Whether it is time for it.
    fn begin(&self, now_ms: i64) -> bool {
        let is_due = |next: i64| (next <= now_ms).then_some(NEVER);
        self.next
            .fetch_update(Ordering::AcqRel, Ordering::Acquire, is_due)
            .is_ok()
    }
}

/// When the cluster's housekeeping has something to do.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    retention: Chore,
    /// Compaction, and retention of what is compacted.
    cleaning: Chore,
    /// Forgetting producers.
    producers: Chore,
    /// A deadline has become an earlier one.
    earlier: Notify,
    has_begun: AtomicBool,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self {
            retention: Chore::new(),
            cleaning: Chore::new(),
            producers: Chore::new(),
            earlier: Notify::new(),
            has_begun: AtomicBool::new(false),
        }
    }
}

impl Housekeeping {
    /// Takes note of what a log with this configuration will need. Call it after each change of either.
    ///
    /// It takes constant time, but for a look at each segment where the topic is compacted or has a limit of size.
    pub fn look_at(&self, shared: &Arc<Shared>, config: &LogConfig, log: &Log) {
        let retention = log.retention_due(&log_config::retention_rules(config));
        let soon = |due: i64, now_ms: i64| due.max(now_ms.saturating_add(1));
        if let Some(due) = log.producers_due(config.producer_expiration_ms) {
            let interval = shared.config.producer_id_expiration_check_interval;
            let due = next_tick(shared.start_ms(), interval, interval, soon(due, shared.now_ms()));
            self.schedule(shared, &self.producers, due);
        }
        match log_config::compaction_rules(config) {
            None => {
                let Some(due) = retention else { return };
                let (first, interval) = (
                    shared.config.log_initial_task_delay,
                    shared.config.log_retention_check_interval,
                );
                let due = next_tick(shared.start_ms(), first, interval, soon(due, shared.now_ms()));
                self.schedule(shared, &self.retention, due);
            }
            Some(rules) => {
                let now_ms = shared.now_ms();
                let Some(due) = retention.into_iter().chain(log.compaction_due(&rules, now_ms)).min() else {
                    return;
                };
                let interval = Duration::from_millis(u64::try_from(config.cleaner_backoff_ms).unwrap_or(0));
                let due = next_tick(shared.start_ms(), Duration::ZERO, interval, soon(due, now_ms));
                self.schedule(shared, &self.cleaning, due);
            }
        }
    }

    /// Takes note of what every log will need: configurations have changed.
    pub fn look_at_all(&self, shared: &Arc<Shared>) {
        let topics: Vec<_> = shared.topics.read().iter().cloned().collect();
        for topic in topics {
            for partition in &topic.partitions {
                self.look_at(shared, topic.log_config(partition), &partition.log.lock());
            }
        }
    }

    fn schedule(&self, shared: &Arc<Shared>, chore: &Chore, due: i64) {
        if chore.next.fetch_min(due, Ordering::AcqRel) <= due {
            return;
        }
        self.earlier.notify_one();
        if !self.has_begun.swap(true, Ordering::AcqRel) {
            let tasks = &shared.tasks.housekeeping;
            tasks.spawn_named_on("logs", run(shared.clone()), &shared.runtime);
        }
    }
}

/// The first moment of `start + first + n * interval` that is not before `due`.
fn next_tick(start_ms: i64, first: Duration, interval: Duration, due: i64) -> i64 {
    let millis = |duration: Duration| i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
    let first = start_ms.saturating_add(millis(first));
    let interval = millis(interval).max(1);
    let after = due.saturating_sub(first).max(0);
    let ticks = after / interval + i64::from(after % interval != 0);
    first.saturating_add(ticks.saturating_mul(interval))
}

async fn run(shared: Arc<Shared>) {
    let housekeeping = &shared.housekeeping;
    let exits = &shared.exits;
    loop {
        let chores = [&housekeeping.retention, &housekeeping.cleaning, &housekeeping.producers];
        let next = chores.map(Chore::next).into_iter().min().unwrap_or(NEVER);
        tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Housekeeping) => return,
            () = housekeeping.earlier.notified() => continue,
            () = tokio::time::sleep_until(shared.instant_at(next)), if next != NEVER => {}
        }
        let now_ms = shared.now_ms();
        if housekeeping.retention.begin(now_ms) {
            apply_retention(&shared, Scope::NotCompacted);
        }
        if housekeeping.producers.begin(now_ms) {
            expire_producers(&shared);
        }
        if housekeeping.cleaning.begin(now_ms) && cleaner::clean_what_is_due(&shared).await.is_err() {
            return;
        }
    }
}

/// Forgets the producers that have not written for long, in every log. Returns how many.
pub(crate) fn expire_producers(shared: &Arc<Shared>) -> usize {
    let topics: Vec<_> = shared.topics.read().iter().cloned().collect();
    let mut expired = 0;
    for topic in topics {
        for partition in &topic.partitions {
            let config = topic.log_config(partition);
            let mut log = partition.log.lock();
            expired += log.expire_producers(shared.now_ms(), config.producer_expiration_ms);
            shared.housekeeping.look_at(shared, config, &log);
        }
    }
    expired
}

/// Which logs retention is applied to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// Those that the log cleaner leaves alone.
    NotCompacted,
    All,
}

/// Deletes the segments that retention lets go, in every log, and takes note of what will go next. Returns how many went.
pub(crate) fn apply_retention(shared: &Arc<Shared>, scope: Scope) -> usize {
    let topics: Vec<_> = shared.topics.read().iter().cloned().collect();
    let deleted = topics.iter().map(|topic| {
        cleaner::delete_old_segments(shared, topic, |config| scope == Scope::All || !config.cleanup.compact)
    });
    deleted.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_met_at_the_moments_at_which_apache_kafka_looks() {
        let (first, interval) = (Duration::from_secs(30), Duration::from_secs(300));
        let tick = |due| next_tick(1_000, first, interval, due);
        assert_eq!(tick(i64::MIN), 31_000);
        assert_eq!(tick(31_000), 31_000);
        assert_eq!(tick(31_001), 331_000);
        assert_eq!(tick(331_001), 631_000);
        assert_eq!(tick(i64::MAX), i64::MAX);
    }
}
