//! What an exploration found, as data.

use std::sync::Arc;
use std::time::Duration;

use crate::info::without_numbers;
#[cfg(feature = "track")]
use crate::probe::Places;
use crate::report::{Frame, Report, Wait};

/// What came of shutting a scenario down at every step. It prints as a text for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Exploration {
    /// The name that the exploration was given, or that of its test.
    pub name: Arc<str>,
    /// How many steps the scenario was shut down after, each in a run of its own.
    pub steps: u64,
    /// Whether the scenario was shut down after each of its steps. Not when it was stopped at a
    /// [limit](crate::Explore::limit), when [`only`](crate::Explore::only) one step was asked for, or when nothing was
    /// looked at, as the feature `track` is off.
    pub complete: bool,
    /// Whether the scenario ended without the shutdown, in the run that no step of it was left for. Otherwise it was still
    /// waiting once the [patience](crate::Explore::patience) was over, and was shut down then.
    pub ended_by_itself: bool,
    /// The kinds of failures, the one of the earliest step first. Steps that fail in the same way are one.
    pub failures: Vec<Failure>,
    /// What the runs left behind, as one report: the leaks of each kind of failure once, and what became of the tasks of all
    /// runs by where they were spawned.
    pub report: Report,
    pub(super) limited: bool,
}

impl Exploration {
    /// Whether every run went well, and every step was tried but for a limit that was asked for.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.failures.is_empty() && self.report.is_clean() && (self.complete || self.limited || !self.report.tracked)
    }

    /// Whether the only thing wrong is what was left behind.
    pub(super) fn is_leaks_only(&self) -> bool {
        !self.failures.is_empty() && self.failures.iter().all(Failure::is_leak_only)
    }

    /// The numbers of all steps that failed.
    #[must_use]
    pub fn failing(&self) -> Vec<u64> {
        let mut failing: Vec<u64> = self.failures.iter().flat_map(|f| &f.steps).copied().collect();
        failing.sort_unstable();
        failing
    }
}

/// One way to fail, and the steps after which the shutdown leads to it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Failure {
    /// The numbers of the steps. What else is said here is of the first of them.
    pub steps: Vec<u64>,
    /// What was polled in that step. `None` when the run was the one that no step was left for: the scenario had come to
    /// its end, or to its rest, before.
    pub polled: Option<Polled>,
    /// The panic of the scenario's body.
    pub panic: Option<String>,
    /// The tracked tasks that panicked, as `group › name`.
    pub panicked: Vec<String>,
    /// The scenario returned an error although nothing had cut it short.
    pub error: bool,
    /// The scenario did not end after the shutdown.
    pub hung: Option<HungRun>,
    /// What the run left behind; when it hung, what was there then.
    pub report: Report,
    /// Whether it failed in the same way when the step was taken a second time.
    pub again: bool,
}

/// Whose poll a step was.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Polled {
    /// `group › name` of the task, or `the body`.
    pub task: String,
    /// Where it waited once the poll was over. `None` when it was not asked.
    pub waits: Option<Waits>,
}

/// Where something waits.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Waits {
    /// The line that waits: the `select!` or `join!` when it waits for several things at once.
    pub at: Option<Frame>,
    /// What it waits for. Empty when it had ended.
    pub waiting: Vec<Wait>,
}

impl Waits {
    #[cfg(feature = "track")]
    pub(super) fn of(places: Places) -> Self {
        Self {
            at: places.at,
            waiting: places.waits,
        }
    }
}

/// A scenario that did not end after the shutdown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HungRun {
    /// How long it was given, by the paused clock. `None` when that stood still, as something was polled over and over.
    pub waited: Option<Duration>,
    /// Where the body waited.
    pub body: Waits,
}

impl Failure {
    /// Whether the only thing wrong is what was left behind.
    fn is_leak_only(&self) -> bool {
        self.panic.is_none() && self.panicked.is_empty() && !self.error && self.hung.is_none()
    }

    /// Says the same of two steps that fail in the same way, whatever the time and the numbers of the tasks.
    pub(super) fn kind(&self) -> String {
        let leaks: Vec<_> = self
            .report
            .leaks
            .iter()
            .map(|leak| {
                let waiting: Vec<_> = leak.waiting.iter().map(|w| (&w.leaf, w.line, &w.frames)).collect();
                (leak.path(), &leak.spawned_at, leak.state, &leak.waiting_at, waiting)
            })
            .collect();
        let Self {
            panicked, error, hung, ..
        } = self;
        // A message may tell of a task's number, or of how long something took.
        let panic = self.panic.as_deref().map(without_numbers);
        format!("{leaks:?} {panic:?} {panicked:?} {error} {hung:?}")
    }
}
