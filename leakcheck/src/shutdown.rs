//! [`TaskTracker::shutdown`]: tell the tasks to stop, and wait until they have.

use std::fmt;
use std::time::Duration;

use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::report::{count, leaks};
use crate::{Leak, TaskTracker};

/// Not every task ended in the time it was given.
#[derive(Clone, thiserror::Error)]
#[non_exhaustive]
pub struct ShutdownError {
    /// How long was waited.
    pub limit: Duration,
    /// How many tasks were left then.
    pub left: usize,
    /// Those of them that are still there, each with where it waits. Empty without the feature `track`.
    pub stayed: Vec<Leak>,
}

impl fmt::Display for ShutdownError {
    /// A sentence, then the tasks.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} did not stop within {:?}", count(self.left, "task"), self.limit)?;
        match self.stayed.as_slice() {
            [] => Ok(()),
            stayed => write!(f, "\n\n{}", leaks(stayed)),
        }
    }
}

impl fmt::Debug for ShutdownError {
    /// As it is displayed: what `unwrap` shows is for people, too.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl TaskTracker {
    /// Cancels `token`, closes this tracker, and waits until it has no task, here or in a group below it; at most for
    /// `limit`, by tokio's clock. From now on, a task that ends counts as cancelled.
    ///
    /// To be called from outside of the tracker's own tasks: one of them would wait for itself.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), leakcheck::ShutdownError> {
    /// use std::time::Duration;
    /// use tokio_util::sync::CancellationToken;
    ///
    /// let token = CancellationToken::new();
    /// let tasks = leakcheck::TaskTracker::named("server");
    /// tasks.spawn(token.clone().cancelled_owned());
    /// tasks.shutdown(&token, Duration::from_secs(5)).await?;
    /// assert!(tasks.is_empty());
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    ///
    /// When tasks are left. They live on; the tracker stays closed. With the feature `track`, each is asked where it
    /// waits, which takes up to two seconds more when one does not answer, by the wall clock.
    ///
    /// # Panics
    ///
    /// Outside of a runtime, and in one without a clock.
    pub async fn shutdown(&self, token: &CancellationToken, limit: Duration) -> Result<(), ShutdownError> {
        self.tell_to_stop(token);
        token.cancel();
        self.close();
        if timeout(limit, self.wait()).await.is_ok() {
            return Ok(());
        }
        match self.len() {
            0 => Ok(()),
            left => Err(ShutdownError {
                limit,
                left,
                stayed: self.inspect().await,
            }),
        }
    }
}
