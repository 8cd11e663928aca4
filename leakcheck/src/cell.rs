//! What tokio keeps at the beginning of a task's memory: how far the task is, and whether its handle lives.
//!
//! None of that is part of tokio's interface. It is learnt from tasks in known states on a runtime of our own before it is
//! believed: where anything looks otherwise than it should, nobody gets to read a task.

use std::future::poll_fn;
use std::ptr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, RawWakerVTable, Waker};

use once_cell::sync::Lazy;

use crate::sync::lock;

/// The word of a task's memory that says how far it is. The others are those of `tokio::runtime::task::core::Header`:
/// the next task of a queue, the table of functions, and the number of the list that the task is in.
const STATE: usize = 0;

/// The word that numbers the list of tasks, of which each runtime and each `LocalSet` has one.
const OWNER: usize = 3;

const COMPLETE: usize = 0b10;
const JOIN_INTEREST: usize = 0b1000;
const JOIN_WAKER: usize = 0b1_0000;
const FLAGS: usize = 0b11_1111;

/// So often the calibration's runtime may go round before the calibration is given up.
const ROUNDS: usize = 64;

/// How far a task was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State(usize);

impl State {
    /// Whether the task has ended and its output is there, or is gone already.
    #[cfg(feature = "install")]
    pub(crate) fn is_complete(self) -> bool {
        self.0 & COMPLETE != 0
    }

    /// Whether its `JoinHandle` has not been dropped.
    pub(crate) fn has_join_handle(self) -> bool {
        self.0 & JOIN_INTEREST != 0
    }

    /// Whether somebody has polled its `JoinHandle`, and is going to be woken by it.
    pub(crate) fn is_awaited(self) -> bool {
        self.0 & JOIN_WAKER != 0
    }

    /// Whether anybody refers to it. A task does from the moment on that its memory is filled.
    #[cfg(feature = "install")]
    pub(crate) fn is_referred_to(self) -> bool {
        self.0 & !FLAGS != 0
    }
}

/// A task's memory. It stays allocated for as long as this does.
#[derive(Debug)]
pub(crate) struct Cell(Waker);

impl Cell {
    /// The task that `waker` wakes. `None` when it is no task of this tokio, or when its memory cannot be read.
    pub(crate) fn of(waker: &Waker) -> Option<Self> {
        let tokio = CALIBRATED.as_ref()?;
        ptr::eq(waker.vtable(), tokio.vtable).then(|| Self(waker.clone()))
    }

    pub(crate) fn state(&self) -> State {
        // SAFETY: by `of`, the waker is one of tokio's tasks. It owns a reference to the task, so that the memory is there.
        unsafe { state_at(self.0.data().cast()) }
    }
}

/// # Safety
///
/// `task` is the beginning of the memory of a task of the tokio that was calibrated. Nobody frees it during the call.
pub(crate) unsafe fn state_at(task: *const AtomicUsize) -> State {
    // SAFETY: as this function's contract says; tokio itself reads and writes this word as an atomic.
    State(unsafe { word_at(task, STATE) })
}

/// The number of the list of tasks that the task is in: that of its runtime or of its `LocalSet`. Zero when it is in none.
///
/// # Safety
///
/// As of [`state_at`]. Besides, whoever spawned the task must have written the word before.
#[cfg(feature = "install")]
pub(crate) unsafe fn owner_at(task: *const AtomicUsize) -> usize {
    // SAFETY: as this function's contract says. tokio writes the word once, right after it has made the task.
    unsafe { word_at(task, OWNER) }
}

/// # Safety
///
/// There is memory for that many words behind `task` that is filled and that nobody frees during the call.
unsafe fn word_at(task: *const AtomicUsize, word: usize) -> usize {
    // SAFETY: as this function's contract says. A word is aligned, as the task is.
    unsafe { (*task.add(word)).load(Ordering::Acquire) }
}

/// Where the memory of the task begins that `waker` wakes. `None` when it is no task of this tokio.
pub(crate) fn address(waker: &Waker) -> Option<usize> {
    let cell = Cell::of(waker)?;
    Some(cell.0.data().addr())
}

/// Whether tasks can be read at all.
#[cfg(feature = "install")]
pub(crate) fn is_readable() -> bool {
    CALIBRATED.is_some()
}

/// What was learnt of tokio.
struct Calibrated {
    vtable: &'static RawWakerVTable,
}

static CALIBRATED: Lazy<Option<Calibrated>> = Lazy::new(calibrate);

/// Looks at tasks whose states are known. It takes a fraction of a millisecond, once in a process.
#[expect(
    clippy::disallowed_methods,
    reason = "the thread and its runtime are gone when this returns"
)]
fn calibrate() -> Option<Calibrated> {
    // A thread of its own: the calling one may be inside of a runtime.
    let thread = std::thread::Builder::new()
        .name("leakcheck-calibration".to_owned())
        .spawn(look);
    thread.ok()?.join().ok().flatten()
}

fn look() -> Option<Calibrated> {
    let (one, other) = (look_at_a_runtime()?, look_at_a_runtime()?);
    let tells_runtimes_apart = one.owner != 0 && other.owner != 0 && one.owner != other.owner;
    (ptr::eq(one.vtable, other.vtable) && tells_runtimes_apart).then_some(Calibrated { vtable: one.vtable })
}

