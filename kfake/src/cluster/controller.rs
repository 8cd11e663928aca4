//! Which broker is the active controller. Each broker is a controller too, as in Kafka's combined mode, and one of those that are
//! up leads.

use std::sync::atomic::{AtomicU64, Ordering};

use super::topics::BrokerId;

/// The epoch of a new cluster's first controller.
const FIRST_EPOCH: i32 = 1;

/// The active controller and its epoch: one word, so that they are read together and without a lock. It changes under the lock
/// of the topics, with the brokers that are up: who holds that lock sees both at one moment.
#[derive(Debug)]
pub(crate) struct Controller(AtomicU64);

impl Controller {
    /// The first controller of a new cluster.
    pub fn new(id: BrokerId) -> Self {
        Self(AtomicU64::new(pack(id, FIRST_EPOCH)))
    }

    /// Who leads the controllers, and in which epoch.
    pub fn active(&self) -> (BrokerId, i32) {
        let packed = self.0.load(Ordering::Acquire);
        (BrokerId(packed as u32 as i32), (packed >> 32) as u32 as i32)
    }

    /// Where the active controller is down, the first of `brokers` that is up takes over in the next epoch. It does not give back
    /// what it took, as a KRaft quorum's leader does not. Where none is up, the last one stays.
    pub fn elect(&self, brokers: impl Iterator<Item = BrokerId>, is_up: impl Fn(BrokerId) -> bool) {
        let (active, epoch) = self.active();
        if is_up(active) {
            return;
        }
        if let Some(next) = brokers.into_iter().find(|broker| is_up(*broker)) {
            self.0.store(pack(next, epoch.saturating_add(1)), Ordering::Release);
        }
    }
}

fn pack(id: BrokerId, epoch: i32) -> u64 {
    u64::from(epoch.cast_unsigned()) << 32 | u64::from(id.0.cast_unsigned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elected(controller: &Controller, up: &[i32]) -> (i32, i32) {
        let brokers = [1, 2, 3].map(BrokerId);
        controller.elect(brokers.into_iter(), |broker| up.contains(&broker.0));
        let (id, epoch) = controller.active();
        (id.0, epoch)
    }

    #[test]
    fn the_first_that_is_up_takes_over_and_gives_nothing_back() {
        let controller = Controller::new(BrokerId(1));
        assert_eq!(elected(&controller, &[1, 3]), (1, 1));
        assert_eq!(elected(&controller, &[2, 3]), (2, 2));
        assert_eq!(elected(&controller, &[1, 2, 3]), (2, 2));
        assert_eq!(elected(&controller, &[3]), (3, 3));
    }

    #[test]
    fn with_nobody_up_the_last_one_stays_until_somebody_comes_back() {
        let controller = Controller::new(BrokerId(1));
        assert_eq!(elected(&controller, &[]), (1, 1));
        assert_eq!(elected(&controller, &[2]), (2, 2));
    }
}
