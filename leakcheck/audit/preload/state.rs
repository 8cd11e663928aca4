//! The mapped file and what is known of it: one for the process, under one lock.

use std::sync::atomic::AtomicPtr;
use std::sync::{Mutex, MutexGuard};

use super::boxes::Boxes;
use super::cells::{BOXES, COPY, ROOM};
use super::libc::{close, map_more, monotonic, open, reserve, O_RDWR_CLOEXEC};
use super::objects::{Object, Objects, IDENTITY};
use super::table::{mix, Table};
use super::walk::{Step, Trace};

/// Address space for the records: 1 GiB. The file itself grows as it is needed.
pub(super) const SPACE: usize = 1 << 30;
pub(super) const HEADER: usize = 8192;
pub(super) const CHUNK: usize = 256 * 1024;

pub(super) mod kind {
    pub const NODE: u64 = 1;
    pub const LINEAGE: u64 = 2;
    pub const OBJECT: u64 = 3;
    pub const FOLD: u64 = 4;
    pub const LIVE: u64 = 5;
    pub const KEPT: u64 = 6;
    pub const BOXES: u64 = 7;
    pub const THREAD: u64 = 8;
    pub const LIFETIMES: u64 = 9;
    /// Which build of a file was loaded: the record of that file, and 16 bytes.
    #[cfg(target_os = "macos")]
    pub const IDENTITY: u64 = 10;
    /// Which file was loaded: the record of that file, its inode, and when it was last written to.
    #[cfg(target_os = "linux")]
    pub const FILE: u64 = 11;
}

/// Words of the header.
pub(super) mod header {
    pub const MAGIC: usize = 0;
    pub const PID: usize = 1;
    pub const PARENT: usize = 2;
    /// 0 while it runs, 1 once it has come to `exit`.
    pub const ENDED: usize = 3;
    pub const USED: usize = 4;
    /// What there was no room for.
    pub const DROPPED: usize = 5;
    pub const PASSES: usize = 6;
    pub const EXECUTABLE: usize = 7;
    pub const ARGUMENTS: usize = 8;
    /// Nanoseconds from the beginning to the end, once it is there. All times are from the beginning on.
    pub const TO: usize = 9;
    /// Where the two texts begin, and the longest that fits.
    pub const TEXT: usize = 128;
    pub const EXECUTABLE_MAX: usize = 4000;
    pub const ARGUMENTS_MAX: usize = 3900;
}

/// Where things are in the mapped file, by their offset; 0 is none.
pub(super) struct State {
    pub(super) base: *mut u64,
    /// Bytes of the file that exist, and that are written.
    pub(super) size: usize,
    pub(super) used: usize,
    pub(super) live_copies: usize,
    pub(super) kept_copies: usize,
    pub(super) passes: u64,
    /// The last pass that was made because a cell died, and how many cells such passes have looked at since a runtime parked.
    pub(super) death_pass: u64,
    pub(super) swept: usize,
    pub(super) cursor: usize,
    pub(super) copyable: usize,
    /// Offsets of the live cells that have room for a copy.
    pub(super) cells: *mut u64,
    pub(super) nodes: Table,
    pub(super) stacks: Table,
    pub(super) lineages: Table,
    objects: Table,
    pub(super) folds: Table,
    pub(super) live: Table,
    /// Free records of live cells, by the room they have in units of [`ROOM`].
    pub(super) spare: [u64; COPY / ROOM + 1],
    pub(super) path: [u8; 512],
    pub(super) boxes: Boxes,
    /// Where a cell's bytes are until it is known that they belong together.
    pub(super) scratch: [u64; COPY / 8],
    /// Free records of regions, by [`BOXES`].
    pub(super) spare_boxes: [u64; BOXES.len()],
    /// The clock when it was looked at last, for what needs no better one.
    pub(super) clock: u64,
    /// Nanoseconds that may be spent on each of the two below, and when that is to be said anew.
    pub(super) share: u64,
    pub(super) share_until: u64,
    /// Nanoseconds that were spent on following plain pointers.
    pub(super) followed: u64,
    /// Nanoseconds that were spent on looking at cells between two parks.
    pub(super) looked: u64,
    pub(super) ending: bool,
    pub(super) began: u64,
    /// Threads that are alive: their number, and their records' offsets.
    pub(super) alive: usize,
    pub(super) threads: *mut u64,
    pub(super) spare_threads: u64,
}

