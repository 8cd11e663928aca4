//! What the registry tells of a task.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Id as RuntimeId;

/// What stands between the names of a path.
pub(crate) const SEPARATOR: &str = " › ";

/// How a task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TaskKind {
    /// A task of a runtime.
    Async,
    /// A task of a `LocalSet` or of a `LocalRuntime`.
    Local,
    /// A closure on a thread for blocking work.
    Blocking,
    /// A future that is tracked, and polled by whoever holds it.
    Future,
}

/// The task that spawned another one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Parent {
    /// Its number.
    pub id: u64,
    /// The path of its group; empty when it has none.
    pub group: Arc<str>,
    /// Its name.
    pub name: String,
}

/// A tracked task, as it was at one moment.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TaskInfo {
    /// A number that no other task of this process has.
    pub id: u64,
    /// The name it was given, or the name of the function that its future is made of.
    pub name: String,
    /// The path of its group, `outer › inner`; empty when it has none.
    pub group: Arc<str>,
    /// How it runs.
    pub kind: TaskKind,
    /// The call that spawned it.
    pub spawned_at: &'static Location<'static>,
    /// The tracked task that spawned it.
    pub parent: Option<Parent>,
    /// The runtime that it was spawned on.
    pub runtime: Option<RuntimeId>,
    /// The name of the check that it belongs to, when there is one.
    pub scope: Option<Arc<str>>,
    /// How long it has lived, by tokio's clock.
    pub alive: Duration,
    /// How many times it was polled.
    pub polls: u64,
    /// How long ago its latest poll began, by tokio's clock. `None` when it was never polled.
    pub last_poll: Option<Duration>,
    /// The time spent inside its polls that are over, by the wall clock.
    pub busy: Duration,
    /// Whether it is being polled right now.
    pub polling: bool,
}

impl fmt::Display for TaskInfo {
    /// `group › name`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.group, &self.name)
    }
}

impl fmt::Display for Parent {
    /// `group › name`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_path(f, &self.group, &self.name)
    }
}

/// `group › name`
pub(crate) fn path(group: &str, name: &str) -> String {
    match group {
        "" => name.to_owned(),
        group => format!("{group}{SEPARATOR}{name}"),
    }
}

pub(crate) fn write_path(f: &mut fmt::Formatter<'_>, group: &str, name: &str) -> fmt::Result {
    if group.is_empty() {
        f.write_str(name)
    } else {
        write!(f, "{group}{SEPARATOR}{name}")
    }
}

/// What two texts have in common that differ by their numbers.
#[cfg(any(feature = "track", feature = "test-util"))]
pub(crate) fn without_numbers(text: &str) -> String {
    text.replace(|c: char| c.is_ascii_digit(), "")
}
