//! `leakcheck::main!`: a test binary that is checked as a whole.

use std::future::Future;
use std::process::{ExitCode, Termination};
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::ignore::Rules;
use crate::report::binary;
use crate::{Begun, Check, guard_process};

/// Makes the `main` of a test target with `harness = false`: it runs the tests, and then checks the whole process. When a
/// tracked task of any test or thread is left by then, it prints the report and exits with a failure, whether the tests
/// passed or not.
///
/// ```toml
/// [[test]]
/// name = "server"
/// harness = false
/// ```
///
/// ```
/// # mod tests {
/// use leakcheck::ignore;
///
/// fn the_configuration_is_read() {}
///
/// async fn a_request_is_answered() -> Result<(), std::io::Error> {
///     Ok(())
/// }
///
/// mod closing {
///     pub async fn ends_every_connection() {}
/// }
///
/// leakcheck::main! {
///     ignore: [ignore::name("flush", "lives as long as the process")],
///     grace: std::time::Duration::from_secs(2),
///     tests: [
///         the_configuration_is_read,
///         async a_request_is_answered,
///         async closing::ends_every_connection,
///     ],
/// }
/// # }
/// # fn main() {}
/// ```
///
/// Test functions are plain ones, without `#[test]`, which is for the built-in harness; what they return is what a test may
/// return. An `async fn` is run by a [`Check`](crate::Check) of its own, as by `#[leakcheck]`, with the same rules and
/// grace. What another function leaves behind is found at the end of the process alone, so that tests may share what they
/// need. Of its tasks those are found that live then: one that went down with a runtime is gone.
///
/// `ignore` and `grace` may be left out; the grace is one second then. The binary takes the arguments of the built-in harness
/// (filters, `--exact`, `--skip`, `--list`, `--test-threads`), and works under nextest, where each test has a process, and
/// each process is checked. Output is not captured.
///
/// It is there with the feature `main`, which brings libtest-mimic.
#[macro_export]
macro_rules! main {
    ($(ignore: [$($rule:expr),* $(,)?],)? $(grace: $grace:expr,)? tests: [$($tests:tt)*] $(,)?) => {
        fn main() -> ::std::process::ExitCode {
            let mut suite = $crate::__private::Suite::new();
            $($(suite.ignore($rule);)*)?
            $(suite.grace($grace);)?
            $crate::__main_tests!(suite; $($tests)*);
            suite.run()
        }
    };
}

/// Adds the tests of `main!`, one by one.
#[doc(hidden)]
#[macro_export]
macro_rules! __main_tests {
    ($suite:ident;) => {};
    ($suite:ident; async $test:path $(, $($rest:tt)*)?) => {
        $suite.add_async(::core::stringify!($test), || $test());
        $($crate::__main_tests!($suite; $($rest)*);)?
    };
    ($suite:ident; $test:path $(, $($rest:tt)*)?) => {
        $suite.add(::core::stringify!($test), || $test());
        $($crate::__main_tests!($suite; $($rest)*);)?
    };
}

/// The tests of one binary. Not part of the interface: what `main!` expands to.
#[derive(Default)]
pub struct Suite {
    rules: Rules,
    grace: Option<Duration>,
    tests: Vec<Trial>,
}

impl Suite {
    /// No test.
    pub fn new() -> Self {
        Self::default()
    }

    /// Allows the tasks that a rule matches to stay.
    pub fn ignore(&mut self, rules: impl Into<Rules>) {
        let known = std::mem::take(&mut self.rules);
        self.rules = known.into_iter().chain(rules.into()).collect();
    }

    /// How long tasks have to end.
    pub fn grace(&mut self, grace: Duration) {
        self.grace = Some(grace);
    }

    /// A test that nothing checks before the process ends.
    pub fn add<T: Termination>(&mut self, name: &'static str, test: impl FnOnce() -> T + Send + 'static) {
        let test = move || {
            // Its tasks are its own, whatever thread it runs on.
            let own = Begun::new(&path(name));
            passed(test().report())?;
            own.judge_panics().map_err(Failed::from)
        };
        self.tests.push(Trial::test(name, test));
    }

    /// A test with a check of its own.
    pub fn add_async<F>(&mut self, name: &'static str, test: impl FnOnce() -> F + Send + 'static)
    where
        F: Future,
        F::Output: Termination,
    {
        // A rule that no task of this test needs may be needed by another one.
        let rules = self.rules.clone().into_iter().map(|rule| rule.optional());
        let check = Check::new(path(name)).ignoring(rules);
        let check = self.grace.into_iter().fold(check, Check::grace);
        let test = move || passed(check.conclude(async { test().await }));
        self.tests.push(Trial::test(name, test));
    }

    /// Runs the tests that the arguments ask for, then checks the process.
    pub fn run(self) -> ExitCode {
        let arguments = Arguments::from_args();
        if arguments.list {
            return libtest_mimic::run(&arguments, self.tests).exit_code();
        }
        // A run of some of the tests need not need every rule.
        let guard = guard_process().ignoring(self.rules.into_iter().map(|rule| rule.optional()).collect::<Rules>());
        let guard = self.grace.into_iter().fold(guard, |guard, grace| guard.grace(grace));
        let conclusion = libtest_mimic::run(&arguments, self.tests);
        guard.finish_after(conclusion.exit_code())
    }
}

/// As the audit and the reports name it.
fn path(test: &str) -> String {
    format!("{}::{test}", binary().replace('-', "_"))
}

fn passed(code: ExitCode) -> Result<(), Failed> {
    match code {
        ExitCode::SUCCESS => Ok(()),
        _ => Err(Failed::from("the test returned an error")),
    }
}
