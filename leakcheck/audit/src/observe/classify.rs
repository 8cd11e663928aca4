//! What a block of memory was, and how it ended, from the functions that allocated and freed it.

use super::records::Seen;

/// What kind of task a block was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A spawned future.
    Task,
    /// A function that runs on a thread of the blocking pool.
    Blocking,
    /// A worker thread of a multi-threaded runtime: tokio's own.
    Worker,
    /// tokio allocated it, but debug info does not say for what.
    Unknown,
    /// No task.
    Other,
}

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ending {
    /// Before its runtime did.
    Ended,
    /// It waited when its runtime was dropped.
    Outlived,
    /// It was due to run when its runtime was dropped.
    OutlivedQueued,
    /// It was due to run when its runtime was dropped, and whether that was to be aborted cannot be told.
    QueuedOrAborted,
    /// It was alive when the process exited.
    AliveAtExit,
    /// Its memory was held by another task that outlived the runtime. Whether it did too cannot be told.
    Unsure,
    /// The same, and that task was ended as the runtime ended all that it had: before it emptied its queues.
    Held,
    /// Its memory was held by a handle outside of every runtime. Its runtime was shut down before, or it had been aborted.
    Kept,
}

/// What a block was, by the plain paths of the functions on the stack that allocated it, the innermost first.
#[must_use]
pub fn kind<'a>(stack: impl IntoIterator<Item = &'a str>) -> Kind {
    let mut found = Kind::Other;
    let mut innermost = true;
    for path in stack {
        if !path.starts_with("tokio::") {
            if is_std(path) {
                continue;
            }
            // The user's function, below which tokio was at work for itself, or not at all.
            break;
        }
        match last_two(path) {
            ("OwnedTasks" | "LocalOwnedTasks", "bind" | "bind_local") => return Kind::Task,
            // A worker is started as a blocking task: go on to see for whom.
            _ if path.starts_with("tokio::runtime::task::unowned") => found = Kind::Blocking,
            ("Launch", "launch") => return Kind::Worker,
            (_, "spawn_blocking" | "spawn_mandatory_blocking" | "spawn_blocking_inner") => found = Kind::Blocking,
            // Not whatever else a runtime allocates for itself.
            _ if innermost && path.starts_with("tokio::runtime::task::") => found = Kind::Unknown,
            // Where the functions above were inlined and debug info does not say so.
            ("spawn", "spawn" | "spawn_inner") | ("Handle", "spawn") | ("local", "spawn_local")
                if found == Kind::Unknown =>
            {
                return Kind::Task;
            }
            _ => (),
        }
        innermost = false;
    }
    found
}

/// How a freed block ended, by the paths on the stack that freed it, the innermost first. `complete` says that it was
/// seen done before. A shutdown itself makes a task done, and another runtime may park in between and see it: where the
/// shutdown freed it and no other task did, that it was done says nothing.
///
/// The innermost function that decides is what counts: a task's destructor may run another runtime.
///
/// A handle that keeps a task's cell beyond its runtime is what frees it. Where it is given up outside of every runtime, and nobody had
/// seen the task done before, it was that handle's runtime that ended the task, or an abort shortly before: both leave the same state.
///
/// A shutdown that finds a task idle ends it itself. Where it only gives up its reference, the task was running or had ended
/// (`Harness::shutdown` in tokio's `runtime/task/harness.rs`): a worker that has just ended a task may give up its own first.
#[must_use]
pub fn ending<'a>(stack: impl IntoIterator<Item = &'a str>, complete: bool) -> Ending {
    let mut held = false;
    let mut inside_runtime = false;
    let mut before = ("", "");
    // Freed by the runtime itself, and not by another task's destructor whose frames optimisation left out.
    let mut itself = false;
    for path in stack {
        let function = last_two(path);
        if function == ("Harness", "shutdown") && before == ("Harness", "drop_reference") {
            return Ending::Ended;
        }
        itself |= function == ("Harness", "shutdown") && before == ("Harness", "complete");
        itself |= function == ("Task", "drop");
        before = function;
        inside_runtime |= is_runtime(path);
        let Some(step) = step(path) else { continue };
        match step {
            Step::Held => held = true,
            Step::Polled | Step::Refused => return Ending::Ended,
            _ if complete && (held || !itself) => return Ending::Ended,
            Step::Shutdown if held => return Ending::Held,
            Step::Drained if held => return Ending::Unsure,
            Step::Shutdown => return Ending::Outlived,
            Step::Drained => return Ending::OutlivedQueued,
        }
    }
    if held && !complete && !inside_runtime {
        Ending::Kept
    } else {
        Ending::Ended
    }
}

