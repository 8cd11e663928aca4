//! What a check makes of that which is no tracked task left behind.

/// What a check makes of tasks that no tracker saw and that are there when it ends.
///
/// ```
/// use leakcheck::{Check, Untracked};
///
/// let outcome = Check::new("a_test").untracked(Untracked::Deny).run(async {
///     tokio::spawn(std::future::pending::<()>());
/// });
/// # #[cfg(feature = "track")]
/// assert!(!outcome.report.is_clean());
/// ```
///
/// # What is seen
///
/// Where the check makes the runtime, as `#[leakcheck]` on an `async fn` does, tokio tells how many tasks that has. What
/// of them is not in a tracker is counted, once the tracked ones have settled and the others have had the rest of the
/// grace to end. Tasks that have completed do not count, whoever holds their handles. Not counted by tokio are the tasks
/// of a `LocalSet`, closures on blocking threads, and tasks of other runtimes.
///
/// With `leakcheck::install!`, each is named by the calls that spawned it, and what tokio does not count is found
/// too where it was spawned by the check's own thread or by a tracked task. Without a runtime of the check's own, as under
/// [`guard`](crate::guard) or behind `#[tokio::test]`, this is all that can be known.
///
/// Where nothing is certain, nothing is said: for one, if a multi-thread runtime's tracked tasks never stop coming and
/// going.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Untracked {
    /// They fail the test.
    Deny,
    /// The report tells of them, and the test passes.
    #[default]
    Warn,
    /// Nobody looks for them. Nor are they given time to end.
    Allow,
}

impl Untracked {
    /// Whether anybody looks.
    #[cfg(feature = "track")]
    pub(crate) fn is_looked_for(self) -> bool {
        self != Self::Allow
    }
}

/// What a check makes of tracked tasks that panicked.
///
/// A panic that somebody awaits is seen there, and is none of the check's business. So is one of a future that is only
/// [tracked](crate::TaskTracker::track_future): it goes to whoever polls it.
///
/// ```
/// use leakcheck::{Check, TaskTracker};
///
/// let outcome = Check::new("a_test").run(async {
///     TaskTracker::named("server").spawn_named("accept", async { panic!("no such port") });
///     tokio::task::yield_now().await;
/// });
/// # #[cfg(feature = "track")]
/// assert_eq!(outcome.report.panics[0].message.as_deref(), Some("no such port"));
/// ```
///
/// # What is known
///
/// Of a task it is known whether its `JoinHandle` had been dropped when it panicked: then nobody can ever see the panic.
/// Where the handle was kept but was not being awaited, it may be awaited later, or be dropped: nobody can tell which.
/// The same holds for every closure on a blocking thread, and, with the feature `metrics`, for every task.
///
/// A panic in the destructor of a future that was aborted is not seen, nor is one that comes after the report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Panics {
    /// A panic fails the test unless somebody was awaiting the task when it panicked.
    Deny,
    /// A panic that nobody can have seen fails the test. Of others that nobody was awaiting the report tells.
    #[default]
    Detached,
    /// Panics are not reported.
    Allow,
}
