//! Every live tracked task of the process.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use once_cell::sync::Lazy;

use crate::info::TaskInfo;
use crate::sync::lock;
use crate::task::Task;

/// Enough that a machine's workers seldom meet at one lock.
const SHARDS: usize = 64;

type Shard = Mutex<HashMap<u64, Arc<Task>, BuildHasherDefault<ById>>>;

static SHARDED: Lazy<Vec<Shard>> = Lazy::new(|| (0..SHARDS).map(|_| Shard::default()).collect());
static NEXT_ID: AtomicU64 = AtomicU64::new(1);

pub(crate) fn next_id() -> u64 {
    NEXT_ID.fetch_add(1, Ordering::Relaxed)
}

/// A number that is greater than that of any task so far, and not than that of any later one.
pub(crate) fn upcoming_id() -> u64 {
    NEXT_ID.load(Ordering::Relaxed)
}

pub(crate) fn insert(task: Arc<Task>) {
    lock(shard(task.id())).insert(task.id(), task);
}

pub(crate) fn remove(id: u64) {
    // Taken out of the lock's way: the last handle of a record may run a waker's destructor.
    let task = lock(shard(id)).remove(&id);
    drop(task);
}

/// How many tasks live, as of about now.
pub(crate) fn len() -> usize {
    SHARDED.iter().map(|shard| lock(shard).len()).sum()
}

/// The live tasks that `wanted` picks, in the order in which they were spawned.
pub(crate) fn live(wanted: impl Fn(&Task) -> bool) -> Vec<Arc<Task>> {
    let mut found: Vec<_> = SHARDED
        .iter()
        .flat_map(|shard| {
            lock(shard)
                .values()
                .filter(|task| wanted(task))
                .cloned()
                .collect::<Vec<_>>()
        })
        .collect();
    found.sort_by_key(|task| task.id());
    found
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

fn shard(id: u64) -> &'static Shard {
    &SHARDED[id as usize % SHARDS]
}

/// Ids are consecutive, so that they spread by themselves; the multiplication is for the table's control bytes, which
/// are taken from the high bits.
#[derive(Default)]
struct ById(u64);

impl Hasher for ById {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = (self.0 ^ id).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }
}
