//! Cells: what of them is written down while they live, and once they have ended.

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::boxes::SCRATCH;
use super::events::filter;
use super::libc::{memcmp, processor_time};
use super::state::{header, kind, State};
use super::table::mix;
use super::task_state::{CANCELLED, COMPLETE, JOIN_INTEREST, NOTIFIED, REFERENCES, RUNNING};
use super::waits;

/// Bytes of live cells' copies, and of those that are kept of freed cells.
pub(super) const LIVE_COPIES: usize = 64 << 20;
pub(super) const KEPT_COPIES: usize = 32 << 20;
/// The largest part of one cell that is copied.
pub(super) const COPY: usize = 64 * 1024;
/// Bytes that one pass over the live cells copies, and cells that it looks at.
pub(super) const PASS_BYTES: usize = 32 * 1024;
pub(super) const PASS_CELLS: usize = 64;
/// Copies kept of cells that were allocated and freed alike.
pub(super) const KEPT_EACH: u64 = 4;
/// Live cells that have room for a copy.
pub(super) const COPYABLE: usize = 1 << 15;

/// Rooms for the regions of a cell, in words.
pub(super) const BOXES: [usize; 4] = [128, 512, 2048, SCRATCH];
/// What may be spent on following plain pointers, and as much on looks: so many nanoseconds, and these parts of the processor's time
/// that the process has taken, and of the time that has passed. The last is for a process that sleeps nearly all the time.
const FREELY: u64 = 500_000;
const OF_PROCESSOR: u64 = 200;
const OF_TIME: u64 = 800;
/// Looks that are to show what is not known yet may take so many times that.
const NEWS: u64 = 8;
/// Nanoseconds for which what may be spent stays as it is: to ask for the processor's time is a call of the kernel's.
const SHARE_LASTS: u64 = 1_000_000;

/// What is taken for another thread's turn on the processor, where the clock says more.
const LONGEST: u64 = 100_000;

pub(super) const ROOM: usize = 512;
/// The first words of a cell, among which is the pointer to what schedules it: tokio's `Header` is in front of it. What it points to is a
/// block of a cell's alignment too, and is read up to so many bytes.
const FRONT: usize = 8;
const SCHEDULER: u64 = 4096;

/// Words of a live cell's record.
pub(super) mod live {
    pub const ADDRESS: usize = 1;
    pub const STACK: usize = 2;
    pub const LINEAGE: usize = 3;
    pub const SIZE: usize = 4;
    pub const ROOM: usize = 5;
    /// What it was seen to be: see [`seen`](super::seen).
    pub const SEEN: usize = 6;
    /// The pass that copied it, or 0.
    pub const PASS: usize = 7;
    pub const INDEX: usize = 8;
    /// While it is free, the next free record of the same room; else 1 where the copy was made with every pointer followed.
    pub const NEXT: usize = 9;
    pub const PLAIN: usize = NEXT;
    /// When it was allocated.
    pub const FROM: usize = 10;
    /// What its boxes pointed to, as of the same copy.
    pub const BOXES: usize = 11;
    /// Its first word when the process ended, 0 before. It may be newer than the copy: what is being polled is not copied.
    pub const END: usize = 12;
    /// How many times a poller had been waited on when it was allocated.
    pub const WAITS: usize = 13;
    /// The same, when it was looked at last: its copy is as of then.
    pub const LOOKED: usize = 14;
    pub const BYTES: usize = 15;
}

/// What a cell was seen to be, in bits.
pub(super) mod seen {
    /// Done, while a runtime parked.
    pub const COMPLETE: u64 = 1;
    /// Nobody had its `JoinHandle`, and it had not been aborted: nobody can abort it by that any more.
    pub const DETACHED: u64 = 2;
    /// Aborted, and not yet ended by its worker. A shutdown ends what it finds at once, so it was none.
    pub const ABORTED: u64 = 4;
    /// At its end it was done, and neither aborted nor shut down: tokio sets that bit first whenever it ends a task itself
    /// (`transition_to_shutdown` in `runtime/task/state.rs`).
    pub const RETURNED: u64 = 8;
    /// Its copy was made while its future was being dropped: it is of its end.
    pub const DYING: u64 = 16;
}

