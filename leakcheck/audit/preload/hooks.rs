//! The functions of libc that are interposed: each does what it is to do, and tells [`events`](super::events) of it.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::events::{
    allocated, freed, look, may_be_cell, parking, thread_created, thread_failed, woken, LINEAGE, RECENTS,
};
use super::libc::Real;
use super::{threads, CELL_ALIGN};

/// `futex(2)`: its number, and which of its operations wait. The flags beside an operation are private memory and the clock.
#[cfg(target_arch = "x86_64")]
pub(super) const SYS_FUTEX: i64 = 202;
#[cfg(target_arch = "x86_64")]
const SYS_GETTID: i64 = 186;
#[cfg(target_arch = "aarch64")]
const SYS_GETTID: i64 = 178;
#[cfg(target_arch = "aarch64")]
pub(super) const SYS_FUTEX: i64 = 98;
pub(super) const FUTEX_OPERATION: usize = !(128 | 256);
pub(super) const FUTEX_WAIT: usize = 0;
pub(super) const FUTEX_WAIT_BITSET: usize = 9;

pub(super) static POSIX_MEMALIGN: Real = Real::new(c"posix_memalign");
pub(super) static ALIGNED_ALLOC: Real = Real::new(c"aligned_alloc");
pub(super) static MEMALIGN: Real = Real::new(c"memalign");
pub(super) static FREE: Real = Real::new(c"free");
pub(super) static EPOLL_WAIT: Real = Real::new(c"epoll_wait");
pub(super) static SYSCALL: Real = Real::new(c"syscall");
pub(super) static PTHREAD_CREATE: Real = Real::new(c"pthread_create");

