//! Threads: who created them, whether they ended, whether they outlived the thread that created them, and whether they are
//! blocked when the process ends.

use std::cell::Cell;
use std::ffi::{c_int, c_uint, c_void};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::boxes;
use super::cells::COPYABLE;
use super::events::{forget_recent, Turn};
use super::hooks::thread_number;
use super::libc::{close, open, read, O_RDONLY_CLOEXEC};
use super::start::digits;
use super::state::{kind, lock, State, WORDS_AT};
use super::table::mix;

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
pub(super) mod blocked {
    /// Its word is as it was when it began to wait: nobody has ended the wait.
    pub const WAITS: u64 = 1;
    /// It is in a call of the kernel's that ends when somebody else does something.
    pub const READS: u64 = 2;
    pub const ACCEPTS: u64 = 3;
    pub const POLLS: u64 = 4;
    pub const AWAITS_CHILD: u64 = 5;
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
    if record != 0 {
        if let Some(_turn) = Turn::begin() {
            lock().set(record, thread::NUMBER, thread_number());
        }
    }
    let key = KEY.load(Ordering::Relaxed);
    if record != 0 && key != 0 {
        // SAFETY: the key was created at the start, and the value is never taken for a pointer.
        unsafe { pthread_setspecific((key - 1) as c_uint, record as *const c_void) };
    }
}

/// Keys' destructors run after those of thread-local values, also where a thread was cancelled.
extern "C" fn ending(record: *mut c_void) {
    let Some(_turn) = Turn::begin() else { return };
    forget_recent();
    // Its record is another thread's from now on.
    let _ = OWN.try_with(|own| own.set(0));
    lock().thread_ended(record as u64);
}

/// This thread does not wait any more.
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
    number: u64,
    waits: u64,
    value: u64,
    blocked: u64,
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

    /// Finds out whether it is blocked, so that it ends only if somebody else lets it. A thread that has just been woken, or that
    /// wakes by itself, is not.
    pub(super) fn examine(&mut self) {
        let mut text = [0; 256];
        let state = stat(self.number, &mut text);
        self.blocked = if self.waits != 0 {
            let mut word = [0_u64];
            let at = self.waits & !7;
            let value = boxes::read_words(at, &mut word).then(|| word[0] >> ((self.waits & 4) * 8) & 0xffff_ffff);
            let sleeps = matches!(state, None | Some(b'S'));
            if sleeps && value == Some(self.value) { blocked::WAITS } else { 0 }
        } else if state == Some(b'S') {
            call(self.number, &mut text)
        } else {
            0
        };
    }
}

/// The beginning of a file of `/proc/self/task`.
fn task_file<'a>(number: u64, name: &[u8], text: &'a mut [u8; 256]) -> &'a [u8] {
    let mut path = [0_u8; 64];
    let parts: [&[u8]; 3] = [b"/proc/self/task/", &digits(number), name];
    let bytes = parts.into_iter().flatten().filter(|byte| **byte != 0);
    path[..63].iter_mut().zip(bytes).for_each(|(place, byte)| *place = *byte);
    // SAFETY: a path that ends with a zero byte, a file that is ours, and as many bytes as there are.
    unsafe {
        let file = open(path.as_ptr().cast(), O_RDONLY_CLOEXEC);
        if file < 0 {
            return &[];
        }
        let length = read(file, text.as_mut_ptr().cast(), text.len());
        close(file);
        &text[..usize::try_from(length).unwrap_or(0)]
    }
}

/// The letter of a thread's state: `proc_pid_stat(5)`. It follows the name, which may have any letters.
fn stat(number: u64, text: &mut [u8; 256]) -> Option<u8> {
    let stat = task_file(number, b"/stat", text);
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    stat.get(end + 2).copied()
}

/// Why a thread is blocked in its call of the kernel's: `proc_pid_syscall(5)`. 0 where it may end by itself.
fn call(number: u64, text: &mut [u8; 256]) -> u64 {
    let text = task_file(number, b"/syscall", text);
    let mut words = text.split(|byte| byte.is_ascii_whitespace()).map(parsed);
    let Some(Some(number)) = words.next() else { return 0 };
    let mut arguments = [0; 6];
    for argument in &mut arguments {
        let Some(Some(word)) = words.next() else { return 0 };
        *argument = word;
    }
    let for_ever = |index: usize| arguments[index] as i32 == -1;
    #[cfg(target_arch = "x86_64")]
    return match number {
        // read, readv, recvfrom, recvmsg
        0 | 19 | 45 | 47 => blocked::READS,
        // accept, accept4
        43 | 288 => blocked::ACCEPTS,
        // poll, epoll_wait, epoll_pwait: with a time-out; select, pselect6, ppoll: with a pointer to one
        7 if for_ever(2) => blocked::POLLS,
        232 | 281 if for_ever(3) => blocked::POLLS,
        23 | 270 if arguments[4] == 0 => blocked::POLLS,
        271 if arguments[2] == 0 => blocked::POLLS,
        // wait4, waitid
        61 | 247 => blocked::AWAITS_CHILD,
        _ => 0,
    };
    #[cfg(target_arch = "aarch64")]
    match number {
        63 | 65 | 207 | 212 => blocked::READS,
        202 | 242 => blocked::ACCEPTS,
        22 if for_ever(3) => blocked::POLLS,
        72 if arguments[4] == 0 => blocked::POLLS,
        73 if arguments[2] == 0 => blocked::POLLS,
        260 | 95 => blocked::AWAITS_CHILD,
        _ => 0,
    }
}

/// A number as these files have it: decimal, or hexadecimal with its mark. `None` for words, as `running`.
fn parsed(word: &[u8]) -> Option<u64> {
    let (digits, base) = word.strip_prefix(b"0x").map_or((word, 10), |digits| (digits, 16));
    let mut number = (!digits.is_empty()).then_some(0_u64)?;
    for digit in digits {
        let digit = (*digit as char).to_digit(base)?;
        number = number.checked_mul(u64::from(base))?.checked_add(u64::from(digit))?;
    }
    Some(number)
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
