//! What was run, and sums.

use serde::{Deserialize, Serialize};

use super::finding::{Lifetime, Origin, Place};

/// A part of the tests: the `index`th of `count`, from one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Shard {
    /// From one.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// A program that was run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Program {
    /// Its file name, without cargo's hash.
    pub name: String,
    /// The package that it belongs to, where cargo said so.
    pub package: Option<String>,
    /// `lib`, `bin`, `test`, `example`, `doc` or `command`.
    pub target: String,
    /// Its tests, where they are known by name.
    pub tests: Vec<TestRun>,
    /// Why its tasks could not be observed. It is not clean then.
    pub unobserved: Option<String>,
    /// Why that is accepted, where a rule says so.
    pub accepted: Option<String>,
    /// How it ended, where it did not end well: `exit code 101`, `killed by signal 6`.
    pub ended: Option<String>,
}

impl Program {
    pub(crate) fn is_unjudged(&self) -> bool {
        self.unobserved.is_some() && self.accepted.is_none()
    }
}

/// A test that was run.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TestRun {
    /// Its path as libtest prints it.
    pub name: String,
    /// How it ended.
    pub outcome: Outcome,
    /// How many tasks were seen that it spawned.
    pub tasks: u64,
    /// How many of them outlived it.
    pub left: u64,
}

/// How a test ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It passed.
    #[default]
    Passed,
    /// It failed.
    Failed,
    /// It was not run.
    Ignored,
    /// Its process ended before it did.
    Aborted,
}

/// A line that spawned, with what became of its tasks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct SpawnSite {
    /// The program.
    pub program: String,
    /// The test, where one did it.
    pub test: Option<String>,
    /// Whose the code is.
    pub origin: Origin,
    /// The calls that led there, the innermost first.
    pub spawned: Vec<Place>,
    /// How many tasks.
    pub tasks: u64,
    /// How many of them outlived their test.
    pub left: u64,
    /// When the first was spawned and the last was gone.
    pub lived: Option<Lifetime>,
}

/// What the static audit suspects.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Suspect {
    /// The rule's name: `select-without-exit`.
    pub rule: String,
    /// Where, and in which function.
    pub at: Place,
    /// Why it is suspected.
    pub why: String,
    /// How to mend it.
    pub fix: String,
    /// The findings that confirm it, by their `id`.
    pub confirmed_by: Vec<String>,
    /// No test reached it, as far as the audit saw. `None` where no test was run.
    pub reached: Option<bool>,
    /// Why it is silenced, where a comment says so.
    pub silenced: Option<String>,
    /// What spawns the task or thread that it is about, where that is known.
    pub spawned_at: Option<Place>,
    /// It is worth a look, and no more: it never makes an audit fail.
    pub note: bool,
    /// Whether the compiler says that its task or thread is spawned where the names say so. `None` where nobody asked, or it is
    /// about no spawn.
    pub by_type: Option<ByType>,
}

/// What the compiler's own name resolution says of a call that seems to spawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ByType {
    /// It does.
    Confirmed,
    /// Nothing: it was not compiled, or is a call that clippy does not find by its path.
    NotResolved,
}

/// What the baseline said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Baseline {
    /// The file.
    pub path: String,
    /// Entries that matched nothing: they must go. Empty where not everything was run.
    pub gone: Vec<Entry>,
    /// How many entries matched.
    pub matched: usize,
    /// Entries that nothing matched, although not everything was run: nobody knows whether they are gone.
    pub unseen: Vec<Entry>,
}

/// A baseline's entry.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// The `id` of the findings that it accepts.
    pub id: String,
    /// What it is about, for people: where it is spawned.
    pub about: String,
    /// Why it is accepted.
    pub reason: String,
}

/// Sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Totals {
    /// Tests that were run.
    pub tests: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tasks that were seen, blocking ones among them.
    pub tasks: u64,
    /// Threads that were seen to be created by the tests' own code.
    pub threads: u64,
    /// Processes that used tokio and were observed.
    pub processes: u64,
    /// Wall time of the whole run, in milliseconds.
    pub took_ms: u64,
}
