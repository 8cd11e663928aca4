//! The return addresses of a stack.

use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, Ordering};

use super::tables::read_rule;
use super::FRAMES;

/// The return addresses of this thread's stack, the innermost first.
///
/// libgcc takes some 200 ns a frame. Here each return address is looked up in the unwind tables once, and what they say of
/// it is remembered: a frame is then a few loads. Where the tables say what is not understood, libgcc walks that stack.
#[inline(never)]
pub(super) fn walk(frames: &mut [u64; FRAMES]) -> usize {
    let fast = walk_remembered(frames);
    #[cfg(leak_audit_verify)]
    verify(&frames[..fast.unwrap_or(0)]);
    fast.unwrap_or_else(|| walk_slowly(frames))
}

/// Ends the process where the two walks differ. Only in the library that the tests build.
#[cfg(leak_audit_verify)]
pub(super) fn verify(fast: &[u64]) {
    let mut slow = [0; FRAMES];
    let count = walk_slowly(&mut slow);
    let slow = &slow[..count];
    let Some(own) = fast.get(1).and_then(|own| slow.iter().position(|frame| frame == own)) else {
        eprintln!("leak-audit: no remembered walk {fast:x?} {slow:x?}");
        std::process::abort();
    };
    // libgcc also names what is below the last frame, where that is not marked as the last.
    let slow = &slow[own..];
    let fast = &fast[1..];
    if !slow.starts_with(fast) || slow.len() > fast.len() + 1 {
        eprintln!("leak-audit: the walks differ: {fast:x?} {slow:x?}");
        std::process::abort();
    }
}

#[repr(C)]
pub(super) struct UnwindContext([u8; 0]);

extern "C" {
    pub(super) fn _Unwind_Backtrace(f: extern "C" fn(*mut UnwindContext, *mut c_void) -> c_int, data: *mut c_void) -> c_int;
    pub(super) fn _Unwind_GetIP(context: *mut UnwindContext) -> usize;
}

pub(super) struct Trace<'a> {
    pub(super) frames: &'a mut [u64; FRAMES],
    pub(super) count: usize,
}

