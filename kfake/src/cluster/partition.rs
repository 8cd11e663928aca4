//! A partition: who replicates it, who leads it, and its log.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

use super::topics::BrokerId;
use crate::log::Log;

/// A partition as it is at one moment: who leads it, and its log, which the replicas share. Kafka's `PartitionRegistration`.
///
/// It is changed by [`Change`](super::change::Change), which puts another one in its place.
#[derive(Debug, Clone)]
pub(crate) struct Partition {
    pub index: i32,
    /// `None` while no replica may lead.
    pub leader: Option<BrokerId>,
    /// Rises with each new leader.
    pub leader_epoch: i32,
    /// Rises with each change of the partition.
    pub partition_epoch: i32,
    /// In the order of preference: the first is the preferred leader.
    pub replicas: Vec<BrokerId>,
    /// The replicas that are in sync.
    pub isr: Vec<BrokerId>,
    /// The replicas that are not in sync and yet have every committed record (KIP-966).
    pub elr: Vec<BrokerId>,
    /// Who led last, while nobody leads (KIP-966).
    pub last_known_elr: Vec<BrokerId>,
    /// The replicas that a reassignment brings.
    pub adding: Vec<BrokerId>,
    /// The replicas that a reassignment takes away.
    pub removing: Vec<BrokerId>,
    /// The log end offset of each replica that has fallen behind. The others have all that the log has.
    pub behind: BTreeMap<BrokerId, i64>,
    pub log: Arc<Mutex<Log>>,
}

impl Partition {
    /// A new partition on these replicas, of which those in `isr` are alive; the first of them leads.
    pub fn new(index: i32, replicas: Vec<BrokerId>, isr: Vec<BrokerId>) -> Self {
        Self {
            index,
            leader: isr.first().copied(),
            leader_epoch: 0,
            partition_epoch: 0,
            behind: replicas.iter().filter(|r| !isr.contains(r)).map(|r| (*r, 0)).collect(),
            replicas,
            isr,
            elr: Vec::new(),
            last_known_elr: Vec::new(),
            adding: Vec::new(),
            removing: Vec::new(),
            log: Arc::new(Mutex::new(Log::new(0))),
        }
    }

    /// Whether a reassignment has not come to its end.
    pub fn is_reassigning(&self) -> bool {
        !self.adding.is_empty() || !self.removing.is_empty()
    }

    /// How many replicas must be in sync for a record to be committed: `min.insync.replicas`, and no more than there are
    /// (`Partition.effectiveMinIsr`).
    pub fn effective_min_isr(&self, min_isr: usize) -> usize {
        min_isr.min(self.replicas.len())
    }

    /// Whether a marker may be written: it is for every replica in sync, as with `acks=all`. `log` is the partition's own.
    pub fn takes_markers(&self, log: &Log) -> bool {
        self.leader.is_some() && !log.holds_high_watermark()
    }

    /// Lets the log go on as the replicas in sync allow. The markers that have waited for that are for nobody where nobody leads.
    /// Whether they can be written now. `log` is the partition's own.
    pub fn go_on(&self, log: &mut Log, min_isr: usize) -> bool {
        log.hold_high_watermark(self.is_under_min_isr(min_isr));
        if self.leader.is_none() {
            log.forget_owed_markers();
        }
        self.takes_markers(log)
    }

    /// Whether too few replicas are in sync for a record to be committed.
    pub fn is_under_min_isr(&self, min_isr: usize) -> bool {
        self.isr.len() < self.effective_min_isr(min_isr)
    }
}
