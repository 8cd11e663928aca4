//! `cargo xtask lint-gate`: no task is spawned outside a tracker, and the lint that says so can fail.
//!
//! clippy overlooks a disallowed path that does not resolve, and a lint that nobody denies. So for each `clippy.toml` a
//! crate is generated that calls every path of the list once, and clippy must report each call: no more, no less.

mod calls;
mod check;
mod code;
mod fixture;
mod list;
mod roots;

pub use check::run;