/// What the tasks of one runtime have in common.
struct Common {
    vtable: &'static RawWakerVTable,
    owner: usize,
}

fn look_at_a_runtime() -> Option<Common> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().ok()?;
    runtime.block_on(async {
        let mut awaited = Subject::spawn().await?;
        let mut left = Subject::spawn().await?;
        let common = awaited.common()?;
        let same = left.common()?;
        let mut right = ptr::eq(common.vtable, same.vtable) && common.owner == same.owner;

        right &= awaited.looks(&[JOIN_INTEREST], &[COMPLETE, JOIN_WAKER]);
        awaited.poll_handle();
        right &= awaited.looks(&[JOIN_INTEREST, JOIN_WAKER], &[COMPLETE]);
        left.handle = None;
        right &= left.looks(&[], &[COMPLETE, JOIN_INTEREST, JOIN_WAKER]);
        right &= left.common()?.owner == common.owner;

        awaited.end().await?;
        left.end().await?;
        // While they were being polled they were not complete, and their handles were what they had been.
        right &= awaited.looked_when_polled(&[JOIN_INTEREST, JOIN_WAKER], &[COMPLETE]);
        right &= left.looked_when_polled(&[], &[COMPLETE, JOIN_INTEREST, JOIN_WAKER]);
        right &= awaited.looks(&[COMPLETE, JOIN_INTEREST], &[]);
        right &= left.looks(&[COMPLETE], &[JOIN_INTEREST]);
        awaited.handle = None;
        right &= awaited.looks(&[COMPLETE], &[JOIN_INTEREST, JOIN_WAKER]);
        right.then_some(common)
    })
}

/// A task that is looked at.
struct Subject {
    handle: Option<tokio::task::JoinHandle<()>>,
    waker: Waker,
    told: Arc<Told>,
}

/// What goes between a subject and who looks at it.
#[derive(Default)]
struct Told {
    waker: Mutex<Option<Waker>>,
    end: AtomicBool,
    ended: AtomicBool,
    when_polled: AtomicUsize,
}

impl Subject {
    #[expect(clippy::disallowed_methods, reason = "the task is gone with its runtime")]
    async fn spawn() -> Option<Self> {
        let told = Arc::new(Told::default());
        let own = told.clone();
        let handle = tokio::spawn(poll_fn(move |cx| {
            if let Some(task) = memory(cx.waker()) {
                // SAFETY: as in `Subject::word`; the task is being polled, so that its memory is there.
                own.when_polled
                    .store(unsafe { word_at(task, STATE) }, Ordering::Relaxed);
            }
            *lock(&own.waker) = Some(cx.waker().clone());
            match own.end.load(Ordering::Relaxed) {
                true => {
                    own.ended.store(true, Ordering::Relaxed);
                    Poll::Ready(())
                }
                false => Poll::Pending,
            }
        }));
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
            let waker = lock(&told.waker).clone();
            if let Some(waker) = waker {
                memory(&waker)?;
                return Some(Self {
                    handle: Some(handle),
                    waker,
                    told,
                });
            }
        }
        None
    }

    fn common(&self) -> Option<Common> {
        Some(Common {
            vtable: self.waker.vtable(),
            owner: self.word(OWNER)?,
        })
    }

    fn word(&self, word: usize) -> Option<usize> {
        let task = memory(&self.waker)?;
        // SAFETY: in every tokio 1 so far the waker of a task points to the task's header, of four words or more, which the
        // waker keeps alive. Another kind of pointer would not be aligned to a cache line, which `memory` asks for.
        Some(unsafe { word_at(task, word) })
    }

    fn looks(&self, set: &[usize], unset: &[usize]) -> bool {
        self.word(STATE).is_some_and(|word| has(word, set, unset))
    }

    fn looked_when_polled(&self, set: &[usize], unset: &[usize]) -> bool {
        has(self.told.when_polled.load(Ordering::Relaxed), set, unset)
    }

    fn poll_handle(&mut self) {
        if let Some(handle) = &mut self.handle {
            let pinned = std::pin::Pin::new(handle);
            let polled = Future::poll(pinned, &mut Context::from_waker(Waker::noop()));
            drop(polled);
        }
    }

    async fn end(&mut self) -> Option<()> {
        self.told.end.store(true, Ordering::Relaxed);
        self.waker.wake_by_ref();
        for _ in 0..ROUNDS {
            tokio::task::yield_now().await;
            if self.told.ended.load(Ordering::Relaxed) {
                return Some(());
            }
        }
        None
    }
}

fn has(word: usize, set: &[usize], unset: &[usize]) -> bool {
    let is_set = |bit: &usize| word & bit != 0;
    word & !FLAGS != 0 && set.iter().all(is_set) && !unset.iter().any(is_set)
}

/// Where a waker of tokio's points to, if it can be a task's memory.
fn memory(waker: &Waker) -> Option<*const AtomicUsize> {
    /// No cache line that tokio knows of is shorter.
    const LINE: usize = 16;
    let task: *const AtomicUsize = waker.data().cast();
    (!task.is_null() && task.addr().is_multiple_of(LINE)).then_some(task)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_of_this_tokio_can_be_read() {
        assert!(CALIBRATED.is_some());
    }

    #[test]
    fn a_waker_that_is_no_tasks_is_not_read() {
        assert!(Cell::of(Waker::noop()).is_none());
    }
}