#[cold]
#[inline(never)]
pub(super) fn walk_slowly(frames: &mut [u64; FRAMES]) -> usize {
    extern "C" fn frame(context: *mut UnwindContext, data: *mut c_void) -> c_int {
        // SAFETY: the trace below, which `_Unwind_Backtrace` hands through.
        let trace = unsafe { &mut *data.cast::<Trace<'_>>() };
        if trace.count == FRAMES {
            return 5; // _URC_END_OF_STACK
        }
        // SAFETY: the unwinder's own context.
        trace.frames[trace.count] = unsafe { _Unwind_GetIP(context) } as u64;
        trace.count += 1;
        0
    }
    let mut trace = Trace { frames, count: 0 };
    // SAFETY: the callback has the type that the unwinder asks for, and does not unwind.
    unsafe { _Unwind_Backtrace(frame, std::ptr::from_mut(&mut trace).cast()) };
    trace.count
}

/// The registers that a frame is found by, in DWARF's numbers.
#[cfg(target_arch = "x86_64")]
pub(super) mod register {
    pub const FRAME: u64 = 6;
    pub const STACK: u64 = 7;
    pub const RETURN: u64 = 16;
}
#[cfg(target_arch = "aarch64")]
pub(super) mod register {
    pub const FRAME: u64 = 29;
    pub const STACK: u64 = 31;
    pub const RETURN: u64 = 30;
}

/// `None` where the tables say what is not understood.
#[inline(always)]
pub(super) fn walk_remembered(frames: &mut [u64; FRAMES]) -> Option<usize> {
    let (mut pc, mut sp, mut fp): (u64, u64, u64);
    // SAFETY: reads three registers.
    #[cfg(target_arch = "x86_64")]
    unsafe {
        std::arch::asm!("lea {}, [rip]", "mov {}, rsp", "mov {}, rbp", out(reg) pc, out(reg) sp, out(reg) fp,
            options(nomem, nostack, preserves_flags));
    }
    // SAFETY: reads three registers.
    #[cfg(target_arch = "aarch64")]
    unsafe {
        std::arch::asm!("adr {}, .", "mov {}, sp", "mov {}, x29", out(reg) pc, out(reg) sp, out(reg) fp,
            options(nomem, nostack, preserves_flags));
    }
    let mut count = 0;
    loop {
        let rule = rule_at(pc)?;
        let from = match rule.kind {
            Rule::END => return Some(count),
            Rule::BY_STACK => sp,
            Rule::BY_FRAME => fp,
            _ => return None,
        };
        let cfa = from.wrapping_add_signed(i64::from(rule.cfa) * 8);
        // Frames lie one behind the other. Anything else is no stack.
        if cfa <= sp || cfa % 8 != 0 || cfa - sp > 1 << 30 {
            return None;
        }
        // SAFETY: the unwind tables say that the frame's registers are saved there.
        unsafe {
            let saved = |at: i16| (cfa.wrapping_add_signed(i64::from(at) * 8) as *const u64).read();
            pc = saved(rule.returns);
            if rule.frame != Rule::SAME {
                fp = saved(rule.frame);
            }
        }
        sp = cfa;
        if pc == 0 || count == FRAMES {
            return Some(count);
        }
        frames[count] = pc;
        count += 1;
        // A return address is behind its call, and may be behind the function too.
        pc -= 1;
    }
}

/// How to get from a frame to its caller's: offsets in words of eight bytes.
#[derive(Clone, Copy)]
pub(super) struct Rule {
    pub(super) kind: u8,
    /// From the register to the end of the frame.
    pub(super) cfa: i32,
    /// From there to the saved frame pointer and return address.
    pub(super) frame: i16,
    pub(super) returns: i16,
}

impl Rule {
    pub(super) const UNKNOWN: u8 = 1;
    pub(super) const END: u8 = 2;
    pub(super) const BY_STACK: u8 = 3;
    pub(super) const BY_FRAME: u8 = 4;
    /// The frame pointer is the caller's.
    pub(super) const SAME: i16 = i16::MIN;

    pub(super) const fn only(kind: u8) -> Self {
        Self {
            kind,
            cfa: 0,
            frame: Self::SAME,
            returns: 0,
        }
    }

    pub(super) fn packed(self) -> u64 {
        u64::from(self.kind)
            | (self.cfa as u64 & 0xff_ffff) << 8
            | (self.frame as u64 & 0xffff) << 32
            | (self.returns as u64 & 0xffff) << 48
    }

    pub(super) fn unpacked(packed: u64) -> Self {
        Self {
            kind: packed as u8,
            cfa: packed as i32 >> 8,
            frame: (packed >> 32) as i16,
            returns: (packed >> 48) as i16,
        }
    }
}

pub(super) const REMEMBERED: usize = 1 << 14;

/// Pairs of an address mixed into its rule, and the rule. A pair that two threads wrote at once does not match any address.
pub(super) static RULES: [[AtomicU64; 2]; REMEMBERED] = [const { [AtomicU64::new(0), AtomicU64::new(0)] }; REMEMBERED];

#[inline]
pub(super) fn rule_at(pc: u64) -> Option<Rule> {
    let place = &RULES[(pc.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 50) as usize];
    let packed = place[1].load(Ordering::Relaxed);
    if packed != 0 && place[0].load(Ordering::Relaxed) ^ packed == pc {
        return Some(Rule::unpacked(packed));
    }
    let rule = read_rule(pc).unwrap_or(const { Rule::only(Rule::UNKNOWN) });
    place[0].store(pc ^ rule.packed(), Ordering::Relaxed);
    place[1].store(rule.packed(), Ordering::Relaxed);
    Some(rule)
}
