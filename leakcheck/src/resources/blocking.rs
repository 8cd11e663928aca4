//! Which thread runs which tracked closure, so that a closure that stays is not told twice.

use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use once_cell::sync::Lazy;

use crate::sync::lock;

/// How many checks look at threads. While none does, a closure costs one load.
static WATCHED: AtomicUsize = AtomicUsize::new(0);

/// The tracked closures that run, by the numbers of their threads.
static RUNNING: Lazy<Mutex<HashMap<u32, u64>>> = Lazy::new(Mutex::default);

/// While it lives, threads are known by what they run.
#[derive(Debug)]
pub(super) struct Watched;

impl Watched {
    pub(super) fn new() -> Self {
        WATCHED.fetch_add(1, Ordering::SeqCst);
        Self
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        WATCHED.fetch_sub(1, Ordering::SeqCst);
    }
}

/// The tracked closure that this thread runs, until this is dropped.
pub(crate) struct OnThisThread(Option<u32>);

/// Notes that this thread runs the tracked closure of that number.
#[inline]
pub(crate) fn on_this_thread(task: u64) -> OnThisThread {
    if WATCHED.load(Ordering::Relaxed) == 0 {
        return OnThisThread(None);
    }
    let thread = this_thread();
    if let Some(thread) = thread {
        lock(&RUNNING).insert(thread, task);
    }
    OnThisThread(thread)
}

impl Drop for OnThisThread {
    fn drop(&mut self) {
        if let Some(thread) = self.0 {
            lock(&RUNNING).remove(&thread);
        }
    }
}

/// The number of the tracked task whose closure that thread runs.
pub(super) fn task_of(thread: u32) -> Option<u64> {
    lock(&RUNNING).get(&thread).copied()
}

/// The kernel's number of the calling thread: the link is `<process>/task/<thread>`.
fn this_thread() -> Option<u32> {
    let link = std::fs::read_link("/proc/thread-self").ok()?;
    link.file_name()?.to_str()?.parse().ok()
}
