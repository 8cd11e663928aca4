//! One check's finding.

use std::sync::Arc;
use std::time::Duration;

use super::{Frame, Hung, Leak, Place, Repetition, Resource, Stopping};
use crate::info::{Parent, TaskKind, path};
use crate::policy::Untracked;

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
    /// The tasks that no tracker saw. `None` when there are none, when the check was told to [allow](Untracked::Allow)
    /// them, and when nothing can be said for certain.
    pub untracked: Option<UntrackedTasks>,
    /// The tracked tasks that panicked while nobody awaited them, in the order in which they did.
    pub panics: Vec<TaskPanic>,
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

/// Tasks that no tracker saw and that were there when the check ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntrackedTasks {
    /// How many.
    pub count: usize,
    /// How that is known.
    pub known: Known,
    /// Those of them whose spawn is known, the most frequent first. Those that were spawned alike are one entry.
    pub spawned: Vec<UntrackedSpawn>,
    /// What the check was told to make of them.
    pub policy: Untracked,
}

/// How it is known that there are tasks which no tracker saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Known {
    /// tokio counts the tasks of a runtime.
    Counted,
    /// `leakcheck::install!` saw them being spawned.
    Named,
    /// tokio told of each spawn and each end: it was built with `--cfg tokio_unstable`.
    Exact,
}

impl Known {
    /// The word that the JSON lines use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counted => "counted",
            Self::Named => "named",
            Self::Exact => "exact",
        }
    }
}

/// Tasks that no tracker saw and that the same calls spawned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UntrackedSpawn {
    /// How they run.
    pub kind: TaskKind,
    /// How many there are.
    pub count: usize,
    /// The user's functions from the one that spawned them outwards. Empty when there is no debug information. Where tokio
    /// itself told of the spawn, there is one, without a name.
    pub frames: Vec<Frame>,
}

/// A tracked task that panicked while nobody awaited it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TaskPanic {
    /// The task's number.
    pub task: u64,
    /// The path of its group; empty when it has none.
    pub group: Arc<str>,
    /// Its name.
    pub name: String,
    /// How it ran.
    pub kind: TaskKind,
    /// The call that spawned it.
    pub spawned_at: Place,
    /// The tracked task that spawned it.
    pub parent: Option<Parent>,
    /// What `panic!` was given, when it was a text.
    pub message: Option<String>,
    /// Whether its `JoinHandle` had been dropped, so that nobody can ever see the panic. Otherwise it may have been awaited
    /// later.
    pub detached: bool,
    /// Whether it fails the test.
    pub denied: bool,
}

impl TaskPanic {
    /// `group › name`
    #[must_use]
    pub fn path(&self) -> String {
        path(&self.group, &self.name)
    }
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
    /// How long those took to end that ended after the token of their tracker, or of one above it, was cancelled. `None`
    /// when none did.
    pub stopping: Option<Stopping>,
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

impl SiteSummary {
    /// Adds what became of the tasks of the same place in another check.
    fn absorb(&mut self, other: &Self) {
        self.seen += other.seen;
        self.returned += other.returned;
        self.cancelled += other.cancelled;
        self.aborted += other.aborted;
        self.panicked += other.panicked;
        self.dropped += other.dropped;
        self.leaked += other.leaked;
        match (&mut self.stopping, &other.stopping) {
            (Some(known), Some(more)) => known.absorb(more),
            (none @ None, Some(more)) => *none = Some(more.clone()),
            (_, None) => {}
        }
    }
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
            untracked: None,
            panics: Vec::new(),
            hung: None,
            resources: Vec::new(),
            unchecked: Vec::new(),
            repeated: None,
            seed: None,
        }
    }

    /// Adds what another check of the same name did: its counts, and what it warns of where nothing was to be warned of
    /// before; not the tasks that it left behind.
    pub(crate) fn absorb(&mut self, other: &Self) {
        self.rounds = self.rounds.saturating_add(other.rounds);
        self.settled = self.settled.saturating_add(other.settled);
        for site in &other.sites {
            let key = |site: &SiteSummary| (site.group.clone(), site.name.clone(), site.spawned_at.clone());
            match self.sites.binary_search_by_key(&key(site), key) {
                Ok(known) => self.sites[known].absorb(site),
                Err(at) => self.sites.insert(at, site.clone()),
            }
        }
        if self.untracked.is_none() {
            self.untracked.clone_from(&other.untracked);
        }
        if self.panics.is_empty() {
            self.panics.clone_from(&other.panics);
        }
        for what in &other.unchecked {
            if !self.unchecked.contains(what) {
                self.unchecked.push(what);
            }
        }
        for rule in &other.ignored {
            let known = self
                .ignored
                .iter_mut()
                .find(|known| known.rule == rule.rule && known.reason == rule.reason);
            match known {
                Some(known) => known.matched += rule.matched,
                None => self.ignored.push(rule.clone()),
            }
        }
    }

    /// Counts something that a rule allowed to stay. One that need not match anything is not told of before it does.
    #[cfg(feature = "track")]
    pub(crate) fn count_ignored(&mut self, rule: &crate::Ignore) {
        let (described, reason) = (rule.describe(), rule.reason());
        let known = |known: &&mut Ignored| known.rule == described && known.reason == reason;
        match self.ignored.iter_mut().find(known) {
            Some(known) => known.matched += 1,
            None => self.ignored.push(Ignored {
                rule: described,
                reason: reason.to_owned(),
                matched: 1,
            }),
        }
    }

    /// Whether nothing fails the test: it has ended, left nothing behind, also no task that no tracker saw where that is
    /// [denied](Untracked::Deny), and no panic went unseen.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.hung.is_none() && !self.has_leaked() && self.panics.iter().all(|panic| !panic.denied)
    }

    /// Whether something was left behind that must not be.
    pub(crate) fn has_leaked(&self) -> bool {
        let denied = |untracked: &UntrackedTasks| untracked.policy == Untracked::Deny;
        !self.leaks.is_empty() || !self.resources.is_empty() || self.untracked.as_ref().is_some_and(denied)
    }

    /// Whether the report says nothing that a person should see: nothing was left behind, also no task that no tracker saw,
    /// no panic, no rule that matched nothing, and nothing that could not be checked.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let nothing = self.is_clean() && self.untracked.is_none() && self.panics.is_empty();
        nothing && self.unchecked.is_empty() && self.ignored.iter().all(|rule| rule.matched > 0)
    }
}
