//! `leak-audit` as a library: runs a workspace's tests and judges what they leave behind.
//!
//! Every finished `leakcheck` check writes one JSON line into the directory that the environment variable
//! `LEAKCHECK_REPORT_DIR` names. An audit runs the tests with that variable set, reads the lines, and puts them
//! together with what `cargo test` said:
//!
//! ```text
//! plant ──► build ──► run ──► records ──┐
//!                      └────► transcript ┴──► judge ──► render
//! ```
//!
//! - [`plant`]: first of all, a leak planted on purpose. An audit that would miss it refuses to judge.
//! - [`build`], [`run`]: the tests as `cargo test` builds and runs them, and [`transcript`], which of them failed.
//! - [`records`]: the lines that leakcheck wrote.
//! - [`baseline`]: the leaks that are known.
//! - [`judge`](mod@judge): data in, verdict out.
//! - [`render`]: the verdict for people, and as JSON.
//!
//! ```no_run
//! use leakcheck_audit::{Audit, render};
//!
//! let verdict = Audit::of("Cargo.toml").package("kfake").run(&mut std::io::stderr())?;
//! print!("{}", render::text::verdict(&verdict, false));
//! std::process::exit(verdict.conclusion().exit_code().into());
//! # Ok::<(), leakcheck_audit::AuditError>(())
//! ```

mod accept;
mod audit;
pub mod awaits;
pub mod baseline;
pub mod build;
mod cargo;
mod command;
pub mod command_line;
pub mod error;
mod identity;
mod interrupt;
mod join;
pub mod judge;
pub mod merge;
pub mod nextest;
pub mod observe;
mod owners;
pub mod plant;
mod program;
pub mod records;
pub mod render;
pub mod report;
pub mod run;
mod runner;
pub mod scan;
pub mod transcript;

pub use audit::{Audit, Runner};
pub use baseline::Baseline;
pub use command::{Defaults, run_command_line};
pub use error::AuditError;
pub use judge::{Conclusion, Verdict};
pub use plant::Plant;
