//! Locks that do not spread a panic, and what loom tries the orders of.

#[cfg(all(feature = "track", test, loom))]
pub(crate) mod notify;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// Locks `mutex`, also when a thread panicked while it held it.
///
/// Everything that leakcheck guards this way is valid after each single statement, and a check must still report
/// after the test has panicked.
pub(crate) fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What threads meet at while tasks are spawned, polled, asked and dropped. In leakcheck's own tests under `--cfg loom`
/// these are loom's types, and `models.rs` tries every order; in everybody else's, whatever their flags, the usual ones.
#[cfg(all(feature = "track", not(all(test, loom))))]
pub(crate) mod modelled {
    pub(crate) use std::sync::Mutex;
    pub(crate) use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize};

    pub(crate) use tokio::sync::Notify;

    pub(crate) use super::lock;

    /// Stands where a model has to be told that the accesses before and after it are in one order for everybody.
    #[inline]
    pub(crate) fn in_one_order() {}
}

/// See the other one.
#[cfg(all(feature = "track", test, loom))]
pub(crate) mod modelled {
    pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize};
    pub(crate) use loom::sync::{Mutex, MutexGuard};

    pub(crate) use super::notify::Notify;

    pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
        mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// loom takes accesses that are `SeqCst` for `AcqRel` ones. A fence stands in for the rest of what they promise.
    pub(crate) fn in_one_order() {
        loom::sync::atomic::fence(loom::sync::atomic::Ordering::SeqCst);
    }
}