/// Whether a function is one of tokio's in which a runtime is at work, and not one of a task's own.
fn is_runtime(path: &str) -> bool {
    let of_runtime = path.starts_with("tokio::runtime::") && !path.starts_with("tokio::runtime::task::");
    of_runtime || path.starts_with("tokio::task::local::")
}

/// Whether a function of tokio's that has lost its type in the debug info may make another kind of what [`kind`] said.
#[must_use]
pub fn may_be_other_than(kind: Kind, path: &str) -> bool {
    let function = last_two(path).1;
    match kind {
        Kind::Other => path.starts_with("tokio::runtime::task::") || function.starts_with("spawn_blocking"),
        Kind::Blocking => function == "launch",
        Kind::Task | Kind::Worker | Kind::Unknown => false,
    }
}

/// Whether a function of tokio's that has lost its type in the debug info may be one by which [`ending`] tells what ended a task.
#[must_use]
pub fn may_decide(path: &str) -> bool {
    const TYPES: [&str; 19] = [
        "AbortHandle",
        "BlockingPool",
        "CurrentThread",
        "Harness",
        "JoinHandle",
        "LocalNotified",
        "LocalOwnedTasks",
        "LocalRuntime",
        "LocalSet",
        "LocalState",
        "MultiThread",
        "OwnedTasks",
        "RawTask",
        "Runtime",
        "Task",
        "UnownedTask",
        "WakerRef",
        "raw",
        "",
    ];
    let function = last_two(path).1;
    let itself = ["complete", "drop_reference"].contains(&function);
    itself
        || TYPES
            .iter()
            .any(|of| step(&format!("tokio::runtime::{of}::{function}")).is_some())
}

/// What a queued task is said to be, by what it was seen to be before.
///
/// A task that is aborted while it waits is put into the queue, to be dropped by its worker (`remote_abort` in tokio's
/// `runtime/task/harness.rs`), and a shutdown leaves the same state behind. A task that was seen aborted has ended by that; of the
/// others, only one whose `JoinHandle` was seen to be gone was not aborted by it.
#[must_use]
pub fn queued(ending: Ending, seen: Seen) -> Ending {
    match ending {
        Ending::OutlivedQueued if seen.aborted => Ending::Ended,
        Ending::OutlivedQueued if !seen.detached => Ending::QueuedOrAborted,
        ending => ending,
    }
}

enum Step {
    /// The scheduler ran a task.
    Polled,
    /// A closed runtime took no more tasks.
    Refused,
    /// Somebody gave up their reference to a task.
    Held,
    /// The runtime ended the tasks that it had.
    Shutdown,
    /// The runtime emptied its queues.
    Drained,
}

fn step(path: &str) -> Option<Step> {
    if !path.starts_with("tokio::") {
        return None;
    }
    let step = match last_two(path) {
        ("Harness" | "RawTask" | "raw", "poll") | ("LocalNotified" | "UnownedTask", "run") => Step::Polled,
        ("OwnedTasks" | "LocalOwnedTasks", "bind" | "bind_local" | "bind_inner") => Step::Refused,
        (_, "drop_join_handle_slow" | "drop_abort_handle" | "drop_waker" | "wake_by_val") => Step::Held,
        ("JoinHandle" | "AbortHandle" | "WakerRef", "drop") => Step::Held,
        ("OwnedTasks" | "LocalOwnedTasks" | "LocalState", "close_and_shutdown_all") => Step::Shutdown,
        ("Task", "shutdown_or_run_if_mandatory") => Step::Drained,
        // One task's own shutdown says nothing of its runtime's.
        ("Task" | "RawTask" | "Harness" | "raw", "shutdown") => return None,
        ("Runtime" | "LocalRuntime" | "CurrentThread" | "MultiThread" | "LocalSet" | "BlockingPool", "drop") => {
            Step::Drained
        }
        (
            _,
            "shutdown"
            | "shutdown2"
            | "shutdown_core"
            | "shutdown_timeout"
            | "shutdown_background"
            | "shutdown_finalize",
        ) if path.starts_with("tokio::runtime::") => Step::Drained,
        _ => return None,
    };
    Some(step)
}