/// Live cells that have room for a copy, and of which there is none.
pub(super) static UNCOPIED: AtomicUsize = AtomicUsize::new(0);

/// Words of a cell's regions: each is its address, its length in bytes, and its bytes.
pub(super) mod regions {
    pub const USED: usize = 1;
    pub const CLASS: usize = 2;
    /// The next free record of the same room.
    pub const NEXT: usize = 3;
    pub const LIST: usize = 4;
}

/// Words of lifetimes of a fold: pairs of begin and end.
pub(super) mod lifetimes {
    pub const FOLD: usize = 1;
    pub const COUNT: usize = 2;
    pub const LIST: usize = 3;
    pub const EACH: u64 = 8;
    pub const MOST: u64 = 64;
}

/// Words of a fold: cells that were allocated and freed alike.
pub(super) mod fold {
    pub const ALLOCATED: usize = 1;
    pub const FREED: usize = 2;
    pub const LINEAGE: usize = 3;
    /// What its cells were seen to be.
    pub const SEEN: usize = 4;
    pub const COUNT: usize = 5;
    pub const KEPT: usize = 6;
    pub const SIZE: usize = 7;
    /// When the first was allocated and the last was freed.
    pub const FROM: usize = 8;
    pub const TO: usize = 9;
    /// The lifetimes that are being filled.
    pub const LIFETIMES: usize = 10;
    pub const WORDS: usize = 11;
}

/// Words of a kept copy.
pub(super) mod kept {
    pub const FOLD: usize = 1;
    pub const ADDRESS: usize = 2;
    pub const SIZE: usize = 3;
    /// Passes between the copy and the end of the cell.
    pub const AGE: usize = 4;
    pub const LENGTH: usize = 5;
    /// Words of regions behind the bytes.
    pub const BOXES: usize = 6;
    /// The first word of the cell at its end.
    pub const END: usize = 7;
    /// Words of [`quiet`](super::waits::quiet) behind the regions, since it was looked at last: none, unless it was due to run at its end, or
    /// its handle was given up in between.
    pub const STILL: usize = 8;
    /// The same behind those, since it was allocated: none, unless it was due to run both when it was copied and at its end.
    pub const QUIET: usize = 9;
    pub const BYTES: usize = 10;
}

impl State {

    pub(super) fn knows(&self, address: usize) -> bool {
        self.live.find(mix(3, address as u64), |cell| {
            self.word(cell, live::ADDRESS) == address as u64
        }) != 0
    }

    /// Writes down a cell, and gives its record; 0 where there is none, or no room for a copy in it.
    pub(super) fn insert(&mut self, address: usize, size: usize, stack: u64, lineage: u64) -> u64 {
        if self.knows(address) {
            // Its free was not seen: it fell into another hook's turn.
            self.remove(address, 0, 0);
        }
        let mut room = size.min(COPY).next_multiple_of(ROOM);
        if self.copyable == COPYABLE || (self.spare[room / ROOM] == 0 && self.live_copies + room > LIVE_COPIES) {
            room = 0;
        }
        let mut cell = self.spare[room / ROOM];
        if cell == 0 {
            cell = self.record(kind::LIVE, live::BYTES + room / 8);
            if cell == 0 {
                return 0;
            }
            self.live_copies += room;
            self.set(cell, live::ROOM, room as u64);
        } else {
            self.spare[room / ROOM] = self.word(cell, live::NEXT);
        }
        self.set(cell, live::STACK, stack);
        self.set(cell, live::LINEAGE, lineage);
        self.set(cell, live::SIZE, size as u64);
        self.set(cell, live::SEEN, 0);
        self.set(cell, live::PASS, 0);
        self.set(cell, live::PLAIN, 0);
        self.set(cell, live::FROM, self.now());
        self.set(cell, live::BOXES, 0);
        self.set(cell, live::END, 0);
        self.set(cell, live::WAITS, waits::so_far());
        self.set(cell, live::LOOKED, 0);
        if room != 0 {
            self.set(cell, live::INDEX, self.copyable as u64);
            // SAFETY: `cells` has room for `COPYABLE`, checked above.
            unsafe { self.cells.add(self.copyable).write(cell) };
            self.copyable += 1;
            UNCOPIED.fetch_add(1, Ordering::Relaxed);
        }
        self.set(cell, live::ADDRESS, address as u64);
        self.live.insert(mix(3, address as u64), cell);
        filter(address).fetch_add(1, Ordering::Relaxed);
        if room == 0 { 0 } else { cell }
    }

