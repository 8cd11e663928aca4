//! What `#[leakcheck]` expands to: run a test, check what it left behind, and fail it, or hand the verdict out as data.

use std::any::Any;
use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::process::{ExitCode, Termination};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use crate::Begun;
use crate::ignore::Ignore;
use crate::policy::{Panics, Untracked};
use crate::report::{Body, Report, Style, append};

/// How long a test's tasks have to end, unless it says otherwise.
pub(crate) const GRACE: Duration = Duration::from_secs(1);

/// A grace beyond this is as good as one without end, and clocks cannot count that far.
#[cfg(any(feature = "track", feature = "test-util"))]
pub(crate) const LONGEST: Duration = Duration::from_secs(30 * 365 * 86_400);

/// As of a panic.
#[cfg(feature = "track")]
pub(crate) const STALLED_CODE: i32 = 101;

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
    name: Cow<'static, str>,
    runtime: Option<Builder>,
    terms: Terms,
    should_panic: bool,
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
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            grace: GRACE,
            rules: Vec::new(),
            untracked: Untracked::default(),
            panics: Panics::default(),
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
        change(self.runtime.get_or_insert_with(Builder::new_current_thread));
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

    /// Allows the tasks that a rule matches to stay.
    pub fn ignore(mut self, rule: Ignore) -> Self {
        self.terms.rules.push(rule);
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

    /// Runs a test and says what came of it. Nothing is printed, and nothing is written for `cargo leak-audit`: what a
    /// leak means is up to the caller. Only a task that blocks the test's own thread is more than it can hand out: it
    /// prints the report, and ends the process.
    ///
    /// # Panics
    ///
    /// When called inside of a runtime, and when the operating system has no runtime to give. A panic of `body` is
    /// caught.
    pub fn run<F: Future>(self, body: F) -> Outcome<F::Output> {
        self.run_and(false, body)
    }

    /// Runs a test. A check that is `to_publish` writes its line also where it has to end the process.
    fn run_and<F: Future>(mut self, to_publish: bool, body: F) -> Outcome<F::Output> {
        let mut begun = Begun::new(&self.name);
        let runtime = self.build();
        begun.made(runtime.handle().id());
        let (body, report) = runtime.block_on(async {
            let body = Caught::new(body).await;
            // Whether it returned an error is known once the check is over: a line that cannot wait does without.
            let how = if body.is_ok() { Body::Passed } else { Body::Panicked };
            let wanted = to_publish.then_some(how);
            (body, begun.verify(&self.terms, wanted).await)
        });
        self.shut_down(runtime, &report);
        Outcome { body, report }
    }

    /// Runs a test that brings its own runtime, or none, and says what came of it.
    ///
    /// # Panics
    ///
    /// Never by itself; a panic of `body` is caught.
    pub fn run_sync<T>(self, body: impl FnOnce() -> T) -> Outcome<T> {
        let begun = Begun::new(&self.name);
        let body = catch_unwind(AssertUnwindSafe(body)).map_err(Panic);
        let report = begun.verify_here(&self.terms);
        Outcome { body, report }
    }

    /// Runs a test and makes it fail when it leaves a task behind.
    ///
    /// # Panics
    ///
    /// With the panic of `body`, or else with the report when there is a leak; and as [`run`](Self::run) does. Not when
    /// there is a leak and the test [`should_panic`](Self::should_panic).
    #[track_caller]
    pub fn conclude<F: Future>(self, body: F) -> ExitCode
    where
        F::Output: Termination,
    {
        let should_panic = self.should_panic;
        self.run_and(true, body).conclude(should_panic)
    }

    /// Runs a test that brings its own runtime, or none, and makes it fail when it leaves a task behind.
    ///
    /// # Panics
    ///
    /// With the panic of `body`, or else with the report when there is a leak. Not when there is a leak and the test
    /// [`should_panic`](Self::should_panic).
    #[track_caller]
    pub fn conclude_sync<T: Termination>(self, body: impl FnOnce() -> T) -> ExitCode {
        let should_panic = self.should_panic;
        self.run_sync(body).conclude(should_panic)
    }

    #[expect(clippy::expect_used, reason = "a test without a runtime can only fail")]
    fn build(&mut self) -> Runtime {
        let builder = self.runtime.get_or_insert_with(Builder::new_current_thread);
        // With `--cfg loom` tokio has no I/O, and panics when it is asked for some.
        let builder = if cfg!(loom) {
            builder.enable_time()
        } else {
            builder.enable_all()
        };
        builder.build().expect("the test's runtime could not be built")
    }

    /// Ends what is left. Threads that do not return are left to themselves: the report has told of those it knows.
    fn shut_down(&self, runtime: Runtime, report: &Report) {
        if report.is_clean() {
            runtime.shutdown_timeout(self.terms.grace);
        } else {
            runtime.shutdown_background();
        }
    }
}

