//! Threads: who created them, whether they ended, whether they outlived the thread that created them, and whether they are
//! blocked when the process ends.

use std::cell::Cell;
use std::ffi::c_void;
#[cfg(target_os = "linux")]
use std::sync::atomic::Ordering;

use super::cells::COPYABLE;
use super::events::{end_thread, Turn};
use super::hooks::thread_number;
use super::own::{notice_end, notices_ends, THREAD};
use super::state::{kind, lock, State};
#[cfg(target_os = "linux")]
use super::state::WORDS_AT;
use super::table::mix;

/// Threads that create threads that create threads: beyond this, a lineage is its creator's, so that a chain without an end
/// does not take memory without an end.
const DEEPEST: u64 = 32;
/// Lifetimes that are kept of threads that were created alike and outlived their creator.
const LIFETIMES: u64 = 64;

/// Words of a lineage: threads that were created alike.
pub(super) mod lineage {
    pub const PARENT: usize = 1;
    pub const STACK: usize = 2;
    pub const CREATED: usize = 3;
    pub const ENDED: usize = 4;
    /// How many outlived the thread that created them.
    pub const OUTLIVED: usize = 5;
    /// When the first began and the last ended.
    pub const FROM: usize = 6;
    pub const TO: usize = 7;
    pub const DEPTH: usize = 8;
    pub const KEPT: usize = 9;
    pub const WORDS: usize = 10;
}

/// Words of a thread: one that is alive, or has outlived its creator. The lineage is 0 where the record is free.
pub(super) mod thread {
    pub const LINEAGE: usize = 1;
    pub const FROM: usize = 2;
    /// 0 while it is alive.
    pub const TO: usize = 3;
    /// The thread that created it; 0 for the first one.
    pub const CREATOR: usize = 4;
    pub const OUTLIVED: usize = 5;
    pub const INDEX: usize = 6;
    pub const NEXT: usize = 7;
    /// The nearest thread that is alive among its creator, its creator's creator, and so on; 0 where there is none, and for the
    /// first thread.
    pub const ANCESTOR: usize = 8;
    /// The kernel's number; 0 until it runs.
    pub const NUMBER: usize = 9;
    /// The address of the word that it waits for to change, for as long as that takes; 0 where it does not.
    pub const WAITS: usize = 10;
    /// What that word is until then.
    pub const VALUE: usize = 11;
    /// The stack that waits, or has waited last.
    pub const STACK: usize = 12;
    /// Why it was blocked when the process ended: see [`blocked`](super::blocked). 0 where that is not certain.
    pub const BLOCKED: usize = 13;
    pub const WORDS: usize = 14;
}

/// Why a thread is blocked.
#[cfg(target_os = "linux")]
pub(super) mod blocked {
    /// Its word is as it was when it began to wait: nobody has ended the wait.
    pub const WAITS: u64 = 1;
    /// It is in a call of the kernel's that ends when somebody else does something.
    pub const READS: u64 = 2;
    pub const ACCEPTS: u64 = 3;
    pub const POLLS: u64 = 4;
    pub const AWAITS_CHILD: u64 = 5;
}

/// This thread's record.
pub(super) fn own() -> u64 {
    THREAD.try_with(Cell::get).unwrap_or(0)
}

/// To be called on the new thread.
pub(super) fn began(record: u64) {
    THREAD.with(|own| own.set(record));
    if record != 0 {
        if let Some(_turn) = Turn::begin() {
            lock().set(record, thread::NUMBER, thread_number());
        }
    }
    notice_end(record);
}

/// This thread ends, and its own code has been left.
pub(super) extern "C" fn ending(record: *mut c_void) {
    let Some(_turn) = Turn::begin() else { return };
    end_thread();
    // Its record is another thread's from now on.
    let _ = THREAD.try_with(|own| own.set(0));
    lock().thread_ended(record as u64);
}

