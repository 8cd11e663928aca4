//! The functions of libSystem that are interposed: each does what it is to do, and tells [`events`](super::events) of it.
//!
//! dyld takes the pairs in the section `__interpose` of a library that is inserted, and has every other image call the first of a
//! pair in place of the second. Our own calls go to the second: so no next definition has to be looked for.

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

use super::begins::{create, Start};
use super::events::{allocated, freed, look, may_be_cell, parking, unloading, woken, RECENTS};
use super::{walk, CELL_ALIGN};

extern "C" {
    fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int;
    fn free(block: *mut c_void);
    fn kevent(
        queue: c_int,
        changes: *const c_void,
        change_count: c_int,
        events: *mut c_void,
        count: c_int,
        timeout: *const [i64; 2],
    ) -> c_int;
    fn pthread_cond_wait(condition: *mut c_void, mutex: *mut c_void) -> c_int;
    fn pthread_cond_timedwait(condition: *mut c_void, mutex: *mut c_void, until: *const [i64; 2]) -> c_int;
    fn pthread_cond_timedwait_relative_np(condition: *mut c_void, mutex: *mut c_void, time: *const [i64; 2]) -> c_int;
    fn pthread_create(thread: *mut c_void, attributes: *const c_void, start: Start, argument: *mut c_void) -> c_int;
    fn pthread_threadid_np(thread: *mut c_void, number: *mut u64) -> c_int;
    fn dlclose(handle: *mut c_void) -> c_int;
}

/// What is called, and in place of what: `mach-o/dyld-interposing.h`.
#[repr(C)]
pub(super) struct Pair(pub(super) *const (), pub(super) *const ());

// SAFETY: addresses of functions.
unsafe impl Sync for Pair {}

#[used]
#[link_section = "__DATA,__interpose,interposing"]
static PAIRS: [Pair; 8] = [
    Pair(own_posix_memalign as *const (), posix_memalign as *const ()),
    Pair(own_free as *const (), free as *const ()),
    Pair(own_kevent as *const (), kevent as *const ()),
    Pair(own_cond_wait as *const (), pthread_cond_wait as *const ()),
    Pair(own_cond_timedwait as *const (), pthread_cond_timedwait as *const ()),
    Pair(own_cond_timedwait_relative as *const (), pthread_cond_timedwait_relative_np as *const ()),
    Pair(own_pthread_create as *const (), pthread_create as *const ()),
    Pair(own_dlclose as *const (), dlclose as *const ()),
];

/// dyld has found them.
pub(super) fn resolve() {}

/// std's allocator asks no other function for what is aligned as a cell: its `sys/alloc/unix.rs`.
unsafe extern "C" fn own_posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    // SAFETY: our caller keeps its contract.
    let result = unsafe { posix_memalign(out, align, size) };
    if align == CELL_ALIGN && result == 0 {
        // SAFETY: it succeeded, so `out` was written.
        allocated(unsafe { *out } as usize, size);
    }
    result
}

/// Until [`active`](super::active) says so, and for all other blocks, it touches nothing but the library's own numbers: it may be
/// called before anything has begun.
unsafe extern "C" fn own_free(block: *mut c_void) {
    if RECENTS.load(Ordering::Relaxed) != 0 {
        look();
    }
    if block as usize & (CELL_ALIGN - 1) == 0 && may_be_cell(block as usize) {
        freed(block as usize);
    }
    // SAFETY: our caller keeps its contract.
    unsafe { free(block) }
}

/// A runtime parks here, and so its tasks hold still: mio waits by it, and changes nothing when it does.
unsafe extern "C" fn own_kevent(
    queue: c_int,
    changes: *const c_void,
    change_count: c_int,
    events: *mut c_void,
    count: c_int,
    timeout: *const [i64; 2],
) -> c_int {
    let waits = change_count == 0 && count > 0;
    // SAFETY: our caller's time-out, where there is one.
    let is_look = waits && !timeout.is_null() && unsafe { timeout.read_unaligned() } == [0; 2];
    if waits {
        parking(c_int::from(!is_look), None);
    }
    // SAFETY: our caller keeps its contract.
    let result = unsafe { kevent(queue, changes, change_count, events, count, timeout) };
    if waits && !is_look {
        woken();
    }
    result
}

/// A wait for a condition, which nothing but a thread that wakes this one ends, or its time.
#[inline(always)]
fn parked(wait: impl FnOnce() -> c_int) -> c_int {
    parking(-1, None);
    let result = wait();
    woken();
    result
}

/// A runtime without a driver of I/O parks here, and so does a worker while another one has the driver.
unsafe extern "C" fn own_cond_wait(condition: *mut c_void, mutex: *mut c_void) -> c_int {
    // SAFETY: our caller keeps its contract.
    parked(|| unsafe { pthread_cond_wait(condition, mutex) })
}

unsafe extern "C" fn own_cond_timedwait(condition: *mut c_void, mutex: *mut c_void, until: *const [i64; 2]) -> c_int {
    // SAFETY: our caller keeps its contract.
    parked(|| unsafe { pthread_cond_timedwait(condition, mutex, until) })
}

/// By which std waits for some time.
unsafe extern "C" fn own_cond_timedwait_relative(
    condition: *mut c_void,
    mutex: *mut c_void,
    time: *const [i64; 2],
) -> c_int {
    // SAFETY: our caller keeps its contract.
    parked(|| unsafe { pthread_cond_timedwait_relative_np(condition, mutex, time) })
}

unsafe extern "C" fn own_pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: our caller keeps its contract.
    unsafe { create(pthread_create, thread, attributes, start, argument) }
}

/// Another file's code may come to lie where this one's was.
unsafe extern "C" fn own_dlclose(handle: *mut c_void) -> c_int {
    unloading();
    // SAFETY: our caller keeps its contract.
    let result = unsafe { dlclose(handle) };
    walk::forget();
    result
}

/// The system's number of this thread.
pub(super) fn thread_number() -> u64 {
    let mut number = 0;
    // SAFETY: null is this thread; a number, as the call writes.
    unsafe { pthread_threadid_np(std::ptr::null_mut(), &mut number) };
    number
}

