//! How long tasks took to stop, so that many tests' durations can be put together.

use std::collections::BTreeMap;
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

impl Stopping {
    /// What these buckets come to.
    pub(crate) fn of(buckets: Vec<(u64, u64)>, worst: Duration) -> Self {
        let count = buckets.iter().map(|(_, number)| number).sum();
        Self {
            count,
            p50: percentile(&buckets, worst, count, 50),
            p99: percentile(&buckets, worst, count, 99),
            worst,
            buckets,
        }
    }

    /// Adds the durations of another check.
    pub(crate) fn absorb(&mut self, other: &Self) {
        let mut buckets: BTreeMap<u64, u64> = self.buckets.iter().copied().collect();
        for (bound, number) in &other.buckets {
            *buckets.entry(*bound).or_default() += number;
        }
        *self = Self::of(buckets.into_iter().collect(), self.worst.max(other.worst));
    }
}

/// The bound of the bucket that has the task which so many of a hundred are not slower than, or the worst duration where
/// that is less.
fn percentile(buckets: &[(u64, u64)], worst: Duration, count: u64, of_a_hundred: u64) -> Duration {
    let rank = (count * of_a_hundred).div_ceil(100);
    let mut passed = 0;
    let bucket = buckets.iter().find(|(_, number)| {
        passed += number;
        passed >= rank
    });
    bucket.map_or(worst, |(bound, _)| Duration::from_micros(*bound).min(worst))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_durations_of_two_checks_add_up() {
        let millis = |worst: u64| Duration::from_millis(worst);
        let mut one = Stopping::of(vec![(1_000, 98), (4_000, 1)], millis(4));
        one.absorb(&Stopping::of(vec![(1_000, 1), (2_000, 2)], millis(2)));
        assert_eq!(one, Stopping::of(vec![(1_000, 99), (2_000, 2), (4_000, 1)], millis(4)));
        assert_eq!(
            (one.count, one.p50, one.p99, one.worst),
            (102, millis(1), millis(2), millis(4))
        );
    }
}