pub(super) type PosixMemalign = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;
pub(super) type Memalign = unsafe extern "C" fn(usize, usize) -> *mut c_void;
pub(super) type Free = unsafe extern "C" fn(*mut c_void);
pub(super) type EpollWait = unsafe extern "C" fn(c_int, *mut c_void, c_int, c_int) -> c_int;
pub(super) type Syscall = unsafe extern "C" fn(i64, usize, usize, usize, usize, usize, usize) -> i64;
pub(super) type Start = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
pub(super) type PthreadCreate = unsafe extern "C" fn(*mut c_void, *const c_void, Start, *mut c_void) -> c_int;

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, align: usize, size: usize) -> c_int {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, PosixMemalign>(POSIX_MEMALIGN.address())(out, align, size) };
    if align == CELL_ALIGN && result == 0 {
        // SAFETY: it succeeded, so `out` was written.
        allocated(unsafe { *out } as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn aligned_alloc(align: usize, size: usize) -> *mut c_void {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, Memalign>(ALIGNED_ALLOC.address())(align, size) };
    if align == CELL_ALIGN && !result.is_null() {
        allocated(result as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn memalign(align: usize, size: usize) -> *mut c_void {
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, Memalign>(MEMALIGN.address())(align, size) };
    if align == CELL_ALIGN && !result.is_null() {
        allocated(result as usize, size);
    }
    result
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn free(block: *mut c_void) {
    if RECENTS.load(Ordering::Relaxed) != 0 {
        look();
    }
    if block as usize & (CELL_ALIGN - 1) == 0 && may_be_cell(block as usize) {
        freed(block as usize);
    }
    let real = FREE.address();
    if real != 0 {
        // SAFETY: the function of this name has this type, and our caller keeps its contract.
        unsafe { std::mem::transmute::<usize, Free>(real)(block) }
    }
}

/// A runtime parks here, and so its tasks hold still.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut c_void, count: c_int, timeout: c_int) -> c_int {
    parking(timeout, None);
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, EpollWait>(EPOLL_WAIT.address())(epoll, events, count, timeout) };
    if timeout != 0 {
        woken();
    }
    result
}

/// A runtime without a driver of I/O parks here: its thread waits for a futex, which std and parking_lot ask for by number.
///
/// libc's takes as many arguments as the call has, and passes six on whatever they are. So does this one.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn syscall(number: i64, a: usize, b: usize, c: usize, d: usize, e: usize, f: usize) -> i64 {
    // SAFETY: the function of this name has this type.
    let real = unsafe { std::mem::transmute::<usize, Syscall>(SYSCALL.address()) };
    let waits = number == SYS_FUTEX && matches!(b & FUTEX_OPERATION, FUTEX_WAIT | FUTEX_WAIT_BITSET);
    if waits {
        // A wait without a time-out ends when somebody ends it, or never.
        parking(-1, (d == 0).then_some((a, c as u32)));
    }
    // SAFETY: our caller keeps its contract.
    let result = unsafe { real(number, a, b, c, d, e, f) };
    if waits {
        threads::woken();
        woken();
    }
    result
}

/// The kernel's number of this thread.
pub(super) fn thread_number() -> u64 {
    // SAFETY: the function of this name has this type; this call takes no arguments.
    unsafe { std::mem::transmute::<usize, Syscall>(SYSCALL.address())(SYS_GETTID, 0, 0, 0, 0, 0, 0) as u64 }
}

/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn pthread_create(
    thread: *mut c_void,
    attributes: *const c_void,
    start: Start,
    argument: *mut c_void,
) -> c_int {
    // SAFETY: the function of this name has this type.
    let real = unsafe { std::mem::transmute::<usize, PthreadCreate>(PTHREAD_CREATE.address()) };
    let (lineage, record) = thread_created();
    if lineage == 0 {
        // SAFETY: our caller keeps the contract.
        return unsafe { real(thread, attributes, start, argument) };
    }
    let Some(place) = BEGIN.iter().find(|place| place.taken.swap(1, Ordering::Acquire) == 0) else {
        thread_failed(record);
        // SAFETY: our caller keeps the contract.
        return unsafe { real(thread, attributes, start, argument) };
    };
    // SAFETY: the place is ours; the new thread takes it over, unless there is none.
    unsafe {
        place.begin.get().write(Some(Begin {
            start,
            argument,
            lineage,
            record,
        }));
        let result = real(
            thread,
            attributes,
            run_thread,
            std::ptr::from_ref(place).cast_mut().cast(),
        );
        if result != 0 {
            place.taken.store(0, Ordering::Release);
            thread_failed(record);
        }
        result
    }
}

/// What a new thread is to do, and who created it.
pub(super) struct Begin {
    pub(super) start: Start,
    pub(super) argument: *mut c_void,
    pub(super) lineage: u64,
    pub(super) record: u64,
}

/// Where it is until the thread has begun. Not on the heap: a program's `malloc` may be another's than our `free` is.
pub(super) struct Place {
    pub(super) taken: AtomicUsize,
    pub(super) begin: UnsafeCell<Option<Begin>>,
}

// SAFETY: only who has taken a place touches what is in it.
unsafe impl Sync for Place {}

/// Where all are in use, a thread's lineage is not known.
pub(super) static BEGIN: [Place; 128] = [const {
    Place {
        taken: AtomicUsize::new(0),
        begin: UnsafeCell::new(None),
    }
}; 128];

/// A thread that leaves by `pthread_exit`, or is cancelled, is unwound through this: the library must not be built to abort then.
pub(super) unsafe extern "C-unwind" fn run_thread(place: *mut c_void) -> *mut c_void {
    // SAFETY: `pthread_create` above filled it for this one call.
    let begin = unsafe {
        let place = &*place.cast::<Place>();
        let begin = (*place.begin.get()).take();
        place.taken.store(0, Ordering::Release);
        begin
    };
    let Some(Begin {
        start,
        argument,
        lineage,
        record,
    }) = begin
    else {
        return std::ptr::null_mut();
    };
    LINEAGE.with(|own| own.set(lineage));
    threads::began(record);
    // SAFETY: what our caller's caller asked `pthread_create` to do.
    unsafe { start(argument) }
}
