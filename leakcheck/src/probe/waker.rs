//! A waker that notes where it is cloned.
//!
//! Every future that waits keeps a clone of the waker it was polled with, so that the places that clone the waker during
//! one poll are the places that the task waits at.

use std::backtrace::Backtrace;
use std::cell::Cell;
use std::mem::ManuallyDrop;
use std::sync::Mutex;
use std::task::{RawWaker, RawWakerVTable, Waker};

use crate::sync::lock;

/// A task that waits for more things at once than this is told of by its first ones.
const MOST_TRACES: usize = 64;

/// A waker that is lent for the length of one call. Nothing owns it: its clones are clones of `inner`.
struct Lent<'a> {
    inner: &'a Waker,
    traces: Mutex<Vec<Backtrace>>,
}

/// References to a waker may be sent to other threads, so that every thread may come through the table below.
const _: fn() = || {
    fn shared<T: Sync>() {}
    shared::<Lent<'_>>();
};

static TABLE: RawWakerVTable = RawWakerVTable::new(clone, wake_by_ref, wake_by_ref, drop_lent);

thread_local! {
    static UNSEEN: Cell<bool> = const { Cell::new(false) };
}

/// Calls `poll` with a waker that stands for `inner`, and returns the places where `poll` cloned it.
///
/// This function's frame is where a trace ends: what is outside of it is not the task's.
#[inline(never)]
pub(crate) fn lend<T>(inner: &Waker, poll: impl FnOnce(&Waker) -> T) -> (T, Vec<Backtrace>) {
    let lent = Lent {
        inner,
        traces: Mutex::default(),
    };
    // SAFETY: the table's functions take `data` for a `Lent` that is alive, which it is for as long as the waker made of
    // it can be reached: `poll` gets a reference whose lifetime it cannot name, and `clone` returns a waker that has
    // nothing to do with `lent`. The waker itself is never dropped, and `drop_lent` would do nothing.
    let waker = ManuallyDrop::new(unsafe { Waker::new((&raw const lent).cast(), &TABLE) });
    let value = poll(&waker);
    let traces = std::mem::take(&mut *lock(&lent.traces));
    (value, traces)
}

/// Calls `clone` so that it is not noted: leakcheck's own clones are not places where a task waits.
pub(crate) fn unseen<T>(clone: impl FnOnce() -> T) -> T {
    let outer = UNSEEN.replace(true);
    let value = clone();
    UNSEEN.set(outer);
    value
}

/// # Safety
///
/// `data` is a pointer to a `Lent` that is alive.
unsafe fn lent<'a>(data: *const ()) -> &'a Lent<'a> {
    // SAFETY: as this function's contract says. The lifetime is that of the call in the table, which borrows the waker.
    unsafe { &*data.cast() }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: called through `TABLE` only, on a waker that `lend` made and that is borrowed now.
    let lent = unsafe { lent(data) };
    if !UNSEEN.get() {
        // Nothing is looked up here: that is for whoever reads the trace, not for the runtime's worker.
        let mut traces = lock(&lent.traces);
        if traces.len() < MOST_TRACES {
            // Under Miri a trace takes seconds. That there was one has to do.
            traces.push(if cfg!(miri) {
                Backtrace::disabled()
            } else {
                Backtrace::force_capture()
            });
        }
    }
    // The clone is taken apart and handed out whole: its reference count goes with the parts.
    let clone = ManuallyDrop::new(lent.inner.clone());
    RawWaker::new(clone.data(), clone.vtable())
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: as in `clone`.
    unsafe { lent(data) }.inner.wake_by_ref();
}

unsafe fn drop_lent(_data: *const ()) {}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Wake for Counted {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn counted() -> (Arc<Counted>, Waker) {
        let counted = Arc::new(Counted::default());
        (counted.clone(), Waker::from(counted))
    }

    #[test]
    fn each_clone_leaves_a_trace_and_outlives_the_loan() {
        let (count, inner) = counted();
        let (clones, traces) = lend(&inner, |waker| (waker.clone(), waker.clone()));
        assert_eq!(traces.len(), 2);
        assert!(
            clones.0.will_wake(&inner),
            "a clone is a clone of the waker that was lent"
        );

        // From another thread, after the loan: by reference, by value, and by nothing at all.
        std::thread::scope(|scope| {
            scope.spawn(move || {
                clones.0.wake_by_ref();
                let another = clones.0.clone();
                drop(clones.0);
                another.wake();
                clones.1.wake();
            });
        });
        assert_eq!(count.0.load(Ordering::Relaxed), 3);
        drop(inner);
        assert_eq!(Arc::strong_count(&count), 1, "no reference is lost, none is left over");
    }

    #[test]
    fn waking_the_lent_waker_wakes_the_real_one() {
        let (count, inner) = counted();
        lend(&inner, |waker| waker.wake_by_ref());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn other_threads_may_clone_it_during_the_loan() {
        let (count, inner) = counted();
        let ((), traces) = lend(&inner, |waker| {
            std::thread::scope(|threads| {
                for _ in 0..4 {
                    threads.spawn(|| {
                        let clone = waker.clone();
                        waker.wake_by_ref();
                        drop(clone);
                    });
                }
            });
        });
        assert_eq!((traces.len(), count.0.load(Ordering::Relaxed)), (4, 4));
    }

    #[test]
    fn a_panic_inside_the_loan_leaves_nothing_behind() {
        let (count, inner) = counted();
        let lent = std::panic::AssertUnwindSafe(&inner);
        let caught = std::panic::catch_unwind(|| {
            lend(&lent, |waker| {
                let _clone = waker.clone();
                std::panic::resume_unwind(Box::new(()));
            });
        });
        assert!(caught.is_err());
        drop(inner);
        assert_eq!(Arc::strong_count(&count), 1);
    }

    #[test]
    fn only_so_many_traces_are_kept_and_unseen_clones_leave_none() {
        let (_, inner) = counted();
        let (_, traces) = lend(&inner, |waker| unseen(|| waker.clone()));
        assert!(traces.is_empty());
        let (_, traces) = lend(&inner, |waker| (0..100).map(|_| waker.clone()).collect::<Vec<_>>());
        assert_eq!(traces.len(), MOST_TRACES);
    }
}
