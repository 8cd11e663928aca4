//! One call of each path that a `clippy.toml` may disallow.

/// A call that clippy must report.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// The path as a `clippy.toml` lists it.
    pub path: &'static str,
    /// What the call needs, as parameters.
    pub given: &'static str,
    /// The call itself, on one line.
    pub code: &'static str,
}

const fn call(path: &'static str, given: &'static str, code: &'static str) -> Call {
    Call { path, given, code }
}

/// A path may have several calls: the same function by its other names.
pub const CALLS: &[Call] = &[
    call("std::thread::spawn", "", "std::thread::spawn(|| ())"),
    call(
        "std::thread::Builder::spawn",
        "",
        "std::thread::Builder::new().spawn(|| ())",
    ),
    call(
        "std::thread::Builder::spawn_unchecked",
        "",
        "unsafe { std::thread::Builder::new().spawn_unchecked(|| ()) }",
    ),
    call(
        "std::thread::sleep",
        "",
        "std::thread::sleep(std::time::Duration::ZERO)",
    ),
    call("std::time::Instant::now", "", "std::time::Instant::now()"),
    call("std::time::SystemTime::now", "", "std::time::SystemTime::now()"),
    call("std::time::SystemTime::elapsed", "", "std::time::UNIX_EPOCH.elapsed()"),
    call("tokio::spawn", "", "tokio::spawn(async {})"),
    call("tokio::spawn", "", "tokio::task::spawn(async {})"),
    call("tokio::task::spawn_blocking", "", "tokio::task::spawn_blocking(|| ())"),
    call("tokio::task::spawn_local", "", "tokio::task::spawn_local(async {})"),
    call(
        "tokio::task::LocalSet::spawn_local",
        "set: &tokio::task::LocalSet",
        "set.spawn_local(async {})",
    ),
    call("tokio::runtime::Handle::spawn", HANDLE, "handle.spawn(async {})"),
    call(
        "tokio::runtime::Handle::spawn_blocking",
        HANDLE,
        "handle.spawn_blocking(|| ())",
    ),
    call("tokio::runtime::Runtime::spawn", RUNTIME, "runtime.spawn(async {})"),
    call(
        "tokio::runtime::Runtime::spawn_blocking",
        RUNTIME,
        "runtime.spawn_blocking(|| ())",
    ),
    call(
        "tokio::runtime::LocalRuntime::spawn_local",
        LOCAL_RUNTIME,
        "runtime.spawn_local(async {})",
    ),
    call(
        "tokio::runtime::LocalRuntime::spawn_blocking",
        LOCAL_RUNTIME,
        "runtime.spawn_blocking(|| ())",
    ),
    call("tokio::task::JoinSet::spawn", JOIN_SET, "tasks.spawn(async {})"),
    call(
        "tokio::task::JoinSet::spawn_on",
        JOIN_SET_ON,
        "tasks.spawn_on(async {}, handle)",
    ),
    call(
        "tokio::task::JoinSet::spawn_local",
        JOIN_SET,
        "tasks.spawn_local(async {})",
    ),
    call(
        "tokio::task::JoinSet::spawn_local_on",
        JOIN_SET_LOCAL,
        "tasks.spawn_local_on(async {}, set)",
    ),
    call(
        "tokio::task::JoinSet::spawn_blocking",
        JOIN_SET,
        "tasks.spawn_blocking(|| ())",
    ),
    call(
        "tokio::task::JoinSet::spawn_blocking_on",
        JOIN_SET_ON,
        "tasks.spawn_blocking_on(|| (), handle)",
    ),
    call(
        "tokio_util::task::JoinQueue::spawn",
        JOIN_QUEUE,
        "tasks.spawn(async {})",
    ),
    call(
        "tokio_util::task::JoinQueue::spawn_on",
        JOIN_QUEUE_ON,
        "tasks.spawn_on(async {}, handle)",
    ),
    call(
        "tokio_util::task::JoinQueue::spawn_local",
        JOIN_QUEUE,
        "tasks.spawn_local(async {})",
    ),
    call(
        "tokio_util::task::JoinQueue::spawn_blocking",
        JOIN_QUEUE,
        "tasks.spawn_blocking(|| ())",
    ),
    call(
        "tokio_util::task::JoinQueue::spawn_blocking_on",
        JOIN_QUEUE_ON,
        "tasks.spawn_blocking_on(|| (), handle)",
    ),
    call(
        "tokio_util::task::LocalPoolHandle::spawn_pinned",
        POOL,
        "pool.spawn_pinned(|| async {})",
    ),
    call(
        "tokio_util::task::LocalPoolHandle::spawn_pinned_by_idx",
        POOL,
        "pool.spawn_pinned_by_idx(|| async {}, 0)",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn",
        TRACKER,
        "tracker.spawn(async {})",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn_on",
        TRACKER_ON,
        "tracker.spawn_on(async {}, handle)",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn_local",
        TRACKER,
        "tracker.spawn_local(async {})",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn_local_on",
        TRACKER_LOCAL,
        "tracker.spawn_local_on(async {}, set)",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn_blocking",
        TRACKER,
        "tracker.spawn_blocking(|| ())",
    ),
    call(
        "tokio_util::task::TaskTracker::spawn_blocking_on",
        TRACKER_ON,
        "tracker.spawn_blocking_on(|| (), handle)",
    ),
];

/// Calls that clippy must leave alone: a gate that reports everything proves nothing.
pub const ALLOWED: &[&str] = &[
    "std::thread::scope(|scope| scope.spawn(|| ()).join())",
    "tokio::task::yield_now()",
];

const HANDLE: &str = "handle: &tokio::runtime::Handle";
const RUNTIME: &str = "runtime: &tokio::runtime::Runtime";
const LOCAL_RUNTIME: &str = "runtime: &tokio::runtime::LocalRuntime";
const JOIN_SET: &str = "tasks: &mut tokio::task::JoinSet<()>";
const JOIN_SET_ON: &str = "tasks: &mut tokio::task::JoinSet<()>, handle: &tokio::runtime::Handle";
const JOIN_SET_LOCAL: &str = "tasks: &mut tokio::task::JoinSet<()>, set: &tokio::task::LocalSet";
const JOIN_QUEUE: &str = "tasks: &mut tokio_util::task::JoinQueue<()>";
const JOIN_QUEUE_ON: &str = "tasks: &mut tokio_util::task::JoinQueue<()>, handle: &tokio::runtime::Handle";
const POOL: &str = "pool: &tokio_util::task::LocalPoolHandle";
const TRACKER: &str = "tracker: &tokio_util::task::TaskTracker";
const TRACKER_ON: &str = "tracker: &tokio_util::task::TaskTracker, handle: &tokio::runtime::Handle";
const TRACKER_LOCAL: &str = "tracker: &tokio_util::task::TaskTracker, set: &tokio::task::LocalSet";
