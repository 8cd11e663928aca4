//! How long tasks took to stop, so that many tests' durations can be put together.

use std::time::Duration;

/// How long the tasks of one line took to end once their token was cancelled, by the wall clock.
///
/// Each duration counts in a bucket whose bounds are an eighth apart or less, so that the percentiles are right to that;
/// the worst is exact. Buckets of several tests may be added up.
///
/// A task that was spawned after the cancellation does not count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stopping {
    /// How many tasks that is.
    pub count: u64,
    /// Of half of the tasks, no more than this.
    pub p50: Duration,
    /// Of ninety-nine in a hundred of the tasks, no more than this.
    pub p99: Duration,
    /// The longest.
    pub worst: Duration,
    /// How many tasks took up to so many microseconds, and longer than the bucket before says; in ascending order, and
    /// without empty ones.
    pub buckets: Vec<(u64, u64)>,
}
