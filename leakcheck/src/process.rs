//! A check of a whole process, for a `main` of one's own.

use std::process::ExitCode;
use std::time::Duration;

use crate::Begun;
use crate::check::{PANIC_CODE, Terms, Unwritten, publish, tell};
use crate::ignore::Rules;
use crate::report::{Body, Report, binary};

/// Begins a check of the whole process: at its end no tracked task of any test or thread may be left.
///
/// It is for a `main` of one's own, as that of a test target with `harness = false`, of an example or of a program. Make it
/// before the runtime, and [finish](ProcessGuard::finish) it when the runtime is gone.
///
/// ```
/// use std::process::ExitCode;
///
/// fn main() -> ExitCode {
///     let guard = leakcheck::guard_process();
///     let runtime = tokio::runtime::Runtime::new().unwrap();
///     runtime.block_on(async { /* the program */ });
///     drop(runtime);
///     guard.finish()
/// }
/// ```
///
/// Every task that lives is seen, whoever spawned it. Of the tasks that went down with a runtime those are seen that belong
/// to the thread of the guard; a test with a check of its own answers for its own.
pub fn guard_process() -> ProcessGuard {
    ProcessGuard {
        begun: Begun::new(&format!("{}::main", binary().replace('-', "_"))),
        terms: Terms::default(),
        finished: false,
    }
}

/// A check of the whole process that ends when this is finished, or dropped. Made by [`guard_process`].
///
/// Dropped without [`finish`](Self::finish), it panics with its report when there is a leak; during a panic it prints it.
#[must_use = "the check ends when the guard is dropped"]
#[derive(Debug)]
pub struct ProcessGuard {
    begun: Begun,
    terms: Terms,
    finished: bool,
}

impl ProcessGuard {
    /// Allows the tasks that a rule matches to stay, or that one of several does.
    pub fn ignoring(mut self, rules: impl Into<Rules>) -> Self {
        self.terms.rules.extend(rules.into());
        self
    }

    /// How long tasks have to end, by the wall clock; one second unless it is set. It only passes when a task is left.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.terms.grace = grace;
        self
    }

    /// Ends the check. Prints the report to stderr when there is a leak, or a rule that matched nothing. The code is
    /// [`ExitCode::SUCCESS`], or 101, that of a panic, when there is a leak.
    ///
    /// Appends one line to the records for `cargo leak-audit`, as a check named `main` of this binary; when that cannot be
    /// written, the code is 101 too.
    pub fn finish(self) -> ExitCode {
        self.finish_after(ExitCode::SUCCESS)
    }

    /// Ends the check of a process that would otherwise exit with `code`. A leak is looked for in any case, and printed; a
    /// failure that was there before keeps its code.
    pub fn finish_after(mut self, code: ExitCode) -> ExitCode {
        let body = match code {
            ExitCode::SUCCESS => Body::Passed,
            _ => Body::Error,
        };
        let (report, written) = self.end(body);
        let failed = !report.is_clean() || written.is_err();
        tell(&report, written);
        match code {
            ExitCode::SUCCESS if failed => ExitCode::from(PANIC_CODE),
            code => code,
        }
    }

    fn end(&mut self, body: Body) -> (Report, Result<(), Unwritten>) {
        self.finished = true;
        let report = self.begun.verify_everything(&self.terms);
        let written = publish(&report, body);
        (report, written)
    }
}

impl Drop for ProcessGuard {
    fn drop(&mut self) {
        if self.finished {
            return;
        }
        if std::thread::panicking() {
            let (report, written) = self.end(Body::Panicked);
            tell(&report, written);
        } else {
            let (report, written) = self.end(Body::Passed);
            crate::check::pass_or_panic(&report, written);
        }
    }
}
