//! What each thread has of its own, and how its end is noticed.
//!
//! Not by `thread_local!`: on macOS the first use of such a value by a thread asks `malloc` for its memory, and a key's destructor
//! gives that to `free`, which is ours. So a key of our own holds a page that was mapped. What is in a key is read without a call
//! of the kernel's, and to set one allocates nothing.

use std::cell::Cell;
use std::ffi::{c_int, c_ulong, c_void};
use std::mem::size_of;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use super::events::{end_thread, Recent, Turn};
use super::libc::anonymous;
use super::threads::ending;
use super::walk::Trace;

extern "C" {
    fn pthread_key_create(key: *mut c_ulong, destructor: unsafe extern "C" fn(*mut c_void)) -> c_int;
    fn pthread_setspecific(key: c_ulong, value: *const c_void) -> c_int;
    fn pthread_getspecific(key: c_ulong) -> *mut c_void;
}

/// A thread's own. Bytes of zero are what a thread begins with.
struct Block {
    busy: Cell<bool>,
    yields: Cell<u8>,
    lineage: Cell<u64>,
    thread: Cell<u64>,
    recent: Recent,
    traces: Cell<*mut Trace>,
    /// The next one that is in nobody's use.
    next: *mut Block,
}

/// One of the values in a thread's block, with the interface that std's `LocalKey` has.
pub(super) struct Own<T: 'static> {
    of: fn(&'static Block) -> &'static T,
    /// A thread that has no block yet is given one for this.
    is_made: bool,
}

/// There is no such value: nothing has been prepared, there is no memory, or the thread has no block and needs none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoBlock;

/// A hook is at work on this thread.
pub(super) static BUSY: Own<Cell<bool>> = Own::new(|block| &block.busy);
/// Which threads created this one.
pub(super) static LINEAGE: Own<Cell<u64>> = Own::new(|block| &block.lineage);
/// Parks that did not wait.
pub(super) static YIELDS: Own<Cell<u8>> = Own::new(|block| &block.yields);
/// Without a block, there is none. Any thread asks for them that frees something.
pub(super) static RECENT: Own<Recent> = Own {
    of: |block| &block.recent,
    is_made: false,
};
/// This thread's record; 0 for the first one, and where there was no room.
pub(super) static THREAD: Own<Cell<u64>> = Own::new(|block| &block.thread);
/// Mapped when they are needed first.
pub(super) static TRACES: Own<Cell<*mut Trace>> = Own::new(|block| &block.traces);

impl<T> Own<T> {
    const fn new(of: fn(&'static Block) -> &'static T) -> Self {
        Self { of, is_made: true }
    }

    pub(super) fn try_with<R>(&'static self, then: impl FnOnce(&T) -> R) -> Result<R, NoBlock> {
        let block = block(self.is_made).ok_or(NoBlock)?;
        Ok(then((self.of)(block)))
    }

    /// Where there is no block, nothing is done.
    pub(super) fn with(&'static self, then: impl FnOnce(&T)) {
        let _ = self.try_with(then);
    }
}

impl<T> Own<Cell<T>> {
    pub(super) fn set(&'static self, value: T) {
        self.with(|own| own.set(value));
    }
}

/// One more than the key; 0 where there is none.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// Blocks of threads that have ended. A thread whose other destructors come to a hook after ours takes one once more, and it
/// comes back with the next round of destructors.
struct Spare(*mut Block);

// SAFETY: the blocks in it are in nobody else's use, and a lock is around it.
unsafe impl Send for Spare {}

static SPARE: Mutex<Spare> = Mutex::new(Spare(std::ptr::null_mut()));

/// To be called before anything of a thread's own is used.
pub(super) fn prepare() {
    let mut key = 0;
    // SAFETY: the destructor has the type that libc asks for.
    if unsafe { pthread_key_create(&mut key, ended) } == 0 {
        KEY.store(key as usize + 1, Ordering::Relaxed);
    }
}

/// Ends are noticed since [`prepare`].
pub(super) fn begin() {}

/// Whether threads' ends are noticed.
pub(super) fn notices_ends() -> bool {
    KEY.load(Ordering::Relaxed) != 0
}

/// This thread has a block since its record was put into it, and so its end is noticed.
pub(super) fn notice_end(_record: u64) {}

/// This thread's block.
fn block(is_made: bool) -> Option<&'static Block> {
    let key = KEY.load(Ordering::Relaxed).checked_sub(1)? as c_ulong;
    // SAFETY: the key was created.
    let own = unsafe { pthread_getspecific(key) }.cast::<Block>();
    if !own.is_null() {
        // SAFETY: this thread's own until it has ended.
        return Some(unsafe { &*own });
    }
    if !is_made {
        return None;
    }
    let made = take()?;
    // SAFETY: the key was created.
    if unsafe { pthread_setspecific(key, made.cast()) } != 0 {
        give_back(made);
        return None;
    }
    // SAFETY: this thread's own from now on.
    Some(unsafe { &*made })
}

fn take() -> Option<*mut Block> {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    let first = spare.0;
    if first.is_null() {
        drop(spare);
        return anonymous(size_of::<Block>()).map(<*mut c_void>::cast);
    }
    // SAFETY: in nobody else's use.
    unsafe {
        spare.0 = (*first).next;
        (*first).next = std::ptr::null_mut();
    }
    Some(first)
}

fn give_back(block: *mut Block) {
    let mut spare = SPARE.lock().unwrap_or_else(PoisonError::into_inner);
    // SAFETY: no thread's any more. Bytes of zero are a block's beginning.
    unsafe {
        block.write_bytes(0, 1);
        (*block).next = spare.0;
    }
    spare.0 = block;
}

/// Called with the block of a thread that ends, also where it was cancelled.
///
/// # Safety
///
/// As `pthread_key_create(3)` calls it.
unsafe extern "C" fn ended(own: *mut c_void) {
    let Some(key) = KEY.load(Ordering::Relaxed).checked_sub(1) else { return };
    let key = key as c_ulong;
    // The key is empty by now, and what follows needs what is in the block.
    // SAFETY: the key was created, and the block is this thread's until it is given back below.
    let record = unsafe {
        pthread_setspecific(key, own);
        (*own.cast::<Block>()).thread.get()
    };
    if record != 0 {
        ending(record as *mut c_void);
    } else if let Some(_turn) = Turn::begin() {
        end_thread();
    }
    // SAFETY: as above.
    unsafe { pthread_setspecific(key, std::ptr::null()) };
    give_back(own.cast());
}
