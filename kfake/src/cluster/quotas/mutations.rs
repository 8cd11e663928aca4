//! How many partitions a client may create and delete a second (`controller_mutation_rate`, KIP-599): the bucket of
//! `ControllerMutationQuotaManager`. The controller counts, so that it is one count for the whole cluster.

use std::time::Duration;

use tokio::time::Instant;

use super::rate::Windows;
use super::store::{Holder, Quotas, Resource};

/// How a request is treated whose client has nothing left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Strictness {
    /// The request's version knows THROTTLING_QUOTA_EXCEEDED: nothing is done before there is something left again.
    Strict,
    /// It is done all the same, and the client waits afterwards.
    Permissive,
}

impl Strictness {
    /// Strict from a version on.
    pub fn since(version: i16, first: i16) -> Self {
        match version >= first {
            true => Self::Strict,
            false => Self::Permissive,
        }
    }
}

/// The client has nothing left for this long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exhausted(pub Duration);

/// What a client may still do: it grows by the quota each second, up to what all windows allow, and what is done is taken from it.
/// It may fall below nothing by one request (`TokenBucket`).
#[derive(Debug)]
pub(super) struct Bucket {
    tokens: f64,
    since: Instant,
}

impl Bucket {
    /// A full one.
    fn new(most: f64, now: Instant) -> Self {
        Self {
            tokens: most,
            since: now,
        }
    }

    fn refill(&mut self, rate: f64, most: f64, now: Instant) {
        let grown = rate * now.duration_since(self.since).as_secs_f64();
        self.tokens = most.min(self.tokens + grown);
        self.since = now;
    }

    /// How long until there is something left.
    fn wait(&self, rate: f64) -> Duration {
        match self.tokens < 0.0 {
            true => Duration::from_millis((-self.tokens / rate * 1000.0).round() as u64),
            false => Duration::ZERO,
        }
    }
}

impl Quotas {
    /// Another controller counts from now on, or the same one after it was started again: it begins with full buckets.
    pub fn forget_mutations(&self) {
        self.buckets.lock().clear();
    }

    /// Takes so many partitions from what a client may change: how long it has to wait afterwards.
    ///
    /// # Errors
    ///
    /// Where the request is strict and nothing is left. Nothing is taken then.
    pub fn mutate(
        &self,
        client: &str,
        partitions: usize,
        strictness: Strictness,
        windows: Windows,
    ) -> Result<Duration, Exhausted> {
        let Some((rate, holder)) = self.limit_of(Resource::Mutations, client) else {
            return Ok(Duration::ZERO);
        };
        let most = rate * windows.number as f64 * windows.size.as_secs_f64();
        let now = Instant::now();
        let mut buckets = self.buckets.lock();
        Holder::forget_many(&mut buckets, &holder);
        let bucket = buckets.entry(holder).or_insert_with(|| Bucket::new(most, now));
        bucket.refill(rate, most, now);
        let wait = bucket.wait(rate);
        if strictness == Strictness::Strict && !wait.is_zero() {
            return Err(Exhausted(wait));
        }
        bucket.tokens -= partitions as f64;
        match strictness {
            Strictness::Strict => Ok(Duration::ZERO),
            Strictness::Permissive => Ok(bucket.wait(rate)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::quotas::alter::Change;
    use crate::cluster::quotas::entity::Entity;

    const WINDOWS: Windows = Windows {
        number: 11,
        size: Duration::from_secs(1),
    };

    fn two_a_second() -> Quotas {
        let quotas = Quotas::default();
        let change = Change {
            key: "controller_mutation_rate".to_owned(),
            value: Some(2.0),
        };
        quotas.set(&Entity::of(None, Some(None)), &[change]);
        quotas
    }

    #[tokio::test(start_paused = true)]
    async fn a_strict_request_is_done_while_something_is_left_however_much_it_takes() {
        let quotas = two_a_second();
        let take = |partitions| quotas.mutate("me", partitions, Strictness::Strict, WINDOWS);
        assert_eq!(take(22), Ok(Duration::ZERO));
        assert_eq!(take(5), Ok(Duration::ZERO), "nothing left is not less than nothing");
        assert_eq!(take(1), Err(Exhausted(Duration::from_millis(2500))));
        tokio::time::advance(Duration::from_millis(1500)).await;
        assert_eq!(
            take(1),
            Err(Exhausted(Duration::from_secs(1))),
            "a refusal takes nothing"
        );
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(take(1), Ok(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_permissive_request_is_always_done_and_waits_afterwards() {
        let quotas = two_a_second();
        let take = |partitions| quotas.mutate("me", partitions, Strictness::Permissive, WINDOWS);
        assert_eq!(take(22), Ok(Duration::ZERO));
        assert_eq!(take(1), Ok(Duration::from_millis(500)));
        assert_eq!(take(1), Ok(Duration::from_secs(1)));
        assert_eq!(
            quotas.mutate("you", 22, Strictness::Strict, WINDOWS),
            Ok(Duration::ZERO),
            "each client has its own"
        );
    }
}
