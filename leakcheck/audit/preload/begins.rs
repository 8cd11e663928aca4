//! How a new thread begins: who created it is known before its own code runs.

use std::cell::UnsafeCell;
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::events::{thread_created, thread_failed};
use super::own::LINEAGE;
use super::threads;

pub(super) type Start = unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void;
pub(super) type PthreadCreate = unsafe extern "C" fn(*mut c_void, *const c_void, Start, *mut c_void) -> c_int;

/// Creates a thread by the real function.
///
/// # Safety
///
/// As that function's.
pub(super) unsafe fn create(
    real: PthreadCreate,
    thread: *mut c_void,
    attributes: *const c_void,
    start: Start,
    argument: *mut c_void,
) -> c_int {
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
    // SAFETY: [`create`] filled it for this one call.
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
