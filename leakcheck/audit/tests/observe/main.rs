//! Programs that know nothing of leakcheck, observed: every task that they leave behind is found, and no other.
//!
//! Each fixture is a workspace of its own, built as its users' projects are, all into one target directory. What is expected
//! of it is written down exactly: the verdict, the test, the source line of the spawn, how many, and what the task waited for.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

mod adverse;
mod allocators;
mod campaign;
mod emulated;
mod fixture;
mod flavours;
mod held;
mod lifetimes;
mod linkage;
mod macos;
mod memory;
mod preloaded;
mod profiles;
mod queued;
mod same;
mod scenarios;
mod threads;
mod workspaces;
