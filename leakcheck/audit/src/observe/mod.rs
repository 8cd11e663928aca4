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
//! named as not observed, and never taken for clean.
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

pub mod canary;
pub mod classify;
mod error;
mod exec;
pub mod judge;
mod judging;
mod paths;
mod places;
pub mod preload;
mod program;
pub mod records;
mod symbols;
mod threads;
mod waiting;

pub use crate::report::Origin;
pub use error::ObserveError;
pub use exec::Observation;
pub(crate) use exec::{Observer, nearest_manifest};
pub use judge::{Finding, ObservedVerdict, What};
