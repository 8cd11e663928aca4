//! From an outcome to the test harness: the body's failure first, a finding second.

use std::process::{ExitCode, Termination};
use std::sync::Arc;

use super::Panic;
use crate::report::{Body, Report, append};

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
    pub(super) fn conclude(self, should_panic: bool) -> ExitCode {
        let Self { body, report } = self;
        let (ended, how) = match body.map(Termination::report) {
            Err(_) if report.hung.is_some() => (Ok(ExitCode::SUCCESS), Body::Hung),
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
        Err(unwritten) => panic!("{report}\n{unwritten}"),
        Ok(()) if !report.is_clean() => panic!("{report}"),
        Ok(()) => {}
    }
    if report.tracked && !report.is_silent() {
        eprintln!("{report}");
    }
}

/// Prints what a test shows that fails by something else.
pub(crate) fn tell(report: &Report, written: Result<(), Unwritten>) {
    if !report.is_silent() {
        eprintln!("{report}");
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
