//! What each thread has of its own, and how its end is noticed.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::events::Recent;
use super::threads::ending;
use super::walk::Trace;

extern "C" {
    fn pthread_key_create(key: *mut c_uint, destructor: extern "C" fn(*mut c_void)) -> c_int;
    fn pthread_setspecific(key: c_uint, value: *const c_void) -> c_int;
}

thread_local! {
    /// A hook is at work on this thread.
    pub(super) static BUSY: Cell<bool> = const { Cell::new(false) };
    /// Which threads created this one.
    pub(super) static LINEAGE: Cell<u64> = const { Cell::new(0) };
    /// Parks that did not wait.
    pub(super) static YIELDS: Cell<u8> = const { Cell::new(0) };
    pub(super) static RECENT: Recent = const { Recent::NONE };
    /// This thread's record; 0 for the first one, and where there was no room.
    pub(super) static THREAD: Cell<u64> = const { Cell::new(0) };
    /// Mapped when they are needed first: what a library has of thread-local memory is taken from every thread's stack.
    pub(super) static TRACES: Cell<*mut Trace> = const { Cell::new(std::ptr::null_mut()) };
}

/// One more than the key whose destructor says that a thread ends, by whatever way. 0: there is none.
static KEY: AtomicUsize = AtomicUsize::new(0);

/// To be called before anything of a thread's own is used.
pub(super) fn prepare() {}

/// From here on, threads' ends are noticed.
pub(super) fn begin() {
    let mut key = 0;
    // SAFETY: the destructor has the type that libc asks for.
    if unsafe { pthread_key_create(&mut key, ending) } == 0 {
        KEY.store(key as usize + 1, Ordering::Relaxed);
    }
}

/// Whether they are.
pub(super) fn notices_ends() -> bool {
    KEY.load(Ordering::Relaxed) != 0
}

/// Has [`ending`] called with this thread's record when it ends. Keys' destructors run after those of thread-local values, also
/// where a thread was cancelled.
pub(super) fn notice_end(record: u64) {
    let key = KEY.load(Ordering::Relaxed);
    if record != 0 && key != 0 {
        // SAFETY: the key was created at the start, and the value is never taken for a pointer.
        unsafe { pthread_setspecific((key - 1) as c_uint, record as *const c_void) };
    }
}
