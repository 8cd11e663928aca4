//! `cargo leak-audit` from outside, on small workspaces that each test makes for itself.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod audits;
mod nextest;
mod output;
mod programs;
mod project;
mod refusals;
mod types;
