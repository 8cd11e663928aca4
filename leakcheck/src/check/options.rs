//! What a check is told.

use std::borrow::Cow;
use std::time::Duration;

use tokio::runtime::Builder;

use super::{Panic, current_thread};
use crate::hooks::Hooks;
use crate::ignore::{Ignore, Rules};
use crate::policy::{Panics, Untracked};

/// How long a test's tasks have to end, unless it says otherwise.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A grace beyond this is as good as one without end, and clocks cannot count that far.
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// A check of one test: everything that `#[leakcheck]` does, as a function.
///
/// Use it where the verdict is wanted as data, for instance to test that a leak is found:
///
/// ```
/// use leakcheck::{Check, TaskTracker};
///
/// let outcome = Check::new("a_planted_leak").run(async {
///     TaskTracker::named("server").spawn_named("accept", std::future::pending::<()>());
/// });
/// # #[cfg(feature = "track")]
/// assert_eq!(outcome.report.leaks[0].path(), "server › accept");
/// ```
///
/// # How it judges
///
/// The test's tasks are those that its thread spawns, those that its runtime's tasks spawn, and theirs. When its body
/// is over, also by a panic, they may run on: for some rounds of the scheduler, then until they have ended or
/// [`grace`](Self::grace) is over. Those whose futures have not been dropped by then are asked where they wait, while
/// the runtime still runs, and reported. Then the runtime is shut down, without waiting for threads that do not return.
///
/// A task that was dropped with a runtime or a `LocalSet` of the test's own is reported as well, unless its tracker's
/// token had been cancelled: nothing had ended it.
#[must_use = "a check does nothing until it is run"]
#[derive(Debug)]
pub struct Check {
    pub(super) name: Cow<'static, str>,
    pub(super) runtime: Option<Builder>,
    pub(super) terms: Terms,
    pub(super) should_panic: bool,
    pub(super) expected: Option<Cow<'static, str>>,
    pub(super) seed: Option<u64>,
    pub(crate) hooks: Hooks,
}

/// What a check allows.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// How long tasks have to end.
    pub(crate) grace: Duration,
    /// What may stay.
    pub(crate) rules: Vec<Ignore>,
    pub(crate) untracked: Untracked,
    pub(crate) panics: Panics,
    /// How long the body may take, by the wall clock.
    pub(crate) timeout: Option<Duration>,
    /// Whether it looks at threads.
    pub(crate) threads: bool,
    /// Whether it looks at file descriptors.
    pub(crate) fds: bool,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            grace: GRACE,
            rules: Vec::new(),
            untracked: Untracked::default(),
            panics: Panics::default(),
            timeout: None,
            threads: false,
            fds: false,
        }
    }
}

