//! The allocator that sees tasks being spawned.

use std::alloc::{GlobalAlloc, Layout, System};

use super::table;

/// An allocator that hands everything on to another one, and notes what may be a task. [`install!`](crate::install) makes
/// it the global one.
#[derive(Debug, Default)]
pub struct Allocator<A = System>(A);

impl Allocator {
    /// One that allocates by the system's.
    #[must_use]
    pub const fn new() -> Self {
        Self(System)
    }
}

impl<A> Allocator<A> {
    /// One that allocates by `inner`.
    #[must_use]
    pub const fn around(inner: A) -> Self {
        Self(inner)
    }
}

// SAFETY: each call is handed on as it came. What is written into new memory, before anybody has it, is there to be
// overwritten.
unsafe impl<A: GlobalAlloc> GlobalAlloc for Allocator<A> {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise is handed on.
        let memory = unsafe { self.0.alloc(layout) };
        if table::is_to_be_noted(layout) && !memory.is_null() {
            // SAFETY: it is as new.
            unsafe { table::note(memory, layout) };
        }
        memory
    }

    #[inline]
    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // First: what is in the table may be read.
        if table::may_be_noted(layout) {
            table::forget(memory);
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.dealloc(memory, layout) };
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // A task's memory is not asked for so.
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.alloc_zeroed(layout) }
    }

    #[inline]
    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // A task does not grow.
        if table::may_be_noted(layout) {
            table::forget(memory);
        }
        // SAFETY: the caller's promise is handed on.
        unsafe { self.0.realloc(memory, layout, new_size) }
    }
}

/// Makes a test binary's global allocator one that sees each task being spawned, so that a report can say where those
/// come from that no tracker saw. To be called once in a test crate, outside of functions; it needs the feature `install`.
///
/// ```
/// leakcheck::install!();
///
/// # fn main() {
/// let outcome = leakcheck::Check::new("a_test").run(async {
///     tokio::spawn(std::future::pending::<()>());
/// });
/// let untracked = outcome.report.untracked.unwrap();
/// assert_eq!((untracked.count, untracked.spawned.len()), (1, 1));
/// # }
/// ```
///
/// It wraps the system's allocator, or another one: `install!(mimalloc::MiMalloc)`, or, where its type is not also its
/// value, `install!(Counting = Counting::new())`.
///
/// While no check is running it costs a comparison an allocation. While one is, each spawn costs a few microseconds, and
/// about 4,000 tasks can be told at once for certain, up to 30,000 with luck; those beyond are still counted.
///
/// A task is told by its memory: by the alignment that tokio gives to tasks alone, by the calls that it was allocated
/// from, and by what tokio writes to its beginning. What that looks like is learnt from tasks of leakcheck's own, when it
/// is first needed. Where it is not as expected, or where there are no symbols, nothing is named, and tasks are counted
/// only.
#[macro_export]
macro_rules! install {
    () => {
        #[global_allocator]
        static LEAKCHECK_ALLOCATOR: $crate::Allocator = $crate::Allocator::new();
    };
    ($inner:path) => {
        #[global_allocator]
        static LEAKCHECK_ALLOCATOR: $crate::Allocator<$inner> = $crate::Allocator::around($inner);
    };
    ($type:ty = $inner:expr) => {
        #[global_allocator]
        static LEAKCHECK_ALLOCATOR: $crate::Allocator<$type> = $crate::Allocator::around($inner);
    };
}
