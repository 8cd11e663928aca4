//! How many tasks of a runtime are in no tracker, by tokio's own count.
//!
//! tokio and the registry learn of a task's end one after the other: a task leaves the registry when its future has been
//! dropped, and tokio's list a moment later. Meanwhile it looks as if no tracker had seen it. On a current-thread runtime
//! nobody can look in that moment. On others a number counts only if, for so long that no thread can have been stuck in
//! that moment, no task came to the registry or left it.

use std::collections::HashSet;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Instant, sleep};

use crate::check::LONGEST;
use crate::ending::questions_open;
use crate::info::TaskKind;
use crate::registry;
use crate::settle::{Alarm, SLACK, Settled};
use crate::task::Task;
use crate::watchdog::Watchdog;

/// So many rounds of yielding come before the first sleep.
const EAGER_ROUNDS: u32 = 16;

/// The first sleep, by tokio's clock. The next ones are twice as long each, up to the longest while that clock is as fast as
/// the walls'.
const FIRST_SLEEP: Duration = Duration::from_millis(1);
const LONGEST_SLEEP: Duration = Duration::from_millis(50);

/// For so long, by the wall clock, the registry must not have changed before a multi-thread runtime's tasks are counted.
const QUIET: Duration = Duration::from_millis(500);

/// How long such a quiet is waited for beyond the grace.
const PATIENCE: Duration = Duration::from_secs(2);

/// What came of counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counted {
    /// So many tasks are in no tracker.
    Tasks(usize),
    /// Tasks never stopped coming and going.
    Unsure,
}

/// How many tasks the current runtime has.
pub(crate) fn alive() -> usize {
    Handle::current().metrics().num_alive_tasks()
}

/// Waits inside of a runtime until every task it has is in a tracker, for what `settled` has left of the grace.
pub(crate) async fn settle(grace: Duration, settled: Settled, watchdog: &Watchdog) -> Counted {
    let grace = grace.min(LONGEST).saturating_sub(settled.took);
    let begun = Instant::now();
    let wall = std::time::Instant::now();
    let mut look = Look::new();
    let mut alarm = pin!(Alarm::after(grace + SLACK + PATIENCE));
    let (mut rounds, mut pause) = (0, FIRST_SLEEP);
    loop {
        let seen = look.again();
        if seen == Some(0) {
            return Counted::Tasks(0);
        }
        if rounds < EAGER_ROUNDS {
            rounds += 1;
            tokio::task::yield_now().await;
            watchdog.beat();
            continue;
        }
        let over = begun.elapsed() >= grace || wall.elapsed() >= grace + SLACK;
        match seen {
            Some(tasks) if over && look.is_certain() => return Counted::Tasks(tasks),
            _ if wall.elapsed() >= grace + SLACK + PATIENCE => return Counted::Unsure,
            _ => {}
        }
        // Under a paused clock a sleep may have no end, while a closure runs on a blocking thread.
        unless(alarm.as_mut(), sleep(pause)).await;
        // A paused clock runs ahead of the walls', and nobody waits for it: an hour of it is over in a few sleeps.
        let runs_ahead = begun.elapsed() > 2 * wall.elapsed() + LONGEST_SLEEP;
        pause = (pause * 2).min(if runs_ahead { grace / 16 } else { LONGEST_SLEEP });
        watchdog.beat();
    }
}

async fn unless(mut alarm: Pin<&mut impl Future<Output = ()>>, wait: impl Future<Output = ()>) {
    let mut wait = pin!(wait);
    poll_fn(|cx| match alarm.as_mut().poll(cx) {
        Poll::Ready(()) => Poll::Ready(()),
        Poll::Pending => wait.as_mut().poll(cx),
    })
    .await;
}

/// One look after another at one runtime.
struct Look {
    runtime: Handle,
    tracked: Vec<u64>,
    /// So many tasks in tokio's list are known.
    listed: usize,
    changed: std::time::Instant,
    zeros: u32,
}

impl Look {
    fn new() -> Self {
        Self {
            runtime: Handle::current(),
            tracked: Vec::new(),
            listed: 0,
            changed: std::time::Instant::now(),
            zeros: 0,
        }
    }

    /// How many tasks are in no tracker right now. `None` when tasks come or go at this moment.
    fn again(&mut self) -> Option<usize> {
        let alive = self.runtime.metrics().num_alive_tasks();
        if alive == 0 {
            return Some(0);
        }
        let before = self.known();
        let alive = self.runtime.metrics().num_alive_tasks();
        let after = self.known();
        if before != after || before != (std::mem::take(&mut self.tracked), self.listed) {
            (self.tracked, self.listed) = after;
            self.changed = std::time::Instant::now();
            self.zeros = 0;
            return None;
        }
        (self.tracked, self.listed) = after;
        let untracked = alive.saturating_sub(self.listed);
        // A tracked task is in the registry before it is in tokio's list: it may have hidden another one.
        self.zeros = if untracked == 0 { self.zeros + 1 } else { 0 };
        (untracked > 0 || self.zeros > 1).then_some(untracked)
    }

    /// The tasks of the registry that may be in tokio's list, and how many others there are ours or theirs.
    fn known(&self) -> (Vec<u64>, usize) {
        let runtime = self.runtime.id();
        let here = |task: &Task| task.home().is_none_or(|home| home.runtime == runtime);
        let tracked = registry::live(|task| matches!(task.kind, TaskKind::Async | TaskKind::Future) && here(task));
        let (futures, mut tasks): (Vec<_>, Vec<_>) =
            tracked.into_iter().partition(|task| task.kind == TaskKind::Future);
        tasks.retain(|task| task.home().is_some());
        let others = questions_open(runtime) + hosts(&futures, &tasks);
        let ids = futures.iter().chain(&tasks).map(|task| task.id());
        (ids.collect(), others + tasks.len())
    }

    fn is_certain(&self) -> bool {
        self.runtime.runtime_flavor() == RuntimeFlavor::CurrentThread || self.changed.elapsed() >= QUIET
    }
}

/// How many tasks tokio may have for these futures alone, which are tracked without a task of their own. Where that cannot
/// be known, it is one for each: it is rather told of too few tasks than of one that is tracked.
fn hosts(futures: &[Arc<Task>], tasks: &[Arc<Task>]) -> usize {
    if futures.is_empty() {
        return 0;
    }
    let tracked: HashSet<usize> = tasks.iter().filter_map(|task| task.probe.polled_by()).collect();
    let (mut hosts, mut unknown) = (HashSet::new(), 0);
    for future in futures {
        match future.probe.polled_by() {
            Some(host) if tracked.contains(&host) => {}
            Some(host) => {
                hosts.insert(host);
            }
            None => unknown += 1,
        }
    }
    hosts.len() + unknown
}