    /// Takes a cell off. `end` is its first word, 0 where that is not known.
    pub(super) fn remove(&mut self, address: usize, stack: u64, end: u64) {
        let hash = mix(3, address as u64);
        let cell = self
            .live
            .find(hash, |cell| self.word(cell, live::ADDRESS) == address as u64);
        if cell == 0 {
            return;
        }
        self.live.remove(hash, cell);
        filter(address).fetch_sub(1, Ordering::Relaxed);
        if end & (COMPLETE | CANCELLED) == COMPLETE {
            self.see(cell, seen::RETURNED);
        }
        self.count(cell, stack, end);
        self.release_boxes(cell);
        let room = self.word(cell, live::ROOM) as usize;
        if room != 0 {
            if self.word(cell, live::PASS) == 0 {
                UNCOPIED.fetch_sub(1, Ordering::Relaxed);
            }
            self.copyable -= 1;
            let index = self.word(cell, live::INDEX) as usize;
            // SAFETY: both indices are below the number of cells listed.
            unsafe {
                let last = self.cells.add(self.copyable).read();
                self.cells.add(index).write(last);
                self.set(last, live::INDEX, index as u64);
            }
        }
        self.set(cell, live::ADDRESS, 0);
        self.set(cell, live::NEXT, self.spare[room / ROOM]);
        self.spare[room / ROOM] = cell;
    }

    /// One more cell that ended so.
    pub(super) fn count(&mut self, cell: u64, freed: u64, end: u64) {
        let (allocated, lineage) = (self.word(cell, live::STACK), self.word(cell, live::LINEAGE));
        let seen = self.word(cell, live::SEEN);
        let hash = mix(mix(mix(mix(4, allocated), freed), lineage), seen);
        let mut entry = self.folds.find(hash, |entry| {
            self.word(entry, fold::ALLOCATED) == allocated
                && self.word(entry, fold::FREED) == freed
                && self.word(entry, fold::LINEAGE) == lineage
                && self.word(entry, fold::SEEN) == seen
        });
        if entry == 0 {
            entry = self.record(kind::FOLD, fold::WORDS);
            if entry == 0 {
                return;
            }
            self.set(entry, fold::ALLOCATED, allocated);
            self.set(entry, fold::FREED, freed);
            self.set(entry, fold::LINEAGE, lineage);
            self.set(entry, fold::SEEN, seen);
            self.set(entry, fold::SIZE, self.word(cell, live::SIZE));
            self.set(entry, fold::FROM, self.word(cell, live::FROM));
            self.folds.insert(hash, entry);
        }
        self.set(entry, fold::COUNT, self.word(entry, fold::COUNT) + 1);
        self.lived(entry, self.word(cell, live::FROM));

        let length = (self.word(cell, live::SIZE) as usize)
            .min(self.word(cell, live::ROOM) as usize)
            .next_multiple_of(8);
        let pass = self.word(cell, live::PASS);
        let boxes = self.word(cell, live::BOXES);
        let more = if boxes == 0 { 0 } else { self.word(boxes, regions::USED) as usize };
        let kept = pass != 0 && self.word(entry, fold::KEPT) < KEPT_EACH;
        let begin = self.word(cell, live::BYTES);
        // Whether it was polled in between is not to be seen by the cell itself, nor whether its runtime's end did that.
        let changed = end & NOTIFIED != 0 || begin & !end & JOIN_INTEREST != 0;
        let since = [
            (kept && changed).then(|| self.word(cell, live::LOOKED)),
            (kept && begin & end & NOTIFIED != 0).then(|| self.word(cell, live::WAITS)),
        ];
        let scheduler = if since[0].is_some() { self.collect_scheduler(cell) } else { 0 };
        let [still, quiet] = since.map(|since| since.map_or(0, |_| waits::WORDS));
        let taken = length + (more + scheduler + still + quiet) * 8;
        if kept && self.kept_copies + taken <= KEPT_COPIES {
            let copy = self.record(kind::KEPT, kept::BYTES + taken / 8);
            if copy != 0 {
                self.kept_copies += taken;
                self.set(entry, fold::KEPT, self.word(entry, fold::KEPT) + 1);
                self.set(copy, kept::FOLD, entry);
                self.set(copy, kept::ADDRESS, self.word(cell, live::ADDRESS));
                self.set(copy, kept::SIZE, self.word(cell, live::SIZE));
                self.set(copy, kept::AGE, self.passes - pass);
                self.set(copy, kept::LENGTH, length as u64);
                self.set(copy, kept::END, end);
                for word in 0..length / 8 {
                    self.set(copy, kept::BYTES + word, self.word(cell, live::BYTES + word));
                }
                self.set(copy, kept::BOXES, (more + scheduler) as u64);
                self.set(copy, kept::STILL, still as u64);
                self.set(copy, kept::QUIET, quiet as u64);
                let mut at = kept::BYTES + length / 8;
                for word in 0..more {
                    let value = self.word(boxes, regions::LIST + word);
                    self.set(copy, at + word, value);
                }
                at += more;
                for word in 0..scheduler {
                    self.set(copy, at + word, self.boxes.word(word));
                }
                at += scheduler;
                for bits in since.into_iter().flatten().flat_map(waits::quiet) {
                    self.set(copy, at, bits);
                    at += 1;
                }
            }
        }
    }

