//! The return addresses of a stack.

#[cfg(leak_audit_verify)]
use std::ffi::{c_int, c_void};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use super::tables::read_rule;
#[cfg(leak_audit_verify)]
use super::unwind::{UnwindContext, _Unwind_Backtrace, _Unwind_GetIPInfo};
use super::FRAMES;

/// A frame, as its callee finds it: where its code goes on, and its registers there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    pub(super) pc: u64,
    sp: u64,
    fp: u64,
    /// Where the first and the last of them were read, in words from `sp`: see [`Rule`].
    returns: i16,
    frame: i16,
}

/// The return addresses of a thread's stack, the innermost first, and how they were found.
///
/// Bytes of zero are one without a frame.
pub(super) struct Trace {
    pub(super) steps: [Step; FRAMES],
    pub(super) count: usize,
    /// Its node in the tree of all stacks; 0 where that is not known.
    pub(super) node: u64,
    /// The steps are those of a walk by remembered rules, as of this many times that they were forgotten.
    is_walked: bool,
    epoch: usize,
    /// Where a return address of zero ended the walk; 0 where something else did.
    end: u64,
}

impl Trace {
    pub(super) fn none() -> Self {
        // SAFETY: plain numbers and a `bool`, which may all be zero.
        unsafe { std::mem::zeroed() }
    }

    pub(super) fn steps(&self) -> &[Step] {
        &self.steps[..self.count]
    }

    /// Walks over this thread's stack.
    ///
    /// libgcc takes some 200 ns a frame. Here each return address is looked up in the unwind tables once, and what they say of
    /// it is remembered: a frame is then a few loads. Where the tables say what is not understood, libgcc walks that stack.
    ///
    /// Most stacks are the one before: a loop that spawns. What a walk reads depends on nothing but what it has read before, so
    /// that once it has come to where the last one was, it is the same for as long as the words are that were read then.
    #[inline(never)]
    pub(super) fn walk(&mut self) {
        let is_walked = self.walk_remembered();
        #[cfg(leak_audit_verify)]
        self.verify(is_walked);
        if !is_walked {
            self.walk_slowly();
        }
    }

    /// `false` where the tables say what is not understood. What was remembered of the walk before is forgotten then.
    #[inline(always)]
    fn walk_remembered(&mut self) -> bool {
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
        let epoch = EPOCH.load(Ordering::Acquire);
        let before = if self.is_walked && self.epoch == epoch { self.count } else { 0 };
        let (node, end) = (self.node, self.end);
        (self.is_walked, self.epoch, self.node, self.end) = (false, epoch, 0, 0);
        let mut count = 0;
        // Of the walk before: its steps, for as long as they may be the same, and whether all have been so far.
        let (mut comparable, mut same) = (before, before != 0);
        loop {
            let Some(rule) = rule_at(pc) else { return false };
            let from = match rule.kind {
                Rule::END => break,
                Rule::BY_STACK => sp,
                Rule::BY_FRAME => fp,
                _ => return false,
            };
            let cfa = from.wrapping_add_signed(i64::from(rule.cfa) * 8);
            // Frames lie one behind the other. Anything else is no stack.
            if cfa <= sp || cfa % 8 != 0 || cfa - sp > 1 << 30 {
                return false;
            }
            let returns = word_at(cfa, rule.returns);
            // SAFETY: the unwind tables say that the frame's registers are saved there.
            unsafe {
                pc = (returns as *const u64).read();
                if rule.frame != Rule::SAME {
                    fp = (word_at(cfa, rule.frame) as *const u64).read();
                }
            }
            sp = cfa;
            if pc == 0 {
                self.end = returns;
                break;
            }
            if count == FRAMES {
                break;
            }
            let step = Step {
                pc,
                sp,
                fp,
                returns: rule.returns,
                frame: rule.frame,
            };
            if count < comparable && self.steps[count] == step {
                // SAFETY: this step is the same as in the walk before.
                let reached = unsafe { self.same_until(count, before) };
                // SAFETY: all steps are the same, so that the walk before has read this word after them.
                if reached == before && (end == 0 || unsafe { (end as *const u64).read() } == 0) {
                    (self.count, self.is_walked, self.end) = (before, true, end);
                    self.node = if same { node } else { 0 };
                    return true;
                }
                // Go on from the last that is the same.
                comparable = 0;
                count = reached;
                Step { pc, sp, fp, .. } = self.steps[reached - 1];
            } else {
                same = false;
                self.steps[count] = step;
                count += 1;
            }
            // A return address is behind its call, and may be behind the function too.
            pc -= 1;
        }
        (self.count, self.is_walked) = (count, true);
        true
    }

