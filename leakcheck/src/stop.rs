//! When a token was cancelled, learned without a task.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Wake, Waker};
use std::time::Instant;

use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use crate::registry;

/// A token that tells tasks to stop.
///
/// It waits for the cancellation as any future does, and its waker is the clock. As wakers are called in the order in
/// which they came, and a tracker is given its token before its tasks are, the clock is read before most of them hear of
/// it.
pub(crate) struct Stop {
    token: CancellationToken,
    told: Arc<Told>,
    /// Keeps the waker in the token's list. It knows the token, and nothing that knows this.
    _wait: Pin<Box<WaitForCancellationFutureOwned>>,
}

/// The moment of a cancellation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    /// By the wall clock.
    pub(crate) at: Instant,
    /// Tasks from this number on were spawned after it.
    pub(crate) next_task: u64,
}

impl Moment {
    fn now() -> Self {
        Self {
            at: Instant::now(),
            next_task: registry::upcoming_id(),
        }
    }
}

#[derive(Default)]
struct Told(OnceLock<Moment>);

impl Told {
    fn now(&self) -> Moment {
        *self.0.get_or_init(Moment::now)
    }
}

impl Wake for Told {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.now();
    }
}

impl Stop {
    pub(crate) fn by(token: &CancellationToken) -> Self {
        let told = Arc::new(Told::default());
        let mut wait = Box::pin(token.clone().cancelled_owned());
        if wait
            .as_mut()
            .poll(&mut Context::from_waker(&Waker::from(told.clone())))
            .is_ready()
        {
            told.now();
        }
        Self {
            token: token.clone(),
            told,
            _wait: wait,
        }
    }

    pub(crate) fn is_of(&self, token: &CancellationToken) -> bool {
        self.token == *token
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.token.is_cancelled()
    }

    /// When the token was cancelled, if it was. Who asks before the clock was read, reads it.
    pub(crate) fn moment(&self) -> Option<Moment> {
        self.is_cancelled().then(|| self.told.now())
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stop")
            .field("cancelled", &self.is_cancelled())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_is_that_of_the_cancellation() {
        let token = CancellationToken::new();
        let child = token.child_token();
        let stops = [Stop::by(&token), Stop::by(&child)];
        assert!(stops.iter().all(|stop| stop.moment().is_none()));
        let before = Instant::now();
        token.cancel();
        let after = Instant::now();
        for stop in &stops {
            let at = stop.moment().expect("a moment").at;
            assert!(before <= at && at <= after);
        }
        // A token that was cancelled before: nobody knows when, but not later than now.
        assert!(Stop::by(&token).moment().expect("a moment").at >= after);
    }
}
