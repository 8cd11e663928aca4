//! Offsets that transactions commit, until they are decided (KIP-98, KIP-447).
//!
//! Apache Kafka keeps the most recent of several commits of a partition, by their places in the log of commits. Here a commit
//! that has been overtaken by another is marked when that happens.

use std::collections::BTreeMap;

use super::offsets::Committed;

/// A commit that is not decided.
#[derive(Debug, Clone)]
struct Pending {
    committed: Committed,
    /// A later commit of the partition counts already.
    overtaken: bool,
    /// Its place among the commits.
    order: u64,
}

/// By producer id, topic and partition.
#[derive(Debug, Default, Clone)]
pub(super) struct PendingOffsets {
    by_producer: BTreeMap<i64, BTreeMap<(String, i32), Pending>>,
    last_order: u64,
}

impl PendingOffsets {
    pub fn add(&mut self, producer_id: i64, topic: &str, partition: i32, committed: Committed) {
        self.last_order += 1;
        let pending = Pending {
            committed,
            overtaken: false,
            order: self.last_order,
        };
        let of_producer = self.by_producer.entry(producer_id).or_default();
        of_producer.insert((topic.to_owned(), partition), pending);
    }

    /// Takes what a producer's transaction commits, less what others have overtaken. `committed` says whether it counts, and so
    /// overtakes in turn what came before it.
    pub fn take(&mut self, producer_id: i64, committed: bool) -> Vec<(String, i32, Committed)> {
        let Some(of_producer) = self.by_producer.remove(&producer_id) else {
            return Vec::new();
        };
        let mut taken = Vec::with_capacity(of_producer.len());
        for ((topic, partition), pending) in of_producer {
            if committed && !pending.overtaken {
                self.overtake(&topic, partition, pending.order);
                taken.push((topic, partition, pending.committed));
            }
        }
        taken
    }

    /// A commit outside of any transaction counts at once, and more than all that came before it.
    pub fn overtake_all(&mut self, topic: &str, partition: i32) {
        self.overtake(topic, partition, u64::MAX);
    }

    fn overtake(&mut self, topic: &str, partition: i32, before: u64) {
        if self.by_producer.is_empty() {
            return;
        }
        let key = (topic.to_owned(), partition);
        for of_producer in self.by_producer.values_mut() {
            if let Some(pending) = of_producer.get_mut(&key)
                && pending.order < before
            {
                pending.overtaken = true;
            }
        }
    }

    pub fn producers(&self) -> impl Iterator<Item = i64> {
        self.by_producer.keys().copied()
    }

    pub fn is_empty(&self) -> bool {
        self.by_producer.is_empty()
    }

    /// Whether some transaction commits this partition.
    pub fn has(&self, topic: &str, partition: i32) -> bool {
        if self.by_producer.is_empty() {
            return false;
        }
        let key = (topic.to_owned(), partition);
        self.by_producer
            .values()
            .any(|of_producer| of_producer.contains_key(&key))
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::protocol::StrBytes;
    use uuid::Uuid;

    use super::super::offsets::Offsets;
    use super::*;

    fn at(offset: i64) -> Committed {
        Committed {
            offset,
            leader_epoch: -1,
            metadata: StrBytes::new(),
            topic_id: Uuid::nil(),
            at_ms: 0,
            expires_ms: None,
        }
    }

    fn committed(offsets: &Offsets) -> Option<i64> {
        offsets.get_of("t", Uuid::nil(), 0).map(|committed| committed.offset)
    }

    #[test]
    fn what_a_transaction_commits_counts_once_it_is_committed() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(7, "t", 0, at(5));
        assert_eq!((committed(&offsets), offsets.is_unstable("t", 0)), (None, true));
        assert!(!offsets.is_unstable("t", 1));
        offsets.decide(8, true);
        assert!(offsets.is_unstable("t", 0), "another's transaction has ended");
        offsets.decide(7, true);
        assert_eq!((committed(&offsets), offsets.is_unstable("t", 0)), (Some(5), false));
    }

    #[test]
    fn what_an_aborted_transaction_committed_is_forgotten() {
        let mut offsets = Offsets::default();
        offsets.commit("t", 0, at(1));
        offsets.commit_pending(7, "t", 0, at(5));
        offsets.decide(7, false);
        assert_eq!((committed(&offsets), offsets.is_unstable("t", 0)), (Some(1), false));
    }

    #[test]
    fn a_commit_outside_of_the_transaction_that_comes_later_stays() {
        let mut offsets = Offsets::default();
        offsets.commit_pending(7, "t", 0, at(5));
        offsets.commit("t", 0, at(9));
        offsets.decide(7, true);
        assert_eq!(committed(&offsets), Some(9));
    }

    #[test]
    fn an_offset_that_a_transaction_commits_anew_does_not_expire() {
        let mut offsets = Offsets::default();
        offsets.commit("t", 0, at(1));
        offsets.commit("t", 1, at(1));
        offsets.commit_pending(7, "t", 0, at(5));
        offsets.retain(|_, _| false);
        assert_eq!(
            (committed(&offsets), offsets.len(), offsets.has_pending()),
            (Some(1), 1, true)
        );
        offsets.decide(7, false);
        offsets.retain(|_, _| false);
        assert_eq!((offsets.len(), offsets.has_pending()), (0, false));
    }

    #[test]
    fn of_two_transactions_the_later_commit_stays_whichever_ends_first() {
        for (first, second) in [(7, 8), (8, 7)] {
            let mut offsets = Offsets::default();
            offsets.commit_pending(7, "t", 0, at(5));
            offsets.commit_pending(8, "t", 0, at(6));
            offsets.decide(first, true);
            offsets.decide(second, true);
            assert_eq!(committed(&offsets), Some(6), "{first} before {second}");
        }
        // One that was aborted overtakes nothing.
        let mut offsets = Offsets::default();
        offsets.commit_pending(7, "t", 0, at(5));
        offsets.commit_pending(8, "t", 0, at(6));
        offsets.decide(8, false);
        offsets.decide(7, true);
        assert_eq!(committed(&offsets), Some(5));
    }
}
