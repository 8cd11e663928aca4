//! Ctrl-C and a request to terminate: what was started ends, and then this does, so that no temporary file stays.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

/// Waits for signals while it lives.
#[derive(Debug)]
pub(crate) struct Interrupts {
    came: Arc<AtomicBool>,
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Interrupts {
    /// Takes SIGINT and SIGTERM from now on. None where the system refuses: then they end this process at once.
    pub(crate) fn taken() -> Option<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM]).ok()?;
        let handle = signals.handle();
        let came = Arc::new(AtomicBool::new(false));
        let thread = std::thread::spawn({
            let came = Arc::clone(&came);
            move || {
                for _ in signals.forever() {
                    // The second one is of somebody who has waited long enough.
                    let again = came.swap(true, Ordering::Relaxed);
                    end_descendants(if again { "KILL" } else { "TERM" });
                }
            }
        });
        Some(Self {
            came,
            handle,
            thread: Some(thread),
        })
    }

    /// Whether one came.
    pub(crate) fn came(&self) -> bool {
        self.came.load(Ordering::Relaxed)
    }
}

impl Drop for Interrupts {
    fn drop(&mut self) {
        self.handle.close();
        // It has nothing to say: a panic of it was printed.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Sends a signal to what this process started, and to what that did.
fn end_descendants(signal: &str) {
    let descendants = descendants(std::process::id(), &parents());
    if !descendants.is_empty() {
        send(signal, &descendants);
    }
}

/// Sends a signal to processes. One that has ended meanwhile gets none.
pub(crate) fn send(signal: &str, processes: &[u32]) {
    // The shell's own `kill`: a program of that name is not everywhere. What it cannot reach has ended.
    let _ = Command::new("sh")
        .args(["-c", "for each; do kill -s \"$0\" \"$each\" 2>/dev/null; done", signal])
        .args(processes.iter().map(u32::to_string))
        .status();
}

/// Each process, with the one that started it. Empty where there is no `/proc`.
fn parents() -> BTreeMap<u32, u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let number = |entry: std::fs::DirEntry| entry.file_name().to_str()?.parse::<u32>().ok();
    let parent = |id: u32| parent(&std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?);
    processes
        .filter_map(number)
        .filter_map(|id| Some((id, parent(id)?)))
        .collect()
}

/// proc_pid_stat(5): the number, the name in parentheses (which may hold anything), the state, the parent's number.
fn parent(stat: &str) -> Option<u32> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_whitespace().nth(1)?.parse().ok()
}

/// Those below a process, each after the one that started it, so that none is left to start another.
fn descendants(of: u32, parents: &BTreeMap<u32, u32>) -> Vec<u32> {
    let mut found = vec![of];
    let mut at = 0;
    while let Some(&id) = found.get(at) {
        let children = parents
            .iter()
            .filter(|(_, parent)| **parent == id)
            .map(|(child, _)| *child);
        let new: Vec<_> = children.filter(|child| !found.contains(child)).collect();
        found.extend(new);
        at += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descendants_come_after_who_started_them_and_strangers_not_at_all() {
        let parents = BTreeMap::from([(2, 1), (3, 7), (5, 3), (7, 1), (9, 2), (10, 10)]);

        assert_eq!(descendants(7, &parents), [3, 5]);
        assert_eq!(descendants(1, &parents), [2, 7, 9, 3, 5]);
        assert_eq!(descendants(10, &parents), [0_u32; 0]);
    }

    #[test]
    fn a_program_s_name_may_hold_anything() {
        assert_eq!(parent("12 (a) S 9 (b) R 7 12 12"), Some(7));
        assert_eq!(parent("12 (cargo) S 9 12 12"), Some(9));
        assert_eq!(parent("nonsense"), None);
    }
}
