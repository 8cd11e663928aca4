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
