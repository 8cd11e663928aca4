//! A stack walked by the system's unwinder, on every system. The files by name of `walk` find what they can without it.

use std::ffi::{c_int, c_void};

use super::walk::Trace;
use super::FRAMES;

#[repr(C)]
pub(super) struct UnwindContext([u8; 0]);

extern "C" {
    pub(super) fn _Unwind_Backtrace(
        each: extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int,
        data: *mut c_void,
    ) -> c_int;
    fn _Unwind_GetIP(context: *mut UnwindContext) -> usize;
    #[cfg(leak_audit_verify)]
    pub(super) fn _Unwind_GetIPInfo(context: *mut UnwindContext, is_interrupted: *mut c_int) -> usize;
}

impl Trace {
    /// Walks over this thread's stack by each function's frame as its file's tables tell it: some 200 ns a frame. What else a step
    /// holds is not found.
    #[cold]
    #[inline(never)]
    pub(super) fn walk_slowly(&mut self) {
        extern "C" fn frame(context: *mut UnwindContext, data: *mut c_void) -> c_int {
            // SAFETY: the trace below, which `_Unwind_Backtrace` hands through.
            let trace = unsafe { &mut *data.cast::<Trace>() };
            if trace.count == FRAMES {
                return 5; // _URC_END_OF_STACK
            }
            // SAFETY: the unwinder's own context.
            trace.steps[trace.count].pc = unsafe { _Unwind_GetIP(context) } as u64;
            trace.count += 1;
            0
        }
        (self.count, self.node) = (0, 0);
        // SAFETY: the callback has the type that the unwinder asks for, and does not unwind.
        unsafe { _Unwind_Backtrace(frame, std::ptr::from_mut(self).cast()) };
    }
}