/// This thread does not wait any more.
#[cfg(target_os = "linux")]
pub(super) fn woken() {
    let base = WORDS_AT.load(Ordering::Relaxed);
    let own = own();
    if own != 0 && !base.is_null() && Turn::begin().is_some() {
        // SAFETY: this thread's own record, which nobody else writes this word of, in the mapped file.
        unsafe { base.add(own as usize / 8 + thread::WAITS).write_volatile(0) };
    }
}

/// A thread that is alive at the end, and whose creators have all ended.
#[derive(Clone, Copy)]
pub(super) struct Left {
    record: u64,
    pub(super) number: u64,
    pub(super) waits: u64,
    #[cfg_attr(target_os = "macos", allow(dead_code))]
    pub(super) value: u64,
    pub(super) blocked: u64,
}

/// How many threads are examined at the end.
pub(super) const LEFT: usize = 256;

impl Left {
    pub(super) const NONE: Self = Self {
        record: 0,
        number: 0,
        waits: 0,
        value: 0,
        blocked: 0,
    };
}

impl State {
    /// The lineage of threads that are created by this stack, on a thread of that lineage.
    pub(super) fn lineage(&mut self, parent: u64, stack: u64) -> u64 {
        let depth = if parent == 0 { 0 } else { self.word(parent, lineage::DEPTH) + 1 };
        if depth > DEEPEST {
            return parent;
        }
        let hash = mix(mix(2, parent), stack);
        let known = self.lineages.find(hash, |known| {
            self.word(known, lineage::PARENT) == parent && self.word(known, lineage::STACK) == stack
        });
        if known != 0 {
            return known;
        }
        let record = self.record(kind::LINEAGE, lineage::WORDS);
        if record != 0 {
            self.set(record, lineage::PARENT, parent);
            self.set(record, lineage::STACK, stack);
            self.set(record, lineage::DEPTH, depth);
            self.lineages.insert(hash, record);
        }
        record
    }

    /// Writes down a thread that is about to be created. 0 where there is no room.
    pub(super) fn thread_created(&mut self, of: u64, creator: u64, now: u64) -> u64 {
        if of == 0 || !notices_ends() || self.alive == COPYABLE {
            return 0;
        }
        let mut record = self.spare_threads;
        if record == 0 {
            record = self.record(kind::THREAD, thread::WORDS);
            if record == 0 {
                return 0;
            }
        } else {
            self.spare_threads = self.word(record, thread::NEXT);
        }
        if self.word(of, lineage::CREATED) == 0 {
            self.set(of, lineage::FROM, now);
        }
        self.set(of, lineage::CREATED, self.word(of, lineage::CREATED) + 1);
        self.set(record, thread::FROM, now);
        self.set(record, thread::TO, 0);
        self.set(record, thread::CREATOR, creator);
        self.set(record, thread::ANCESTOR, creator);
        self.set(record, thread::OUTLIVED, 0);
        self.set(record, thread::NUMBER, 0);
        self.set(record, thread::WAITS, 0);
        self.set(record, thread::BLOCKED, 0);
        self.set(record, thread::INDEX, self.alive as u64);
        self.set(record, thread::LINEAGE, of);
        // SAFETY: `threads` has room for `COPYABLE`, checked above.
        unsafe { self.threads.add(self.alive).write(record) };
        self.alive += 1;
        record
    }

    /// Takes back what was written down: there is no such thread.
    pub(super) fn thread_failed(&mut self, record: u64) {
        let of = self.word(record, thread::LINEAGE);
        self.set(of, lineage::CREATED, self.word(of, lineage::CREATED) - 1);
        self.unlist(record);
        self.reuse(record);
    }

