//! The question to a task, its answer, and the wait for it.

use std::backtrace::Backtrace;
use std::collections::HashMap;
use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Waker};
#[cfg(not(all(test, loom)))]
use std::thread;
use std::time::{Duration, Instant};

use super::waker::{lend, unseen};
use crate::cell;
use crate::info::TaskKind;
use crate::registry;
use crate::sync::modelled::{AtomicUsize, Mutex, Notify, lock};
use crate::task::Task;

/// How long the next answer may take, by the wall clock: a task that is blocked may also block the clock of its runtime.
/// It only passes when a task does not answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long all answers may take together. Thousands of tasks on a slow machine may need longer than one answer does.
const LONGEST: Duration = Duration::from_secs(30);

/// How long the asking thread sleeps between two rounds of yielding, unless an answer wakes it.
const BREATH: Duration = Duration::from_millis(1);

/// So many rounds of yielding are tried before the first sleep. On a current-thread runtime one is enough for as many
/// tasks as that runs before it looks at the asking one again, which is [`TASKS_A_ROUND`] or more.
const EAGER_ROUNDS: usize = 64;
const TASKS_A_ROUND: usize = 16;

/// The part of a task's record that questions go through.
#[derive(Default)]
pub(crate) struct Probe(Mutex<Kept>);

/// What a probe keeps between two polls.
#[derive(Default)]
struct Kept {
    /// Of the latest poll: what wakes the task.
    waker: Option<Waker>,
    /// Few tasks are ever asked.
    asked: Option<Box<Asked>>,
}

/// A task that was asked.
#[derive(Default)]
struct Asked {
    /// The next poll is to answer.
    now: bool,
    /// Those that its answer is for.
    questions: Vec<Question>,
}

/// What became of a question.
pub(crate) enum Answer {
    /// The traces of the places where the task waits.
    Waits(Arc<Vec<Backtrace>>),
    /// The task was not polled in time.
    None,
}

/// A task's part in a round of questions. Dropped when the task has answered, or has ended.
#[derive(Debug)]
struct Question {
    /// Gone when nobody waits for the answer any more.
    round: Weak<Round>,
    number: usize,
}

/// Who asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A check that is over: what a task does then, it does because of the question.
    Check,
    /// Somebody in the middle of the task's work.
    #[default]
    Passer,
}

/// Questions that were asked together.
#[derive(Debug, Default)]
struct Round {
    asker: Asker,
    open: AtomicUsize,
    answered: Notify,
    /// By the questions' numbers.
    answers: Mutex<HashMap<usize, Arc<Vec<Backtrace>>>>,
}

/// How long it is still waited for answers: anew after each, but not without end.
#[derive(Debug)]
struct Patience {
    open: usize,
    until: Instant,
    longest: Instant,
}

impl Patience {
    fn new(open: usize, now: Instant) -> Self {
        Self {
            open,
            until: now + PATIENCE,
            longest: now + LONGEST,
        }
    }

    /// Until when to wait when so many questions are open.
    fn until(&mut self, open: usize, now: Instant) -> Instant {
        if open < self.open {
            self.open = open;
            self.until = (now + PATIENCE).min(self.longest);
        }
        self.until
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        if let Some(round) = self.round.upgrade() {
            round.open.fetch_sub(1, Ordering::AcqRel);
            round.answered.notify_one();
        }
    }
}

impl Question {
    fn answer(self, traces: &Arc<Vec<Backtrace>>) {
        if let Some(round) = self.round.upgrade() {
            lock(&round.answers).insert(self.number, traces.clone());
        }
    }
}

impl Round {
    /// What became of each of so many questions.
    fn answers(&self, questions: usize) -> Vec<Answer> {
        let mut answers = lock(&self.answers);
        (0..questions)
            .map(|number| answers.remove(&number).map_or(Answer::None, Answer::Waits))
            .collect()
    }

    /// Until when, while there are open questions and there is patience left.
    fn is_worth_waiting(&self, patience: &mut Patience) -> Option<Instant> {
        let open = self.open.load(Ordering::Acquire);
        let now = Instant::now();
        let until = patience.until(open, now);
        (open > 0 && now < until).then_some(until)
    }
}

impl Probe {
    /// One poll of the task, which answers the question when there is one.
    #[inline]
    pub(crate) fn poll<T>(
        &self,
        kind: TaskKind,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        // A future that something other than tokio polls might own itself through its waker, and never be dropped.
        let remember = kind != TaskKind::Future || tokio::task::try_id().is_some();
        if self.begin(remember, cx.waker()) {
            self.answer(cx.waker(), poll)
        } else {
            poll(cx)
        }
    }

    /// Keeps the waker if it is to, and says whether this poll is to answer.
    #[inline]
    fn begin(&self, remember: bool, waker: &Waker) -> bool {
        let mut kept = lock(&self.0);
        let outdated = match &kept.waker {
            Some(known) if !remember || known.will_wake(waker) => None,
            None if !remember => None,
            _ => kept.waker.replace(unseen(|| waker.clone())),
        };
        let asked = match &mut kept.asked {
            Some(asked) => std::mem::take(&mut asked.now),
            None => false,
        };
        drop(kept);
        drop(outdated);
        asked
    }

    #[cold]
    fn answer<T>(&self, waker: &Waker, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let (polled, traces) = lend(waker, |waker| poll(&mut Context::from_waker(waker)));
        // A task that this poll was the last of, also by a panic, has answered once its future is dropped: until then
        // it would be taken for one that waits.
        if polled.is_pending() {
            let asked = lock(&self.0).asked.take();
            if let Some(asked) = asked {
                let traces = Arc::new(traces);
                asked
                    .questions
                    .into_iter()
                    .for_each(|question| question.answer(&traces));
            }
        }
        polled
    }

