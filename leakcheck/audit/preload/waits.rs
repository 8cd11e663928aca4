//! Which pollers were waited on, and since when: between a task's turn and whatever ends a runtime of one thread, that runtime asks its
//! poller for events (`CoreGuard::block_on` in tokio's `runtime/scheduler/current_thread/mod.rs`: only behind `park` or `park_yield` is
//! what was blocked on looked at again). So a task was never polled whose runtime's poller was not waited on since it was spawned, and
//! one that was looked at while it waited has waited ever since if that poller was not waited on again.
//!
//! Which poller is a runtime's is known by the descriptor that wakes it, which is registered with that poller. The audit finds that
//! descriptor in the runtime's own memory.

use std::ffi::c_int;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Descriptors from here on are not told of.
const DESCRIPTORS: usize = 1024;
/// Words of what [`quiet`] says.
pub(super) const WORDS: usize = DESCRIPTORS / 64;

/// How many waits there were.
static WAITS: AtomicU64 = AtomicU64::new(0);
/// The last wait on each poller. Those with the same lowest bits share a place: then more was waited on than is true.
static LAST: [AtomicU64; DESCRIPTORS] = [const { AtomicU64::new(0) }; DESCRIPTORS];
/// The poller with which each descriptor was registered last, and one more. 0: none.
static POLLER: [AtomicU32; DESCRIPTORS] = [const { AtomicU32::new(0) }; DESCRIPTORS];

/// How many waits there were so far. What is read after this is as whoever began the last of them left it, or newer.
pub(super) fn so_far() -> u64 {
    WAITS.load(Ordering::Acquire)
}

/// A poller is about to be asked for events, with or without waiting.
#[cfg_attr(target_os = "macos", allow(dead_code))]
pub(super) fn waits_on(poller: c_int) {
    if let Ok(poller) = usize::try_from(poller) {
        let wait = WAITS.fetch_add(1, Ordering::AcqRel) + 1;
        LAST[poller % DESCRIPTORS].fetch_max(wait, Ordering::Relaxed);
    }
}

/// A descriptor is registered with a poller.
#[cfg_attr(target_os = "macos", allow(dead_code))]
pub(super) fn registered(poller: c_int, descriptor: c_int) {
    let place = usize::try_from(descriptor).ok().and_then(|descriptor| POLLER.get(descriptor));
    if let (Some(place), Ok(poller)) = (place, u32::try_from(poller)) {
        place.store(poller + 1, Ordering::Relaxed);
    }
}

/// A bit for each descriptor whose poller was not waited on after so many waits.
pub(super) fn quiet(since: u64) -> [u64; WORDS] {
    let mut bits = [0; WORDS];
    for (descriptor, poller) in POLLER.iter().enumerate() {
        let Some(poller) = poller.load(Ordering::Relaxed).checked_sub(1) else { continue };
        if LAST[poller as usize % DESCRIPTORS].load(Ordering::Relaxed) <= since {
            bits[descriptor / 64] |= 1 << (descriptor % 64);
        }
    }
    bits
}