// SAFETY: the pointers are to memory that the state alone uses, and a lock is around it.
unsafe impl Send for State {}

/// The mapped file, for the words of a record that its own thread writes without the lock.
pub(super) static WORDS_AT: AtomicPtr<u64> = AtomicPtr::new(std::ptr::null_mut());

pub(super) static STATE: Mutex<State> = Mutex::new(State {
    base: std::ptr::null_mut(),
    size: 0,
    used: 0,
    live_copies: 0,
    kept_copies: 0,
    // A cell that was copied before the first pass was copied in pass 1.
    passes: 1,
    death_pass: 0,
    swept: 0,
    cursor: 0,
    copyable: 0,
    cells: std::ptr::null_mut(),
    nodes: Table::new(),
    stacks: Table::new(),
    lineages: Table::new(),
    objects: Table::new(),
    folds: Table::new(),
    live: Table::new(),
    spare: [0; COPY / ROOM + 1],
    path: [0; 512],
    boxes: Boxes::NONE,
    scratch: [0; COPY / 8],
    spare_boxes: [0; BOXES.len()],
    clock: 0,
    share: 0,
    share_until: 0,
    followed: 0,
    looked: 0,
    ending: false,
    began: 0,
    alive: 0,
    threads: std::ptr::null_mut(),
    spare_threads: 0,
});

