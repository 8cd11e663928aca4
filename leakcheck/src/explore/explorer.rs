//! Runs a scenario again and again, one step further each time.

use std::collections::HashMap;
use std::env;
use std::future::Future;
use std::process::Termination;
use std::sync::Arc;
use std::time::Duration;

use super::call::Shutdown;
use super::found::{Exploration, Failure};
use super::run::{self, Order, Run};
use super::stuck::Stuck;
use crate::check::{GRACE, Terms, publish};
use crate::ignore::{Ignore, Rules};
use crate::plain::test_of_this_thread;
use crate::report::{Body, Report};

/// The environment variable that holds the number of the one step to run.
pub(super) const STEP: &str = "LEAKCHECK_STEP";

/// How long a scenario may wait for nothing but time, by its clock.
const PATIENCE: Duration = Duration::from_secs(3_600);

/// After so many steps a scenario counts as one that never ends.
const LIMIT: u64 = 10_000;

/// How long one poll may take, by the wall clock.
const STUCK: Duration = Duration::from_secs(30);

/// Shuts a scenario down after each of its steps, and fails the test when one of these shutdowns goes wrong.
///
/// It is [`Explore`] with the defaults and the name of the test: see there for what a step is, and what going wrong.
///
/// ```
/// # #[cfg(feature = "track")]
/// use std::time::Duration;
///
/// use leakcheck::TaskTracker;
/// use tokio::sync::mpsc;
///
/// # #[cfg(feature = "track")]
/// leakcheck::explore(|shutdown| async move {
///     let tasks = TaskTracker::named("server");
///     let (orders, mut incoming) = mpsc::channel(1);
///     let stop = shutdown.child_token();
///     tasks.spawn_named("manage", async move {
///         while let Some(Some(order)) = stop.run_until_cancelled(incoming.recv()).await {
///             drop::<u32>(order);
///         }
///     });
///     for order in 0..3 {
///         let _ = orders.send(order).await;
///     }
///     tasks.shutdown(&shutdown, Duration::from_secs(5)).await.unwrap();
/// });
/// ```
///
/// # Panics
///
/// With the text of the [`Exploration`], when a step fails, or when the scenario has more than 10,000 steps. When called
/// inside of a runtime.
#[track_caller]
pub fn explore<F>(scenario: impl FnMut(Shutdown) -> F)
where
    F: Future,
    F::Output: Termination,
{
    Explore::default().conclude(scenario);
}

/// Shuts a scenario down after each of its steps.
///
/// The scenario is run again and again, each time on a current-thread runtime of its own with a paused clock. The first run is shut
/// down after its first step, the second one after its second step, and so on, until the scenario comes to its end before
/// the step does. A step is the end of one poll of a task that was spawned through a [`TaskTracker`](crate::TaskTracker),
/// or of the scenario's body. The shutdown is the cancellation of the token that the scenario is given, at the end of that
/// very poll.
///
/// ```
/// use leakcheck::{Explore, TaskTracker};
/// use tokio::sync::Notify;
///
/// let explored = Explore::new("a_planted_bug").run(|shutdown| async move {
///     let tasks = TaskTracker::named("server");
///     let stop = shutdown.child_token();
///     tasks.spawn_named("manage", async move {
///         stop.run_until_cancelled(tokio::task::yield_now()).await;
///         if stop.is_cancelled() {
///             // Here the shutdown was forgotten.
///             Notify::new().notified().await;
///         }
///     });
///     tasks.close();
///     shutdown.interrupt(tasks.wait()).await;
/// });
/// # #[cfg(feature = "track")]
/// assert!(!explored.is_clean());
/// ```
///
/// # What a run must do
///
/// - It ends: its body returns once the shutdown has been called. What it waits for may take time, as the clock passes by
///   itself, but only [so much](Self::ends_within) of it.
/// - It leaves nothing: the verdict is that of a [`Check`](crate::Check). When the body has returned, the token is cancelled
///   in any case, so that tasks which wait for the shutdown alone end then.
/// - Nothing panics, neither the body nor a tracked task.
///
/// The body may return an error where a shutdown made it; in the run that nothing cuts short it may not.
///
/// A scenario that does not end without a shutdown, as a server does not, is shut down a last time once nothing but time has
/// passed for the length of the patience.
///
/// # What repeats, and what does not
///
/// Every run sees the same clock, a single thread, and the same order of tasks. So the run of a step can be
/// [repeated](Self::only) by its number, which the report gives. It is not the same where the scenario has chance in it: a
/// `select!` without `biased` (on stable its order cannot be seeded; with `--cfg tokio_unstable` it is, the same for each
/// run), the order of a `HashMap`, other threads, blocking closures, sockets. The failure of a step that did not show when
/// the step was taken a second time says so.
///
/// The steps of tasks that no tracker saw are not counted, nor are blocking closures; both run all the same.
#[must_use = "an exploration does nothing until it is run"]
#[derive(Clone, Debug)]
pub struct Explore {
    name: Arc<str>,
    terms: Terms,
    only: Option<u64>,
    limit: Option<u64>,
    patience: Duration,
    ends_within: Option<Duration>,
    stuck: Duration,
}

