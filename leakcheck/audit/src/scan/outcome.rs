//! What a scan found, as data.

use std::path::PathBuf;

use crate::report::Suspect;

/// What a scan found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// What is suspected, by file and line. The silenced ones are among them.
    pub suspects: Vec<Suspect>,
    /// What could not be looked at.
    pub unparsed: Vec<Unparsed>,
    /// Files that were looked at.
    pub files: usize,
    /// Functions that were looked at.
    pub functions: usize,
    /// Places that start a task or a thread.
    pub spawns: usize,
    /// What clippy said of those places, where it was asked.
    pub types: Option<Types>,
}

/// What the compiler's own name resolution said of a scan's spawning calls.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Types {
    /// Places that were confirmed to start a task or a thread.
    pub confirmed: usize,
    /// Places of which nothing is known: code that was not compiled, as another feature's, and calls of the workspace's own
    /// functions that are not found by their path.
    pub not_resolved: usize,
    /// Findings that names alone do not give.
    pub added: usize,
    /// Findings that names alone give, and whose call is one of something else. They are not among the suspects.
    pub dropped: Vec<Suspect>,
}

/// A file that could not be looked at, or not wholly.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unparsed {
    /// The file.
    pub path: PathBuf,
    /// The line, where it is known.
    pub line: Option<u32>,
    /// Why.
    pub why: String,
}

impl Outcome {
    /// The suspects that count: neither silenced nor notes.
    pub fn open(&self) -> impl Iterator<Item = &Suspect> {
        self.suspects
            .iter()
            .filter(|suspect| suspect.silenced.is_none() && !suspect.note)
    }
}
