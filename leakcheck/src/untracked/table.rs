//! The allocations that may be tasks, and the calls that made each.
//!
//! It is used from inside of an allocator: it allocates nothing but, once, its own memory, which comes from the system. It
//! holds a lock for a few instructions only, in which nothing is called that could need the same lock. What does not find
//! room is forgotten: a task has no name then, and is counted all the same.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::UnsafeCell;
use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use super::here;
use crate::cell::{State, owner_at, state_at};

/// The alignment of a task's memory: tokio keeps each task in cache lines of its own, and knows the lengths of those. See
/// `Cell` in `tokio/src/runtime/task/core.rs`.
pub(super) const ALIGN: usize = if cfg!(any(
    target_arch = "x86_64",
    target_arch = "aarch64",
    target_arch = "powerpc64"
)) {
    128
} else if cfg!(any(
    target_arch = "arm",
    target_arch = "mips",
    target_arch = "mips64",
    target_arch = "sparc",
    target_arch = "hexagon"
)) {
    32
} else if cfg!(target_arch = "m68k") {
    16
} else if cfg!(target_arch = "s390x") {
    256
} else {
    64
};

/// So many calls are kept of each. Without optimization, more than twenty of them are tokio's own.
const DEPTH: usize = if cfg!(debug_assertions) { 48 } else { 20 };

const SETS: usize = 4096;
const WAYS: usize = 8;

/// So many words of a task are looked at.
const HEADER: usize = 4;

/// How many checks are running. While there is none, nothing is noted.
static WATCHING: AtomicUsize = AtomicUsize::new(0);

/// How many allocations are in the table.
static NOTED: AtomicUsize = AtomicUsize::new(0);

static TABLE: AtomicPtr<Set> = AtomicPtr::new(ptr::null_mut());

/// An allocation that may be a task.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    address: usize,
    /// No other allocation has it, also none at the same address.
    number: u64,
    /// The scope that its thread spawned for; zero when nobody knows.
    pub(super) scope: u64,
    len: usize,
    calls: [usize; DEPTH],
}

impl Entry {
    /// The return addresses of the calls that made it, the innermost first.
    pub(super) fn calls(&self) -> &[usize] {
        &self.calls[..self.len]
    }

    pub(super) fn address(&self) -> usize {
        self.address
    }

    /// How far the task is, and which list it is in. `None` when its memory has been freed, or is not filled yet.
    ///
    /// # Safety
    ///
    /// The allocation is a task of the tokio that was calibrated.
    pub(super) unsafe fn read(&self) -> Option<(State, usize)> {
        let set = set(self.address)?;
        set.locked(|ways| {
            let known = ways.iter().find(|way| way.address == self.address)?;
            if known.number != self.number {
                return None;
            }
            let task = ptr::with_exposed_provenance(self.address);
            // SAFETY: the caller knows that it is a task. It is in the table, so that nobody has freed it, and nobody does
            // while the lock is held. What `note` wrote is there to be read before tokio has filled it. tokio fills it by
            // plain stores, which this read may meet: each is of an aligned word, and until there is a reference in the
            // state the rest is not looked at.
            let state = unsafe { state_at(task) };
            if !state.is_referred_to() {
                return None;
            }
            // SAFETY: as above. The list's number is written right after that: it may still read as that of no list.
            Some((state, unsafe { owner_at(task) }))
        })
    }
}

struct Set {
    lock: AtomicBool,
    ways: UnsafeCell<[Entry; WAYS]>,
}

// SAFETY: the ways are only reached through `locked`.
unsafe impl Sync for Set {}

impl Set {
    fn locked<T>(&self, look: impl FnOnce(&mut [Entry; WAYS]) -> T) -> T {
        struct Unlock<'a>(&'a AtomicBool);

        impl Drop for Unlock<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::Release);
            }
        }

        let mut spins = 0_u32;
        while self.lock.swap(true, Ordering::Acquire) {
            spins += 1;
            match spins % 64 {
                0 => std::thread::yield_now(),
                _ => std::hint::spin_loop(),
            }
        }
        let _unlock = Unlock(&self.lock);
        // SAFETY: whoever holds the lock is alone, and none of the closures in here calls this again.
        look(unsafe { &mut *self.ways.get() })
    }
}

fn table() -> Option<&'static [Set]> {
    let table = NonNull::new(TABLE.load(Ordering::Acquire))?;
    // SAFETY: `make` has made room for so many sets, and filled it with zeros, which each of the types in there may be.
    // It is never freed.
    Some(unsafe { std::slice::from_raw_parts(table.as_ptr(), SETS) })
}

fn set(address: usize) -> Option<&'static Set> {
    // By the golden ratio, as neighbours are common.
    let spread = ((address / ALIGN) as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    table()?.get((spread >> 32) as usize % SETS)
}

/// Makes the table, unless it is there. What is not touched of it is not taken from the system.
fn make() {
    if !TABLE.load(Ordering::Acquire).is_null() {
        return;
    }
    let Ok(layout) = Layout::array::<Set>(SETS) else { return };
    // SAFETY: the layout has a size.
    let made: *mut Set = unsafe { System.alloc_zeroed(layout) }.cast();
    let others = TABLE.compare_exchange(ptr::null_mut(), made, Ordering::AcqRel, Ordering::Acquire);
    if others.is_err() && !made.is_null() {
        // SAFETY: it was allocated so, and nobody has seen it.
        unsafe { System.dealloc(made.cast(), layout) };
    }
}

/// While one of these lives, allocations are noted.
#[derive(Debug)]
pub(crate) struct Watch(());

