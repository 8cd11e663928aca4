//! Checks for tests without the attribute.

use crate::check::{Terms, pass_or_panic, publish, tell};
use crate::ignore::Ignore;
use crate::report::{Body, Report, binary};
use crate::{Begun, verify_thread};

/// Finds the tasks that this thread has left behind: those that it spawned, and theirs. Inside of a check, finds those
/// of the check.
///
/// It waits up to a second, by the wall clock, for tasks that other threads drive. A task of a current-thread runtime
/// that nobody drives meanwhile cannot end nor answer, and is reported so: drop the runtime first, or use
/// [`Check`](crate::Check). Returns at once when there is no task.
#[must_use]
pub fn find() -> Report {
    find_ignoring([])
}

/// [`find`], but tasks that a rule matches may stay.
#[must_use]
pub fn find_ignoring(rules: impl IntoIterator<Item = Ignore>) -> Report {
    verify_thread(&Terms {
        rules: rules.into_iter().collect(),
        ..Terms::default()
    })
}

/// Fails the test when this thread has left a task behind. See [`find`] for what it sees.
///
/// ```
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// let tasks = leakcheck::TaskTracker::named("jobs");
/// tasks.spawn_on(async { /* work */ }, runtime.handle());
/// leakcheck::verify_none();
/// ```
///
/// Without the feature `track` it says on stderr that it checked nothing.
///
/// # Panics
///
/// With the report, when there is a leak.
#[track_caller]
pub fn verify_none() {
    verify_none_ignoring([]);
}

/// [`verify_none`], but tasks that a rule matches may stay.
///
/// # Panics
///
/// With the report, when there is a leak.
#[track_caller]
pub fn verify_none_ignoring(rules: impl IntoIterator<Item = Ignore>) {
    let report = find_ignoring(rules);
    if !report.tracked {
        eprint!("{report}");
    }
    let written = publish(&report, Body::Passed);
    pass_or_panic(&report, written);
}

/// The test that runs on this thread, as `crate::module::name`: the test harness names the thread after it, and cargo
/// the binary after its crate.
pub(crate) fn test_of_this_thread() -> String {
    let thread = std::thread::current();
    format!("{}::{}", binary().replace('-', "_"), thread.name().unwrap_or("?"))
}

/// Begins a check of what this thread spawns from now on, and ends it when the guard is dropped.
///
/// ```
/// let _guard = leakcheck::guard();
/// let runtime = tokio::runtime::Runtime::new().unwrap();
/// let tasks = leakcheck::TaskTracker::named("jobs");
/// let job = tasks.spawn_on(async { /* work */ }, runtime.handle());
/// runtime.block_on(job).unwrap();
/// ```
///
/// Locals are dropped in reverse order, so that a runtime made after the guard is gone when it checks: a task that went
/// down with it, although nobody had told it to stop, is a leak.
#[must_use = "the check ends when the guard is dropped"]
pub fn guard() -> Guard {
    Guard {
        begun: Begun::new(&test_of_this_thread()),
        terms: Terms::default(),
    }
}

/// A check that ends when this is dropped. Made by [`guard`].
///
/// Dropped during a panic, it prints its report instead of panicking itself.
#[derive(Debug)]
pub struct Guard {
    begun: Begun,
    terms: Terms,
}

impl Guard {
    /// Allows the tasks that a rule matches to stay.
    #[must_use = "the check ends when the guard is dropped"]
    pub fn ignoring(mut self, rules: impl IntoIterator<Item = Ignore>) -> Self {
        self.terms.rules.extend(rules);
        self
    }
}

impl Drop for Guard {
    #[track_caller]
    fn drop(&mut self) {
        let report = self.begun.verify_here(&self.terms);
        if std::thread::panicking() {
            let written = publish(&report, Body::Panicked);
            tell(&report, written);
        } else {
            let written = publish(&report, Body::Passed);
            pass_or_panic(&report, written);
        }
    }
}