pub(super) fn lock() -> MutexGuard<'static, State> {
    STATE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl State {
    pub(super) fn word(&self, record: u64, word: usize) -> u64 {
        debug_assert!(record as usize + word * 8 < self.used);
        // SAFETY: records lie in the written part of the mapped file, and are as long as their words.
        unsafe { self.base.add(record as usize / 8 + word).read() }
    }

    pub(super) fn set(&mut self, record: u64, word: usize, value: u64) {
        // SAFETY: as above.
        unsafe { self.base.add(record as usize / 8 + word).write(value) }
    }

    pub(super) fn set_header(&mut self, word: usize, value: u64) {
        self.set(0, word, value);
    }

    pub(super) fn dropped(&mut self) {
        let dropped = self.word(0, header::DROPPED);
        self.set_header(header::DROPPED, dropped + 1);
    }

    /// Room for a record, zeroed, with its first word written. 0 where there is none.
    pub(super) fn record(&mut self, kind: u64, words: usize) -> u64 {
        let (at, len) = (self.used, words * 8);
        if at + len > self.size && !self.grow(at + len) {
            self.dropped();
            return 0;
        }
        self.used = at + len;
        self.set(at as u64, 0, kind | (words as u64) << 8);
        self.set_header(header::USED, self.used as u64);
        at as u64
    }

    /// Makes the file longer. The blocks are taken at once: a write to the mapping must not meet a full disk.
    pub(super) fn grow(&mut self, needed: usize) -> bool {
        let size = (needed + needed / 2).next_multiple_of(CHUNK);
        if size > SPACE {
            return false;
        }
        // SAFETY: the path ends with a zero byte. The file is not kept open: a program may close what it did not open.
        let done = unsafe {
            let fd = open(self.path.as_ptr().cast(), O_RDWR_CLOEXEC);
            if fd < 0 {
                return false;
            }
            let done = reserve(fd, size) && map_more(self.base, self.size, size, fd);
            close(fd);
            done
        };
        if done {
            self.size = size;
        }
        done
    }

    /// The leaf of this stack in the tree of all of them. A node's parent is its caller.
    pub(super) fn stack_of(&mut self, trace: &mut Trace) -> u64 {
        if trace.node == 0 {
            trace.node = self.stack(trace.steps());
        }
        trace.node
    }

    fn stack(&mut self, steps: &[Step]) -> u64 {
        let mut hash = 0;
        for step in steps {
            hash = mix(hash, step.pc);
        }
        let known = self.stacks.find(hash, |leaf| {
            let mut node = leaf;
            steps.iter().all(|step| {
                let same = node != 0 && self.word(node, 2) == step.pc;
                node = if same { self.word(node, 1) } else { 0 };
                same
            }) && node == 0
        });
        if known != 0 {
            return known;
        }
        let mut parent = 0;
        for step in steps.iter().rev() {
            let hash = mix(mix(1, parent), step.pc);
            let mut node = self.nodes.find(hash, |node| {
                self.word(node, 1) == parent && self.word(node, 2) == step.pc
            });
            if node == 0 {
                node = self.record(kind::NODE, 3);
                if node == 0 {
                    return 0;
                }
                self.set(node, 1, parent);
                self.set(node, 2, step.pc);
                self.nodes.insert(hash, node);
            }
            parent = node;
        }
        self.stacks.insert(hash, parent);
        parent
    }

    /// Nanoseconds since the process began.
    pub(super) fn now(&self) -> u64 {
        monotonic().saturating_sub(self.began)
    }

    /// The record of a loaded file, 0 where there is none, and the hash that it is found by.
    fn object(&self, object: &Object) -> (u64, u64) {
        let name = object.name.to_bytes();
        let hash = mix(mix(mix(5, object.base), object.range.1), name.len() as u64);
        let known = self.objects.find(hash, |known| {
            self.word(known, 1) == object.base && self.word(known, 3) == object.range.1 && self.is_text(known + 40, name)
        });
        (known, hash)
    }

    /// Leaves the files that are not written down yet.
    pub(super) fn leave_out_known(&self, objects: &mut Objects) {
        let all = objects.count;
        objects.count = 0;
        for place in 0..all {
            let object = objects.list[place];
            if self.object(&object).0 == 0 {
                objects.list[objects.count] = object;
                objects.count += 1;
            }
        }
    }

    /// Writes down which file is loaded where.
    pub(super) fn objects(&mut self, objects: &Objects) {
        for object in &objects.list[..objects.count] {
            let (known, hash) = self.object(object);
            if known != 0 {
                continue;
            }
            let name = object.name.to_bytes();
            let record = self.record(kind::OBJECT, 5 + name.len().div_ceil(8));
            if record != 0 {
                self.set(record, 1, object.base);
                self.set(record, 2, object.range.0);
                self.set(record, 3, object.range.1);
                self.set(record, 4, name.len() as u64);
                self.text(record as usize + 40, name, name.len());
                self.objects.insert(hash, record);
            }
            if record != 0 && object.identity != [0; 2] {
                let identity = self.record(IDENTITY, 4);
                if identity != 0 {
                    self.set(identity, 1, record);
                    self.set(identity, 2, object.identity[0]);
                    self.set(identity, 3, object.identity[1]);
                }
            }
        }
    }

    /// Whether these bytes are in the file there.
    fn is_text(&self, at: u64, bytes: &[u8]) -> bool {
        if at as usize + bytes.len() > self.used {
            return false;
        }
        // SAFETY: within the written part of the mapped file.
        let there = unsafe { std::slice::from_raw_parts(self.base.cast::<u8>().add(at as usize), bytes.len()) };
        there == bytes
    }

    /// Writes bytes into the file, as many as fit, and says how many those were.
    pub(super) fn text(&mut self, at: usize, bytes: &[u8], most: usize) -> u64 {
        let length = bytes.len().min(most);
        // SAFETY: our callers made room for `most` bytes there.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.cast::<u8>().add(at), length) };
        length as u64
    }
}
