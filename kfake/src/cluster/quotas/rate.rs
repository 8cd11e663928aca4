//! How fast something has gone lately: `Rate` over `SampledStat`, as quotas measure it.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// `quota.window.num` and `quota.window.size.seconds`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Windows {
    pub number: usize,
    pub size: Duration,
}

/// Amounts by the window of time in which they came.
#[derive(Debug, Default)]
pub(crate) struct Rate {
    samples: VecDeque<(Instant, f64)>,
}

impl Rate {
    /// Adds an amount.
    pub fn record(&mut self, amount: f64, now: Instant, windows: Windows) {
        match self.samples.back_mut() {
            Some((began, sum)) if now.duration_since(*began) < windows.size => *sum += amount,
            _ => self.samples.push_back((now, amount)),
        }
        while self.samples.len() > windows.number {
            self.samples.pop_front();
        }
    }

    /// How long to wait until an amount a second is no more than `most` (`QuotaUtils.throttleTime`).
    pub fn wait(&mut self, most: f64, now: Instant, windows: Windows) -> Duration {
        let whole = windows.size * u32::try_from(windows.number).unwrap_or(u32::MAX);
        while self
            .samples
            .front()
            .is_some_and(|(began, _)| now.duration_since(*began) >= whole)
        {
            self.samples.pop_front();
        }
        let Some((oldest, _)) = self.samples.front() else {
            return Duration::ZERO;
        };
        // All windows but the last count, whether or not they have begun: what came first is no rate yet.
        let least = windows.size * u32::try_from(windows.number.saturating_sub(1)).unwrap_or(u32::MAX);
        let span = now
            .duration_since(*oldest)
            .max(least)
            .max(Duration::from_millis(1))
            .as_secs_f64();
        let rate = self.samples.iter().map(|(_, sum)| sum).sum::<f64>() / span;
        match rate > most {
            true => Duration::from_millis(((rate - most) / most * span * 1000.0).round() as u64),
            false => Duration::ZERO,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WINDOWS: Windows = Windows {
        number: 11,
        size: Duration::from_secs(1),
    };

    #[test]
    fn who_uses_more_than_ten_seconds_worth_waits_for_the_rest() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        rate.record(10_000.0, now, WINDOWS);
        assert_eq!(rate.wait(1000.0, now, WINDOWS), Duration::ZERO);
        rate.record(500.0, now, WINDOWS);
        assert_eq!(rate.wait(1000.0, now, WINDOWS), Duration::from_millis(500));
    }

    #[test]
    fn what_is_long_ago_does_not_count() {
        let (mut rate, now) = (Rate::default(), Instant::now());
        rate.record(100_000.0, now, WINDOWS);
        let later = now + Duration::from_secs(11);
        assert_eq!(rate.wait(1000.0, later, WINDOWS), Duration::ZERO);
    }
}
