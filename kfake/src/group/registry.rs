//! Every group of the cluster, and which broker coordinates it.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::watch;

use super::expiry::Expiry;
use super::handle::Group;
use crate::cluster::state::Shared;
use crate::cluster::topics::BrokerId;

/// Partitions of `__consumer_offsets`: `offsets.topic.num.partitions`.
const OFFSETS_PARTITIONS: u32 = 50;

/// The groups, by id.
#[derive(Debug)]
pub(crate) struct Groups {
    pub shared: Arc<Shared>,
    by_id: Mutex<BTreeMap<String, Arc<Group>>>,
    changes: watch::Sender<u64>,
    pub(super) expiry: Expiry,
}

impl Groups {
    pub fn new(shared: Arc<Shared>) -> Self {
        Self {
            expiry: Expiry::new(shared.now_ms()),
            shared,
            by_id: Mutex::default(),
            changes: watch::Sender::default(),
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
        self.changes.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

impl Shared {
    /// The leader of the group's partition of `__consumer_offsets`: Kafka's `Utils.abs(groupId.hashCode()) % partitions`.
    pub fn coordinator(&self, group: &str) -> BrokerId {
        let partition = (java_hash(group) & 0x7fff_ffff) % OFFSETS_PARTITIONS;
        let first = partition as usize % self.brokers.len();
        // The next broker takes over from one that is stopped.
        let topics = self.topics.read();
        let mut order = self.brokers[first..].iter().chain(&self.brokers[..first]);
        let up = order.find(|broker| topics.is_active(broker.id));
        up.unwrap_or(&self.brokers[first]).id
    }
}

/// Java's `String.hashCode`, over UTF-16 code units.
fn java_hash(text: &str) -> u32 {
    text.encode_utf16()
        .fold(0_u32, |hash, unit| hash.wrapping_mul(31).wrapping_add(u32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_javas() {
        // What `"…".hashCode()` is in Java: 97 * 31² + 98 * 31 + 99; and one that wraps.
        assert_eq!(java_hash(""), 0);
        assert_eq!(java_hash("abc"), 96_354);
        assert_eq!(java_hash("consumer-group"), 2556575208);
        // Beyond the basic plane a character is two units: 0xd834 * 31 + 0xdd1e.
        assert_eq!(java_hash("𝄞"), 1772394);
    }
}
