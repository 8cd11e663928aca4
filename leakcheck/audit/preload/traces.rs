//! Walks over a thread's stack, with the memory of the walk before.

use std::cell::Cell;
use std::ffi::c_void;
use std::mem::size_of;

use super::libc::{anonymous, munmap};
use super::own::TRACES;
use super::walk::Trace;

/// What a stack is walked for. Most walks for one are alike.
#[derive(Clone, Copy)]
pub(super) enum For {
    Allocation,
    Free,
}

/// A thread's traces: one for allocations, one for frees.
const EACH: usize = 2;
/// In place of a thread's traces, where it has come to its end.
const ENDED: *mut Trace = std::ptr::dangling_mut();

/// Walks over this thread's stack, and hands on what was found. To be called in a hook's turn.
pub(super) fn walked<T>(purpose: For, then: impl FnOnce(&mut Trace) -> T) -> T {
    let mut own = TRACES.try_with(Cell::get).unwrap_or(ENDED);
    if own.is_null() {
        own = anonymous(EACH * size_of::<Trace>()).map_or(ENDED, <*mut c_void>::cast);
        TRACES.set(own);
    }
    if own == ENDED {
        return walked_once(then);
    }
    // SAFETY: this thread's own, zeroed when they were mapped, and in nobody's use: this thread has one turn at a time.
    let trace = unsafe { &mut *own.add(purpose as usize) };
    trace.walk();
    then(trace)
}

/// The same without a memory of the walk before.
#[inline(never)]
pub(super) fn walked_once<T>(then: impl FnOnce(&mut Trace) -> T) -> T {
    let mut trace = Trace::none();
    trace.walk();
    then(&mut trace)
}

/// Gives this thread's traces back: it ends.
pub(super) fn end_thread() {
    let own = TRACES.try_with(|own| own.replace(ENDED)).unwrap_or(ENDED);
    if !own.is_null() && own != ENDED {
        // SAFETY: mapped with this length, and not used any more.
        unsafe { munmap(own.cast(), EACH * size_of::<Trace>()) };
    }
}