/// What came of a checked test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome<T> {
    /// What its body returned, or its panic.
    pub body: Result<T, Panic>,
    /// What it left behind.
    pub report: Report,
}

impl<T: Termination> Outcome<T> {
    /// Passes the outcome on to the test harness: the body's failure first, a leak second, so that neither hides the
    /// other. Appends the report's line for `cargo leak-audit`.
    #[track_caller]
    fn conclude(self, should_panic: bool) -> ExitCode {
        let Self { body, report } = self;
        let (ended, how) = match body.map(Termination::report) {
            Ok(ExitCode::SUCCESS) => (Ok(ExitCode::SUCCESS), Body::Passed),
            Ok(code) => (Ok(code), Body::Error),
            Err(panic) => (Err(panic), Body::Panicked),
        };
        let written = publish(&report, how);
        if should_panic && (!report.is_clean() || written.is_err()) {
            tell(&report, written);
            eprintln!("a test that should panic fails by returning: a panic of leakcheck would make it pass");
            return ended.unwrap_or(ExitCode::FAILURE);
        }
        match ended {
            Ok(ExitCode::SUCCESS) => {
                pass_or_panic(&report, written);
                ExitCode::SUCCESS
            }
            ended => {
                tell(&report, written);
                ended.unwrap_or_else(|panic| panic.resume())
            }
        }
    }
}

/// Fails the test when the report has a leak, or could not be written where it was to be. A rule that matches nothing is
/// only told of.
#[track_caller]
pub(crate) fn pass_or_panic(report: &Report, written: Result<(), Unwritten>) {
    match written {
        Err(unwritten) if report.is_clean() => panic!("{unwritten}"),
        Err(unwritten) => fail(report, &format!("\n{unwritten}")),
        Ok(()) if !report.is_clean() => fail(report, ""),
        Ok(()) => {}
    }
    if report.tracked && !report.is_silent() {
        eprintln!("{}", report.render(&Style::of_a_test()));
    }
}

/// Panics with the report. What is caught is always the plain text, so that a test may expect it; where a terminal shows
/// the message, it is laid out for that.
#[track_caller]
fn fail(report: &Report, besides: &str) -> ! {
    let style = Style::of_a_test();
    if style == Style::plain() {
        panic!("{report}{besides}");
    }
    let thread = std::thread::current();
    eprintln!(
        "\nthread '{}' panicked at {}:\n{}{besides}",
        thread.name().unwrap_or("<unnamed>"),
        Location::caller(),
        report.render(&style),
    );
    resume_unwind(Box::new(format!("{report}{besides}")))
}

/// Prints what a test shows that fails by something else.
pub(crate) fn tell(report: &Report, written: Result<(), Unwritten>) {
    if !report.is_silent() {
        eprintln!("{}", report.render(&Style::of_a_test()));
    }
    if let Err(unwritten) = written {
        eprintln!("{unwritten}");
    }
}

/// Why a report is missing among those that were asked for. A test without one would count for one that was never run.
#[derive(Debug, thiserror::Error)]
#[error("leakcheck: the report of {test} could not be written: {source}")]
pub(crate) struct Unwritten {
    test: Arc<str>,
    source: std::io::Error,
}

/// Writes the report's line, also where nothing was looked at: it says so.
pub(crate) fn publish(report: &Report, body: Body) -> Result<(), Unwritten> {
    append(report, body).map_err(|source| Unwritten {
        test: report.test.clone(),
        source,
    })
}

/// The panic of a test's body.
pub struct Panic(Box<dyn Any + Send>);

impl Panic {
    /// What `panic!` was given, when it was a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        text_of(&*self.0)
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// Always, without printing anything: it has been printed.
    pub fn resume(self) -> ! {
        resume_unwind(self.0)
    }
}

/// What `panic!` was given, when it was a text.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied())
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic")
            .field(&self.message().unwrap_or("not a text"))
            .finish()
    }
}

/// A future whose panic is its output. It is dropped before that is handed out, as its tasks may wait for that.
pub(crate) struct Caught<F>(Option<Pin<Box<F>>>);

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    #[expect(clippy::expect_used, reason = "polled again after its end, as any future may panic")]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("polled after its end");
        let polled = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(Panic(panic)),
        };
        let future = self.0.take();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(Panic);
        Poll::Ready(polled.and_then(|value| dropped.map(|()| value)))
    }
}