    pub(super) fn thread_ended(&mut self, record: u64) {
        let now = self.now();
        self.unlist(record);
        for index in 0..self.alive {
            // SAFETY: below the number of threads listed.
            let other = unsafe { self.threads.add(index).read() };
            if self.word(other, thread::ANCESTOR) == record {
                self.set(other, thread::ANCESTOR, self.word(record, thread::ANCESTOR));
            }
            if self.word(other, thread::CREATOR) == record {
                self.set(other, thread::CREATOR, 0);
                self.set(other, thread::OUTLIVED, 1);
                let of = self.word(other, thread::LINEAGE);
                self.set(of, lineage::OUTLIVED, self.word(of, lineage::OUTLIVED) + 1);
            }
        }
        let of = self.word(record, thread::LINEAGE);
        self.set(of, lineage::ENDED, self.word(of, lineage::ENDED) + 1);
        self.set(of, lineage::TO, now);
        self.set(record, thread::TO, now);
        if self.word(record, thread::OUTLIVED) != 0 && self.word(of, lineage::KEPT) < LIFETIMES {
            self.set(of, lineage::KEPT, self.word(of, lineage::KEPT) + 1);
        } else {
            self.reuse(record);
        }
    }

    /// Notes that a thread begins to wait without a time-out.
    pub(super) fn thread_waits(&mut self, record: u64, futex: usize, value: u32, stack: u64) {
        self.set(record, thread::WAITS, futex as u64);
        self.set(record, thread::VALUE, u64::from(value));
        self.set(record, thread::STACK, stack);
    }

    /// The threads that are alive although all that led to them have ended, as many as there is room for.
    pub(super) fn threads_left(&self, left: &mut [Left; LEFT]) -> usize {
        let mut count = 0;
        for index in 0..self.alive {
            // SAFETY: below the number of threads listed.
            let record = unsafe { self.threads.add(index).read() };
            let is_left = self.word(record, thread::OUTLIVED) != 0 && self.word(record, thread::ANCESTOR) == 0;
            if is_left && self.word(record, thread::NUMBER) != 0 && count < LEFT {
                left[count] = Left {
                    record,
                    number: self.word(record, thread::NUMBER),
                    waits: self.word(record, thread::WAITS),
                    value: self.word(record, thread::VALUE),
                    blocked: 0,
                };
                count += 1;
            }
        }
        count
    }

    /// The numbers of the threads that are alive, as many as there is room for.
    pub(super) fn numbers(&self, numbers: &mut [u64; LEFT]) -> usize {
        let mut count = 0;
        for index in 0..self.alive {
            // SAFETY: below the number of threads listed.
            let record = unsafe { self.threads.add(index).read() };
            let number = self.word(record, thread::NUMBER);
            if number != 0 && count < LEFT {
                numbers[count] = number;
                count += 1;
            }
        }
        count
    }

    /// Writes down which of them are blocked, unless they have ended meanwhile.
    pub(super) fn threads_blocked(&mut self, left: &[Left]) {
        for left in left {
            let same = self.word(left.record, thread::LINEAGE) != 0
                && self.word(left.record, thread::TO) == 0
                && self.word(left.record, thread::NUMBER) == left.number
                && self.word(left.record, thread::WAITS) == left.waits;
            if same {
                self.set(left.record, thread::BLOCKED, left.blocked);
            }
        }
    }

    fn unlist(&mut self, record: u64) {
        self.alive -= 1;
        let index = self.word(record, thread::INDEX);
        // SAFETY: both indices are below the number of threads listed.
        unsafe {
            let last = self.threads.add(self.alive).read();
            self.threads.add(index as usize).write(last);
            self.set(last, thread::INDEX, index);
        }
    }

    fn reuse(&mut self, record: u64) {
        self.set(record, thread::LINEAGE, 0);
        self.set(record, thread::NEXT, self.spare_threads);
        self.spare_threads = record;
    }
}

/// Whether a thread runs, or would if it had a processor. On macOS each is taken to.
#[cfg(target_os = "macos")]
pub(super) fn is_at_work(_: u64) -> bool {
    true
}

#[cfg(target_os = "linux")]
pub(super) use super::blocked::is_at_work;

#[cfg(target_os = "macos")]
impl Left {
    /// Not on macOS: that a thread waits can be seen there, and not that nobody has ended its wait.
    pub(super) fn examine(&mut self) {}
}