    /// Where the memory of the tokio task begins that polled it last. `None` when something else did, or nobody.
    pub(crate) fn polled_by(&self) -> Option<usize> {
        let waker = unseen(|| lock(&self.0).waker.clone())?;
        cell::address(&waker)
    }

    /// Whether the task is being polled for the questions of checks alone.
    pub(crate) fn is_answering(&self) -> bool {
        let by_a_check = |question: &Question| {
            question
                .round
                .upgrade()
                .is_some_and(|round| round.asker == Asker::Check)
        };
        let kept = lock(&self.0);
        let asked = kept.asked.as_ref();
        asked.is_some_and(|asked| !asked.now && asked.questions.iter().all(by_a_check))
    }

    fn put(&self, question: Question) {
        let mut kept = lock(&self.0);
        let asked = kept.asked.get_or_insert_default();
        // A task that is blocked may be asked again and again.
        asked.questions.retain(|question| question.round.strong_count() > 0);
        asked.questions.push(question);
        asked.now = true;
        // Without one it was never polled, which means that it is about to be.
        let waker = unseen(|| kept.waker.clone());
        drop(kept);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// The task has ended: nobody waits for its answer, and it keeps nobody.
    pub(crate) fn close(&self) {
        let Kept { waker, asked } = std::mem::take(&mut *lock(&self.0));
        drop((asked, waker));
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Probe")
            .field("asked", &lock(&self.0).asked.is_some())
            .finish_non_exhaustive()
    }
}

/// Asks `tasks` where they wait, all at once, from inside a runtime. Calls `beat` again and again meanwhile.
pub(crate) async fn ask(tasks: &[Arc<Task>], asker: Asker, beat: impl Fn()) -> Vec<Answer> {
    let round = put(tasks, asker);
    let mut rounds = 0;
    let eager_rounds = EAGER_ROUNDS + registry::len() / TASKS_A_ROUND;
    let mut patience = Patience::new(tasks.len(), Instant::now());
    while round.is_worth_waiting(&mut patience).is_some() {
        // Yielding, and not waiting: a runtime that has nothing to do would move a paused clock on to its next timer.
        tokio::task::yield_now().await;
        beat();
        rounds += 1;
        if rounds > eager_rounds {
            block_on_until(Instant::now() + BREATH, round.answered.notified());
        }
    }
    round.answers(tasks.len())
}

/// Asks `tasks` where they wait, all at once, from a thread that drives none of them.
pub(crate) fn ask_and_wait(tasks: &[Arc<Task>], asker: Asker) -> Vec<Answer> {
    let round = put(tasks, asker);
    let mut patience = Patience::new(tasks.len(), Instant::now());
    while let Some(until) = round.is_worth_waiting(&mut patience) {
        block_on_until(until, round.answered.notified());
    }
    round.answers(tasks.len())
}

/// Asks `tasks` where they wait, all at once, in the middle of their work: until all have answered, or `enough` is ready.
/// It blocks no thread.
pub(crate) async fn ask_by_the_way(tasks: &[Arc<Task>], enough: impl Future<Output = ()>) -> Vec<Answer> {
    let round = put(tasks, Asker::Passer);
    let mut enough = pin!(enough);
    while round.open.load(Ordering::Acquire) > 0 {
        let mut answered = pin!(round.answered.notified());
        let in_time = poll_fn(|cx| match enough.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending => answered.as_mut().poll(cx).map(|()| true),
        });
        if !in_time.await {
            break;
        }
    }
    round.answers(tasks.len())
}

fn put(tasks: &[Arc<Task>], asker: Asker) -> Arc<Round> {
    let round = Arc::new(Round {
        asker,
        open: AtomicUsize::new(tasks.len()),
        ..Round::default()
    });
    for (number, task) in tasks.iter().enumerate() {
        let question = Question {
            round: Arc::downgrade(&round),
            number,
        };
        task.probe.put(question);
        if task.has_ended() {
            task.probe.close();
        }
    }
    round
}

/// Asks a task, lets others go on to their ends, and says whether its question is still open then.
#[cfg(all(test, loom))]
pub(crate) fn is_open_after(task: &Arc<Task>, others: impl FnOnce()) -> bool {
    let round = put(std::slice::from_ref(task), Asker::Passer);
    others();
    round.open.load(Ordering::Acquire) > 0
}

/// A model has no clock: what would only go on by it stands still there, and is found.
#[cfg(all(test, loom))]
pub(crate) fn block_on_until<T>(_deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    Some(loom::future::block_on(pin!(future)))
}

/// Runs `future` on this thread, whether that is a runtime's or not, up to a moment of the wall clock.
#[cfg(not(all(test, loom)))]
pub(crate) fn block_on_until<T>(deadline: Instant, future: impl Future<Output = T>) -> Option<T> {
    struct Unpark(thread::Thread);

    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(value);
        }
        let left = deadline.checked_duration_since(Instant::now())?;
        thread::park_timeout(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_renews_the_patience_up_to_the_longest() {
        let begun = Instant::now();
        let mut patience = Patience::new(100, begun);
        assert_eq!(patience.until(100, begun), begun + PATIENCE);

        // No answer, no more patience, whatever time it is.
        let later = begun + Duration::from_secs(1);
        assert_eq!(patience.until(100, later), begun + PATIENCE);
        assert_eq!(patience.until(99, later), later + PATIENCE);
        assert_eq!(patience.until(99, later + PATIENCE), later + PATIENCE);

        let late = begun + LONGEST - Duration::from_millis(1);
        assert_eq!(patience.until(98, late), begun + LONGEST);
        assert_eq!(patience.until(1, begun + 2 * LONGEST), begun + LONGEST);
    }
}
