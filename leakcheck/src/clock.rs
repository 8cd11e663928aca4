//! Moments of tokio's clock, in a word.

use std::time::{Duration, Instant as StdInstant};

use once_cell::sync::Lazy;
use tokio::time::Instant;

/// What moments count from. A paused clock may have been stopped before it.
static EPOCH: Lazy<StdInstant> = Lazy::new(StdInstant::now);

/// A moment of tokio's clock: nanoseconds, which reach 292 years to both sides. What is further off is that far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Moment(i64);

impl Moment {
    /// Now, by the clock of the current runtime, or by the wall clock outside of one.
    pub(crate) fn now() -> Self {
        Self::of(Instant::now().into_std(), *EPOCH)
    }

    fn of(instant: StdInstant, epoch: StdInstant) -> Self {
        match instant.checked_duration_since(epoch) {
            Some(after) => Self(nanos(after)),
            None => Self(-nanos(epoch.duration_since(instant))),
        }
    }

    /// How long after `earlier` it is; nothing when it is not.
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0).unsigned_abs())
    }
}

fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_before_the_epoch_count_backwards() {
        let epoch = StdInstant::now();
        let second = Duration::from_secs(1);
        let (before, at, after) = (
            Moment::of(epoch - second, epoch),
            Moment::of(epoch, epoch),
            Moment::of(epoch + second, epoch),
        );
        assert_eq!((at.since(before), after.since(before)), (second, 2 * second));
        assert_eq!(before.since(after), Duration::ZERO);
    }

    #[test]
    fn a_moment_further_off_than_a_word_can_say_is_as_far_as_it_can() {
        let epoch = StdInstant::now();
        let far = Moment::of(epoch + Duration::from_secs(300 * 365 * 86_400), epoch);
        assert_eq!(far, Moment(i64::MAX));
        assert_eq!(
            far.since(Moment::of(epoch, epoch)),
            Duration::from_nanos(i64::MAX as u64)
        );
    }
}
