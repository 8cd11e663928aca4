//! The partitions of `__consumer_offsets` of which too few replicas are in sync, and what has been written to them meanwhile.
//!
//! Apache Kafka's group coordinators append with `acks=1` and answer once the high watermark has passed what they wrote
//! (`CoordinatorRuntime`, its `DeferredEventQueue`). With fewer replicas in sync than `min.insync.replicas` it stays where it is (KIP-966).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::sync::watch;

/// What has become of what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Too few replicas have it.
    Waits,
    /// Enough replicas have it.
    Committed,
    /// The partition's leader is another broker, or none.
    Moved,
}

/// The partitions, by their index. Its lock is taken last, and nothing is waited for while it is held.
#[derive(Debug, Default)]
pub(crate) struct Unreplicated {
    /// Whether there is any: most clusters never have one, and ask this alone.
    any: AtomicBool,
    partitions: Mutex<Partitions>,
}

#[derive(Debug, Default)]
struct Partitions {
    held: BTreeSet<i32>,
    /// Those of them, and of those that have just been let go, to which something was written.
    written: BTreeMap<i32, watch::Sender<Fate>>,
}

impl Partitions {
    fn any(&self) -> bool {
        !self.held.is_empty() || !self.written.is_empty()
    }
}

impl Unreplicated {
    pub fn any(&self) -> bool {
        self.any.load(Ordering::SeqCst)
    }

    /// Too few replicas of a partition are in sync from now on.
    pub fn hold(&self, partition: i32) {
        self.partitions.lock().held.insert(partition);
        self.any.store(true, Ordering::SeqCst);
    }

    /// Enough replicas of a partition are in sync. Whether that is news: then the groups have to hear of it, and those who wait
    /// ([`end`](Self::end)).
    pub fn let_go(&self, partition: i32) -> bool {
        self.any() && self.partitions.lock().held.remove(&partition)
    }

    pub fn is_held(&self, partition: i32) -> bool {
        self.partitions.lock().held.contains(&partition)
    }

    /// Takes note that something is written to a partition. Whether it has to wait for replicas.
    pub fn write(&self, partition: i32) -> bool {
        let mut partitions = self.partitions.lock();
        let is_held = partitions.held.contains(&partition);
        if is_held {
            let waits = || watch::Sender::new(Fate::Waits);
            partitions.written.entry(partition).or_insert_with(waits);
        }
        is_held
    }

    /// Whether something that was written to a partition is not committed.
    pub fn is_written(&self, partition: i32) -> bool {
        self.partitions.lock().written.contains_key(&partition)
    }

    /// What becomes of what was written to a partition; none where all of it is committed.
    pub fn fate(&self, partition: i32) -> Option<watch::Receiver<Fate>> {
        self.partitions
            .lock()
            .written
            .get(&partition)
            .map(watch::Sender::subscribe)
    }

    /// Tells those who wait for a partition what has become of what was written. `is_kept` says that it still waits for replicas,
    /// with another leader.
    pub fn end(&self, partition: i32, fate: Fate, is_kept: bool) {
        let mut partitions = self.partitions.lock();
        if let Some(waiting) = partitions.written.remove(&partition) {
            waiting.send_replace(fate);
            if is_kept {
                partitions.written.insert(partition, watch::Sender::new(Fate::Waits));
            }
        }
        self.any.store(partitions.any(), Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_waits_only_where_too_few_replicas_are_in_sync() {
        let unreplicated = Unreplicated::default();
        assert!(!unreplicated.any() && !unreplicated.write(0) && unreplicated.fate(0).is_none());
        unreplicated.hold(0);
        assert!(unreplicated.fate(0).is_none(), "nothing is written yet");
        assert!(!unreplicated.write(1));
        assert!(unreplicated.write(0) && unreplicated.is_written(0) && !unreplicated.is_written(1));
        let fate = unreplicated.fate(0).unwrap();
        assert_eq!(*fate.borrow(), Fate::Waits);

        assert!(unreplicated.let_go(0) && !unreplicated.let_go(0));
        assert!(!unreplicated.write(0));
        assert_eq!(*fate.borrow(), Fate::Waits, "the groups hear of it first");
        unreplicated.end(0, Fate::Committed, false);
        assert_eq!(*fate.borrow(), Fate::Committed);
        assert!(!unreplicated.any() && !unreplicated.is_written(0));
    }

    #[test]
    fn what_another_leader_keeps_waits_on() {
        let unreplicated = Unreplicated::default();
        unreplicated.hold(0);
        unreplicated.write(0);
        let before = unreplicated.fate(0).unwrap();
        unreplicated.end(0, Fate::Moved, true);
        assert_eq!(*before.borrow(), Fate::Moved);
        assert_eq!(*unreplicated.fate(0).unwrap().borrow(), Fate::Waits);
        unreplicated.end(0, Fate::Moved, false);
        assert!(
            unreplicated.fate(0).is_none() && unreplicated.any(),
            "it is held all the same"
        );
    }
}
