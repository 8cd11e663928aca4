//! Threads: who created them, whether they ended, and whether they outlived the thread that created them.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{kind, lock, mix, State, Turn, COPYABLE};

extern "C" {
    fn pthread_key_create(key: *mut c_uint, destructor: extern "C" fn(*mut c_void)) -> c_int;
    fn pthread_setspecific(key: c_uint, value: *const c_void) -> c_int;
}

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
    pub const WORDS: usize = 8;
}

thread_local! {
    /// This thread's record; 0 for the first one, and where there was no room.
    static OWN: Cell<u64> = const { Cell::new(0) };
}

/// One more than the key whose destructor says that a thread ends, by whatever way. 0: there is none.
static KEY: AtomicUsize = AtomicUsize::new(0);

pub(super) fn begin() {
    let mut key = 0;
    // SAFETY: the destructor has the type that libc asks for.
    if unsafe { pthread_key_create(&mut key, ending) } == 0 {
        KEY.store(key as usize + 1, Ordering::Relaxed);
    }
}

/// This thread's record.
pub(super) fn own() -> u64 {
    OWN.try_with(Cell::get).unwrap_or(0)
}

/// To be called on the new thread.
pub(super) fn began(record: u64) {
    OWN.with(|own| own.set(record));
    let key = KEY.load(Ordering::Relaxed);
    if record != 0 && key != 0 {
        // SAFETY: the key was created at the start, and the value is never taken for a pointer.
        unsafe { pthread_setspecific((key - 1) as c_uint, record as *const c_void) };
    }
}

/// Keys' destructors run after those of thread-local values, also where a thread was cancelled.
extern "C" fn ending(record: *mut c_void) {
    let Some(_turn) = Turn::begin() else { return };
    lock().thread_ended(record as u64);
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
        if of == 0 || KEY.load(Ordering::Relaxed) == 0 || self.alive == COPYABLE {
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
        self.set(record, thread::OUTLIVED, 0);
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
