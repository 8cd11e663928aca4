//! Whether this process records: not before it has begun, not after its end, and not in a forked child.

use std::sync::atomic::{AtomicI32, Ordering};

use super::libc::getpid;

/// The process that records; 0 where none does. A forked child has the same here, and is another one. No memory can be asked to
/// be wiped for it on macOS, and `getpid` is a load there.
static ACTIVE: AtomicI32 = AtomicI32::new(0);

pub(super) fn is_active() -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    // SAFETY: no arguments.
    active != 0 && active == unsafe { getpid() }
}

/// Records from here on.
pub(super) fn begin() -> Option<()> {
    // SAFETY: no arguments.
    ACTIVE.store(unsafe { getpid() }, Ordering::Relaxed);
    Some(())
}

/// Records nothing from here on.
pub(super) fn stop() {
    ACTIVE.store(0, Ordering::Relaxed);
}
