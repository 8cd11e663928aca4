//! Every group of the cluster, and which broker coordinates it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::expiry::Expiry;
use super::handle::Group;
use crate::cluster::internal::Internal;
use crate::cluster::state::Shared;
use crate::cluster::topics::BrokerId;

/// The groups, by id.
#[derive(Debug)]
pub(crate) struct Groups {
    pub shared: Arc<Shared>,
    by_id: Mutex<BTreeMap<String, Arc<Group>>>,
    changes: watch::Sender<u64>,
    /// How often coordinators have moved.
    pub(super) moves: AtomicU64,
    pub(super) expiry: Expiry,
}

impl Groups {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            expiry: Expiry::new(shared.now_ms()),
            shared,
            by_id: Mutex::default(),
            changes: watch::Sender::default(),
            moves: AtomicU64::new(0),
        }
    }

    pub fn get(&self, id: &str) -> Option<Arc<Group>> {
        self.by_id.lock().get(id).cloned()
    }

    pub fn get_or_create(&self, id: &str) -> Arc<Group> {
        let mut groups = self.by_id.lock();
        match groups.get(id) {
            Some(group) => group.clone(),
            None => {
                let group = Group::new(id, self.shared.tasks.all.group(format!("group:{id}")));
                groups.insert(id.to_owned(), group.clone());
                group
            }
        }
    }

    /// In the order of their ids.
    pub fn all(&self) -> Vec<Arc<Group>> {
        self.by_id.lock().values().cloned().collect()
    }

    /// Forgets a group that is dead. Until then no other has its id.
    pub fn remove(&self, id: &str) {
        self.by_id.lock().remove(id);
    }

    /// Forgets a group, if it is still the one of its id.
    pub fn remove_this(&self, group: &Arc<Group>) {
        let mut groups = self.by_id.lock();
        if groups.get(&group.id).is_some_and(|known| Arc::ptr_eq(known, group)) {
            groups.remove(&group.id);
        }
    }

    /// Kafka forgets the committed offsets of a deleted topic (`GroupCoordinator.onPartitionsDeleted`).
    pub fn forget_topic(&self, topic: &str) {
        for group in self.all() {
            group.state.lock().offsets.forget_topic(topic);
        }
        self.changed();
    }

    /// Tells those who wait for a group that one has changed.
    pub fn changed(&self) {
        // With the fence in `changes`: this sees who listens, or who listens sees what has changed.
        fence(Ordering::SeqCst);
        if self.changes.receiver_count() > 0 {
            self.changes.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    /// Whoever looks at a group from now on is told of what changes after.
    pub fn changes(&self) -> watch::Receiver<u64> {
        let changes = self.changes.subscribe();
        fence(Ordering::SeqCst);
        changes
    }
}

impl Shared {
    /// The broker that coordinates a group: the leader of the group's partition of `__consumer_offsets`. While nobody leads it,
    /// a broker that is none (-1).
    pub fn coordinator(&self, group: &str) -> BrokerId {
        self.coordinator_in(Internal::Offsets, group).unwrap_or(BrokerId(-1))
    }

    /// The group's partition of `__consumer_offsets`.
    pub fn offsets_partition(&self, group: &str) -> i32 {
        self.internal_partition(Internal::Offsets, group)
    }
}
