//! What is preloaded into an observed process: it notes where tokio's task cells are allocated and freed.
//!
//! A library of its own, with nothing but std, so that the user's own `rustc` can build it from these few files. It knows no
//! symbol and resolves no address; the audit does both, after the process has ended.
//!
//! tokio's task cells are the heap blocks of one alignment ([`CELL_ALIGN`], tokio's `runtime/task/core.rs`), and Rust asks
//! libc's `posix_memalign` for those. Of every other allocation and free, nothing but its address' alignment is looked at.
//! Records lie in a file that is mapped and shared, so what was written survives an abort. Ended cells are counted by where
//! they were allocated and freed: memory grows with the code paths, not with the tasks.
//!
//! Rules: no allocation in a hook but from the mapped file, no lock held while a real function is called, `errno` is left
//! alone, a hook that is entered again on its own thread does nothing, and a forked child records nothing.
//!
//! What differs on macOS is in files of the same name with `_macos`. Some of these run on Linux too, for the tests: where
//! `leak_audit_macos_threads` or `leak_audit_macos_walk` is set.
//!
//! The layout of the file is described in `observe/records.rs`, which reads it.

#[cfg_attr(any(target_os = "macos", leak_audit_macos_threads), path = "active_macos.rs")]
mod active;
mod begins;
#[cfg(target_os = "linux")]
mod blocked;
mod boxes;
mod cells;
#[cfg(any(target_os = "macos", leak_audit_macos_walk))]
mod chain;
mod events;
#[cfg_attr(target_os = "macos", path = "hooks_macos.rs")]
mod hooks;
#[cfg_attr(target_os = "macos", path = "libc_macos.rs")]
mod libc;
#[cfg(target_os = "macos")]
mod macho;
#[cfg_attr(target_os = "macos", path = "memory_macos.rs")]
mod memory;
mod notes;
#[cfg_attr(target_os = "macos", path = "objects_macos.rs")]
mod objects;
#[cfg_attr(any(target_os = "macos", leak_audit_macos_threads), path = "own_macos.rs")]
mod own;
#[cfg_attr(target_os = "macos", path = "programs_macos.rs")]
mod programs;
mod start;
mod state;
mod table;
#[cfg(all(target_os = "linux", not(leak_audit_macos_walk)))]
mod tables;
mod threads;
mod traces;
mod unwind;
mod waits;
#[cfg_attr(any(target_os = "macos", leak_audit_macos_walk), path = "walk_macos.rs")]
mod walk;

/// The alignment of a task cell on x86_64 and aarch64.
const CELL_ALIGN: usize = 128;
/// Frames of a stack that are kept, from the innermost on.
const FRAMES: usize = 192;

/// The lowest bits of the first word of a cell, tokio's `runtime/task/state.rs` since before 1.29: being polled, done, due to run, there
/// is a `JoinHandle`, and it was aborted or shut down. Above them is the number of references.
mod task_state {
    pub const RUNNING: u64 = 1;
    pub const COMPLETE: u64 = 2;
    pub const NOTIFIED: u64 = 4;
    pub const JOIN_INTEREST: u64 = 8;
    pub const CANCELLED: u64 = 32;
    pub const REFERENCES: u32 = 6;
}
