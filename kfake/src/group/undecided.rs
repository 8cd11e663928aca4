//! Which groups have offsets that a producer's transaction commits and that are not decided: the marker of their partition of
//! `__consumer_offsets` decides them, however many other groups there are.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

use crate::txn::transaction::IdAndEpoch;

type GroupIds = BTreeSet<Arc<str>>;

/// What a producer has open in a partition.
#[derive(Debug, Default)]
struct Open {
    groups: GroupIds,
    /// The epoch that it has committed with last, where that is known.
    epoch: Option<i16>,
}

/// By partition of `__consumer_offsets` and producer id. Where nobody led the partition when the transaction ended, they wait for a
/// later one of the producer. Its lock is taken last.
#[derive(Debug, Default)]
pub(crate) struct Undecided(Mutex<BTreeMap<(i32, i64), Open>>);

impl Open {
    fn insert(&mut self, group: &Arc<str>) {
        if !self.groups.contains(group) {
            self.groups.insert(group.clone());
        }
    }
}

impl Undecided {
    /// A group has such offsets, which the producer has committed in this epoch.
    pub fn add(&self, partition: i32, (producer_id, epoch): IdAndEpoch, group: &Arc<str>) {
        let mut undecided = self.0.lock();
        let open = undecided.entry((partition, producer_id)).or_default();
        open.epoch = Some(epoch);
        open.insert(group);
    }

    /// A group is back with such offsets.
    pub fn restore(&self, partition: i32, producer_id: i64, group: &Arc<str>) {
        let mut undecided = self.0.lock();
        undecided.entry((partition, producer_id)).or_default().insert(group);
    }

    /// How the epoch in which the producer has committed what is open is to this one; `None` where nothing is, or that is not known.
    pub fn epoch_to(&self, partition: i32, (producer_id, epoch): IdAndEpoch) -> Option<Ordering> {
        let undecided = self.0.lock();
        Some(undecided.get(&(partition, producer_id))?.epoch?.cmp(&epoch))
    }

    /// The groups of a marker that the partition takes.
    pub fn take(&self, partition: i32, producer_id: i64) -> GroupIds {
        let open = self.0.lock().remove(&(partition, producer_id));
        open.unwrap_or_default().groups
    }

    /// A group that has such offsets of these producers is gone, and they with it.
    pub fn forget(&self, group: &str, producers: impl Iterator<Item = i64>) {
        let mut undecided = self.0.lock();
        for producer_id in producers {
            undecided.retain(|(_, producer), open| {
                if *producer == producer_id {
                    open.groups.remove(group);
                }
                !open.groups.is_empty()
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
        groups.undecided.add(index, producer, &"billing".into());
        held.end("transfers", producer, true, Protocol::Classic).unwrap();
        drop(held);
        assert!(!groups.undecided.is_empty(), "the marker waits");

        // Another configuration makes the partitions look at their replicas anew.
        let mut changed = Topic::clone(&offsets);
        let configs = BTreeMap::from([("min.insync.replicas".to_owned(), "2".to_owned())]);
        changed.config = TopicConfig::new(configs, &shared.configs.logs());
        {
            let mut topics = shared.topics.write();
            topics.replace(Arc::new(changed)).unwrap();
            assert!(groups.decide_owed(&mut topics));
        }
        assert!(groups.undecided.is_empty());

        shared.exits.shut_down();
        shared.tasks.all.close();
        shared.tasks.all.wait().await;
    }

    #[test]
    fn the_epoch_of_what_is_open_is_the_last_one_that_was_committed_in() {
        let undecided = Undecided::default();
        undecided.restore(0, 7, &"billing".into());
        assert_eq!(undecided.epoch_to(0, (7, 0)), None, "nobody knows it any more");
        undecided.add(0, (7, 1), &"billing".into());
        let of = |epoch| undecided.epoch_to(0, (7, epoch));
        assert_eq!(
            [0, 1, 2].map(of),
            [Ordering::Greater, Ordering::Equal, Ordering::Less].map(Some)
        );
        undecided.take(0, 7);
        assert_eq!(of(1), None);
    }

    #[test]
    fn a_group_that_is_gone_is_not_asked_for() {
        let undecided = Undecided::default();
        undecided.add(0, (7, 0), &"billing".into());
        undecided.add(0, (7, 0), &"shipping".into());
        undecided.add(0, (8, 0), &"billing".into());
        undecided.forget("billing", [7, 8].into_iter());
        assert_eq!(undecided.take(0, 8).len(), 0);
        assert_eq!(undecided.take(0, 7), BTreeSet::from(["shipping".into()]));
        assert!(undecided.is_empty());
    }
}
