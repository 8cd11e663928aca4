//! Cores that do not go to sleep.
//!
//! A core without work is halted, and whoever gives it work has to wake it: in a virtual machine by an exit to the hypervisor, which
//! takes microseconds and counts as processor time of the server that answers a request. How often that happens depends on what
//! else the machine does. So each core has a thread that never waits, at the priority for which every other thread takes its
//! place at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

/// Keeps all cores awake for as long as it lives.
pub struct Awake {
    over: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Awake {
    /// A thread for each of so many cores. Where the system has no such priority there is none, and the result says why.
    pub fn keep(cores: usize) -> std::io::Result<Self> {
        let mut awake = Self {
            over: Arc::default(),
            threads: Vec::new(),
        };
        for _ in 0..cores {
            let over = awake.over.clone();
            let (tell, told) = std::sync::mpsc::sync_channel(1);
            awake.threads.push(std::thread::spawn(move || {
                let lowest = yield_to_all();
                let goes_on = lowest.is_ok();
                // The other side waits for it.
                let _ = tell.send(lowest);
                // Not `spin_loop`: hypervisors take its instruction for a thread that waits for another, and exit.
                while goes_on && !over.load(Ordering::Relaxed) {}
            }));
            told.recv().map_err(std::io::Error::other)??;
        }
        Ok(awake)
    }
}

impl Drop for Awake {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            // It does nothing that could panic.
            let _ = thread.join();
        }
    }
}

#[cfg(target_os = "linux")]
fn yield_to_all() -> std::io::Result<()> {
    let nothing = libc::sched_param { sched_priority: 0 };
    // SAFETY: this thread's own policy, and a parameter that lives as long as the call.
    match unsafe { libc::sched_setscheduler(0, libc::SCHED_IDLE, &raw const nothing) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(not(target_os = "linux"))]
fn yield_to_all() -> std::io::Result<()> {
    Err(std::io::Error::from(std::io::ErrorKind::Unsupported))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn its_threads_yield_to_all_others_and_end_with_it() {
        let awake = Awake::keep(2).unwrap();
        assert_eq!(awake.threads.len(), 2);
        let policies = || {
            let tasks = std::fs::read_dir("/proc/self/task").unwrap();
            // SAFETY: asks for a policy.
            let policy = |id: i32| unsafe { libc::sched_getscheduler(id) };
            tasks
                .filter_map(|task| task.ok()?.file_name().to_str()?.parse().ok())
                .filter(|id| policy(*id) == libc::SCHED_IDLE)
                .count()
        };
        assert_eq!(policies(), 2);
        drop(awake);
        assert_eq!(policies(), 0, "joined");
    }
}
