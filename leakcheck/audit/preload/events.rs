//! What happens: cells come and go, runtimes park, threads are created, the process ends.

use std::cell::Cell;
use std::ffi::c_int;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::time::Duration;

use super::active::{is_active, stop};
use super::boxes::Segments;
use super::cells::{live, UNCOPIED};
use super::hooks::thread_number;
use super::libc::{__errno_location, monotonic, processor_time};
use super::objects::Objects;
use super::own::{BUSY, LINEAGE, RECENT, YIELDS};
use super::state::{header, lock};
use super::task_state::RUNNING;
use super::threads::{self, Left, LEFT};
use super::traces::{self, walked, walked_once, For};

/// How many live cells have an address with this hash, so that other frees are let through at once.
pub(super) static FILTER: [AtomicU16; 1 << 16] = [const { AtomicU16::new(0) }; 1 << 16];

pub(super) fn filter(address: usize) -> &'static AtomicU16 {
    &FILTER[(address as u64 >> 7).wrapping_mul(0x9E37_79B9_7F4A_7C15) as usize >> 48]
}

pub(super) fn may_be_cell(address: usize) -> bool {
    filter(address).load(Ordering::Relaxed) != 0
}

/// A hook's turn on its thread: while it lasts, hooks on the same thread do nothing.
pub(super) struct Turn {
    pub(super) errno: c_int,
}

impl Turn {
    pub(super) fn begin() -> Option<Self> {
        if !is_active() {
            return None;
        }
        if BUSY.try_with(|busy| busy.replace(true)).unwrap_or(true) {
            return None;
        }
        // SAFETY: this thread's own errno.
        Some(Self {
            errno: unsafe { *__errno_location() },
        })
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // SAFETY: this thread's own errno.
        unsafe { *__errno_location() = self.errno };
        let _ = BUSY.try_with(|busy| busy.set(false));
    }
}

/// The loaded files were written down.
pub(super) static LISTED: AtomicBool = AtomicBool::new(false);

pub(super) fn lineage() -> u64 {
    LINEAGE.try_with(Cell::get).unwrap_or(0)
}

#[inline(never)]
pub(super) fn allocated(address: usize, size: usize) {
    let Some(_turn) = Turn::begin() else { return };
    // What is in it is left from whatever was there before, and another thread may look at it before its owner has written
    // to it. As a cell that is being polled it is left alone until then.
    if size >= std::mem::size_of::<u64>() {
        // SAFETY: a block of that size at least, which was allocated just now and is nobody else's yet.
        unsafe { (address as *mut u64).write_volatile(RUNNING) };
    }
    // Once at the first cell, for a process that will not come to its end.
    if !LISTED.swap(true, Ordering::Relaxed) {
        list();
    }
    walked(For::Allocation, |trace| {
        let mut state = lock();
        let node = state.stack_of(trace);
        let cell = state.insert(address, size, node, lineage());
        if cell != 0 {
            let allocated = state.word(cell, live::FROM);
            drop(state);
            let _ = RECENT.try_with(|recent| recent.push(cell, allocated));
        }
    });
}

/// The cells that a thread has allocated since it parked last, the newest of them: each its record, when it was allocated, as a
/// record may be another cell's by now, and whether what there is to know of it is known. There may be a newer copy.
pub(super) struct Recent {
    count: Cell<usize>,
    next: Cell<usize>,
    cells: [Cell<(u64, u64, bool)>; RECENT_CELLS],
    /// Frees that are let through before the next look.
    skip: Cell<u32>,
}

const RECENT_CELLS: usize = 8;
/// Frees without a look once looks have taken as much time as they may.
const SKIPPED: u32 = 64;

/// The recent cells of all threads. While there is none, a free costs no look at a thread's own.
pub(super) static RECENTS: AtomicUsize = AtomicUsize::new(0);

impl Recent {
    #[cfg(target_os = "linux")]
    pub(super) const NONE: Self = Self {
        count: Cell::new(0),
        next: Cell::new(0),
        cells: [const { Cell::new((0, 0, false)) }; RECENT_CELLS],
        skip: Cell::new(0),
    };