    /// Collects what schedules a cell, as it is now, among the boxes. Says how many words it takes up.
    fn collect_scheduler(&mut self, cell: u64) -> usize {
        let mut blocks = [(0, 0); FRONT];
        let mut count = 0;
        for word in 0..FRONT {
            let address = self.word(cell, live::BYTES + word);
            let block = self.live.find(mix(3, address), |block| self.word(block, live::ADDRESS) == address);
            if address != 0 && block != 0 {
                blocks[count] = (address, self.word(block, live::SIZE).min(SCHEDULER));
                count += 1;
            }
        }
        self.boxes.collect_blocks(&blocks[..count])
    }

    /// Writes down when a cell lived, of as many as are kept.
    pub(super) fn lived(&mut self, entry: u64, from: u64) {
        let to = self.now();
        self.set(entry, fold::FROM, self.word(entry, fold::FROM).min(from));
        self.set(entry, fold::TO, to);
        let before = self.word(entry, fold::COUNT) - 1;
        if before >= lifetimes::MOST {
            return;
        }
        let place = (before % lifetimes::EACH) as usize;
        if place == 0 {
            let list = self.record(kind::LIFETIMES, lifetimes::LIST + lifetimes::EACH as usize * 2);
            self.set(entry, fold::LIFETIMES, list);
            if list != 0 {
                self.set(list, lifetimes::FOLD, entry);
            }
        }
        let list = self.word(entry, fold::LIFETIMES);
        if list != 0 {
            self.set(list, lifetimes::LIST + place * 2, from);
            self.set(list, lifetimes::LIST + place * 2 + 1, to);
            self.set(list, lifetimes::COUNT, place as u64 + 1);
        }
    }

    /// Follows the boxes in so many words of the scratch. Gives how many words they are, and whether every pointer was followed.
    pub(super) fn follow(&mut self, words: usize) -> (usize, bool) {
        if !self.may_be_task(words) {
            // There is nothing that anybody would look for.
            return (0, true);
        }
        let plain = self.may_follow();
        let begin = if plain { self.now() } else { 0 };
        let used = self.boxes.collect(&self.scratch[..words], plain);
        if plain {
            self.followed_since(begin);
        }
        (used, plain)
    }

    /// Whether the scratch has a task. Others have blocks of the same alignment, which may be large and full of pointers: what schedules
    /// tasks, most of all. A task is referred to as long as it lives, and in front of it stands what is known of its type.
    fn may_be_task(&self, words: usize) -> bool {
        let front = &self.scratch[..words.min(FRONT)];
        let is_referred_to = front.first().is_some_and(|state| state >> REFERENCES != 0);
        is_referred_to && front.iter().any(|word| self.boxes.segments.is_constant(*word))
    }