fn is_std(path: &str) -> bool {
    ["std::", "core::", "alloc::", "__rust", "__rdl", "__rg"]
        .iter()
        .any(|start| path.starts_with(start))
        || path.is_empty()
}

/// The last two segments, without what a closure adds.
fn last_two(path: &str) -> (&str, &str) {
    let mut segments = path.rsplit("::").filter(|segment| !segment.starts_with('{'));
    let last = segments.next().unwrap_or_default();
    (segments.next().unwrap_or_default(), last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIND: &str = "tokio::runtime::task::list::OwnedTasks::bind";
    const POLL: &str = "tokio::runtime::task::raw::poll";
    const CLOSE: &str = "tokio::runtime::task::list::OwnedTasks::close_and_shutdown_all";
    const HANDLE: &str = "tokio::runtime::task::harness::Harness::drop_join_handle_slow";

    #[test]
    fn a_block_that_is_bound_is_a_task() {
        assert_eq!(
            kind(["alloc::boxed::Box::new", "tokio::runtime::task::new_task", BIND]),
            Kind::Task
        );
        assert_eq!(kind(["tokio::runtime::task::new_task", "a::b"]), Kind::Unknown);
    }

    #[test]
    fn a_function_without_its_type_may_be_any_of_its_name() {
        for decides in [
            "drop",
            "poll",
            "run",
            "close_and_shutdown_all",
            "shutdown",
            "complete",
            "bind_inner",
        ] {
            assert!(
                may_decide(&format!("tokio::runtime::task::list::{decides}")),
                "{decides}"
            );
        }
        assert!(!may_decide("tokio::runtime::context::enter_runtime"));
        let launch = "tokio::runtime::scheduler::multi_thread::worker::launch";
        assert!(may_be_other_than(Kind::Other, "tokio::runtime::task::list::bind"));
        assert!(may_be_other_than(Kind::Blocking, launch));
        assert!(!may_be_other_than(Kind::Blocking, "tokio::runtime::task::core::new"));
        assert!(!may_be_other_than(Kind::Other, "tokio::runtime::builder::build"));
    }

    #[test]
    fn what_a_runtime_allocates_for_itself_is_no_task() {
        let runtime = "tokio::runtime::scheduler::current_thread::CurrentThread::new";
        assert_eq!(kind(["alloc::sync::Arc::new", runtime, "a::b", POLL]), Kind::Other);
        assert_eq!(kind(["alloc::sync::Arc::new", runtime, POLL]), Kind::Other);
    }

    #[test]
    fn a_worker_thread_is_not_a_blocking_task_of_the_user() {
        let pool = [
            "tokio::runtime::task::unowned",
            "tokio::runtime::blocking::pool::Spawner::spawn_blocking_inner",
        ];
        let launch = "tokio::runtime::scheduler::multi_thread::worker::Launch::launch";

        assert_eq!(kind(pool), Kind::Blocking);
        assert_eq!(kind(pool.into_iter().chain([launch])), Kind::Worker);
        assert_eq!(kind(pool.into_iter().chain(["a::b", launch])), Kind::Blocking);
    }

    #[test]
    fn the_innermost_function_that_decides_is_what_counts() {
        assert_eq!(ending([CLOSE, POLL], false), Ending::Outlived);
        assert_eq!(ending([POLL, CLOSE], false), Ending::Ended);
        assert_eq!(ending([BIND, CLOSE], false), Ending::Ended);
        assert_eq!(ending(["a::b"], false), Ending::Ended);
    }

    #[test]
    fn a_queued_task_is_left_behind_where_nobody_could_abort_it() {
        let seen = |detached, aborted| Seen {
            detached,
            aborted,
            ..Seen::default()
        };
        let queue = Ending::OutlivedQueued;
        assert_eq!(queued(queue, seen(true, false)), Ending::OutlivedQueued);
        assert_eq!(queued(queue, seen(false, false)), Ending::QueuedOrAborted);
        assert_eq!(queued(queue, seen(false, true)), Ending::Ended);
        // By an `AbortHandle`, which is no `JoinHandle`.
        assert_eq!(queued(queue, seen(true, true)), Ending::Ended);
        assert_eq!(queued(Ending::Outlived, seen(false, false)), Ending::Outlived);
    }

    #[test]
    fn a_task_that_only_its_handle_kept_is_judged_by_when_it_was_done() {
        assert_eq!(ending([HANDLE, POLL], false), Ending::Ended);
        assert_eq!(ending([HANDLE, CLOSE], true), Ending::Ended);
        assert_eq!(ending([HANDLE, CLOSE], false), Ending::Held);
    }

    #[test]
    fn a_handle_that_is_given_up_outside_of_every_runtime_outlived_the_tasks() {
        let raw = "tokio::runtime::task::raw::drop_join_handle_slow";
        let kept = [HANDLE, raw, "tokio::runtime::task::join::JoinHandle::drop", "a::b"];
        let set = "tokio::task::join_set::JoinSet::drop";
        let block_on = "tokio::runtime::runtime::Runtime::block_on";

        assert_eq!(ending(kept, false), Ending::Kept);
        assert_eq!(ending(kept.into_iter().chain([set]), false), Ending::Kept);
        assert_eq!(ending(kept, true), Ending::Ended);
        // It may have been aborted at any time before, by the runtime that is at work there.
        assert_eq!(ending(kept.into_iter().chain([block_on]), false), Ending::Ended);
        assert_eq!(
            ending(kept.into_iter().chain(["tokio::task::local::LocalSet::with"]), false),
            Ending::Ended
        );
        assert_eq!(ending(kept.into_iter().chain([POLL]), false), Ending::Ended);
    }

    #[test]
    fn a_shutdown_that_only_gives_up_its_reference_found_the_task_ended_or_running() {
        const HARNESS: &str = "tokio::runtime::task::harness::Harness";
        let [drop, shutdown, complete] =
            ["drop_reference", "shutdown", "complete"].map(|name| format!("{HARNESS}::{name}"));
        let raw = "tokio::runtime::task::raw::shutdown";

        assert_eq!(ending([&*drop, &shutdown, raw, CLOSE], false), Ending::Ended);
        assert_eq!(ending([&*complete, &shutdown, raw, CLOSE], false), Ending::Outlived);
        // Done, but only since this very shutdown: another runtime parked in between.
        assert_eq!(ending([&*complete, &shutdown, raw, CLOSE], true), Ending::Outlived);
        let queue = "tokio::runtime::scheduler::current_thread::shutdown2";
        let task_drop = "tokio::runtime::task::Task::drop";
        assert_eq!(ending([task_drop, queue], true), Ending::OutlivedQueued);
        // Optimised: who gave up the last reference to a task that was done is not to be seen.
        assert_eq!(ending(["a::b", &*shutdown, raw, CLOSE], true), Ending::Ended);
        // Another task's, which the future of the one that is shut down held.
        let held = [&*drop, HANDLE, "a::b", &complete, &shutdown, raw, CLOSE];
        assert_eq!(ending(held, false), Ending::Held);
    }

    #[test]
    fn a_queue_that_its_runtime_empties_held_tasks_that_were_due() {
        for path in [
            "tokio::runtime::scheduler::current_thread::shutdown2",
            "tokio::runtime::scheduler::multi_thread::worker::Core::shutdown",
            "tokio::runtime::runtime::Runtime::drop",
            "tokio::task::local::LocalSet::drop",
        ] {
            assert_eq!(ending([path], false), Ending::OutlivedQueued, "{path}");
        }
        assert_eq!(ending(["tokio::runtime::task::raw::shutdown"], false), Ending::Ended);
    }
}
