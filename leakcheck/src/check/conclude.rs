//! From an outcome to the test harness: the body's failure first, a finding second.

use std::panic::{Location, resume_unwind};
use std::process::{ExitCode, Termination};
use std::sync::Arc;

use super::{Panic, alone};
use crate::report::{Body, Report, Style, append};

/// As of a panic.
pub(crate) const PANIC_CODE: u8 = 101;

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
    /// What the body returned, as the test harness sees it.
    pub(super) fn terminated(self) -> Outcome<ExitCode> {
        Outcome {
            body: self.body.map(Termination::report),
            report: self.report,
        }
    }

    /// Passes the outcome on to the test harness: the body's failure first, a leak second, so that neither hides the
    /// other. Appends the report's line for `cargo leak-audit`.
    #[track_caller]
    pub(super) fn conclude(self, should_panic: bool) -> ExitCode {
        let Self { body, report } = self;
        let (ended, how) = match body.map(Termination::report) {
            Err(_) if report.hung.is_some() => (Ok(ExitCode::SUCCESS), Body::Hung),
            Ok(ExitCode::SUCCESS) => (Ok(ExitCode::SUCCESS), Body::Passed),
            Ok(code) => (Ok(code), Body::Error),
            Err(panic) => (Err(panic), Body::Panicked),
        };
        let written = publish(&report, how);
        alone::ended(&report.test, ended.as_ref().err());
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

/// How a body ended.
pub(super) fn how(outcome: &Outcome<ExitCode>) -> Body {
    match &outcome.body {
        Ok(ExitCode::SUCCESS) => Body::Passed,
        Ok(_) => Body::Error,
        Err(_) if outcome.report.hung.is_some() => Body::Hung,
        Err(_) => Body::Panicked,
    }
}

/// Passes the outcome of a repeated test on to the test harness, and appends its line. `panic` is the last one of a test
/// that should panic.
#[track_caller]
pub(super) fn repeated(
    report: &Report,
    first: Option<Outcome<ExitCode>>,
    panic: Option<Panic>,
    should_panic: bool,
) -> ExitCode {
    let Some(repetition) = &report.repeated else {
        unreachable!("it was repeated")
    };
    // A leak in a later run than the first that failed does not make the body's failure one of the leak.
    let body = match &first {
        None if should_panic => Body::Panicked,
        None => Body::Passed,
        Some(_) if report.hung.is_some() => Body::Hung,
        Some(_) if should_panic && repetition.failed.iter().any(|run| run.how == "did not panic") => Body::Passed,
        Some(_) if repetition.failed.iter().any(|run| run.how == "panicked") => Body::Panicked,
        Some(_) if repetition.failed.iter().any(|run| run.how == "returned an error") => Body::Error,
        Some(_) if should_panic => Body::Panicked,
        Some(_) => Body::Passed,
    };
    let written = publish(report, body);
    alone::ended(&report.test, panic.as_ref());
    let Some(first) = first else {
        return match panic {
            // As its harness wants to see it.
            Some(panic) if written.is_ok() => panic.resume(),
            None if written.is_ok() => {
                pass_or_panic(report, written);
                ExitCode::SUCCESS
            }
            _ => {
                tell(report, written);
                ExitCode::FAILURE
            }
        };
    };
    let number = repetition.failed.first().map_or(0, |run| run.number);
    let mut text = format!("{repetition}\n");
    if !first.report.is_clean() {
        text.push_str(&format!("run {number}: {}\n", first.report));
    } else if let Err(panic) = &first.body {
        text.push_str(&format!(
            "run {number} panicked: {}\n",
            panic.message().unwrap_or("not with a text")
        ));
    }
    // The first that left something behind, where that is another run.
    if first.report.is_clean() && !report.is_clean() {
        text.push_str(&format!("{report}\n"));
    }
    if let Err(unwritten) = written {
        text.push_str(&format!("{unwritten}\n"));
    }
    if should_panic {
        eprintln!("{text}a test that should panic fails by returning: a panic of leakcheck would make it pass");
        return ExitCode::FAILURE;
    }
    panic!("{text}")
}

/// Fails the test when the report has a leak, or could not be written where it was to be. A rule that matches nothing is
/// only told of.
#[track_caller]
pub(crate) fn pass_or_panic(report: &Report, written: Result<(), Unwritten>) {
    match written {
        Err(unwritten) if report.is_clean() => panic!("{unwritten}"),
        Err(unwritten) => fail(report, &format!("\n{unwritten}")),
        Ok(()) if !report.is_clean() => fail(report, &seed_line(report)),
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
    eprint!("{}", seed_line(report));
}

/// How to run a test again that drew its randomness from a seed.
fn seed_line(report: &Report) -> String {
    let line = |seed| format!("\nleakcheck: LEAKCHECK_SEED={seed} runs this test with the same seed\n");
    report.seed.map(line).unwrap_or_default()
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
