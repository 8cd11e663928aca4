//! One run of a test, and its verdict.

use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::process::{ExitCode, Termination};
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::body::Caught;
use super::options::LONGEST;
use super::{Check, Outcome, Panic, alone};
use crate::policy::Panics;
use crate::report::{Body, Report};
use crate::seed::{Seed, Seeded, vary};
use crate::{Begun, Watch};

/// How long a body may take, and what is said of one that takes longer.
#[derive(Clone, Copy, Debug)]
#[cfg_attr(not(feature = "track"), expect(dead_code, reason = "nobody watches then"))]
pub(crate) struct Limit {
    pub(crate) timeout: Option<Duration>,
    pub(crate) panics: Panics,
    /// Whether the check writes its line also where it has to end the process.
    pub(crate) publishes: bool,
    /// The call that runs the body.
    pub(crate) at: &'static Location<'static>,
}

/// Which run of a test.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    number: u32,
    seed: Seed,
    /// Whether its runtime is varied.
    varies: bool,
}

impl Run {
    /// The only one.
    fn only(check: &Check) -> Self {
        Self {
            number: 1,
            seed: Seed::new(check.seed),
            varies: false,
        }
    }

    /// One of several.
    pub(super) fn repeated(number: u32, seed: Seed) -> Self {
        Self {
            number,
            seed,
            varies: true,
        }
    }

    fn seed(self) -> u64 {
        self.seed.of_run(self.number)
    }
}

impl Check {
    /// Runs a test and says what came of it. Nothing is printed, and nothing is written for `cargo leak-audit`: what a
    /// leak means is up to the caller. Only a task that blocks the test's own thread is more than it can hand out: it
    /// prints the report, and ends the process.
    ///
    /// # Panics
    ///
    /// When called inside of a runtime, and when the operating system has no runtime to give. A panic of `body` is
    /// caught.
    #[track_caller]
    pub fn run<F: Future>(mut self, body: F) -> Outcome<F::Output> {
        let (limit, run) = (self.limit(false, Location::caller()), Run::only(&self));
        self.run_once(limit, run, body)
    }

    pub(super) fn limit(&self, publishes: bool, at: &'static Location<'static>) -> Limit {
        Limit {
            timeout: self.terms.timeout,
            panics: self.terms.panics,
            publishes,
            at,
        }
    }

    pub(super) fn run_once<F: Future>(&mut self, limit: Limit, run: Run, body: F) -> Outcome<F::Output> {
        let mut watch = Watch::begin(&self.terms);
        let mut begun = Begun::new(&self.name);
        let mut seeded = Seeded::new(run.seed());
        if run.varies {
            vary(self.runtime.get_or_insert_with(current_thread), run.seed());
        }
        let runtime = self.build();
        begun.made(runtime.handle().id());
        seeded.made(runtime.handle().id());
        watch.made_runtime();
        let (body, mut report) = runtime.block_on(async {
            let body = match begun.limited(limit, Caught::new(body)).await {
                Ok(body) => body,
                Err(report) => return (Err(Panic::hung(&report)), *report),
            };
            // Whether it returned an error is known once the check is over: a line that cannot wait does without.
            let how = if body.is_ok() { Body::Passed } else { Body::Panicked };
            let wanted = limit.publishes.then_some(how);
            let report = begun.verify(&self.terms, wanted).await;
            watch.settle_fds(&self.terms).await;
            (body, report)
        });
        self.shut_down(runtime, &report);
        if report.hung.is_none() {
            watch.finish(&self.terms, &mut report);
        }
        report.seed = seeded.was_asked_for().then_some(run.seed.0);
        self.hooks.call(&report, body.is_err());
        Outcome { body, report }
    }

    /// Runs a test that brings its own runtime, or none, and says what came of it.
    ///
    /// # Panics
    ///
    /// Never by itself; a panic of `body` is caught.
    #[track_caller]
    pub fn run_sync<T>(mut self, body: impl FnOnce() -> T) -> Outcome<T> {
        let (limit, run) = (self.limit(false, Location::caller()), Run::only(&self));
        self.run_once_sync(limit, run, body)
    }

    pub(super) fn run_once_sync<T>(&mut self, limit: Limit, run: Run, body: impl FnOnce() -> T) -> Outcome<T> {
        let watch = Watch::begin(&self.terms);
        let begun = Begun::new(&self.name);
        let seeded = Seeded::new(run.seed());
        let body = begun.limited_here(limit, || catch_unwind(AssertUnwindSafe(body)).map_err(Panic));
        let mut report = begun.verify_here(&self.terms);
        watch.finish(&self.terms, &mut report);
        report.seed = seeded.was_asked_for().then_some(run.seed.0);
        self.hooks.call(&report, body.is_err());
        Outcome { body, report }
    }

    /// Runs a test and makes it fail when it leaves a task behind.
    ///
    /// # Panics
    ///
    /// With the panic of `body`, or else with the report when there is a leak; and as [`run`](Self::run) does. Not when
    /// there is a leak and the test [`should_panic`](Self::should_panic).
    #[track_caller]
    pub fn conclude<F: Future>(mut self, body: F) -> ExitCode
    where
        F::Output: Termination,
    {
        if let Some(code) = self.elsewhere() {
            return code;
        }
        let (limit, run) = (self.limit(true, Location::caller()), Run::only(&self));
        self.run_once(limit, run, body).conclude(self.should_panic)
    }

    /// Runs a test that brings its own runtime, or none, and makes it fail when it leaves a task behind.
    ///
    /// # Panics
    ///
    /// With the panic of `body`, or else with the report when there is a leak. Not when there is a leak and the test
    /// [`should_panic`](Self::should_panic).
    #[track_caller]
    pub fn conclude_sync<T: Termination>(mut self, body: impl FnOnce() -> T) -> ExitCode {
        if let Some(code) = self.elsewhere() {
            return code;
        }
        let (limit, run) = (self.limit(true, Location::caller()), Run::only(&self));
        self.run_once_sync(limit, run, body).conclude(self.should_panic)
    }

    /// What became of the test, if it had to run in a process of its own.
    #[track_caller]
    pub(super) fn elsewhere(&self) -> Option<ExitCode> {
        match alone::run(self) {
            Ok(elsewhere) => elsewhere.map(|elsewhere| elsewhere.conclude(self.should_panic)),
            Err(error) if self.should_panic => {
                eprintln!("{error}");
                Some(ExitCode::FAILURE)
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[expect(clippy::expect_used, reason = "a test without a runtime can only fail")]
    fn build(&mut self) -> Runtime {
        let builder = self.runtime.get_or_insert_with(current_thread);
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
        let looks = self.terms.threads || self.terms.fds;
        if report.is_clean() || looks && report.hung.is_none() {
            runtime.shutdown_timeout(self.terms.grace.min(LONGEST));
        } else {
            runtime.shutdown_background();
        }
    }
}

pub(super) fn current_thread() -> Builder {
    told_by(Builder::new_current_thread())
}

/// Has the tasks known of a runtime that is built by this, where tokio can tell. Not done to a builder of the user's, whose
/// hooks it would replace.
pub fn told_by(builder: Builder) -> Builder {
    #[cfg(all(tokio_unstable, not(loom), feature = "track"))]
    let builder = {
        let mut builder = builder;
        crate::untracked::told_by(&mut builder);
        builder
    };
    builder
}
