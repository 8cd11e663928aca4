//! The return addresses of a stack.

#[cfg(not(target_os = "macos"))]
use std::ffi::c_int;
use std::ffi::c_void;

use super::chain::{follow, End};
use super::FRAMES;

/// A frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Where the caller's code goes on.
    pub(super) pc: u64,
}

/// The return addresses of a thread's stack, the innermost first.
///
/// Bytes of zero are one without a frame.
pub(super) struct Trace {
    pub(super) steps: [Step; FRAMES],
    pub(super) count: usize,
    /// Its node in the tree of all stacks; 0 where that is not known.
    pub(super) node: u64,
}

extern "C" {
    fn pthread_self() -> *mut c_void;
    #[cfg(target_os = "macos")]
    fn pthread_get_stackaddr_np(thread: *mut c_void) -> *mut c_void;
    #[cfg(target_os = "macos")]
    fn pthread_get_stacksize_np(thread: *mut c_void) -> usize;
    #[cfg(not(target_os = "macos"))]
    fn pthread_getattr_np(thread: *mut c_void, attributes: *mut [u64; 8]) -> c_int;
    #[cfg(not(target_os = "macos"))]
    fn pthread_attr_getstack(attributes: *const [u64; 8], low: *mut u64, size: *mut u64) -> c_int;
    #[cfg(not(target_os = "macos"))]
    fn pthread_attr_destroy(attributes: *mut [u64; 8]) -> c_int;
}

impl Trace {
    pub(super) fn none() -> Self {
        Self {
            steps: [Step { pc: 0 }; FRAMES],
            count: 0,
            node: 0,
        }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
    }

    /// Walks over this thread's stack, from frame to frame. Apple's rules for calls have every function keep a frame pointer, and so
    /// does what rustc makes for these systems.
    ///
    /// Most stacks are the one before: a loop that spawns. Then its node is known.
    #[inline(never)]
    pub(super) fn walk(&mut self) {
        let frame: u64;
        // SAFETY: reads a register.
        #[cfg(target_arch = "x86_64")]
        unsafe {
            std::arch::asm!("mov {}, rbp", out(reg) frame, options(nomem, nostack, preserves_flags));
        }
        // SAFETY: reads a register.
        #[cfg(target_arch = "aarch64")]
        unsafe {
            std::arch::asm!("mov {}, x29", out(reg) frame, options(nomem, nostack, preserves_flags));
        }
        let (low, high) = stack();
        let (before, node) = (self.count, self.node);
        let (mut count, mut same) = (0, true);
        // SAFETY: within this thread's stack, which is mapped from the frame of this function on.
        let word = |at: u64| unsafe { (at as *const u64).read() };
        // What lies below this function's frame is nobody's any more.
        let end = follow(frame, (frame.max(low), high), word, |pc| {
            if count == FRAMES {
                return false;
            }
            same &= count < before && self.steps[count].pc == pc;
            self.steps[count] = Step { pc };
            count += 1;
            true
        });
        if end == End::Broken && count == 0 {
            // A stack of the program's own: its bounds are not known.
            self.walk_slowly();
            return;
        }
        self.node = if same && count == before { node } else { 0 };
        self.count = count;
    }
}

/// Where this thread's stack ends, and where it begins: it grows downwards.
#[cfg(target_os = "macos")]
fn stack() -> (u64, u64) {
    // SAFETY: this thread itself.
    unsafe {
        let own = pthread_self();
        let high = pthread_get_stackaddr_np(own) as u64;
        (high.saturating_sub(pthread_get_stacksize_np(own) as u64), high)
    }
}

/// The same for the tests that walk so on Linux. It is slow there.
#[cfg(not(target_os = "macos"))]
fn stack() -> (u64, u64) {
    // As large as `pthread_attr_t` is on 64 bits, or larger.
    let (mut attributes, mut low, mut size) = ([0; 8], 0, 0);
    // SAFETY: this thread itself, and what the calls write.
    unsafe {
        if pthread_getattr_np(pthread_self(), &mut attributes) == 0 {
            pthread_attr_getstack(&attributes, &mut low, &mut size);
            pthread_attr_destroy(&mut attributes);
        }
    }
    (low, low + size)
}

/// Another file's code may come to lie where one was: nothing is remembered of code here.
pub(super) fn forget() {}
