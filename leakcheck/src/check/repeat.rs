//! A test that is run many times.

use std::future::Future;
use std::panic::Location;
use std::process::{ExitCode, Termination};

use super::run::Run;
use super::{Check, Outcome, Panic, conclude};
use crate::report::{Body, FailedRun, Repetition, Report};
use crate::seed::{RUN, Seed, from_environment};

/// A check of many runs of a test, each with a runtime and tasks of its own. Made by [`Check::repeat`].
#[must_use = "a check does nothing until it is run"]
#[derive(Debug)]
pub struct Repeat {
    check: Check,
    runs: u32,
    fail_fast: bool,
}

/// What came of a repeated test.
#[derive(Debug)]
#[non_exhaustive]
pub struct Repeated<T> {
    /// How often it was run and which runs failed: the counts of all runs added up, the leaks of the first run that left
    /// any. [`Report::repeated`] says which runs failed.
    pub report: Report,
    /// The first run that failed.
    pub first: Option<Outcome<T>>,
}

impl Check {
    /// Runs the test that many times, each time with a new body on a new runtime, whether one fails or not, and says which
    /// runs failed.
    ///
    /// Only a run that does not end within its [`timeout`](Self::timeout) is the last: each further one might take as long.
    ///
    /// # What a seed fixes
    ///
    /// Each run has a seed of its own, made of the test's and of its number. [`seed`](crate::seed()) hands it to the test,
    /// for randomness of the test's own. From it are drawn the runtime's `event_interval` (1 to 122) and
    /// `global_queue_interval` (1 to 62), which decide when tasks that wait for I/O and for timers, and tasks that come
    /// from other threads, have their turn; what [`configure`](Self::configure) said of these two does not count.
    /// `LEAKCHECK_SEED=… LEAKCHECK_RUN=42` makes the 42nd run alone, with the same draws.
    ///
    /// What no seed fixes: which branch a `select!` without `biased` looks at first (only with `--cfg tokio_unstable` is
    /// that drawn from the run's seed, too), how threads of the operating system take turns, and when bytes arrive. A
    /// test on a current-thread runtime with a paused clock and without I/O, blocking threads and unbiased `select!`s
    /// comes again exactly.
    ///
    /// ```
    /// use leakcheck::Check;
    ///
    /// let repeated = Check::new("a_test").seed(42).repeat(100).run(|| async {
    ///     assert!(leakcheck::seed() % 16 != 0, "one in sixteen");
    /// });
    /// let repetition = repeated.report.repeated.unwrap();
    /// assert_eq!((repetition.runs, repetition.seed), (100, 42));
    /// assert!(!repetition.failed.is_empty());
    /// ```
    ///
    /// # Panics
    ///
    /// When `runs` is zero.
    pub fn repeat(self, runs: u32) -> Repeat {
        assert!(runs > 0, "a test is run at least once");
        Repeat {
            check: self,
            runs,
            fail_fast: false,
        }
    }
}

impl Repeat {
    /// Stops after the first run that fails. Without it all runs are made.
    pub fn fail_fast(mut self, fast: bool) -> Self {
        self.fail_fast = fast;
        self
    }

    /// Runs the test, and says what came of it. A run fails when its body panics, or when the report is not clean.
    ///
    /// # Panics
    ///
    /// As [`Check::run`], and when `LEAKCHECK_SEED` or `LEAKCHECK_RUN` are set and are no numbers.
    #[track_caller]
    pub fn run<F: Future>(self, mut body: impl FnMut() -> F) -> Repeated<F::Output> {
        let at = Location::caller();
        let how = |outcome: &Outcome<F::Output>| match outcome.body {
            Ok(_) => Body::Passed,
            Err(_) => panicked(outcome),
        };
        self.all(how, |check, run| check.run_once(check.limit(false, at), run, body()))
    }

    /// Runs a test that brings its own runtime, or none, and says what came of it.
    ///
    /// # Panics
    ///
    /// When `LEAKCHECK_SEED` or `LEAKCHECK_RUN` are set and are no numbers.
    #[track_caller]
    pub fn run_sync<T>(self, mut body: impl FnMut() -> T) -> Repeated<T> {
        let at = Location::caller();
        let how = |outcome: &Outcome<T>| match outcome.body {
            Ok(_) => Body::Passed,
            Err(_) => panicked(outcome),
        };
        self.all(how, |check, run| {
            check.run_once_sync(check.limit(false, at), run, &mut body)
        })
    }

