//! Why a program's debug info cannot be used.

use std::io;
use std::path::PathBuf;

/// Why no await can be read from a program.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The file could not be opened or mapped.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no object file, or a broken one.
    #[error("{} is no object file that can be read: {source}", path.display())]
    NoObject {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: object::Error,
    },
    /// The file has no debug info at all: it was built without, or stripped.
    #[error("{} has no debug info: debug = true, and no strip, in its Cargo profile would give it some", path.display())]
    NoDebugInfo {
        /// Which.
        path: PathBuf,
    },
    /// The debug info knows lines, and no types.
    #[error(
        "{} has line tables alone, types are missing: debug = true in its Cargo profile would give it some",
        path.display()
    )]
    NoTypes {
        /// Which.
        path: PathBuf,
    },
    /// The debug info is broken.
    #[error("cannot understand the debug info of {}: {source}", path.display())]
    BrokenDebugInfo {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: gimli::Error,
    },
}
