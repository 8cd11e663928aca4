//! Threads that were left behind.
//!
//! Where a thread is alive when its process ends, it may only not have come to its end yet: whoever waited for it may have been told
//! of it before it was gone, and who is detached may end by itself in a moment. So a thread is told of only if it is certain
//! that it would not have ended: it has outlived its test, and it is blocked in something that ends when somebody else does
//! something. What sleeps, runs, or waits with a time-out is not told of.

use super::judge::What;
use super::judging::Judging;
use super::places::{is_std, name, readable, spawned};
use super::records::{Alive, Blocked, Process, Threads};
use super::symbols::Frame;
use super::waiting::Waited;
use crate::report::{self, Await, Lifetime, Origin};

impl Judging<'_> {
    /// Adds the threads that a process left behind.
    pub(super) fn threads(&mut self, process: &Process) {
        for threads in &process.threads {
            let frames = self.symbols.stack(process, &process.stack(threads.created));
            if self.is_created_by_own_code(&frames) {
                self.threads = self.threads.saturating_add(threads.count);
                if process.exited {
                    self.left(process, threads, &frames);
                }
            }
        }
    }

    /// Whether what asked std for a thread is the user's own: not a library that keeps threads for itself, as tokio.
    fn is_created_by_own_code(&self, frames: &[Frame]) -> bool {
        let creator = frames.iter().find(|frame| !is_std(&frame.path));
        let file = creator.and_then(|frame| frame.source.as_ref());
        file.is_some_and(|(file, _)| self.owners.origin(file) == Some(Origin::Own))
    }

    fn left(&mut self, process: &Process, threads: &Threads, frames: &[Frame]) {
        let Some(test) = self.test_of_thread(process, threads.lineage) else {
            return;
        };
        let created = spawned(frames, self.owners, self.workspace);
        let created: Vec<_> = created.into_iter().map(|(place, _)| place).collect();
        for thread in threads.alive.iter().filter(|thread| thread.outlived) {
            let Some(blocked) = thread.blocked else { continue };
            let key = (
                What::Blocked,
                how(blocked),
                name(process),
                Some(test.clone()),
                Origin::Own,
                created.clone(),
                report::Kind::Thread,
                None,
            );
            let waited = self.where_blocked(process, blocked, thread);
            let found = self.found.entry(key).or_default();
            let lived = Lifetime {
                from_ns: thread.from_ns,
                to_ns: process.to_ns,
            };
            found.add(1, [lived]);
            if found.waited.awaits.is_none() {
                found.text = waited.awaits.as_ref().map(text);
                found.waited = waited;
            }
        }
    }

    fn where_blocked(&mut self, process: &Process, blocked: Blocked, thread: &Alive) -> Waited {
        if blocked != Blocked::Waits {
            return Waited::default();
        }
        let frames = self.symbols.stack(process, &process.stack(thread.stack));
        let own = spawned(&frames, self.owners, self.workspace);
        let at = own.into_iter().next().map(|(place, _)| place);
        // What the user's own code called: the last of std's before it.
        let inside = frames.iter().take_while(|frame| is_std(&frame.path));
        let called = inside.filter(|frame| !frame.path.ends_with("::call_once")).last();
        let why = why(&frames).map(|why| match &at {
            Some(at) => format!("{why}, at {}", at.location()),
            None => why.to_owned(),
        });
        Waited {
            awaits: Some(Await {
                future: called.map_or_else(|| "a wait".to_owned(), |frame| readable(&frame.name)),
                state: "blocked".to_owned(),
                at,
                awaits: Vec::new(),
            }),
            why: why.into_iter().collect(),
            ..Waited::default()
        }
    }
}

fn how(blocked: Blocked) -> &'static str {
    match blocked {
        Blocked::Waits => "it had outlived its test, and waited for another thread when the process ended",
        Blocked::Reads => "it had outlived its test, and waited for something to read when the process ended",
        Blocked::Accepts => "it had outlived its test, and waited for a connection when the process ended",
        Blocked::Polls => "it had outlived its test, and waited for a file descriptor when the process ended",
        Blocked::AwaitsChild => "it had outlived its test, and waited for a child process when the process ended",
    }
}

/// What a thread is blocked in, where its stack says that for certain: std's own functions that are only entered to wait.
pub(super) fn why(frames: &[Frame]) -> Option<&'static str> {
    let inside = frames.iter().take_while(|frame| is_std(&frame.path));
    inside.into_iter().find_map(|frame| {
        let mut segments = frame.path.rsplit("::");
        match (segments.next()?, segments.next()?) {
            ("lock_contended", "Mutex") => Some("blocked in a std mutex"),
            ("read_contended" | "write_contended", "RwLock") => Some("blocked in a std rwlock"),
            _ => None,
        }
    })
}

fn text(awaits: &Await) -> String {
    match &awaits.at {
        Some(at) => format!("{}  {} at {}\n", awaits.future, awaits.state, at.location()),
        None => format!("{}  {}\n", awaits.future, awaits.state),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stack(paths: &[&str]) -> Vec<Frame> {
        let frame = |path: &&str| Frame {
            path: (*path).to_owned(),
            ..Frame::default()
        };
        paths.iter().map(frame).collect()
    }

    #[test]
    fn a_mutex_is_told_by_the_function_that_only_waits() {
        let wait = "std::sys::pal::unix::futex::futex_wait";
        let mutex = "std::sys::sync::mutex::futex::Mutex::lock_contended";
        assert_eq!(why(&stack(&[wait, mutex, "a::b"])), Some("blocked in a std mutex"));
        let rwlock = "std::sys::sync::rwlock::futex::RwLock::write_contended";
        assert_eq!(why(&stack(&[wait, rwlock, "a::b"])), Some("blocked in a std rwlock"));
        assert_eq!(why(&stack(&[wait, "std::thread::park", "a::b"])), None);
        // Somebody else's, whose wait it is not.
        assert_eq!(why(&stack(&["std::thread::park", "a::b", mutex])), None);
    }
}
