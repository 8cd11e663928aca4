//! Any command's tokio tasks, with no change to its code: a preloaded library writes down where each is allocated and freed.
//!
//! ```text
//! preload ──► exec ──► records ──► symbols ──► classify ──► judge ──► render
//! ```
//!
//! A tokio task is one heap block of an alignment that little else has. The [preloaded library](preload) sees it come and go
//! and notes the stacks; what they mean is worked out here, after the process has ended, from the debug info of its files.
//! A task whose block was freed by its runtime's shutdown was alive when the runtime ended: it outlived its test.
//!
//! Linux on x86_64 and aarch64, programs that are linked with libc dynamically and use its allocator. Whatever else runs is
//! named as not observed, and never taken for clean. macOS too, untested on hardware: see [`macos`].
//!
//! ```no_run
//! use leakcheck_audit::observe;
//!
//! let mut command = std::process::Command::new("cargo");
//! command.arg("test");
//! let verdict = observe::Observation::of(command).run()?;
//! for finding in &verdict.findings {
//!     println!("{} tasks: {}", finding.count, finding.how);
//! }
//! std::process::exit(verdict.conclusion().exit_code().into());
//! # Ok::<(), observe::ObserveError>(())
//! ```

/// How it is done on macOS, and what could not be tried there.
#[doc = include_str!("../../docs/macos.md")]
pub mod macos {}

mod builds;
pub mod canary;
pub mod classify;
#[cfg(test)]
mod crossed;
mod error;
mod exec;
mod gather;
pub mod judge;
mod judging;
#[cfg(test)]
mod library_parts;
#[cfg(test)]
mod macho_file;
mod paths;
mod places;
pub mod preload;
mod program;
mod protected;
pub mod records;
mod symbols;
mod threads;
#[cfg(test)]
mod tiny;
mod waiting;

pub use crate::report::Origin;
pub use error::ObserveError;
pub use exec::Observation;
pub(crate) use exec::{Observer, nearest_manifest};
pub use judge::{Finding, ObservedVerdict, What};
pub(crate) use judging::HELD;