    /// Runs the test, and makes it fail when a run does.
    ///
    /// # Panics
    ///
    /// With a list of the runs that failed, and the first one's report, if any did. A test that
    /// [`should_panic`](Check::should_panic) panics as its last run did if all have panicked and left nothing behind, and
    /// else returns.
    #[track_caller]
    pub fn conclude<F: Future>(self, mut body: impl FnMut() -> F) -> ExitCode
    where
        F::Output: Termination,
    {
        if let Some(code) = self.check.elsewhere() {
            return code;
        }
        let at = Location::caller();
        self.finish(|check, run| check.run_once(check.limit(true, at), run, body()).terminated())
    }

    /// Runs a test that brings its own runtime, or none, and makes it fail when a run does.
    ///
    /// # Panics
    ///
    /// As [`conclude`](Self::conclude).
    #[track_caller]
    pub fn conclude_sync<T: Termination>(self, mut body: impl FnMut() -> T) -> ExitCode {
        if let Some(code) = self.check.elsewhere() {
            return code;
        }
        let at = Location::caller();
        self.finish(|check, run| check.run_once_sync(check.limit(true, at), run, &mut body).terminated())
    }

    #[track_caller]
    fn finish(self, one: impl FnMut(&mut Check, Run) -> Outcome<ExitCode>) -> ExitCode {
        let should_panic = self.check.should_panic;
        let mut last_panic = None;
        let mut one = one;
        let repeated = self.all(conclude::how, |check, run| {
            let mut outcome = one(check, run);
            // The payload is for the test harness, which looks at one only.
            if should_panic && outcome.report.is_clean() && outcome.body.is_err() {
                let said = outcome.body.as_ref().err().and_then(Panic::message).map(str::to_owned);
                let stand_in = Err(Panic(
                    said.map_or_else(|| Box::new(()) as _, |said| Box::new(said) as _),
                ));
                last_panic = std::mem::replace(&mut outcome.body, stand_in).err();
            }
            outcome
        });
        let Repeated { report, first } = repeated;
        conclude::repeated(
            &report,
            first,
            should_panic.then_some(last_panic).flatten(),
            should_panic,
        )
    }

    fn all<T>(
        mut self,
        how: impl Fn(&Outcome<T>) -> Body,
        mut one: impl FnMut(&mut Check, Run) -> Outcome<T>,
    ) -> Repeated<T> {
        let seed = Seed::new(self.check.seed);
        let numbers = match from_environment::<u32>(RUN) {
            Some(only) => only..=only,
            None => 1..=self.runs,
        };
        let mut repetition = Repetition {
            runs: 0,
            wanted: numbers.clone().count() as u32,
            failed: Vec::new(),
            seed: seed.0,
        };
        let mut whole: Option<Report> = None;
        let mut first = None;
        for number in numbers {
            let outcome = one(&mut self.check, Run::repeated(number, seed));
            repetition.runs += 1;
            let ended = how(&outcome);
            let clean = outcome.report.is_clean();
            let as_it_should =
                matches!(ended, Body::Passed | Body::Panicked) && self.check.is_as_expected(&outcome.body);
            match &mut whole {
                Some(whole) => whole.add(outcome.report.clone()),
                None => whole = Some(outcome.report.clone()),
            }
            if clean && as_it_should {
                continue;
            }
            let hung = outcome.report.hung.is_some();
            repetition.failed.push(FailedRun {
                number,
                how: match ended {
                    _ if hung => "hung",
                    Body::Panicked if !self.check.should_panic => "panicked",
                    Body::Error => "returned an error",
                    _ if !clean => "leaked",
                    Body::Panicked => "panicked with another text",
                    _ => "did not panic",
                },
            });
            first.get_or_insert(outcome);
            if hung || self.fail_fast {
                break;
            }
        }
        let mut report = whole.unwrap_or_else(|| Report::new(&self.check.name));
        report.repeated = Some(repetition);
        Repeated { report, first }
    }
}

fn panicked<T>(outcome: &Outcome<T>) -> Body {
    match outcome.report.hung {
        Some(_) => Body::Hung,
        None => Body::Panicked,
    }
}
