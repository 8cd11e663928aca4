//! What an allocator may know of the thread that it is called on: whose tasks that thread spawns.

use std::cell::Cell;

thread_local! {
    /// The number of the scope that the thread spawns for, or zero. Without a destructor, so that it is there to the end.
    #[cfg(feature = "install")]
    static SCOPE: Cell<u64> = const { Cell::new(0) };
    /// Whether leakcheck itself is spawning.
    static OURS: Cell<bool> = const { Cell::new(false) };
}

/// The scope that this thread spawns for; zero when nobody knows.
#[cfg(feature = "install")]
pub(super) fn scope() -> u64 {
    SCOPE.try_with(Cell::get).unwrap_or(0)
}

/// Whether a task that this thread spawns now is tracked, or one of leakcheck's own.
pub(super) fn is_ours() -> bool {
    OURS.try_with(Cell::get).unwrap_or(false)
}

/// From now on this thread spawns for that scope. Returns the one it did for before.
#[cfg(feature = "install")]
pub(crate) fn enter(scope: u64) -> u64 {
    SCOPE.try_with(|here| here.replace(scope)).unwrap_or(0)
}

/// While one of these lives, the tasks that this thread spawns are known otherwise.
#[must_use]
pub(crate) struct Ours {
    outer: bool,
}

impl Ours {
    #[inline]
    pub(crate) fn begin() -> Self {
        Self {
            outer: OURS.try_with(|ours| ours.replace(true)).unwrap_or(true),
        }
    }
}

impl Drop for Ours {
    #[inline]
    fn drop(&mut self) {
        let _ = OURS.try_with(|ours| ours.set(self.outer));
    }
}