impl Watch {
    pub(crate) fn begin() -> Self {
        make();
        WATCHING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Whether an allocation may be a task that somebody wants to know of.
#[inline]
pub(super) fn is_to_be_noted(layout: Layout) -> bool {
    layout.align() == ALIGN && WATCHING.load(Ordering::Relaxed) > 0
}

/// Whether an allocation may be in the table.
#[inline]
pub(super) fn may_be_noted(layout: Layout) -> bool {
    layout.align() == ALIGN && NOTED.load(Ordering::Relaxed) > 0
}

/// Notes an allocation, unless its task is known otherwise.
///
/// # Safety
///
/// `memory` has just been allocated with that layout, and nobody else knows of it.
#[cold]
#[inline(never)]
pub(super) unsafe fn note(memory: *mut u8, layout: Layout) {
    if here::is_ours() || layout.size() < HEADER * size_of::<usize>() || cfg!(miri) {
        return;
    }
    // SAFETY: the memory is that long, and the caller's.
    unsafe { ptr::write_bytes(memory, 0, HEADER * size_of::<usize>()) };
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let mut entry = Entry {
        address: memory.expose_provenance(),
        number: NEXT.fetch_add(1, Ordering::Relaxed),
        scope: here::scope(),
        len: 0,
        calls: [0; DEPTH],
    };
    // SAFETY: what must be synchronized is the lookup of names, and there is none.
    unsafe {
        backtrace::trace_unsynchronized(|frame| {
            entry.calls[entry.len] = frame.ip() as usize;
            entry.len += 1;
            entry.len < DEPTH
        });
    }
    let noted = set(entry.address).is_some_and(|set| {
        set.locked(|ways| {
            let free = ways.iter_mut().find(|way| way.address == 0);
            free.map(|way| *way = entry).is_some()
        })
    });
    if noted {
        NOTED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Forgets an allocation that is about to be freed.
#[cold]
#[inline(never)]
pub(super) fn forget(memory: *mut u8) {
    let address = memory.addr();
    let Some(set) = set(address) else { return };
    let known = set.locked(|ways| {
        let known = ways.iter_mut().find(|way| way.address == address);
        known.map(|way| way.address = 0).is_some()
    });
    if known {
        NOTED.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The allocations that are noted and wanted, in the order in which they were made.
pub(super) fn entries(wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
    let mut found = Vec::new();
    if NOTED.load(Ordering::Relaxed) == 0 {
        return found;
    }
    for set in table().unwrap_or_default() {
        // Copied, and looked at without the lock: the vector may have to allocate.
        let ways = set.locked(|ways| ways.iter().any(|way| way.address != 0).then_some(*ways));
        let ways = ways.iter().flatten();
        found.extend(ways.filter(|way| way.address != 0 && wanted(way)).copied());
    }
    found.sort_by_key(|entry| entry.number);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Memory as a task's, that an allocator of ours has not seen.
    fn memory() -> (*mut u8, Layout) {
        let layout = Layout::from_size_align(2 * ALIGN, ALIGN).unwrap();
        // SAFETY: the layout has a size.
        (unsafe { System.alloc(layout) }, layout)
    }

    fn is_known(memory: *mut u8) -> bool {
        !entries(|entry| entry.address == memory.addr()).is_empty()
    }

    #[test]
    fn an_allocation_is_known_until_it_is_freed() {
        let _watch = Watch::begin();
        let (memory, layout) = memory();
        assert!(is_to_be_noted(layout) && !is_known(memory));
        // SAFETY: it is as new.
        unsafe { note(memory, layout) };
        assert!(may_be_noted(layout));
        let [entry] = entries(|entry| entry.address == memory.addr())[..] else {
            panic!("one entry")
        };
        assert!(entry.len > 2, "{:?}", entry.calls());
        // SAFETY: it is no task, but words that are zero.
        assert!(unsafe { entry.read() }.is_none(), "nobody has filled it");
        // SAFETY: it is ours, and long enough.
        unsafe { memory.cast::<usize>().write(0b100_1000) };
        // SAFETY: as above.
        let (state, owner) = unsafe { entry.read() }.expect("it is filled");
        assert!(state.has_join_handle() && !state.is_complete() && owner == 0);
        forget(memory);
        assert!(!is_known(memory));
        // SAFETY: it is gone from the table, so that nothing is read.
        assert!(unsafe { entry.read() }.is_none());
        // SAFETY: it was allocated so.
        unsafe { System.dealloc(memory, layout) };
    }

    #[test]
    fn what_leakcheck_spawns_is_not_noted() {
        let _watch = Watch::begin();
        let (memory, layout) = memory();
        let ours = here::Ours::begin();
        // SAFETY: it is as new.
        unsafe { note(memory, layout) };
        drop(ours);
        assert!(!is_known(memory));
        // SAFETY: it was allocated so.
        unsafe { System.dealloc(memory, layout) };
    }

    #[test]
    fn many_threads_note_and_forget_side_by_side() {
        let _watch = Watch::begin();
        std::thread::scope(|threads| {
            for _ in 0..4 {
                threads.spawn(|| {
                    for _ in 0..200 {
                        let memories: Vec<_> = (0..8).map(|_| memory()).collect();
                        for (memory, layout) in &memories {
                            // SAFETY: it is as new.
                            unsafe { note(*memory, *layout) };
                        }
                        for (memory, layout) in memories {
                            forget(memory);
                            // SAFETY: it was allocated so.
                            unsafe { System.dealloc(memory, layout) };
                        }
                    }
                });
            }
            threads.spawn(|| {
                for _ in 0..50 {
                    for entry in entries(|_| true) {
                        // SAFETY: words, which is all that is read, are there as long as the entry is.
                        unsafe { entry.read() };
                    }
                }
            });
        });
    }
}