    /// Says since when plain pointers were followed.
    fn followed_since(&mut self, begin: u64) {
        self.clock = self.now();
        self.followed += self.clock.saturating_sub(begin).min(LONGEST);
    }

    /// To follow every pointer each time would cost a busy runtime too much.
    fn may_follow(&self) -> bool {
        self.ending || self.followed <= self.share
    }

    /// Looks at the clock, and says what may be spent by now.
    fn tick(&mut self) {
        self.clock = self.now();
        if self.clock >= self.share_until {
            self.share = FREELY + processor_time() / OF_PROCESSOR + self.clock / OF_TIME;
            self.share_until = self.clock + SHARE_LASTS;
        }
    }

    /// Whether a cell, and what its boxes point to, is as it was copied last, so that to copy it again would change nothing. Most
    /// tasks wait through most of the parks of their runtime.
    fn is_copied(&mut self, cell: u64) -> bool {
        if self.word(cell, live::PASS) == 0 {
            return false;
        }
        let length = self.words_of(cell) * 8;
        // SAFETY: both are as long as that: see `copy`. Where another thread writes to the cell meanwhile, the words before and
        // after it are still compared, and its state tells that it was polled.
        let same = unsafe {
            let copied = self.base.add(cell as usize / 8 + live::BYTES);
            memcmp(self.word(cell, live::ADDRESS) as *const c_void, copied.cast(), length) == 0
        };
        if !same {
            return false;
        }
        let (boxes, plain) = (self.word(cell, live::BOXES), self.word(cell, live::PLAIN) != 0);
        if boxes == 0 && plain {
            return true;
        }
        match (boxes, plain == self.may_follow()) {
            // To follow every pointer was too much then, and is not now, or the other way round.
            (_, false) => return false,
            (0, true) => return true,
            _ => {}
        }
        let used = self.word(boxes, regions::USED) as usize;
        // SAFETY: a record of regions has room for as many words as are used of it, and nobody writes to it meanwhile: it is
        // under our lock.
        let regions = unsafe { std::slice::from_raw_parts(self.base.add(boxes as usize / 8 + regions::LIST), used) };
        let begin = if plain { self.now() } else { 0 };
        let same = self.boxes.are_as_before(regions);
        if plain {
            self.followed_since(begin);
        }
        same
    }

    /// Keeps the boxes that were followed last.
    pub(super) fn keep_boxes(&mut self, cell: u64, used: usize) -> usize {
        let mut boxes = self.word(cell, live::BOXES);
        if boxes != 0 && BOXES[self.word(boxes, regions::CLASS) as usize] < used {
            self.release_boxes(cell);
            boxes = 0;
        }
        if boxes == 0 && used != 0 {
            boxes = self.take_boxes(used);
            self.set(cell, live::BOXES, boxes);
        }
        if boxes == 0 {
            return 0;
        }
        for word in 0..used {
            self.set(boxes, regions::LIST + word, self.boxes.word(word));
        }
        self.set(boxes, regions::USED, used as u64);
        used * 8
    }

    /// Room for regions. 0 where there is none.
    pub(super) fn take_boxes(&mut self, words: usize) -> u64 {
        let Some(class) = BOXES.iter().position(|room| words <= *room) else {
            return 0;
        };
        let spare = self.spare_boxes[class];
        if spare != 0 {
            self.spare_boxes[class] = self.word(spare, regions::NEXT);
            return spare;
        }
        if self.live_copies + BOXES[class] * 8 > LIVE_COPIES {
            return 0;
        }
        let boxes = self.record(kind::BOXES, regions::LIST + BOXES[class]);
        if boxes != 0 {
            self.live_copies += BOXES[class] * 8;
            self.set(boxes, regions::CLASS, class as u64);
        }
        boxes
    }

