//! One check's finding.

use std::sync::Arc;
use std::time::Duration;

use super::{Hung, Leak, Place, Repetition, Resource};

/// What one check found. It prints as a text for people.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// The test that was checked, as `crate::module::name`, or the name that the check was given.
    pub test: Arc<str>,
    /// Whether tasks are tracked at all, that is, whether leakcheck was built with its feature `track`. When not, the
    /// report is empty because nothing was looked at.
    pub tracked: bool,
    /// How often the check let other tasks run before it judged.
    pub rounds: u32,
    /// How long it let them, by tokio's clock.
    pub settled: Duration,
    /// The tasks that live on although the test is over, in the order in which they were spawned.
    pub leaks: Vec<Leak>,
    /// Every place that spawned tasks during the test, sorted by group, name and line. Empty for a plain test without
    /// a guard: nobody counted there.
    pub sites: Vec<SiteSummary>,
    /// The rules that allowed tasks to stay, also those that matched none.
    pub ignored: Vec<Ignored>,
    /// What the test waited for, when its body did not end in time. Then nothing else was judged.
    pub hung: Option<Hung>,
    /// The threads that live on and the file descriptors that are still open, when the check was to look at them.
    pub resources: Vec<Resource>,
    /// What the check was to look at and cannot here: `threads`, `fds`.
    pub unchecked: Vec<&'static str>,
    /// How the runs went, when the test was repeated.
    pub repeated: Option<Repetition>,
    /// The test's seed, when the test has asked for one by [`seed`](crate::seed()).
    pub seed: Option<u64>,
}

/// What became of the tasks of one group and name that one line spawned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SiteSummary {
    /// The path of the group; empty when there is none.
    pub group: Arc<str>,
    /// The tasks' name.
    pub name: String,
    /// The call that spawned them.
    pub spawned_at: Place,
    /// How many were spawned.
    pub seen: u64,
    /// How many ran to their end before anybody had told them to stop.
    pub returned: u64,
    /// How many ran to their end after they had been told to stop.
    pub cancelled: u64,
    /// How many were aborted.
    pub aborted: u64,
    /// How many panicked.
    pub panicked: u64,
    /// How many were dropped with their runtime.
    pub dropped: u64,
    /// How many the report lists as leaks.
    pub leaked: u64,
}

/// A rule that allowed tasks to stay.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// What it matches, in words.
    pub rule: String,
    /// Why.
    pub reason: String,
    /// How many tasks stayed because of it. Zero says that the rule has outlived its reason.
    pub matched: u64,
}

impl Report {
    pub(crate) fn new(test: &str) -> Self {
        Self {
            test: test.into(),
            tracked: cfg!(feature = "track"),
            rounds: 0,
            settled: Duration::ZERO,
            leaks: Vec::new(),
            sites: Vec::new(),
            ignored: Vec::new(),
            hung: None,
            resources: Vec::new(),
            unchecked: Vec::new(),
            repeated: None,
            seed: None,
        }
    }

    /// Whether the test ended, and left nothing behind.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.leaks.is_empty() && self.hung.is_none() && self.resources.is_empty()
    }

    /// Whether the report says anything that a person should see: a leak, a rule that matched nothing, or that
    /// something could not be checked.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        self.is_clean() && self.unchecked.is_empty() && self.ignored.iter().all(|rule| rule.matched > 0)
    }
}
