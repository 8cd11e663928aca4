//! Which groups have offsets that a producer's transaction commits and that are not decided: the marker of their partition of
//! `__consumer_offsets` decides them, however many other groups there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

type GroupIds = BTreeSet<Arc<str>>;

/// By partition of `__consumer_offsets` and producer id. Where nobody led the partition when the transaction ended, they wait for a
/// later one of the producer. Its lock is taken last.
#[derive(Debug, Default)]
pub(crate) struct Undecided(Mutex<BTreeMap<(i32, i64), GroupIds>>);

impl Undecided {
    /// A group has such offsets.
    pub fn add(&self, partition: i32, producer_id: i64, group: &Arc<str>) {
        let mut undecided = self.0.lock();
        let groups = undecided.entry((partition, producer_id)).or_default();
        if !groups.contains(group) {
            groups.insert(group.clone());
        }
    }

    /// The groups of a marker that the partition takes.
    pub fn take(&self, partition: i32, producer_id: i64) -> GroupIds {
        self.0.lock().remove(&(partition, producer_id)).unwrap_or_default()
    }

    /// A group that has such offsets of these producers is gone, and they with it.
    pub fn forget(&self, group: &str, producers: impl Iterator<Item = i64>) {
        let mut undecided = self.0.lock();
        for producer_id in producers {
            undecided.retain(|(_, producer), groups| {
                if *producer == producer_id {
                    groups.remove(group);
                }
                !groups.is_empty()
            });
        }
    }

    #[cfg(test)]
    pub fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::internal::Internal;
    use crate::cluster::state::Shared;
    use crate::cluster::topic_config::TopicConfig;
    use crate::cluster::topics::Topic;
    use crate::group::registry::Groups;
    use crate::txn::coordinator::Transactions;
    use crate::txn::transaction::Protocol;

    #[tokio::test(start_paused = true)]
    async fn a_marker_that_waited_for_replicas_leaves_nothing_of_its_producer_behind() {
        let shared = Arc::new(Shared::of_one_broker());
        let groups = Arc::new(Groups::new(shared.clone()));
        let transactions = Arc::new(Transactions::new(groups.clone()));
        shared.ensure(Internal::Offsets);
        let offsets = shared.topics.read().by_name(Internal::Offsets.name()).unwrap().clone();
        let index = shared.offsets_partition("billing");
        offsets.partition(index).unwrap().log.lock().hold_high_watermark(true);
        groups.unreplicated.hold(index);

        let mut held = transactions.hold();
        let producer = held.initialize("transfers", 60_000, None).unwrap();
        let partition = (Internal::Offsets.name().to_owned(), index);
        held.add("transfers", producer, [partition]).unwrap();
        groups.undecided.add(index, producer.0, &"billing".into());
        held.end("transfers", producer, true, Protocol::Classic).unwrap();
        drop(held);
        assert!(!groups.undecided.is_empty(), "the marker waits");

        // Another configuration makes the partitions look at their replicas anew.
        let mut changed = Topic::clone(&offsets);
        let configs = BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]);
        changed.config = TopicConfig::new(configs, &shared.configs.logs());
        let mut topics = shared.topics.write();
        topics.replace(Arc::new(changed)).unwrap();
        assert!(groups.decide_owed(&mut topics));
        drop(topics);
        assert!(groups.undecided.is_empty());
    }

    #[test]
    fn a_group_that_is_gone_is_not_asked_for() {
        let undecided = Undecided::default();
        undecided.add(0, 7, &"billing".into());
        undecided.add(0, 7, &"shipping".into());
        undecided.add(0, 8, &"billing".into());
        undecided.forget("billing", [7, 8].into_iter());
        assert_eq!(undecided.take(0, 8).len(), 0);
        assert_eq!(undecided.take(0, 7), BTreeSet::from(["shipping".into()]));
        assert!(undecided.is_empty());
    }
}