    pub(super) fn release_boxes(&mut self, cell: u64) {
        let boxes = self.word(cell, live::BOXES);
        if boxes != 0 {
            let class = self.word(boxes, regions::CLASS) as usize;
            self.set(boxes, regions::USED, 0);
            self.set(boxes, regions::NEXT, self.spare_boxes[class]);
            self.spare_boxes[class] = boxes;
            self.set(cell, live::BOXES, 0);
        }
    }

    pub(super) fn park(&mut self) {
        self.tick();
        self.passes += 1;
        self.set_header(header::PASSES, self.passes);
    }

    /// Copies live cells, as many as one pass may, from where the last one stopped.
    pub(super) fn pass(&mut self, parked: bool) {
        if !parked {
            if self.death_pass != self.passes {
                self.death_pass = self.passes;
                self.swept = 0;
            }
            if self.swept >= self.copyable {
                return; // Nothing has run since all were looked at, or not for long.
            }
        }
        let mut bytes = 0;
        for _ in 0..self.copyable.min(PASS_CELLS) {
            if self.cursor >= self.copyable {
                self.cursor = 0;
            }
            // SAFETY: below the number of cells listed.
            let cell = unsafe { self.cells.add(self.cursor).read() };
            self.cursor += 1;
            self.swept += usize::from(!parked);
            bytes += self.copy(cell, parked);
            if bytes > PASS_BYTES {
                break;
            }
        }
    }

    /// Whether a task is being polled. A worker of a runtime is such a task, too, for as long as it works.
    pub(super) fn is_polled(&self) -> bool {
        (0..self.copyable).any(|index| {
            // SAFETY: below the number of cells listed; and as in `copy`.
            let state = unsafe { (self.word(self.cells.add(index).read(), live::ADDRESS) as *const u64).read_volatile() };
            state & RUNNING != 0
        })
    }

    pub(super) fn last_pass(&mut self) {
        for index in 0..self.copyable {
            // SAFETY: below the number of cells listed.
            let cell = unsafe { self.cells.add(index).read() };
            self.copy(cell, true);
            let from = self.word(cell, live::ADDRESS) as *const u64;
            // SAFETY: as in `copy`.
            let end = unsafe { from.read_volatile() };
            self.set(cell, live::END, end);
        }
    }

    /// Copies one live cell, unless it is being polled or has ended, and says how much that was: in bytes, of which one that is
    /// as it was counts an eighth.
    pub(super) fn copy(&mut self, cell: u64, parked: bool) -> usize {
        let from = self.word(cell, live::ADDRESS) as *const u64;
        let waits = waits::so_far();
        // SAFETY: a live cell is not freed before it is taken off our table, which is locked, and is at least as large as its
        // header's first word. Another thread may write to it meanwhile: every word is read once, on its own, and what
        // changed while it was copied is copied again by a later pass.
        let before = unsafe { from.read_volatile() };
        if before & COMPLETE != 0 {
            if parked {
                self.see(cell, seen::COMPLETE);
            }
            return 0;
        }
        if before & RUNNING != 0 {
            return 0;
        }
        self.see_state(cell, before);
        if self.is_copied(cell) {
            self.set(cell, live::PASS, self.passes);
            self.set(cell, live::LOOKED, waits);
            return self.words_of(cell);
        }
        let words = self.read_cell(cell);
        let (used, plain) = self.follow(words);
        // What a runtime's end does to a task meanwhile, on another thread, must not take the place of an earlier copy.
        // SAFETY: as above.
        if unsafe { from.read_volatile() } != before {
            return (words + used) * 8;
        }
        self.set(cell, live::LOOKED, waits);
        self.keep_copy(cell, words, used, plain)
    }

    /// Looks at a cell that this thread has allocated, between two of its own steps, and copies it if it has changed. Whether
    /// another look is worth it.
    pub(super) fn look(&mut self, cell: u64) -> bool {
        let from = self.word(cell, live::ADDRESS) as *const u64;
        let waits = waits::so_far();
        // SAFETY: as in `copy`.
        let before = unsafe { from.read_volatile() };
        if before & COMPLETE != 0 {
            return false;
        }
        let is_copied = self.word(cell, live::PASS) != 0;
        if before & RUNNING != 0 {
            if before & CANCELLED != 0 && !is_copied && before >> REFERENCES != 0 {
                self.copy_dying(cell);
                self.see(cell, seen::DYING);
            }
            return true;
        }
        self.see_state(cell, before);
        if self.is_copied(cell) {
            self.set(cell, live::LOOKED, waits);
            return true;
        }
        let words = self.read_cell(cell);
        let (used, plain) = self.follow(words);
        // SAFETY: as above.
        if unsafe { from.read_volatile() } == before {
            self.set(cell, live::LOOKED, waits);
            self.keep_copy(cell, words, used, plain);
        }
        true
    }

