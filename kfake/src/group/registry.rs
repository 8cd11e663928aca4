//! Every group of the cluster, and which broker coordinates it.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering, fence};

use parking_lot::Mutex;
use tokio::sync::watch;

use super::expiry::Expiry;
use super::handle::Group;
use super::undecided::Undecided;
use crate::cluster::internal::Internal;
use crate::cluster::state::Shared;
use crate::cluster::topics::{BrokerId, Topics};
use crate::cluster::unreplicated::Unreplicated;

/// The groups, by id.
#[derive(Debug)]
pub(crate) struct Groups {
    pub shared: Arc<Shared>,
    /// Asked for by every request of a member; what has to be in an order is sorted.
    by_id: Mutex<HashMap<Arc<str>, Arc<Group>>>,
    changes: watch::Sender<u64>,
    /// How often coordinators have moved.
    pub(super) moves: AtomicU64,
    pub(super) expiry: Expiry,
    pub(crate) unreplicated: Arc<Unreplicated>,
    pub(crate) undecided: Undecided,
    /// Groups whose end is not committed.
    deleted: Mutex<BTreeMap<Arc<str>, Arc<Group>>>,
}

impl Groups {
    pub fn new(shared: Arc<Shared>) -> Self {
        let unreplicated = shared.topics.read().unreplicated.clone();
        Self {
            expiry: Expiry::new(shared.now_ms()),
            unreplicated,
            undecided: Undecided::default(),
            shared,
            by_id: Mutex::default(),
            changes: watch::Sender::default(),
            moves: AtomicU64::new(0),
            deleted: Mutex::default(),
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
                let id = Arc::<str>::from(id);
                let group = Group::new(id.clone(), self.shared.tasks.all.group(format!("group:{id}")));
                groups.insert(id, group.clone());
                group
            }
        }
    }

    /// In the order of their ids.
    pub fn all(&self) -> Vec<Arc<Group>> {
        let mut all: Vec<_> = self.by_id.lock().values().cloned().collect();
        all.sort_unstable_by(|a, b| a.id.cmp(&b.id));
        all
    }

    /// In the order of their ids: the groups of a partition of `__consumer_offsets`.
    pub(super) fn all_in(&self, topics: &Topics, partition: i32) -> Vec<Arc<Group>> {
        let mut groups = self.all();
        // Where the topic is gone, they are all.
        groups.retain(|group| {
            Internal::Offsets
                .partition_in(topics, &group.id)
                .is_none_or(|of| of == partition)
        });
        groups
    }

    /// Forgets a group that is dead. Until then no other has its id. `awaits_replicas` says that its end is not committed.
    pub fn remove(&self, id: &str, awaits_replicas: bool) {
        let removed = self.by_id.lock().remove(id);
        if let Some(group) = removed.filter(|_| awaits_replicas) {
            // Deleted again, it is as it was before the first time.
            self.deleted.lock().entry(group.id.clone()).or_insert(group);
        }
    }

    /// Whether it is committed that there is a group, where there is one.
    pub fn is_known(&self, id: &str) -> bool {
        !self.unreplicated.any() || self.get(id).is_none_or(|group| group.state.lock().is_known())
    }

    /// A group whose end is not committed: who only reads sees it.
    pub fn deleted(&self, id: &str) -> Option<Arc<Group>> {
        match self.unreplicated.any() {
            true => self.deleted.lock().get(id).cloned(),
            false => None,
        }
    }

    /// Such groups, in the order of their ids.
    pub fn all_deleted(&self) -> Vec<Arc<Group>> {
        self.deleted.lock().values().cloned().collect()
    }

    /// The end of a partition's groups is committed, or lost with what else was written.
    pub(super) fn forget_deleted(&self, topics: &Topics, partition: i32) -> Vec<Arc<Group>> {
        let mut all = self.deleted.lock();
        let (gone, stays) = std::mem::take(&mut *all).into_iter().partition(|(id, _)| {
            Internal::Offsets
                .partition_in(topics, id)
                .is_none_or(|of| of == partition)
        });
        *all = stays;
        let gone: BTreeMap<_, _> = gone;
        gone.into_values().collect()
    }

    /// Forgets a group, if it is still the one of its id.
    pub fn remove_this(&self, group: &Arc<Group>, awaits_replicas: bool) {
        let mut groups = self.by_id.lock();
        if groups.get(&group.id).is_some_and(|known| Arc::ptr_eq(known, group)) {
            groups.remove(&group.id);
            if awaits_replicas {
                let mut deleted = self.deleted.lock();
                deleted.entry(group.id.clone()).or_insert_with(|| group.clone());
            }
        }
    }

    /// Kafka forgets the committed offsets of a deleted topic (`GroupCoordinator.onPartitionsDeleted`).
    pub fn forget_topic(&self, topics: &Topics, topic: &str) {
        for group in self.all() {
            let mut state = self.open_in(topics, &group);
            if state.offsets.has_topic(topic) {
                state.before_write();
                state.offsets.forget_topic(topic);
            }
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
