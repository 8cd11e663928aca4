//! How tasks end, and how a future did that was dropped before it was ready.

use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::info::TaskKind;
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
pub(crate) fn of_unfinished(kind: TaskKind, home: Option<Home>) -> Ended {
    let alive = match kind {
        // Only the context of a `LocalSet` or a `LocalRuntime` drops such a task, so that `spawn_local` cannot panic,
        // except while the thread itself ends: then there is no context at all.
        TaskKind::Local => in_a_thread_that_lives() && takes(|| tokio::task::spawn_local(std::future::pending())),
        // A task that was spawned on a runtime that is gone is dropped by whoever spawned it, perhaps in the context of
        // another runtime.
        TaskKind::Async | TaskKind::Blocking => Handle::try_current().is_ok_and(|current| {
            let at_home = home.is_none_or(|home| home.runtime == current.id());
            at_home && takes(|| current.spawn(std::future::pending()))
        }),
        // A future that is only tracked may be dropped anywhere. Where there is no runtime, none took it down: whoever
        // owned it let it go.
        TaskKind::Future => Handle::try_current()
            .ok()
            .is_none_or(|current| takes(|| current.spawn(std::future::pending()))),
    };
    if alive { Ended::Aborted } else { Ended::Dropped }
}

/// Whether a task that never finishes by itself is alive after its spawn. It is aborted at once.
fn takes(spawn: impl FnOnce() -> JoinHandle<()>) -> bool {
    let question = spawn();
    let alive = !question.is_finished();
    question.abort();
    alive
}

fn in_a_thread_that_lives() -> bool {
    !Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed())
}