    /// Copies a cell whose future is being dropped, where there is no better copy: dropping a future does not change how far
    /// it had come. What its boxes pointed to may have been freed, and is left out. The task is not being polled.
    fn copy_dying(&mut self, cell: u64) {
        let words = self.read_cell(cell);
        self.scratch[0] &= !(RUNNING | CANCELLED);
        self.keep_copy(cell, words, 0, false);
    }

    /// The words of a cell that are copied.
    fn words_of(&self, cell: u64) -> usize {
        let length = self.word(cell, live::SIZE).min(self.word(cell, live::ROOM)) as usize;
        (length / 8).min(self.scratch.len())
    }

    /// Reads a cell into the scratch, and says how many words that is.
    fn read_cell(&mut self, cell: u64) -> usize {
        let from = self.word(cell, live::ADDRESS) as *const u64;
        let words = self.words_of(cell);
        for (word, value) in self.scratch[..words].iter_mut().enumerate() {
            // SAFETY: as in `copy`, and within the cell.
            *value = unsafe { from.add(word).read_volatile() };
        }
        words
    }

    /// Keeps what is in the scratch as the cell's copy, with the boxes that were followed last. Says how many bytes it is.
    fn keep_copy(&mut self, cell: u64, words: usize, used: usize, plain: bool) -> usize {
        for word in 0..words {
            self.set(cell, live::BYTES + word, self.scratch[word]);
        }
        let more = self.keep_boxes(cell, used);
        if self.word(cell, live::PASS) == 0 {
            UNCOPIED.fetch_sub(1, Ordering::Relaxed);
        }
        self.set(cell, live::PASS, self.passes);
        self.set(cell, live::PLAIN, u64::from(plain));
        words * 8 + more
    }

    fn see(&mut self, cell: u64, what: u64) {
        self.set(cell, live::SEEN, self.word(cell, live::SEEN) | what);
    }

    /// Notes what the state of a cell that is neither running nor done says of its `JoinHandle`.
    fn see_state(&mut self, cell: u64, state: u64) {
        if state & CANCELLED != 0 {
            self.see(cell, seen::ABORTED);
        } else if state & JOIN_INTEREST == 0 && state >> REFERENCES != 0 {
            self.see(cell, seen::DETACHED);
        }
    }

    /// Whether there is still time to be spent on looks: the clock's reading, if so. On one that is to show what is not known yet,
    /// more of it is spent.
    pub(super) fn may_look(&mut self, is_news: bool) -> Option<u64> {
        self.tick();
        let share = if is_news { self.share * NEWS } else { self.share };
        (self.looked <= share).then_some(self.clock)
    }

    /// Whether there is a copy of a cell, and nobody has its `JoinHandle`.
    pub(super) fn is_known(&self, cell: u64) -> bool {
        self.word(cell, live::PASS) != 0 && self.word(cell, live::SEEN) & seen::DETACHED != 0
    }

    /// Says since when a look was taken.
    pub(super) fn looked_since(&mut self, begin: u64) {
        self.clock = self.now();
        self.looked += self.clock.saturating_sub(begin).min(LONGEST);
    }

    /// Copies cells of which there is no copy: the newest ones.
    pub(super) fn fresh_pass(&mut self) {
        let mut bytes = 0;
        for index in (0..self.copyable).rev().take(PASS_CELLS) {
            // SAFETY: below the number of cells listed.
            let cell = unsafe { self.cells.add(index).read() };
            if self.word(cell, live::PASS) == 0 {
                bytes += self.copy(cell, false);
            }
            if bytes > PASS_BYTES {
                break;
            }
        }
    }
}
