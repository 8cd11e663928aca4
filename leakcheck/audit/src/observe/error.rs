//! Why an observation came to no verdict at all.

use std::io;
use std::path::PathBuf;

/// Why an observation came to no verdict. The exit code for each is 2: it says nothing about leaks.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObserveError {
    /// There is no preloaded library for this system.
    #[error("tasks can be observed on Linux and macOS alone, on x86_64 and aarch64, and this is {system}")]
    Unsupported {
        /// Which this is.
        system: String,
    },
    /// `rustc` is missing.
    #[error("cannot start {rustc:?}, which builds the library to preload: {source}")]
    NoRustc {
        /// The command that was tried.
        rustc: PathBuf,
        /// Why it did not start.
        source: io::Error,
    },
    /// The library does not build.
    #[error("{what} does not build with {version}:\n{output}")]
    DoesNotBuild {
        /// The library or the canary.
        what: &'static str,
        /// `rustc`'s version.
        version: String,
        /// What it printed.
        output: String,
    },
    /// The cache or the records cannot be written or read.
    #[error("cannot use {path:?}: {source}")]
    Files {
        /// Which file or directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The command cannot be started.
    #[error("cannot start {program:?}: {source}")]
    Start {
        /// The command.
        program: String,
        /// Why not.
        source: io::Error,
    },
    /// The tool does not see what it should.
    #[error(
        "refusing to judge: the canary, a program with one leaked task and one that ends, was seen as {found}{}",
        whose_fault()
    )]
    Canary {
        /// What was found instead.
        found: String,
    },
}

/// Why that may be, where the system can be why.
fn whose_fault() -> &'static str {
    if cfg!(target_os = "macos") {
        ". macOS may have kept the library from it: it takes DYLD_INSERT_LIBRARIES away where a protected program, as /bin/sh or \
         /usr/bin/env, starts others"
    } else {
        ""
    }
}
