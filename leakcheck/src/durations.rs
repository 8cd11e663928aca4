//! How long tasks took to stop, as they come.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::report::Stopping;

/// Durations as they come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Durations {
    worst: Duration,
    buckets: BTreeMap<u64, u64>,
}

impl Durations {
    pub(crate) fn add(&mut self, duration: Duration) {
        self.worst = self.worst.max(duration);
        let micros = u64::try_from(duration.as_nanos().div_ceil(1_000)).unwrap_or(u64::MAX);
        *self.buckets.entry(bound(micros)).or_default() += 1;
    }

    /// `None` when there was none.
    pub(crate) fn summary(&self) -> Option<Stopping> {
        let buckets = self.buckets.iter().map(|(bound, number)| (*bound, *number));
        (!self.buckets.is_empty()).then(|| Stopping::of(buckets.collect(), self.worst))
    }
}

/// The bucket of a number, by the largest that it has: each power of two has eight.
fn bound(number: u64) -> u64 {
    let power = number.checked_ilog2().unwrap_or(0);
    let width = 1_u64 << power.saturating_sub(3);
    number.div_ceil(width).saturating_mul(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_an_eighth_apart_and_hold_what_belongs_to_them() {
        for (number, expected) in [
            (0, 0),
            (1, 1),
            (15, 15),
            (16, 16),
            (17, 18),
            (1_000, 1_024),
            (1_025, 1_152),
            (u64::MAX, u64::MAX),
        ] {
            assert_eq!(bound(number), expected, "{number}");
        }
        for number in (0..100_000).step_by(7) {
            let bound = bound(number);
            assert!(bound >= number && bound <= number + number / 8, "{number}: {bound}");
        }
    }

    #[test]
    fn percentiles_are_those_of_the_durations() {
        let mut durations = Durations::default();
        assert_eq!(durations.summary(), None);
        for millis in 1..=100 {
            durations.add(Duration::from_millis(millis));
        }
        let summary = durations.summary().expect("some durations");
        let near = |duration: Duration, millis: u64| {
            let micros = u64::try_from(duration.as_micros()).unwrap();
            (millis * 1_000..=millis * 1_125).contains(&micros)
        };
        assert_eq!((summary.count, summary.worst), (100, Duration::from_millis(100)));
        assert!(near(summary.p50, 50) && near(summary.p99, 99), "{summary:?}");
        assert!(summary.buckets.is_sorted());
        let mut alone = Durations::default();
        alone.add(Duration::from_nanos(1));
        let alone = alone.summary().expect("one duration");
        assert_eq!(
            (alone.p50, alone.p99, alone.worst),
            (alone.worst, alone.worst, Duration::from_nanos(1))
        );
    }
}