impl Check {
    /// A check of the test of that name, on a current-thread runtime.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            runtime: None,
            terms: Terms::default(),
            should_panic: false,
            expected: None,
            seed: None,
            hooks: Hooks::default(),
        }
    }

    /// Runs the test on a runtime of this builder's. Its time and I/O drivers are enabled in any case.
    ///
    /// ```
    /// # use leakcheck::Check;
    /// let mut runtime = tokio::runtime::Builder::new_multi_thread();
    /// runtime.worker_threads(2);
    /// let outcome = Check::new("a_test").runtime(runtime).run(async { 7 });
    /// assert_eq!(outcome.body.unwrap(), 7);
    /// ```
    pub fn runtime(mut self, runtime: Builder) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// Changes the builder of the test's runtime.
    pub fn configure(mut self, change: impl FnOnce(&mut Builder)) -> Self {
        change(self.runtime.get_or_insert_with(current_thread));
        self
    }

    /// Starts the test with a paused clock. Only a current-thread runtime has one.
    ///
    /// It is there with leakcheck's feature `test-util`, a default one. Where that is off but tokio's own `test-util` is
    /// on, [`configure`](Self::configure) does the same.
    ///
    /// ```
    /// # use leakcheck::Check;
    /// use tokio::time::{Duration, Instant, sleep};
    ///
    /// let outcome = Check::new("a_test").start_paused(true).run(async {
    ///     let begun = Instant::now();
    ///     sleep(Duration::from_secs(3_600)).await;
    ///     begun.elapsed()
    /// });
    /// assert_eq!(outcome.body.unwrap().as_secs(), 3_600);
    /// ```
    #[cfg(feature = "test-util")]
    pub fn start_paused(self, paused: bool) -> Self {
        self.configure(|runtime| {
            runtime.start_paused(paused);
        })
    }

    /// How long the test's tasks have to end after its body, by tokio's clock, and by the wall clock those that another
    /// runtime drives; one second unless it is set. It only passes when a task is left.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// How long the test's body may take, by the wall clock, also where tokio's clock is paused. Without it a body that
    /// never ends never fails. A body that ends late, but before it could be asked where it waits, has ended.
    ///
    /// A body that takes longer fails the test with [`Report::hung`](crate::Report::hung): where it waits, and what every
    /// tracked task of the test waits for. Its leaks are not judged then, as all of it is left behind; what is left is
    /// dropped.
    ///
    /// A body that blocks its thread, as a loop, a lock or a `std::thread::sleep` does, cannot be ended: five seconds after
    /// the time is up the report is printed, and the process ends with the code 101. In a test that brings its own
    /// runtime, or none, nothing else is possible: the process ends at once.
    ///
    /// Without the feature `track` it means nothing.
    ///
    /// ```
    /// # #[cfg(feature = "track")] {
    /// use std::time::Duration;
    ///
    /// use leakcheck::Check;
    ///
    /// let outcome = Check::new("a_test").timeout(Duration::from_millis(50)).run(std::future::pending::<()>());
    /// assert_eq!(outcome.report.hung.unwrap().tasks[0].name, "test body");
    /// assert!(outcome.body.is_err());
    /// # }
    /// ```
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.terms.timeout = Some(timeout);
        self
    }

    /// Reports each thread of the operating system that the test has started, and that lives on after the test's runtime
    /// was shut down and another [`grace`](Self::grace) is over. On Linux only: elsewhere
    /// [`Report::unchecked`](crate::Report::unchecked) says that nobody looked.
    ///
    /// A tracked closure that stays on its thread is reported as the task that it is, and its thread is not. The kernel
    /// knows a thread's name by its first 15 bytes; one without a name has that of the thread that started it.
    /// [`ignore::thread`](crate::ignore::thread) allows one to stay.
    ///
    /// # A process of its own
    ///
    /// Nobody can tell which of a process's tests has started a thread or opened a file. So a test that looks at either is
    /// run in a process of its own by [`conclude`](Self::conclude), [`conclude_sync`](Self::conclude_sync) and the
    /// attribute: this executable again, with the check's name without its crate, and `--exact`. Its output and its outcome
    /// are passed on. Under nextest, which has a process for each test, it is run where it is. A harness of your own must
    /// understand `NAME --exact --nocapture --include-ignored --test-threads=1`, as libtest does, or the test fails.
    ///
    /// [`run`](Self::run) and [`run_sync`](Self::run_sync) look at the process that they are in, and at all of it: use them
    /// where nothing else runs.
    ///
    /// Without the feature `track` it means nothing.
    pub fn threads(mut self, threads: bool) -> Self {
        self.terms.threads = threads;
        self
    }

    /// Reports each file descriptor that the test has opened, and that is still open when its tasks have ended or had their
    /// [`grace`](Self::grace): files, pipes, sockets and the ports that they listen on. On Linux only: elsewhere
    /// [`Report::unchecked`](crate::Report::unchecked) says that nobody looked.
    ///
    /// What the check's own runtime opens does not count. What is closed as that is shut down was held by one of its
    /// tasks, and is reported so: if the task is tracked, it is in the report as well. What is in the place of a
    /// descriptor of before, and points to the same file, is taken for that one.
    /// [`ignore::fd`](crate::ignore::fd) allows one to stay.
    ///
    /// The test runs in a process of its own, as one does that looks at [`threads`](Self::threads).
    ///
    /// Without the feature `track` it means nothing.
    pub fn fds(mut self, fds: bool) -> Self {
        self.terms.fds = fds;
        self
    }

    /// The seed that [`seed`](crate::seed()) is made of, in place of `LEAKCHECK_SEED` or of one that is drawn.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
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

    /// What to make of tasks that no tracker saw; [`Untracked::Warn`] unless it is set.
    pub fn untracked(mut self, policy: Untracked) -> Self {
        self.terms.untracked = policy;
        self
    }

    /// What to make of tracked tasks that panicked; [`Panics::Detached`] unless it is set.
    pub fn panics(mut self, policy: Panics) -> Self {
        self.terms.panics = policy;
        self
    }

    /// Tells [`conclude`](Self::conclude) that the test harness takes a panic for success, as it does of a test with
    /// `#[should_panic]`. A leak is printed then, and the check returns: whatever the body did, the harness sees no panic,
    /// and fails the test. The attribute sets this by itself.
    pub fn should_panic(mut self, should: bool) -> Self {
        self.should_panic = should;
        self
    }

    /// The text that is to be in each panic of a [repeated](Self::repeat) test that [`should_panic`](Self::should_panic): the
    /// test harness sees only one of them. The attribute takes it from `#[should_panic(expected = "…")]`.
    pub fn panics_with(mut self, text: impl Into<Cow<'static, str>>) -> Self {
        self.expected = Some(text.into());
        self
    }

    /// Whether the test harness takes a body that ended so for a success.
    pub(super) fn is_as_expected<T>(&self, body: &Result<T, Panic>) -> bool {
        match (body, &self.expected) {
            (Ok(_), _) => !self.should_panic,
            (Err(_), None) => self.should_panic,
            (Err(panic), Some(text)) => self.should_panic && panic.message().is_some_and(|said| said.contains(&**text)),
        }
    }
}
