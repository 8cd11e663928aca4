//! Why nothing could be scanned.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

/// Why nothing could be scanned. A single file that cannot be read or parsed is no such error: it is named in the
/// [`Outcome`](super::Outcome), and the rest is scanned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The command line makes no sense.
    #[error("{0}")]
    Arguments(String),
    /// There is no such file or directory.
    #[error("cannot look at {path}: {source}")]
    NoSuchPath {
        /// What was asked for.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// cargo could not be started.
    #[error("cannot start cargo: {0}")]
    CargoUnavailable(io::Error),
    /// cargo did not describe the workspace.
    #[error("cargo cannot describe the workspace of {manifest}: {said}")]
    CargoMetadata {
        /// The manifest.
        manifest: PathBuf,
        /// What cargo said.
        said: String,
    },
    /// cargo's description is not understood.
    #[error("cargo's description of the workspace is not understood: {0}")]
    CargoOutput(serde_json::Error),
    /// No package of the workspace has this name.
    #[error("no package {0} in this workspace")]
    NoSuchPackage(String),
    /// There is nothing to scan.
    #[error("no Rust source found in {0}")]
    NothingToScan(String),
    /// The thread that parses could not be started.
    #[error("cannot start the thread that parses: {0}")]
    Thread(io::Error),
    /// There is no clippy.
    #[error("clippy is not installed for this toolchain (`rustup component add clippy` installs it): {0}")]
    NoClippy(String),
    /// clippy's configuration could not be written.
    #[error("cannot write clippy's configuration in {path}: {source}")]
    ClippyConfiguration {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// clippy did not come to its end: what it looks at has to compile.
    #[error(
        "clippy could not look at the workspace, as it does not build; without --clippy it is scanned by names alone\n\n{0}"
    )]
    ClippyFailed(String),
    /// The findings could not be written.
    #[error("cannot write the findings: {0}")]
    Output(io::Error),
}
