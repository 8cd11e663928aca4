//! Whether this process records: not before it has begun, not after its end, and not in a forked child.

use std::sync::atomic::{AtomicPtr, Ordering};

use super::libc::{anonymous, madvise, MADV_WIPEONFORK};

/// Not null where this process records. What it points to is 1, and 0 in a forked child: the kernel wipes it.
static ACTIVE: AtomicPtr<u64> = AtomicPtr::new(std::ptr::null_mut());

pub(super) fn is_active() -> bool {
    let active = ACTIVE.load(Ordering::Relaxed);
    // SAFETY: a page that stays mapped for as long as the process lives.
    !active.is_null() && unsafe { active.read_volatile() } != 0
}

/// Records from here on. `None` where a child of this process could not be kept from it.
pub(super) fn begin() -> Option<()> {
    let active = anonymous(4096)?.cast::<u64>();
    // SAFETY: a page of its own.
    unsafe {
        if madvise(active.cast(), 4096, MADV_WIPEONFORK) != 0 {
            return None;
        }
        active.write(1);
    }
    ACTIVE.store(active, Ordering::Relaxed);
    Some(())
}

/// Records nothing from here on.
pub(super) fn stop() {
    let active = ACTIVE.load(Ordering::Relaxed);
    if !active.is_null() {
        // SAFETY: as above.
        unsafe { active.write_volatile(0) };
    }
}
