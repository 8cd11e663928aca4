//! One finding.

use serde::{Deserialize, Serialize};

/// Tasks or threads that were left behind alike.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Finding {
    /// What it is known by in a baseline and across runs: 16 hexadecimal digits made of the calls that led to
    /// the spawn and the future that was spawned, without a line number.
    pub id: String,
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is expected, where an ignore rule or the baseline says so.
    pub accepted: Option<String>,
    /// What was left behind.
    pub kind: Kind,
    /// How it ended, in words: `it was waiting when its runtime was dropped`.
    pub how: String,
    /// How many.
    pub count: u64,
    /// Who saw it.
    pub seen: Seen,
    /// The program's file name, without cargo's hash.
    pub program: String,
    /// The test that spawned it, where a test did: its path as libtest prints it.
    pub test: Option<String>,
    /// Whose the code is that spawned it.
    pub origin: Origin,
    /// The calls that led to the spawn, the innermost first, without the runtime's and the standard library's.
    pub spawned: Vec<Place>,
    /// The future that was spawned, as it is written in the source, where debug info names it.
    pub future: Option<String>,
    /// Where it waited, where that is known.
    pub awaits: Option<Await>,
    /// Why it is not known where it waited.
    pub awaits_unknown: Option<String>,
    /// Why it never ended, where that is certain. The first is the one that matters most.
    pub why: Vec<String>,
    /// The finding that this one waits for, by its `id`: mend that one.
    pub root: Option<String>,
    /// What leakcheck knows of it, where the code uses leakcheck.
    pub tracked: Option<Tracked>,
    /// When some of them lived.
    pub lifetimes: Vec<Lifetime>,
}

/// A verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The workspace's own code spawned it, and it outlived its test.
    #[default]
    Leaked,
    /// A blocking task or a thread that never ended.
    Blocked,
    /// A dependency spawned it, and it outlived its test.
    ThirdParty,
    /// It was held by a leaked task, and whether it had ended cannot be told. Never counts.
    Unsure,
}

/// Who saw what was left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Seen {
    /// The preloaded library.
    #[default]
    Observed,
    /// leakcheck, in the test.
    Tracked,
    /// Both.
    Both,
}

/// What was left behind.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A tokio task.
    #[default]
    Task,
    /// A closure on tokio's blocking pool.
    Blocking,
    /// A thread of the operating system.
    Thread,
    /// A file descriptor.
    Descriptor,
}

/// Whose code it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The workspace's. Where cargo does not say what that contains: whatever is not in cargo's own directories.
    #[default]
    Own,
    /// A dependency's.
    Dependency {
        /// Its name.
        name: String,
        /// Its version or revision.
        version: String,
    },
}

/// A call.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Place {
    /// The function, as its author thinks of it.
    pub function: String,
    /// Its file: from the workspace's root, or as the compiler saw it.
    pub file: Option<String>,
    /// The line.
    pub line: Option<u32>,
}

/// A future, and what it waits for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Await {
    /// The future in the source's words: `shop::server::run`, `select!`, `tokio::sync::mpsc::Receiver::recv`.
    pub future: String,
    /// How far it has come or what it waits for, in words: `suspended`, `never polled`, `waits for a message of an mpsc channel,
    /// or its end`. Empty where nothing is to be said.
    pub state: String,
    /// Where it is suspended.
    pub at: Option<Place>,
    /// What it waits for: the future awaited, or the branches of a `select!` or `join!`.
    pub awaits: Vec<Await>,
}

/// What leakcheck knows of a task. Where several were left behind alike, of one of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Tracked {
    /// The path of its groups, outermost first.
    pub group: String,
    /// Its own name.
    pub name: String,
    /// The task that spawned it, by group and name.
    pub parent: Option<String>,
    /// How long it had lived, in milliseconds of the test's clock.
    pub alive_ms: Option<f64>,
    /// How often it had been polled.
    pub polls: Option<u64>,
    /// Where it waits, a line each: function, file, line.
    pub waiting: Vec<Place>,
    /// What leakcheck advises.
    pub help: Option<String>,
}

/// When a task lived, in nanoseconds since its process began.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Lifetime {
    /// When it was spawned.
    pub from_ns: u64,
    /// When it was dropped, or its process ended.
    pub to_ns: u64,
}

impl Place {
    /// `src/server.rs:250`, or the function where there is no file.
    #[must_use]
    pub fn location(&self) -> String {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}"),
            (Some(file), None) => file.clone(),
            (None, _) => self.function.clone(),
        }
    }
}
