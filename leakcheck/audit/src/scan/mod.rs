//! The static audit: finds tasks that cannot end by reading the source.
//!
//! ```text
//! cargo metadata ──► targets ──► modules ──► lowered syntax ──► names ──► rules ──► Suspect ──► join with what was observed
//! ```
//!
//! - `targets`, `modules`: the files of each crate, as rustc would find them. What does not parse is named, and the rest goes on.
//! - `lower`, `select`: macros made into expressions; the tokens of `select!` are parsed here.
//! - `index`, `scope`: what names mean, as far as this crate's own declarations tell.
//! - `found`, `spawned`, `leave`, `listen`: what starts a task, what runs in which task, whether a loop can be left, whether a wait hears of a shutdown.
//! - `resolved`: which calls spawn by the compiler's own name resolution, where clippy is to be asked.
//! - [`rules`](RULES): one a file, each with its examples.
//! - `comments`, `silence`: `// leak-audit: allow(rule) — reason`.
//! - [`join`](join()): which observed findings confirm a suspect, and whether a test reached it.
//!
//! **Invariant:** what is not understood is no finding.

mod cfg;
mod command_line;
mod comments;
mod context;
mod engine;
mod error;
mod found;
mod index;
mod join;
mod leave;
mod listen;
mod lower;
mod modules;
mod nesting;
mod outcome;
mod resolved;
mod rules;
mod scope;
mod select;
mod silence;
mod spawned;
mod targets;
mod text;

pub use command_line::{HELP, run_command_line};
pub use engine::{Scan, scan_source};
pub use error::ScanError;
pub use join::join;
pub use outcome::{Outcome, Types, Unparsed};
pub use rules::{RULES, Rule};
pub use text::text;
