//! Which groups have offsets that a producer's transaction commits and that are not decided: the marker of their partition of
//! `__consumer_offsets` decides them, however many other groups there are.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use parking_lot::Mutex;

/// By partition of `__consumer_offsets` and producer id. Where nobody led the partition when the transaction ended, they wait for a
/// later one of the producer. Its lock is taken last.
#[derive(Debug, Default)]
pub(crate) struct Undecided(Mutex<BTreeMap<(i32, i64), BTreeSet<Arc<str>>>>);

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
    pub fn take(&self, partition: i32, producer_id: i64) -> BTreeSet<Arc<str>> {
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
