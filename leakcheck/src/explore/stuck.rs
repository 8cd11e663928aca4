//! Sees when a run does not go on, as one poll does not return.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::Begun;
use crate::check::Terms;
use crate::sync::lock;

/// Watches the runs of one exploration, until it is dropped.
pub(super) struct Stuck {
    /// Grows with each step of each run.
    progress: Arc<AtomicU64>,
    running: Arc<Mutex<Option<Running>>>,
    #[cfg(feature = "track")]
    _watchdog: crate::watchdog::Watchdog,
}

/// The run that is under way.
#[cfg_attr(not(feature = "track"), expect(dead_code, reason = "nobody watches"))]
struct Running {
    step: u64,
    #[cfg(feature = "track")]
    scope: Arc<crate::scope::Scope>,
}

impl Stuck {
    /// Ends the process when a poll takes so long, by the wall clock.
    #[cfg(feature = "track")]
    pub(super) fn after(limit: Duration, name: &Arc<str>, terms: &Terms) -> Self {
        let progress = Arc::new(AtomicU64::new(0));
        let running: Arc<Mutex<Option<Running>>> = Arc::default();
        let (seen, now) = (progress.clone(), running.clone());
        let (name, terms) = (name.clone(), terms.clone());
        let mut before = None;
        let watchdog = crate::watchdog::Watchdog::looking(limit, limit, move |_, _| {
            let progress = seen.load(Ordering::Relaxed);
            let stuck = before.replace(progress) == Some(progress);
            if let Some(running) = lock(&now).as_ref().filter(|_| stuck) {
                watched::end(&name, running, &terms, limit);
            }
        });
        Self {
            progress,
            running,
            _watchdog: watchdog,
        }
    }

    #[cfg(not(feature = "track"))]
    pub(super) fn after(_limit: Duration, _name: &Arc<str>, _terms: &Terms) -> Self {
        Self {
            progress: Arc::default(),
            running: Arc::default(),
        }
    }

    pub(super) fn progress(&self) -> &Arc<AtomicU64> {
        &self.progress
    }

    /// A run is under way.
    #[cfg_attr(not(feature = "track"), expect(unused_variables, reason = "nothing is tracked"))]
    pub(super) fn runs(&self, step: u64, begun: &Begun) {
        self.progress.fetch_add(1, Ordering::Relaxed);
        *lock(&self.running) = Some(Running {
            step,
            #[cfg(feature = "track")]
            scope: begun.scope.clone(),
        });
    }

    /// No run is under way.
    pub(super) fn rests(&self) {
        *lock(&self.running) = None;
    }
}

#[cfg(feature = "track")]
mod watched {
    use std::io::Write as _;
    use std::time::Duration;

    use super::Running;
    use crate::check::{PANIC_CODE, Terms, publish};
    use crate::explore::explorer::STEP;
    use crate::report::Body;
    use crate::verify;

    /// The thread that would have to report is the one that does not return: the process is ended.
    pub(super) fn end(name: &str, running: &Running, terms: &Terms, limit: Duration) {
        let step = running.step;
        let report = verify::stalled(&running.scope, terms);
        let mut text = format!(
            "explored {name}: step {step}: one poll has not returned for {limit:?}\n  replay it alone: {STEP}={step}\n"
        );
        if !report.is_clean() {
            text.push_str(&format!("\n{report}"));
        }
        text.push_str("leakcheck: the process is ended, as its thread is blocked\n");
        if let Err(unwritten) = publish(&report, Body::Panicked) {
            text.push_str(&format!("{unwritten}\n"));
        }
        // Not by `eprintln!`: the test harness would keep it for a test that never ends.
        let shown = std::io::stderr().write_all(text.as_bytes());
        drop(shown);
        std::process::exit(PANIC_CODE.into());
    }
}
