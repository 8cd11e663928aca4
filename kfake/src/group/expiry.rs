//! The task that forgets old offsets, and groups that nothing is left of.
//!
//! Apache Kafka looks every `offsets.retention.check.interval.ms`. The task looks at the same times, but only at those at
//! which there can be something to do: it sleeps until the first deadline that there is, and ends when there is none. It is
//! in the group `offset-expiry`.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::Notify;

use super::registry::Groups;
use super::retention::Kept;
use crate::cluster::exits::Wait;

/// No deadline.
const NEVER: i64 = i64::MAX;

/// When the task looks next.
#[derive(Debug)]
pub(crate) struct Expiry {
    /// In milliseconds since 1970: nothing can expire before. [`NEVER`] while there is no task.
    next_ms: AtomicI64,
    /// Whether there is a task. Held while it decides to end, so that nobody relies on it meanwhile.
    running: Mutex<bool>,
    /// Wakes the task when the deadline has come nearer.
    sooner: Notify,
    /// The times at which Apache Kafka would look are counted from here.
    from_ms: i64,
}

impl Expiry {
    pub fn new(now_ms: i64) -> Self {
        Self {
            next_ms: AtomicI64::new(NEVER),
            running: Mutex::new(false),
            sooner: Notify::new(),
            from_ms: now_ms,
        }
    }

    /// The first look at this time or behind it.
    fn look_at_or_after(&self, at_ms: i64, interval: Duration) -> i64 {
        let interval = i64::try_from(interval.as_millis()).unwrap_or(i64::MAX).max(1);
        let passed = at_ms.saturating_sub(self.from_ms).max(1);
        let looks = passed.saturating_sub(1) / interval + 1;
        self.from_ms.saturating_add(looks.saturating_mul(interval))
    }
}

impl Groups {
    /// Something may expire at this time. Cheap where the task looks before that anyway.
    pub fn expires_at(self: &Arc<Self>, at_ms: i64) {
        let expiry = &self.expiry;
        if expiry.next_ms.load(Ordering::Acquire) <= at_ms {
            return;
        }
        let interval = self.shared.config.offsets_retention_check_interval;
        let look_ms = expiry.look_at_or_after(at_ms.max(self.shared.now_ms()), interval);
        let mut running = expiry.running.lock();
        if expiry.next_ms.fetch_min(look_ms, Ordering::AcqRel) <= look_ms {
            return;
        }
        if *running {
            expiry.sooner.notify_one();
            return;
        }
        *running = true;
        let task = run(Tenure {
            groups: self.clone(),
            is_over: false,
        });
        let shared = &self.shared;
        let tasks = shared.tasks.all.group("offset-expiry");
        tasks.spawn_named_on("expiry", task, &shared.runtime);
    }

    /// Forgets the offsets that are too old, and the groups that nothing is left of; tells when something will be next.
    pub fn expire_offsets(&self) -> Option<i64> {
        let retention = self.shared.config.offsets_retention.0;
        let now_ms = self.shared.now_ms();
        let mut next = None;
        for group in self.all() {
            // The lock is let go before the registry's is taken: others take them the other way round.
            let (kept, awaits_replicas) = {
                let mut state = self.open(&group);
                (state.expire_offsets(now_ms, retention), state.awaits_replicas())
            };
            match kept {
                Kept::Nothing => {
                    tracing::info!(group = %group.id, "nothing is left of the group");
                    self.remove_this(&group, awaits_replicas);
                    group.control.notify_one();
                }
                Kept::Until(until) => next = [next, until].into_iter().flatten().min(),
            }
        }
        self.changed();
        next
    }
}

/// The task's hold on its place. However it ends, the next deadline starts another.
struct Tenure {
    groups: Arc<Groups>,
    is_over: bool,
}

impl Drop for Tenure {
    fn drop(&mut self) {
        if !self.is_over {
            let mut running = self.groups.expiry.running.lock();
            self.groups.expiry.next_ms.store(NEVER, Ordering::Release);
            *running = false;
        }
    }
}

async fn run(mut tenure: Tenure) {
    let groups = tenure.groups.clone();
    let (exits, expiry) = (&groups.shared.exits, &groups.expiry);
    loop {
        let left = expiry
            .next_ms
            .load(Ordering::Acquire)
            .saturating_sub(groups.shared.now_ms());
        if left > 0 {
            tokio::select! {
                biased;
                () = exits.shutdown(), if exits.heard_in(Wait::Expiry) => return,
                () = expiry.sooner.notified() => {}
                () = tokio::time::sleep(Duration::from_millis(left.unsigned_abs())) => {}
            }
            continue;
        }
        // A deadline that comes up from here on may be one that this look does not see.
        expiry.next_ms.store(NEVER, Ordering::Release);
        let found = groups.expire_offsets();
        let interval = groups.shared.config.offsets_retention_check_interval;
        let mut running = expiry.running.lock();
        if let Some(at_ms) = found {
            let look_ms = expiry.look_at_or_after(at_ms, interval);
            expiry.next_ms.fetch_min(look_ms, Ordering::AcqRel);
        }
        if expiry.next_ms.load(Ordering::Acquire) == NEVER {
            *running = false;
            tenure.is_over = true;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_multiples_of_the_interval_from_the_start() {
        let expiry = Expiry::new(1_000);
        let interval = Duration::from_millis(100);
        for (at, look) in [
            (0, 1_100),
            (1_000, 1_100),
            (1_001, 1_100),
            (1_100, 1_100),
            (1_101, 1_200),
        ] {
            assert_eq!(expiry.look_at_or_after(at, interval), look, "{at}");
        }
        assert_eq!(expiry.look_at_or_after(i64::MAX, interval), i64::MAX);
    }
}