    fn push(&self, cell: u64, allocated: u64) {
        self.cells[self.next.get()].set((cell, allocated, false));
        self.next.set((self.next.get() + 1) % RECENT_CELLS);
        self.skip.set(0);
        if self.count.get() < RECENT_CELLS {
            self.count.set(self.count.get() + 1);
            RECENTS.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn clear(&self) {
        RECENTS.fetch_sub(self.count.replace(0), Ordering::Relaxed);
        self.cells.iter().for_each(|cell| cell.set((0, 0, false)));
        self.next.set(0);
    }
}

/// Something is freed: this thread has done something since it allocated a cell, and the cell holds still.
///
/// A runtime of one thread need not park between the spawn of a task and its own end. To look whenever that thread frees
/// something shows the task as it was spawned, and as it was polled.
#[inline(never)]
pub(super) fn look() {
    let due = RECENT.try_with(|recent| {
        let skip = recent.skip.get();
        recent.skip.set(skip.saturating_sub(1));
        let is_due = recent.count.get() != 0 && skip == 0;
        is_due.then(|| recent.cells.iter().any(|place| matches!(place.get(), (1.., _, false))))
    });
    let Ok(Some(is_news)) = due else { return };
    let Some(_turn) = Turn::begin() else { return };
    let mut state = lock();
    let Some(begin) = state.may_look(is_news) else {
        let _ = RECENT.try_with(|recent| recent.skip.set(SKIPPED));
        return;
    };
    let _ = RECENT.try_with(|recent| {
        let mut live = 0;
        for place in &recent.cells {
            let (cell, allocated, _) = place.get();
            if cell == 0 {
                continue;
            }
            let same = state.word(cell, live::ADDRESS) != 0 && state.word(cell, live::FROM) == allocated;
            if same && state.look(cell) {
                live += 1;
                place.set((cell, allocated, state.is_known(cell)));
            } else {
                place.set((0, 0, false));
            }
        }
        if live == 0 {
            recent.clear();
        }
    });
    state.looked_since(begin);
}

/// Writes down what is loaded.
#[cold]
#[inline(never)]
pub(super) fn list() {
    let (mut objects, segments) = (Objects::loaded(), Segments::loaded());
    objects.identify();
    let mut state = lock();
    state.objects(&objects);
    state.boxes.segments = segments;
}

#[inline(never)]
pub(super) fn freed(address: usize) {
    let Some(_turn) = Turn::begin() else { return };
    if !lock().knows(address) {
        return;
    }
    // SAFETY: a cell that is not freed yet, and at least as large as a word; nobody else has it any more.
    let end = unsafe { (address as *const u64).read_volatile() };
    walked(For::Free, |trace| {
        let mut state = lock();
        let node = state.stack_of(trace);
        state.remove(address, node, end);
        // What this cell's end leaves alone holds still for now, and is about to end with its runtime, perhaps.
        state.pass(false);
    });
}

pub(super) fn parking(timeout: c_int, waits: Option<(usize, u32)>) {
    if timeout == 0 {
        if !is_active() {
            return;
        }
        // A runtime that only looks for events does so often. One whose clock is paused does nothing else before it puts it forward.
        let yields = YIELDS
            .try_with(|yields| yields.replace(yields.get().wrapping_add(1)))
            .unwrap_or(1);
        if yields % 16 != 0 {
            let Some(_turn) = Turn::begin() else { return };
            let mut state = lock();
            if let Some(begin) = state.may_look(false) {
                state.park();
                state.pass(true);
                state.looked_since(begin);
            }
            return;
        }
    }
    let Some(_turn) = Turn::begin() else { return };
    forget_recent();
    let own = threads::own();
    let Some((futex, value)) = waits.filter(|_| own != 0) else {
        let mut state = lock();
        state.park();
        state.pass(true);
        return;
    };
    walked_once(|trace| {
        let mut state = lock();
        state.park();
        state.pass(true);
        let node = state.stack_of(trace);
        state.thread_waits(own, futex, value, node);
    });
}

/// This thread ends: what is kept for it is given back.
pub(super) fn end_thread() {
    forget_recent();
    traces::end_thread();
}

/// This thread's recent cells are no more worth a look than all others.
fn forget_recent() {
    let _ = RECENT.try_with(Recent::clear);
}

/// A thread has been woken. What others have spawned meanwhile is about to run, or to end with its runtime.
pub(super) fn woken() {
    if UNCOPIED.load(Ordering::Relaxed) == 0 {
        return;
    }
    let Some(_turn) = Turn::begin() else { return };
    let mut state = lock();
    if let Some(begin) = state.may_look(true) {
        state.fresh_pass();
        state.looked_since(begin);
    }
}

/// A file is about to be unloaded. Whatever was allocated by its code is told by where that was.
pub(super) fn unloading() {
    if !LISTED.load(Ordering::Relaxed) {
        return;
    }
    let Some(_turn) = Turn::begin() else { return };
    list();
}

/// The lineage and the record of a thread that this one is about to create.
pub(super) fn thread_created() -> (u64, u64) {
    let Some(_turn) = Turn::begin() else { return (0, 0) };
    walked_once(|trace| {
        let mut state = lock();
        let node = state.stack_of(trace);
        let lineage = state.lineage(lineage(), node);
        let now = state.now();
        (lineage, state.thread_created(lineage, threads::own(), now))
    })
}

pub(super) fn thread_failed(record: u64) {
    if record != 0 {
        if let Some(_turn) = Turn::begin() {
            lock().thread_failed(record);
        }
    }
}

/// What tasks that are being polled when the process ends may still take: so many nanoseconds of the processor's time, and of the
/// clock's.
const SETTLES: u64 = 20_000_000;
const SETTLES_BY: u64 = 2_000_000_000;
/// How long between two looks at them, and how many looks in a row must see no thread at work.
const LOOKS_EVERY: Duration = Duration::from_micros(200);
const LOOKS: usize = 2;

/// Waits for the tasks that are being polled to come to the end of that, for as long as a thread is at work.
///
/// Who waits for a task by other means than its `JoinHandle`, as by a counter or a channel, is told of its end by the task itself:
/// its thread may have the rest of the way to go, tokio's part of it too, when the process ends. A thread that sleeps in the
/// middle of a poll is not waited for.
fn settle() {
    let (began, taken) = (monotonic(), processor_time());
    let mut quiet = 0;
    loop {
        let mut numbers = [0; LEFT];
        let state = lock();
        let is_polled = state.is_polled();
        let count = state.numbers(&mut numbers);
        drop(state);
        let is_over = monotonic() - began > SETTLES_BY || processor_time() - taken > SETTLES;
        if !is_polled || is_over || quiet == LOOKS {
            return;
        }
        let own = thread_number();
        let is_at_work = |number: &u64| *number != own && threads::is_at_work(*number);
        quiet = if numbers[..count].iter().any(is_at_work) { 0 } else { quiet + 1 };
        std::thread::sleep(LOOKS_EVERY);
    }
}

pub(super) extern "C" fn exiting() {
    let Some(_turn) = Turn::begin() else { return };
    settle();
    // More may be loaded than at the first cell.
    let mut objects = LISTED.load(Ordering::Relaxed).then(Objects::loaded);
    if let Some(objects) = &mut objects {
        lock().leave_out_known(objects);
        objects.identify();
    }
    let mut state = lock();
    state.park();
    state.ending = true;
    state.last_pass();
    let mut left = [Left::NONE; LEFT];
    let count = state.threads_left(&mut left);
    // Who waits for our lock must not be taken for blocked.
    drop(state);
    left[..count].iter_mut().for_each(Left::examine);
    let mut state = lock();
    state.threads_blocked(&left[..count]);
    if let Some(objects) = objects {
        state.objects(&objects);
    }
    let now = state.now();
    state.set_header(header::TO, now);
    state.set_header(header::ENDED, 1);
    drop(state);
    stop();
}
