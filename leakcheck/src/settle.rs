//! Waiting until the tasks of a scope are gone, no longer than they get.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::task::Poll;
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

use crate::check::LONGEST;
use crate::ignore::Ignore;
use crate::probe::block_on_until;
use crate::registry;
use crate::scope::Scope;
use crate::task::Task;
use crate::watchdog::Watchdog;

/// So many rounds of yielding in a row may change nothing before the wait for an event begins.
const QUIET_ROUNDS: u32 = 8;

/// How long this thread sleeps between two looks at what other runtimes drive, unless an end wakes it.
const BREATH: Duration = Duration::from_millis(1);

/// By how much the wall clock may exceed a grace that tokio's clock should have ended.
pub(crate) const SLACK: Duration = Duration::from_millis(500);

/// How it was waited.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Settled {
    pub(crate) rounds: u32,
    pub(crate) took: Duration,
}

/// Waits inside of the runtime that drives the tasks: first by letting them run, then for the end of each.
pub(crate) async fn settle(scope: &Scope, rules: &[Ignore], grace: Duration, watchdog: &Watchdog) -> Settled {
    let grace = grace.min(LONGEST);
    let _watch = scope.watch();
    let begun = Instant::now();
    let wall = std::time::Instant::now();
    let mut rounds = 0;
    let (mut left, mut quiet) = (pending(scope, rules), 0);
    while left > 0 && quiet < QUIET_ROUNDS {
        tokio::task::yield_now().await;
        watchdog.beat();
        rounds += 1;
        let now = pending(scope, rules);
        quiet = if now == left { quiet + 1 } else { 0 };
        left = now;
    }
    if left > 0 {
        let mut alarm = pin!(Alarm::after(grace + SLACK));
        loop {
            let mut changed = pin!(scope.changed.notified());
            changed.as_mut().enable();
            if pending(scope, rules) == 0 {
                break;
            }
            let mut changed = pin!(timeout_at(begun + grace, changed));
            let in_time = poll_fn(|cx| match alarm.as_mut().poll(cx) {
                Poll::Ready(()) => Poll::Ready(false),
                Poll::Pending => changed.as_mut().poll(cx).map(|ended| ended.is_ok()),
            });
            let in_time = in_time.await;
            watchdog.beat();
            if !in_time {
                break;
            }
            rounds += 1;
        }
    }
    // A clock that was paused is at its end in a moment, and means nothing to what other runtimes drive.
    while wall.elapsed() < grace && pending_elsewhere(scope, rules) {
        // Yielding, and not waiting: the paused clock would move on to the next timer.
        tokio::task::yield_now().await;
        watchdog.beat();
        let mut changed = pin!(scope.changed.notified());
        changed.as_mut().enable();
        if pending_elsewhere(scope, rules) {
            block_on_until((wall + grace).min(std::time::Instant::now() + BREATH), changed);
        }
    }
    Settled {
        rounds,
        took: begun.elapsed(),
    }
}

/// Waits on a thread that drives none of the tasks: for the end of each, by the wall clock.
pub(crate) fn settle_here(scope: &Scope, rules: &[Ignore], grace: Duration) -> Settled {
    let grace = grace.min(LONGEST);
    let _watch = scope.watch();
    let begun = std::time::Instant::now();
    let mut rounds = 0;
    loop {
        let mut changed = pin!(scope.changed.notified());
        changed.as_mut().enable();
        if pending(scope, rules) == 0 || block_on_until(begun + grace, changed).is_none() {
            break;
        }
        rounds += 1;
    }
    Settled {
        rounds,
        took: begun.elapsed(),
    }
}

/// Waits on a thread that drives none of them for the end of every task of the process, whatever check it belongs to.
pub(crate) fn settle_everywhere(rules: &[Ignore], grace: Duration) -> Settled {
    let begun = std::time::Instant::now();
    let deadline = begun + grace.min(LONGEST);
    let mut rounds = 0;
    while let Some(task) = registry::live(|task| is_waited_for(task, rules)).first() {
        let _watch = task.scope.watch();
        let mut changed = pin!(task.scope.changed.notified());
        changed.as_mut().enable();
        if !task.has_ended() && block_on_until(deadline, changed).is_none() {
            break;
        }
        rounds += 1;
    }
    Settled {
        rounds,
        took: begun.elapsed(),
    }
}

/// How many tasks it is waited for.
fn pending(scope: &Scope, rules: &[Ignore]) -> usize {
    if rules.is_empty() || scope.live() == 0 {
        return scope.live();
    }
    scope.tasks().iter().filter(|task| is_waited_for(task, rules)).count()
}

/// Whether it is waited for a task that the current runtime does not drive.
fn pending_elsewhere(scope: &Scope, rules: &[Ignore]) -> bool {
    let here = Handle::current().id();
    let elsewhere = |task: &Task| task.home().is_none_or(|home| home.runtime != here);
    scope.live() > 0
        && scope
            .tasks()
            .iter()
            .any(|task| elsewhere(task) && is_waited_for(task, rules))
}

/// For what a rule ignores for certain it is not.
fn is_waited_for(task: &Task, rules: &[Ignore]) -> bool {
    !task.may_stay(rules)
}

/// Rings once the wall clock says so. tokio's clock may stand still: it does while it is paused and a closure runs on a
/// blocking thread.
pub(crate) struct Alarm {
    rings: Arc<Notify>,
    /// Dropped, it sends the thread home.
    _off: Option<Sender<()>>,
}

impl Alarm {
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread ends with the alarm that holds its channel"
    )]
    pub(crate) async fn after(delay: Duration) {
        let (off, is_off) = mpsc::channel();
        let rings = Arc::new(Notify::new());
        let bell = rings.clone();
        let thread = thread::Builder::new()
            .name("leakcheck-alarm".to_owned())
            .spawn(move || {
                if is_off.recv_timeout(delay) == Err(RecvTimeoutError::Timeout) {
                    bell.notify_one();
                }
            });
        // Without a thread to be had, tokio's clock has to do.
        let alarm = Self {
            rings,
            _off: thread.is_ok().then_some(off),
        };
        alarm.rings.notified().await;
    }
}
