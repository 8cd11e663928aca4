//! Sees when a check cannot go on, as a task blocks the thread that would have to find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::settle::Settled;

/// How long a check may show no sign of life once its grace is over. It shows one every few milliseconds then.
const STALLED: Duration = Duration::from_secs(5);

/// Watches one check, until it is dropped.
pub(crate) struct Watchdog {
    beats: Arc<AtomicU32>,
    /// Dropped, it sends the thread home.
    off: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread of a watchdog sees of it.
pub(crate) struct Leash(Receiver<()>);

impl Leash {
    /// Whether the watchdog is gone, or goes before that time is over: the check has gone on.
    pub(crate) fn is_cut_within(&self, time: Duration) -> bool {
        self.0.recv_timeout(time) != Err(RecvTimeoutError::Timeout)
    }
}

impl Drop for Watchdog {
    fn drop(&mut self) {
        drop(self.off.take());
        if let Some(thread) = self.thread.take() {
            // Whether it panicked says nothing about the check.
            drop(thread.join());
        }
    }
}

impl Watchdog {
    /// One that watches nothing.
    pub(crate) fn asleep() -> Self {
        Self {
            beats: Arc::default(),
            off: None,
            thread: None,
        }
    }

    /// Once `grace` is over, `due` is called, on a thread of its own. From then on the check must show signs of life. Each
    /// time that it shows none for a while, `stalled` is called there, with how often it had shown one before.
    pub(crate) fn over(
        grace: Duration,
        due: impl FnOnce(&Leash) + Send + 'static,
        stalled: impl Fn(&Leash, Settled) + Send + 'static,
    ) -> Self {
        let begun = Instant::now();
        let (mut due, mut before) = (Some(due), 0);
        Self::looking(grace, STALLED, move |leash, rounds| {
            if let Some(due) = due.take() {
                before = rounds;
                due(leash);
            } else if std::mem::replace(&mut before, rounds) == rounds {
                stalled(
                    leash,
                    Settled {
                        rounds,
                        took: begun.elapsed(),
                    },
                );
            }
        })
    }

    /// Calls `look` once `first` is over, and again each time that `every` is, on a thread of its own, with how often the
    /// check has shown a sign of life.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread ends with the watchdog that holds its channel, which waits for it"
    )]
    pub(crate) fn looking(
        first: Duration,
        every: Duration,
        mut look: impl FnMut(&Leash, u32) + Send + 'static,
    ) -> Self {
        let (off, is_off) = mpsc::channel::<()>();
        let beats = Arc::new(AtomicU32::new(0));
        let heard = beats.clone();
        let leash = Leash(is_off);
        let watch = move || {
            let mut wait = first;
            while !leash.is_cut_within(wait) {
                look(&leash, heard.load(Ordering::Relaxed));
                wait = every;
            }
        };
        // Without a thread to be had nobody watches: a check that stalls hangs.
        let thread = thread::Builder::new()
            .name("leakcheck-watchdog".to_owned())
            .spawn(watch)
            .ok();
        Self {
            beats,
            off: thread.is_some().then_some(off),
            thread,
        }
    }

    /// Shows a sign of life.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}
