//! What clippy said, by place.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use super::spawning::Spawning;

/// A line and a column, both from 1. Columns are characters.
pub(crate) type Position = (u32, u32);

/// From the first character to the one behind the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub from: Position,
    pub to: Position,
}

/// What a call calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Callee {
    Spawning(&'static Spawning),
    /// A function of the workspace that hands its argument on to one of those, by its path.
    Wrapper(String),
}

/// A call that clippy named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Call {
    pub at: Extent,
    pub callee: Callee,
}

/// A macro's invocation that such a call comes out of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Expansion {
    /// Where it is invoked.
    pub at: Position,
    pub callee: Callee,
    /// The macro is nothing but the call, so that what becomes of its value becomes of the handle.
    pub is_all: bool,
}

/// What clippy said of one file.
#[derive(Debug, Default)]
pub(crate) struct InFile {
    /// The signatures of the functions that were compiled.
    pub functions: Vec<Extent>,
    pub calls: Vec<Call>,
    pub expansions: Vec<Expansion>,
}

impl InFile {
    /// Whether the function with its `fn` here was compiled.
    pub fn is_compiled(&self, function: Position) -> bool {
        self.functions
            .iter()
            .any(|signature| signature.from <= function && function < signature.to)
    }

    /// What the call is whose function is named here. Versions of clippy before 1.84 point at the whole of a method's call.
    pub fn callee(&self, name: Position, whole: Extent) -> Option<&Callee> {
        let named = self.calls.iter().find(|call| call.at.from == name);
        let named = named.or_else(|| self.calls.iter().find(|call| call.at == whole));
        named.map(|call| &call.callee)
    }

    /// The call that comes out of the macro that is invoked here, where it is one.
    pub fn expansion(&self, at: Position) -> Option<&Expansion> {
        let mut here = self.expansions.iter().filter(|expansion| expansion.at == at);
        let first = here.next()?;
        here.all(|other| other == first).then_some(first)
    }
}

/// What clippy said of a workspace.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// By the files' canonical paths.
    pub files: HashMap<PathBuf, InFile>,
}

impl Calls {
    /// `None` for a file of which nothing was compiled.
    pub fn in_file(&self, path: &Path) -> Option<&InFile> {
        self.files
            .get(path)
            .or_else(|| self.files.get(&path.canonicalize().ok()?))
    }
}
