//! How tasks end, and how a future did that was dropped before it was ready.

use std::future::Future;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id as RuntimeId};
use tokio::task::JoinHandle;

use crate::Ours;
use crate::info::TaskKind;
use crate::sync::lock;
use crate::task::Home;

/// How a task ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Ended {
    /// It ran to its end, and nobody had told it to stop.
    Returned,
    /// It ran to its end after the token of its tracker, or of a tracker above it, had been cancelled.
    Cancelled,
    /// It was dropped before its end, on a runtime that lives on.
    Aborted,
    /// It panicked.
    Panicked,
    /// It was dropped before its end, because its runtime or its `LocalSet` was.
    Dropped,
}

/// Tells an aborted task from one that went down with its runtime. To be called while the future is being dropped.
///
/// tokio drops a task's future in the context of its runtime, or of its `LocalSet`, in both cases. What differs is
/// whether that still takes tasks: one that is being shut down cancels a new task inside `spawn`, so that its handle
/// is finished at once.
#[expect(
    clippy::disallowed_methods,
    reason = "asks whether the runtime still takes tasks; none of them stays"
)]
pub(crate) fn of_unfinished(kind: TaskKind, home: Option<Home>, was_polled: bool) -> Ended {
    // A spawn in the wrong place panics, and drops what was to be spawned. Another one there would panic again, and that
    // ends the process. What was never a task went down with no runtime.
    if !was_polled && std::thread::panicking() {
        return Ended::Aborted;
    }
    let alive = match kind {
        // Only the context of a `LocalSet` or a `LocalRuntime` drops such a task, so that `spawn_local` cannot panic,
        // except while the thread itself ends: then there is no context at all.
        TaskKind::Local => in_a_thread_that_lives() && takes(|| tokio::task::spawn_local(std::future::pending())),
        // A task that was spawned on a runtime that is gone is dropped by whoever spawned it, perhaps in the context of
        // another runtime.
        TaskKind::Async | TaskKind::Blocking => Handle::try_current().is_ok_and(|current| {
            let at_home = home.is_none_or(|home| home.runtime == current.id());
            at_home && takes(|| current.spawn(Question::on(current.id())))
        }),
        // A future that is only tracked may be dropped anywhere. Where there is no runtime, none took it down: whoever
        // owned it let it go.
        TaskKind::Future => Handle::try_current()
            .ok()
            .is_none_or(|current| takes(|| current.spawn(Question::on(current.id())))),
    };
    if alive { Ended::Aborted } else { Ended::Dropped }
}

/// A task that never finishes by itself. It is counted, as it is no task of the user's.
struct Question(RuntimeId);

/// How many of them each runtime has.
static QUESTIONS: Mutex<Vec<(RuntimeId, usize)>> = Mutex::new(Vec::new());

impl Question {
    fn on(runtime: RuntimeId) -> Self {
        let mut questions = lock(&QUESTIONS);
        match questions.iter_mut().find(|(other, _)| *other == runtime) {
            Some((_, open)) => *open += 1,
            None => questions.push((runtime, 1)),
        }
        Self(runtime)
    }
}

impl Future for Question {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let mut questions = lock(&QUESTIONS);
        if let Some(at) = questions.iter().position(|(runtime, _)| *runtime == self.0) {
            questions[at].1 -= 1;
            if questions[at].1 == 0 {
                questions.swap_remove(at);
            }
        }
    }
}

/// How many tasks of that runtime are questions of ours that have not been dropped yet.
pub(crate) fn questions_open(runtime: RuntimeId) -> usize {
    let questions = lock(&QUESTIONS);
    let open = questions.iter().find(|(other, _)| *other == runtime);
    open.map_or(0, |(_, open)| *open)
}

/// Whether a task that never finishes by itself is alive after its spawn. It is aborted at once.
fn takes(spawn: impl FnOnce() -> JoinHandle<()>) -> bool {
    let ours = Ours::begin();
    let question = spawn();
    drop(ours);
    let alive = !question.is_finished();
    question.abort();
    alive
}

fn in_a_thread_that_lives() -> bool {
    !Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}
