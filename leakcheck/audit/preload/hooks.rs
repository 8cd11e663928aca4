//! The functions of libc that are interposed: each does what it is to do, and tells [`events`](super::events) of it.

use std::ffi::{c_int, c_void};
use std::sync::atomic::Ordering;

use super::begins::{create, PthreadCreate, Start};
use super::events::{allocated, freed, look, may_be_cell, parking, unloading, woken, RECENTS};
use super::libc::Real;
use super::{programs, threads, waits, walk, CELL_ALIGN};

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
pub(super) static EPOLL_CTL: Real = Real::new(c"epoll_ctl");
pub(super) static EPOLL_WAIT: Real = Real::new(c"epoll_wait");
pub(super) static SYSCALL: Real = Real::new(c"syscall");
pub(super) static PTHREAD_CREATE: Real = Real::new(c"pthread_create");
pub(super) static DLCLOSE: Real = Real::new(c"dlclose");

/// Finds the real functions while that is safe.
pub(super) fn resolve() {
    for real in [
        &POSIX_MEMALIGN,
        &ALIGNED_ALLOC,
        &MEMALIGN,
        &FREE,
        &EPOLL_CTL,
        &EPOLL_WAIT,
        &SYSCALL,
        &PTHREAD_CREATE,
        &DLCLOSE,
    ] {
        real.address();
    }
    programs::resolve();
}

pub(super) type PosixMemalign = unsafe extern "C" fn(*mut *mut c_void, usize, usize) -> c_int;
pub(super) type Memalign = unsafe extern "C" fn(usize, usize) -> *mut c_void;
pub(super) type Free = unsafe extern "C" fn(*mut c_void);
pub(super) type EpollCtl = unsafe extern "C" fn(c_int, c_int, c_int, *mut c_void) -> c_int;
pub(super) type EpollWait = unsafe extern "C" fn(c_int, *mut c_void, c_int, c_int) -> c_int;
pub(super) type Syscall = unsafe extern "C" fn(i64, usize, usize, usize, usize, usize, usize) -> i64;
type Dlclose = unsafe extern "C" fn(*mut c_void) -> c_int;

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

/// What wakes a runtime is registered with what it waits by.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn epoll_ctl(epoll: c_int, operation: c_int, descriptor: c_int, event: *mut c_void) -> c_int {
    const ADD: c_int = 1;
    if operation == ADD {
        waits::registered(epoll, descriptor);
    }
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe { std::mem::transmute::<usize, EpollCtl>(EPOLL_CTL.address())(epoll, operation, descriptor, event) }
}

/// A runtime parks here, and so its tasks hold still.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn epoll_wait(epoll: c_int, events: *mut c_void, count: c_int, timeout: c_int) -> c_int {
    waits::waits_on(epoll);
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
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    unsafe {
        let real = std::mem::transmute::<usize, PthreadCreate>(PTHREAD_CREATE.address());
        create(real, thread, attributes, start, argument)
    }
}

/// Another file's code may come to lie where this one's was.
///
/// # Safety
///
/// As libc's.
#[no_mangle]
pub unsafe extern "C" fn dlclose(handle: *mut c_void) -> c_int {
    unloading();
    // SAFETY: the function of this name has this type, and our caller keeps its contract.
    let result = unsafe { std::mem::transmute::<usize, Dlclose>(DLCLOSE.address())(handle) };
    walk::forget();
    result
}