    /// How many of so many steps of the walk before are the same now. That of this index is.
    ///
    /// # Safety
    ///
    /// As it says.
    #[inline]
    unsafe fn same_until(&self, index: usize, count: usize) -> usize {
        for (index, step) in self.steps[..count].iter().enumerate().skip(index + 1) {
            // SAFETY: as the step before is the same, a walk would read these words next.
            let is_same = unsafe {
                (word_at(step.sp, step.returns) as *const u64).read() == step.pc
                    && (step.frame == Rule::SAME || (word_at(step.sp, step.frame) as *const u64).read() == step.fp)
            };
            if !is_same {
                return index;
            }
        }
        count
    }

    /// Ends the process where the two walks differ, or where libgcc has to walk over something else than a signal's frame. Only in the library that the tests build.
    #[cfg(leak_audit_verify)]
    fn verify(&self, is_walked: bool) {
        let mut libgcc = Trace::none();
        libgcc.walk_slowly();
        let addresses = |trace: &Trace| trace.steps().iter().map(|step| step.pc).collect::<Vec<_>>();
        let (fast, slow) = (addresses(self), addresses(&libgcc));
        if !is_walked && is_signalled() {
            return;
        }
        let own = fast.get(1).and_then(|own| slow.iter().position(|frame| frame == own));
        let Some(own) = own.filter(|_| is_walked) else {
            eprintln!("leak-audit: no remembered walk {fast:x?} {slow:x?}");
            std::process::abort();
        };
        // libgcc also names what is below the last frame, where that is not marked as the last.
        let (fast, slow) = (&fast[1..], &slow[own..]);
        if !slow.starts_with(fast) || slow.len() > fast.len() + 1 {
            eprintln!("leak-audit: the walks differ: {fast:x?} {slow:x?}");
            std::process::abort();
        }
    }
}

/// Whether this thread is in a signal's handler.
#[cfg(leak_audit_verify)]
fn is_signalled() -> bool {
    extern "C" fn frame(context: *mut UnwindContext, data: *mut c_void) -> c_int {
        let mut is_interrupted = 0;
        // SAFETY: the unwinder's own context, and the `bool` below.
        unsafe {
            _Unwind_GetIPInfo(context, &mut is_interrupted);
            *data.cast::<bool>() |= is_interrupted != 0;
        }
        0
    }
    let mut found = false;
    // SAFETY: the callback has the type that the unwinder asks for, and does not unwind.
    unsafe { _Unwind_Backtrace(frame, std::ptr::from_mut(&mut found).cast()) };
    found
}

/// The address of a word, in words from another.
#[inline]
fn word_at(cfa: u64, index: i16) -> u64 {
    cfa.wrapping_add_signed(i64::from(index) * 8)
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

/// How many times rules were forgotten.
static EPOCH: AtomicUsize = AtomicUsize::new(0);

/// Forgets all rules: what is at an address may have become something else.
pub(super) fn forget() {
    EPOCH.fetch_add(1, Ordering::AcqRel);
    for [address, rule] in &RULES {
        rule.store(0, Ordering::Relaxed);
        address.store(0, Ordering::Relaxed);
    }
}

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