impl Default for Explore {
    /// An exploration that is named after the test which runs on this thread.
    fn default() -> Self {
        Self::new(test_of_this_thread())
    }
}

impl Explore {
    /// An exploration of that name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self {
            name: name.into(),
            terms: Terms {
                grace: GRACE,
                ..Terms::default()
            },
            only: None,
            limit: None,
            patience: PATIENCE,
            ends_within: None,
            stuck: STUCK,
        }
    }

    /// Runs the scenario once, to be shut down after that step. Steps are counted from 1. The number after the last one is
    /// the run without a step to be shut down after. The environment variable `LEAKCHECK_STEP` does the same to every
    /// exploration of the process, and comes first.
    pub fn only(mut self, step: u64) -> Self {
        self.only = Some(step.max(1));
        self
    }

    /// Stops after so many steps. Without a limit the scenario fails that has not ended after 10,000.
    pub fn limit(mut self, steps: u64) -> Self {
        self.limit = Some(steps.max(1));
        self
    }

    /// How long the scenario may go on without the shutdown, by its paused clock; one hour unless it is set. It is shut down
    /// then, and no further step is tried. It takes no time by the wall clock.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(crate::check::LONGEST);
        self
    }

    /// How long the scenario has to end after the shutdown, by its paused clock, before it counts as hung. As long as the
    /// [patience](Self::patience) unless it is set: a task that ends by its own timeout, however long, does end.
    pub fn ends_within(mut self, limit: Duration) -> Self {
        self.ends_within = Some(limit.min(crate::check::LONGEST));
        self
    }

    /// How long a single poll may take by the wall clock; thirty seconds unless it is set. The clock of a thread that does not
    /// return from a poll cannot pass, so that the process is ended then, after a report.
    pub fn stuck_after(mut self, limit: Duration) -> Self {
        self.stuck = limit;
        self
    }

    /// How long tasks have to end after the body, by the paused clock; one second unless it is set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// Allows the tasks that a rule matches to stay, or that one of [several](Rules) does.
    pub fn ignore(mut self, rules: impl Into<Rules>) -> Self {
        self.terms.rules.extend(rules.into());
        self
    }

    /// Allows the tasks that any of these rules matches to stay.
    pub fn ignoring(mut self, rules: impl IntoIterator<Item = Ignore>) -> Self {
        self.terms.rules.extend(rules);
        self
    }

    /// Runs the scenario, and says what came of it. Nothing is printed but by panics, and nothing is written for
    /// `cargo leak-audit`.
    ///
    /// Without the feature `track` the scenario runs once, without a shutdown before its end.
    ///
    /// # Panics
    ///
    /// When called inside of a runtime, and when the operating system has no runtime to give. A panic of the scenario is
    /// caught. When `LEAKCHECK_STEP` is set to something that is not a number.
    pub fn run<F>(self, scenario: impl FnMut(Shutdown) -> F) -> Exploration
    where
        F: Future,
        F::Output: Termination,
    {
        let only = of_environment().or(self.only);
        self.run_only(only, scenario)
    }

    /// Runs the scenario, and fails the test when a step fails. Appends one line to the records for `cargo leak-audit`.
    ///
    /// # Panics
    ///
    /// With the text of the [`Exploration`], when it is not [clean](Exploration::is_clean); and as [`run`](Self::run) does.
    #[track_caller]
    pub fn conclude<F>(self, scenario: impl FnMut(Shutdown) -> F)
    where
        F: Future,
        F::Output: Termination,
    {
        let explored = self.run(scenario);
        // As of a test: leaks are not the body's failure.
        let body = match explored.is_clean() || explored.is_leaks_only() {
            true => Body::Passed,
            false => Body::Panicked,
        };
        let written = publish(&explored.report, body);
        match written {
            Err(unwritten) => panic!("{explored}\n{unwritten}"),
            Ok(()) if !explored.is_clean() => panic!("{explored}"),
            Ok(()) => eprint!("{explored}"),
        }
    }

    fn run_only<F>(self, only: Option<u64>, mut scenario: impl FnMut(Shutdown) -> F) -> Exploration
    where
        F: Future,
        F::Output: Termination,
    {
        let stuck = Stuck::after(self.stuck, &self.name, &self.terms);
        let mut found = Found::new(&self.name);
        if !cfg!(feature = "track") {
            let run = self.once(u64::MAX, false, &mut scenario, &stuck);
            found.keep(&run, u64::MAX);
            return found.exploration(0, None, false);
        }
        let first = only.unwrap_or(1);
        let last = only.unwrap_or(self.limit.unwrap_or(LIMIT));
        let mut end = None;
        let mut steps = 0;
        for step in first..=last {
            let run = self.once(step, false, &mut scenario, &stuck);
            if found.keep(&run, step) {
                let again = self.once(step, true, &mut scenario, &stuck);
                found.confirm(&again, step);
            }
            if !run.reached {
                end = Some(run.ended_by_itself);
                break;
            }
            steps += 1;
        }
        found.exploration(
            steps,
            end.filter(|_| only.is_none()),
            only.is_some() || self.limit.is_some(),
        )
    }

    fn once<F>(&self, step: u64, traced: bool, scenario: &mut impl FnMut(Shutdown) -> F, stuck: &Stuck) -> Run
    where
        F: Future,
        F::Output: Termination,
    {
        let order = Order {
            name: &self.name,
            step,
            traced,
            terms: &self.terms,
            patience: self.patience,
            ends_within: self.ends_within.unwrap_or(self.patience),
        };
        run::run(&order, scenario, stuck)
    }
}

