//! Why an audit came to no verdict at all.

use std::io;
use std::process::ExitStatus;

use crate::plant::PlantError;

/// Why an audit came to no verdict. The exit code for each is 2: it says nothing about leaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The detector did not pass its own test.
    #[error("refusing to judge: {0}")]
    Plant(#[from] PlantError),
    /// cargo could not be started.
    #[error("cannot start cargo: {0}")]
    CargoUnavailable(#[source] io::Error),
    /// What cargo printed could not be read.
    #[error("cannot read what cargo prints: {0}")]
    CargoOutput(#[source] io::Error),
    /// The directory for leakcheck's records could not be made.
    #[error("cannot make a directory for the records: {0}")]
    ReportDirectory(#[source] io::Error),
    /// The tests do not build.
    #[error("the tests do not build: cargo test --no-run ended with {status}")]
    DoesNotBuild {
        /// How cargo ended.
        status: ExitStatus,
    },
    /// The program that is to be run does not build.
    #[error("{name} does not build: cargo build ended with {status}")]
    ProgramDoesNotBuild {
        /// The program's name.
        name: String,
        /// How cargo ended.
        status: ExitStatus,
    },
    /// The library to preload cannot be made, or did not see the canary.
    #[error(transparent)]
    Observe(#[from] crate::observe::ObserveError),
    /// There is no manifest.
    #[error("there is no Cargo.toml in this directory or above it: --manifest-path names one")]
    NoProject,
    /// The manifest cannot be read.
    #[error("there is no {}", .0.display())]
    NoManifest(std::path::PathBuf),
    /// What is given as the manifest is a directory.
    #[error("{} is a directory: --manifest-path names a Cargo.toml", .0.display())]
    ManifestIsDirectory(std::path::PathBuf),
    /// The program does not come from this workspace.
    #[error("cargo built no program named {0:?}")]
    NoProgram(String),
    /// A shard needs this program to choose tests.
    #[error("the program that chooses a shard's tests cannot be found: {0}")]
    NoChooser(#[source] io::Error),
    /// It was interrupted.
    #[error("interrupted")]
    Interrupted,
    /// nextest did not do what was expected.
    #[error(transparent)]
    Nextest(#[from] crate::nextest::NextestError),
    /// There is no test, or none that the filters let run.
    #[error("no test ran: there is none, or none that the filters ask for")]
    NoTestRan,
    /// The selection has no tests.
    #[error("the selected packages have no test binaries")]
    NoTests,
    /// cargo did not run test binaries that it had built.
    #[error("cargo test did not run {}", binaries.join(", "))]
    NotRun {
        /// Which.
        binaries: Vec<String>,
    },
    /// cargo failed, but no test binary did.
    #[error("cargo test ended with {status}, but no test binary failed")]
    UnexplainedFailure {
        /// How cargo ended.
        status: ExitStatus,
    },
}
