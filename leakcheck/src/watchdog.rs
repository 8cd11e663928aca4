//! Sees when a check cannot go on, as a task blocks the thread that would have to find it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use crate::settle::Settled;

/// How long a check may show no sign of life once its grace is over. It shows one every few milliseconds then.
const STALLED: Duration = Duration::from_secs(5);

/// Watches one check, until it is dropped.
pub(crate) struct Watchdog {
    beats: Arc<AtomicU32>,
    /// Dropped, it sends the thread home.
    _off: Option<Sender<()>>,
}

impl Watchdog {
    /// One that watches nothing.
    pub(crate) fn asleep() -> Self {
        Self {
            beats: Arc::default(),
            _off: None,
        }
    }

    /// From `grace` on the check must show signs of life. Each time that it shows none for a while, `stalled` is called,
    /// on a thread of its own, with how often it had shown one before.
    pub(crate) fn over(grace: Duration, stalled: impl Fn(Settled) + Send + 'static) -> Self {
        let begun = Instant::now();
        let mut before = None;
        Self::looking(grace, STALLED, move |rounds| {
            if before.replace(rounds) == Some(rounds) {
                stalled(Settled {
                    rounds,
                    took: begun.elapsed(),
                });
            }
        })
    }

    /// Calls `look` once `first` is over, and again each time that `every` is, on a thread of its own, with how often the
    /// check has shown a sign of life.
    #[expect(
        clippy::disallowed_methods,
        reason = "the thread ends with the watchdog that holds its channel"
    )]
    pub(crate) fn looking(first: Duration, every: Duration, mut look: impl FnMut(u32) + Send + 'static) -> Self {
        let (off, is_off) = mpsc::channel::<()>();
        let beats = Arc::new(AtomicU32::new(0));
        let heard = beats.clone();
        let watch = move || {
            let mut wait = first;
            while is_off.recv_timeout(wait) == Err(RecvTimeoutError::Timeout) {
                look(heard.load(Ordering::Relaxed));
                wait = every;
            }
        };
        let thread = thread::Builder::new()
            .name("leakcheck-watchdog".to_owned())
            .spawn(watch);
        // Without a thread to be had nobody watches: a check that stalls hangs.
        Self {
            beats,
            _off: thread.is_ok().then_some(off),
        }
    }

    /// Shows a sign of life.
    pub(crate) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }
}
