//! One task that was left behind.

use std::fmt;
use std::panic::Location;
use std::sync::Arc;
use std::time::Duration;

use super::text;
use super::{is_of_a_dependency, shorten};
use crate::info::{Parent, path};

/// A task that outlived its test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Leak {
    /// The task's number.
    pub task: u64,
    /// The path of its group; empty when it has none.
    pub group: Arc<str>,
    /// Its name.
    pub name: String,
    /// The call that spawned it.
    pub spawned_at: Place,
    /// The tracked task that spawned it.
    pub parent: Option<Parent>,
    /// How long it had lived when it was found, by tokio's clock.
    pub alive: Duration,
    /// How often it had been polled before it was found.
    pub polls: u64,
    /// How long before that its latest poll was, by tokio's clock. `None` when it was never polled.
    pub last_poll: Option<Duration>,
    /// How long its polls took, by the wall clock.
    pub busy: Duration,
    /// What it does.
    pub state: LeakState,
    /// The user's line that waits: the `select!` or `join!` when it waits for several things at once.
    pub waiting_at: Option<Frame>,
    /// How many branches the `select!` at `waiting_at` has.
    pub select: Option<usize>,
    /// What it waits for: one entry for each branch that does.
    pub waiting: Vec<Wait>,
    /// What may be done about it.
    pub help: Vec<String>,
}

/// What a leaked task does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeakState {
    /// It waits.
    Waiting,
    /// It did not answer the question where it waits: it is being polled, or its worker is blocked.
    Silent,
    /// It did not answer because nobody drives its runtime.
    Undriven,
    /// It runs on a thread for blocking work, where it cannot be asked.
    Blocking,
    /// It was dropped with its runtime. Its tracker's token had not been cancelled, and no abort had taken effect.
    Dropped,
    /// It was not asked: there were thousands, of which some of each line that spawned them stood for the others.
    Unasked,
}

impl LeakState {
    /// The word that the JSON lines use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Silent | Self::Undriven => "silent",
            Self::Blocking => "blocking",
            Self::Dropped => "dropped",
            Self::Unasked => "unasked",
        }
    }
}

/// One thing that a task waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Wait {
    /// What it waits in: `mpsc::Receiver::recv`, `Sleep`, `JoinHandle`.
    pub leaf: String,
    /// The line of the `select!` branch that waits so, in the file of `waiting_at`. `None` when there is no `select!`,
    /// or when its branches cannot be told apart.
    pub line: Option<u32>,
    /// The user's functions from the one that waits to the task's own.
    pub frames: Vec<Frame>,
}

impl Wait {
    /// The user's line nearest to the wait, outside of other people's crates when there is one.
    #[must_use]
    pub fn at(&self) -> Option<&Frame> {
        self.frames
            .iter()
            .find(|frame| !frame.is_of_a_dependency())
            .or_else(|| self.frames.first())
    }
}

/// A function of the user's, and the line that it is at.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Frame {
    /// Its path, as in `kfake::group::manage`.
    pub function: String,
    /// Its file, relative to the workspace where it lies in that.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    pub(crate) column: u32,
}

impl Frame {
    /// A place in a function that is not known.
    #[cfg(all(tokio_unstable, feature = "track"))]
    pub(crate) fn of_nobody_at(place: Place) -> Self {
        Self {
            function: String::new(),
            file: place.file,
            line: place.line,
            column: place.column,
        }
    }

    /// Whether it belongs to a crate that was downloaded.
    pub(super) fn is_of_a_dependency(&self) -> bool {
        is_of_a_dependency(&self.file)
    }
}

impl fmt::Display for Frame {
    /// `file:line`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// A place in a source file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub struct Place {
    /// The file, relative to the workspace where it lies in that.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl From<&Location<'_>> for Place {
    fn from(location: &Location<'_>) -> Self {
        Self {
            file: shorten(location.file()),
            line: location.line(),
            column: location.column(),
        }
    }
}

impl fmt::Display for Place {
    /// `file:line`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl Leak {
    /// `group › name`
    #[must_use]
    pub fn path(&self) -> String {
        path(&self.group, &self.name)
    }
}

impl fmt::Display for Leak {
    /// The leak's lines of the report.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text::leak(self))
    }
}
