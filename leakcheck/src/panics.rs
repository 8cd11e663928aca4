//! Panics of tracked tasks, and whether anybody can have seen them.

use std::any::Any;
use std::sync::Arc;
use std::task::Waker;

use crate::cell::Cell;
use crate::check::text_of;
use crate::info::{TaskInfo, TaskKind};
use crate::policy;
use crate::report::TaskPanic;
use crate::scope::Scope;
use crate::task::Task;

/// The panics of one check's tasks.
#[derive(Debug, Default)]
pub(crate) struct Panics {
    /// Of tasks whose futures are being dropped by their panics.
    under_way: Vec<Noted>,
    /// Those that nobody awaited.
    unseen: Vec<Unseen>,
}

/// A panic as it went through a task's poll.
#[derive(Debug)]
struct Noted {
    task: u64,
    message: Option<String>,
    cell: Option<Cell>,
}

#[derive(Debug)]
struct Unseen {
    info: TaskInfo,
    message: Option<String>,
    /// Nobody can ever see it.
    detached: bool,
}

/// Notes the panic of a task, which goes on afterwards.
#[cold]
pub(crate) fn note(task: &Arc<Task>, panic: &(dyn Any + Send), waker: Option<&Waker>) {
    // Of a future that somebody else polls, somebody else gets the panic. One by a check's own question is the check's doing.
    if task.kind == TaskKind::Future || task.probe.is_answering() {
        return;
    }
    // Outside of the lock: the first of a process calibrates.
    let cell = waker.and_then(Cell::of);
    if let Some(mut panics) = task.scope.panics() {
        panics.under_way.push(Noted {
            task: task.id(),
            message: text_of(panic).map(str::to_owned),
            cell,
        });
    }
}

/// Judges the panic of a task whose future has been dropped. As late as possible: who drops the task's handle, or begins to
/// await it, has until now.
#[cold]
pub(crate) fn conclude(task: &Task) {
    let Some(mut panics) = task.scope.panics() else { return };
    let Some(at) = panics.under_way.iter().position(|noted| noted.task == task.id()) else {
        return;
    };
    let noted = panics.under_way.swap_remove(at);
    let state = noted.cell.as_ref().map(Cell::state);
    if !state.is_some_and(|state| state.has_join_handle() && state.is_awaited()) {
        panics.unseen.push(Unseen {
            info: task.info(),
            message: noted.message,
            detached: state.is_some_and(|state| !state.has_join_handle()),
        });
    }
    // Outside of the lock: it holds a waker.
    drop(panics);
    drop(noted.cell);
}

/// What the panics of a scope's tasks are to a check with that policy.
pub(crate) fn report(scope: &Scope, policy: policy::Panics) -> Vec<TaskPanic> {
    let Some(panics) = scope.panics().filter(|_| policy != policy::Panics::Allow) else {
        return Vec::new();
    };
    let report = |unseen: &Unseen| TaskPanic {
        task: unseen.info.id,
        group: unseen.info.group.clone(),
        name: unseen.info.name.clone(),
        kind: unseen.info.kind,
        spawned_at: unseen.info.spawned_at.into(),
        parent: unseen.info.parent.clone(),
        message: unseen.message.clone(),
        detached: unseen.detached,
        denied: unseen.detached || policy == policy::Panics::Deny,
    };
    panics.unseen.iter().map(report).collect()
}