/// The step that the environment asks for.
fn of_environment() -> Option<u64> {
    let text = env::var(STEP).ok().filter(|text| !text.is_empty())?;
    match text.parse() {
        Ok(step) if step > 0 => Some(step),
        _ => panic!("{STEP} is `{text}`, and not the number of a step"),
    }
}

/// What the runs so far have found.
struct Found {
    failures: Vec<Failure>,
    /// Which failure a kind is.
    kinds: HashMap<String, usize>,
    report: Report,
}

impl Found {
    fn new(name: &str) -> Self {
        Self {
            failures: Vec::new(),
            kinds: HashMap::new(),
            report: Report::new(name),
        }
    }

    /// Adds a run. Returns whether it fails in a way that no run before it did.
    fn keep(&mut self, run: &Run, step: u64) -> bool {
        self.report.absorb(&run.report);
        let Some(failure) = run.failure(step) else {
            return false;
        };
        match self.kinds.get(&failure.kind()) {
            Some(known) => {
                self.failures[*known].steps.push(step);
                false
            }
            None => {
                self.report.leaks.extend(failure.report.leaks.iter().cloned());
                self.kinds.insert(failure.kind(), self.failures.len());
                self.failures.push(failure);
                true
            }
        }
    }

    /// The latest failure's step was taken again.
    fn confirm(&mut self, run: &Run, step: u64) {
        let Some((failure, again)) = self.failures.last_mut().zip(run.failure(step)) else {
            return;
        };
        failure.again = failure.kind() == again.kind();
        if failure.again {
            failure.polled = again.polled;
        }
    }

    fn exploration(self, steps: u64, end: Option<bool>, limited: bool) -> Exploration {
        Exploration {
            name: self.report.test.clone(),
            steps,
            complete: end.is_some(),
            ended_by_itself: end.unwrap_or(false),
            failures: self.failures,
            report: self.report,
            limited,
        }
    }
}
