//! What else is to be done when a check is over.

use std::fmt;

use crate::{Check, Report};

type Hook = Box<dyn FnMut(&Report) + Send>;

/// Functions to call once a check has its verdict.
#[derive(Default)]
pub(crate) struct Hooks {
    always: Vec<Hook>,
    on_failure: Vec<Hook>,
}

impl Hooks {
    /// Calls them in the order in which they were given: those for a failure first.
    pub(crate) fn call(&mut self, report: &Report, panicked: bool) {
        if panicked || !report.is_clean() {
            self.on_failure.iter_mut().for_each(|hook| hook(report));
        }
        self.always.iter_mut().for_each(|hook| hook(report));
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks")
            .field("always", &self.always.len())
            .field("on_failure", &self.on_failure.len())
            .finish()
    }
}

impl Check {
    /// Calls a function when the check is over: after the verdict, before the test fails by it. It may be given several, which
    /// are called in that order, also when the body has panicked. The runtime is gone by then.
    ///
    /// ```
    /// # use leakcheck::Check;
    /// let directory = std::env::temp_dir().join("leakcheck-cleanup-example");
    /// # let there = directory.clone();
    /// std::fs::create_dir_all(&directory).unwrap();
    /// let check = Check::new("a_test").cleanup(move |_| std::fs::remove_dir_all(&directory).unwrap());
    /// check.run(async { /* … */ });
    /// # assert!(!there.exists());
    /// ```
    ///
    /// # Panics
    ///
    /// The check panics as the function does.
    pub fn cleanup(mut self, cleanup: impl FnMut(&Report) + Send + 'static) -> Self {
        self.hooks.always.push(Box::new(cleanup));
        self
    }

    /// Calls a function when the check is over and the test fails: with a leak, or as the body has panicked. An error that
    /// the body returned is not known by then. It comes before [`cleanup`](Self::cleanup).
    ///
    /// ```
    /// # use leakcheck::Check;
    /// let check = Check::new("a_test").on_failure(|report| eprintln!("{} leaks", report.leaks.len()));
    /// check.run(async { /* … */ });
    /// ```
    pub fn on_failure(mut self, failed: impl FnMut(&Report) + Send + 'static) -> Self {
        self.hooks.on_failure.push(Box::new(failed));
        self
    }
}
