//! Every live tracked task of the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(not(all(test, loom)))]
use once_cell::sync::Lazy;

use crate::info::TaskInfo;
use crate::sync::modelled::{Mutex, lock};
use crate::task::Task;

/// Enough that a machine's workers seldom meet at one lock.
const SHARDS: usize = if cfg!(all(test, loom)) { 1 } else { 64 };

/// Tasks, each in a slot that it knows: a task leaves without being looked for.
#[derive(Default)]
struct Shard {
    slots: Vec<Option<Arc<Task>>>,
    free: Vec<u32>,
}

#[cfg(not(all(test, loom)))]
static SHARDED: Lazy<Vec<Mutex<Shard>>> = Lazy::new(|| (0..SHARDS).map(|_| Mutex::default()).collect());
#[cfg(all(test, loom))]
loom::lazy_static! {
    /// Anew in each run of a model.
    static ref SHARDED: Vec<Mutex<Shard>> = (0..SHARDS).map(|_| Mutex::default()).collect();
}
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(crate) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A number that is greater than that of any task so far, and not than that of any later one.
pub(crate) fn upcoming_id() -> u64 {
    NEXT_ID.load(Ordering::Relaxed)
}

pub(crate) fn insert(task: Arc<Task>) {
    let mut shard = lock(shard(task.id()));
    let slot = shard.free.pop().unwrap_or_else(|| {
        shard.slots.push(None);
        u32::try_from(shard.slots.len() - 1).unwrap_or(u32::MAX)
    });
    // Only the lock's holder and the task's record read it.
    task.slot.store(slot, Ordering::Relaxed);
    shard.slots[slot as usize] = Some(task);
}

pub(crate) fn remove(task: &Task) {
    let slot = task.slot.load(Ordering::Relaxed);
    let mut shard = lock(shard(task.id()));
    let gone = shard.slots[slot as usize].take();
    shard.free.push(slot);
    drop(shard);
    // Out of the lock's way: the last handle of a record may run a waker's destructor.
    drop(gone);
}

/// How many tasks live, as of about now.
pub(crate) fn len() -> usize {
    let live = |shard: &Mutex<Shard>| {
        let shard = lock(shard);
        shard.slots.len() - shard.free.len()
    };
    SHARDED.iter().map(live).sum()
}

/// The live tasks that `wanted` picks, in the order in which they were spawned.
pub(crate) fn live(wanted: impl Fn(&Task) -> bool) -> Vec<Arc<Task>> {
    let mut found: Vec<_> = SHARDED
        .iter()
        .flat_map(|shard| {
            lock(shard)
                .slots
                .iter()
                .flatten()
                .filter(|task| wanted(task))
                .map(|task| (task.id(), task.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    // With the number beside it, no comparison has to look into a task.
    found.sort_unstable_by_key(|(id, _)| *id);
    found.into_iter().map(|(_, task)| task).collect()
}

/// Every tracked task of this process whose future has not been dropped yet, whatever test or runtime it belongs to,
/// in the order in which they were spawned.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// let tasks = leakcheck::TaskTracker::named("server");
/// tasks.spawn_named("accept", std::future::pending::<()>());
/// assert_eq!(leakcheck::tasks()[0].to_string(), "server › accept");
/// # }
/// ```
pub fn tasks() -> Vec<TaskInfo> {
    live(|_| true).iter().map(|task| task.info()).collect()
}

/// Numbers are consecutive, so that tasks spread by themselves.
fn shard(id: u64) -> &'static Mutex<Shard> {
    &SHARDED[id as usize % SHARDS]
}
