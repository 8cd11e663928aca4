//! What the records of a process say.

use crate::report::Lifetime;

/// A file loaded into a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// What its own addresses are shifted by.
    pub base: u64,
    /// The addresses it takes up.
    pub range: std::ops::Range<u64>,
    /// Empty for the executable.
    pub path: String,
    /// Which build of the file it was, where the records say so: a Mach-O image's UUID.
    pub uuid: Option<[u8; 16]>,
    /// Which file it was, where the records say so.
    pub file: Option<FileId>,
}

/// Which file a path led to, so that another one that has its name by now is not taken for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileId {
    /// Its number in its file system.
    pub inode: u64,
    /// When it was last written to, in nanoseconds of the clock.
    pub written_ns: u64,
}

/// Blocks that were allocated and freed alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Fold {
    /// The stack that allocated them.
    pub allocated: u64,
    /// The stack that freed them.
    pub freed: u64,
    /// The threads they were allocated on.
    pub lineage: u64,
    /// What each of them was seen to be.
    pub seen: Seen,
    /// How many.
    pub count: u64,
    /// When the first was allocated, and the last was freed.
    pub lived: Lifetime,
    /// When some of them lived: the first 64.
    pub lifetimes: Vec<Lifetime>,
    /// Copies of the bytes of some, from before they were freed.
    pub copies: Vec<Copy>,
}

/// What a block was seen to be before its end, where it was looked at in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Seen {
    /// Done when a runtime parked, well before it was freed.
    pub complete: bool,
    /// Not aborted, with nobody holding its `JoinHandle`, by which it could have been aborted later.
    pub detached: bool,
    /// Aborted, and not ended yet.
    pub aborted: bool,
    /// Done by itself: it returned or panicked, and nothing had aborted it or shut it down before.
    pub returned: bool,
    /// Copied while its future was being dropped.
    pub dying: bool,
}

impl Seen {
    pub(super) fn of(bits: u64) -> Self {
        Self {
            complete: bits & 1 != 0,
            detached: bits & 2 != 0,
            aborted: bits & 4 != 0,
            returned: bits & 8 != 0,
            dying: bits & 16 != 0,
        }
    }
}

/// A block that was not freed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The stack that allocated it.
    pub allocated: u64,
    /// The thread it was allocated on.
    pub lineage: u64,
    /// What it was seen to be.
    pub seen: Seen,
    /// When it was allocated.
    pub from_ns: u64,
    /// Its bytes, if they were copied.
    pub copy: Option<Copy>,
}

/// The bytes of a block, as they were at some time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Copy {
    /// Where the block was.
    pub address: u64,
    /// How many times a runtime parked between the copy and the end of the block.
    pub age: u64,
    /// The bytes: all of the block, or its beginning.
    pub bytes: Vec<u8>,
    /// The first word of the block when it was freed or the process ended, where that was seen.
    pub end: Option<u64>,
    /// What its boxes pointed to at the same time, as far as that was found, and what schedules it, as of its end.
    pub more: Vec<Region>,
    /// It is of the block's end: nothing can have become of it since.
    pub is_last: bool,
    /// A bit for each descriptor, from the lowest bit of the first word on, whose poller was not asked for events since the block was copied:
    /// see the library's `waits.rs`. Empty, unless the task was due to run at its end, or its handle was given up in between.
    pub still: Vec<u64>,
    /// The same, since the block was allocated. Empty, unless the task was due to run both when it was copied and at its end.
    pub quiet: Vec<u64>,
}

/// The task was put into a queue, and not taken out again: tokio's `runtime/task/state.rs`, since before 1.29. A task that is
/// spawned begins with it, and its poll takes it away.
pub const NOTIFIED: u64 = 0b100;

impl Copy {
    /// The block's first word when it was copied.
    #[must_use]
    pub fn begin(&self) -> Option<u64> {
        self.bytes.first_chunk().map(|word| u64::from_ne_bytes(*word))
    }

    /// Whether the poller that this descriptor is registered with is known, and was not asked for events since the block was allocated.
    #[must_use]
    pub fn is_quiet(&self, descriptor: u64) -> bool {
        has_bit(&self.quiet, descriptor)
    }

    /// Whether the poller that this descriptor is registered with is known, and was not asked for events since the block was copied.
    #[must_use]
    pub fn is_still(&self, descriptor: u64) -> bool {
        has_bit(&self.still, descriptor)
    }
}

fn has_bit(words: &[u64], bit: u64) -> bool {
    let word = usize::try_from(bit / 64).ok().and_then(|word| words.get(word));
    word.is_some_and(|word| word & 1 << (bit % 64) != 0)
}

/// A piece of memory that a block pointed to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Region {
    /// Where it was.
    pub address: u64,
    /// What was there.
    pub bytes: Vec<u8>,
}

/// Threads that were created alike: by the same stack, on threads that were created alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Threads {
    /// The stack that created them.
    pub created: u64,
    /// The lineage of the thread that created them: see [`Process::creators`](super::Process::creators). 0 is the first thread.
    pub creator: u64,
    /// Their own lineage, which [`Fold::lineage`] names.
    pub lineage: u64,
    /// How many were created, and how many of those ended.
    pub count: u64,
    /// How many ended. A thread ends once the values it owns are dropped: one whose end a scope has waited for may still be on its way.
    pub ended: u64,
    /// How many were alive when the thread that created them ended.
    pub outlived: u64,
    /// When the first was created, and the last ended. The end is 0 where none did.
    pub lived: Lifetime,
    /// When those lived that are alive, and some that outlived their creator. The end is 0 for who is alive.
    pub lifetimes: Vec<Lifetime>,
    /// Those that are alive.
    pub alive: Vec<Alive>,
}

/// A thread that had not ended when its process did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Alive {
    /// When it was created.
    pub from_ns: u64,
    /// The thread that created it has ended, that thread's creator too, and so on up to the process' first thread.
    pub outlived: bool,
    /// Why it could not end by itself, where that is certain.
    pub blocked: Option<Blocked>,
    /// The stack with which it waits, where it is known to wait: see [`Blocked::Waits`].
    pub stack: u64,
}

/// What a thread was blocked in when its process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Blocked {
    /// It waits for another thread: for a mutex, a channel, a condition, or to be unparked.
    Waits,
    /// It reads from what has nothing to read.
    Reads,
    /// It waits for a connection.
    Accepts,
    /// It waits for a file descriptor to be ready.
    Polls,
    /// It waits for a child process to end.
    AwaitsChild,
}

impl Blocked {
    pub(super) fn of(word: u64) -> Option<Self> {
        match word {
            1 => Some(Self::Waits),
            2 => Some(Self::Reads),
            3 => Some(Self::Accepts),
            4 => Some(Self::Polls),
            5 => Some(Self::AwaitsChild),
            _ => None,
        }
    }
}
