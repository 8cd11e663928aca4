//! Counts the steps of one run, and calls the shutdown after one of them.

#[cfg(feature = "track")]
use std::backtrace::Backtrace;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::found::{Polled, Waits};
#[cfg(feature = "track")]
use crate::probe;
use crate::sync::lock;
#[cfg(feature = "track")]
use crate::task::Task;

/// After so many polls somebody looks whether the clock has moved meanwhile.
const MANY: u64 = 100_000;

/// The steps of one run. A step is the end of one poll of a tracked task, or of the scenario's body.
#[derive(Debug)]
pub(crate) struct Steps {
    taken: AtomicU64,
    /// The step after which the shutdown is called.
    stop_after: u64,
    token: CancellationToken,
    /// The step at which `many` is notified.
    many_at: AtomicU64,
    pub(super) many: Notify,
    /// The shutdown was called by that step, and by nothing before it.
    reached: AtomicBool,
    /// The body has ended: what is polled from now on is no step.
    over: AtomicBool,
    /// Whether each poll notes where its task waits then.
    traced: bool,
    #[cfg(feature = "track")]
    traces: Mutex<Vec<Backtrace>>,
    polled: Mutex<Option<Polled>>,
    /// Grows with each step of each run.
    progress: Arc<AtomicU64>,
}

impl Steps {
    pub(super) fn new(
        stop_after: u64,
        token: &CancellationToken,
        traced: bool,
        progress: &Arc<AtomicU64>,
    ) -> Arc<Self> {
        Arc::new(Self {
            taken: AtomicU64::new(0),
            stop_after,
            token: token.clone(),
            many_at: AtomicU64::new(u64::MAX),
            many: Notify::new(),
            reached: AtomicBool::new(false),
            over: AtomicBool::new(false),
            traced,
            #[cfg(feature = "track")]
            traces: Mutex::default(),
            polled: Mutex::default(),
            progress: progress.clone(),
        })
    }

    fn taken(&self) -> u64 {
        self.taken.load(Ordering::Relaxed)
    }

    /// Whether the shutdown was called by the step. Not when the scenario had come to its end before, or had called its
    /// shutdown itself.
    pub(super) fn is_reached(&self) -> bool {
        self.reached.load(Ordering::Relaxed)
    }

    /// What was polled in the step after which the shutdown was called.
    pub(super) fn polled(&self) -> Option<Polled> {
        lock(&self.polled).clone()
    }

    /// No more steps are counted.
    pub(super) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    /// Notifies `many` once so many polls more have been made.
    pub(super) fn watch(&self) {
        self.many_at.store(self.taken() + MANY, Ordering::Relaxed);
    }

    /// One poll, which notes where it waits if that is wanted.
    pub(crate) fn traced<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        #[cfg(feature = "track")]
        if self.traced && self.is_counting() && !self.is_reached() {
            let (polled, traces) = probe::lend(cx.waker(), |waker| poll(&mut Context::from_waker(waker)));
            let outdated = std::mem::replace(&mut *lock(&self.traces), traces);
            drop(outdated);
            return polled;
        }
        poll(cx)
    }

    /// A poll of this task is over.
    #[cfg(feature = "track")]
    pub(crate) fn stepped(&self, task: &Task) {
        self.step(|| task.info().to_string());
    }

    /// A poll of the scenario's body is over.
    pub(super) fn stepped_body(&self) {
        self.step(|| "the body".to_owned());
    }

    fn step(&self, who: impl FnOnce() -> String) {
        if !self.is_counting() {
            return;
        }
        self.progress.fetch_add(1, Ordering::Relaxed);
        let taken = self.taken.fetch_add(1, Ordering::Relaxed) + 1;
        if taken == self.stop_after && !self.token.is_cancelled() {
            self.reached.store(true, Ordering::Relaxed);
            *lock(&self.polled) = Some(Polled {
                task: who(),
                waits: self.waits(),
            });
            self.token.cancel();
        }
        if taken == self.many_at.load(Ordering::Relaxed) {
            self.many.notify_one();
        }
    }

    fn is_counting(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }

    #[cfg(feature = "track")]
    fn waits(&self) -> Option<Waits> {
        let traces = std::mem::take(&mut *lock(&self.traces));
        self.traced.then(|| Waits::of(probe::read(&traces)))
    }

    #[cfg(not(feature = "track"))]
    fn waits(&self) -> Option<Waits> {
        self.traced.then(Waits::default)
    }
}
