//! What the brokers do to their logs of themselves: retention, on the clock (`LogManager.cleanupLogs`).
//!
//! One task does it for the whole cluster. It begins with the first deadline that there is, and sleeps until the next: there is
//! none where nothing is to be deleted. Apache Kafka looks in intervals; the task wakes at the one of these moments at which
//! there is something to do, so that clients see the same at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;

use super::exits::Wait;
use super::log_config;
use super::state::Shared;
use super::topic_config::TopicConfig;
use crate::log::Log;

/// No deadline.
const NEVER: i64 = i64::MAX;

/// When the cluster's housekeeping has something to do.
#[derive(Debug)]
pub(crate) struct Housekeeping {
    /// In milliseconds since 1970.
    next: AtomicI64,
    /// The deadline has become an earlier one.
    earlier: Notify,
    has_begun: AtomicBool,
}

impl Default for Housekeeping {
    fn default() -> Self {
        Self {
            next: AtomicI64::new(NEVER),
            earlier: Notify::new(),
            has_begun: AtomicBool::new(false),
        }
    }
}

impl Housekeeping {
    /// Takes note of what a log of a topic with this configuration will need. Call it after each change of either.
    ///
    /// It takes constant time, but for a look at each segment where the topic has a limit of size.
    pub fn look_at(&self, shared: &Arc<Shared>, config: &TopicConfig, log: &Log) {
        let Some(due) = log.retention_due(&log_config::retention_rules(config)) else {
            return;
        };
        let interval = match log_config::is_compacted(config) {
            true => shared.config.log_cleaner_backoff,
            false => shared.config.log_retention_check_interval,
        };
        let first = match log_config::is_compacted(config) {
            true => Duration::ZERO,
            false => shared.config.log_initial_task_delay,
        };
        let due = due.max(shared.now_ms().saturating_add(1));
        self.schedule(shared, next_tick(shared.start_ms(), first, interval, due));
    }

    fn schedule(&self, shared: &Arc<Shared>, due: i64) {
        if self.next.fetch_min(due, Ordering::AcqRel) <= due {
            return;
        }
        self.earlier.notify_one();
        if !self.has_begun.swap(true, Ordering::AcqRel) {
            let task = run(shared.clone());
            shared
                .tasks
                .housekeeping
                .spawn_named_on("retention", task, &shared.runtime);
        }
    }

    /// When the next deadline is.
    #[cfg(test)]
    pub fn next(&self) -> Option<i64> {
        Some(self.next.load(Ordering::Acquire)).filter(|next| *next != NEVER)
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
        let next = housekeeping.next.load(Ordering::Acquire);
        let due = shared.instant_at(next);
        tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Housekeeping) => return,
            () = housekeeping.earlier.notified() => {}
            () = tokio::time::sleep_until(due), if next != NEVER => {
                // Whatever is appended from here on makes a deadline of its own.
                housekeeping.next.store(NEVER, Ordering::Release);
                apply_retention(&shared);
            }
        }
    }
}

/// Deletes the segments that retention lets go, in every log, and takes note of what will go next. Returns how many went.
pub(crate) fn apply_retention(shared: &Arc<Shared>) -> usize {
    let topics: Vec<_> = shared.topics.read().iter().cloned().collect();
    let now_ms = shared.now_ms();
    let mut deleted = 0;
    for topic in topics {
        let rules = log_config::retention_rules(&topic.config);
        for partition in &topic.partitions {
            let mut log = partition.log.lock();
            let expired = log.delete_old_segments(&rules, now_ms);
            shared.housekeeping.look_at(shared, &topic.config, &log);
            drop(log);
            deleted += expired.segments;
            expired.wakeups.notify();
        }
    }
    deleted
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
