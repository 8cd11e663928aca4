//! Finds the tokio tasks that a test leaves behind, and says where each one waits.
//!
//! A task that nothing ends is a leak: it holds its sockets and its memory, and it goes on working for an owner that is
//! gone. No test fails by it, as the runtime takes it down with itself. This crate makes the test fail.
//!
//! # Find a leak
//!
//! Spawn tasks through a [`TaskTracker`]. It has the methods of [`tokio_util::task::TaskTracker`], and names:
//!
//! ```
//! use leakcheck::TaskTracker;
//! use tokio::sync::mpsc;
//!
//! struct Server {
//!     tasks: TaskTracker,
//!     orders: mpsc::Sender<u32>,
//! }
//!
//! impl Server {
//!     fn start() -> Self {
//!         let tasks = TaskTracker::named("server");
//!         let (orders, mut incoming) = mpsc::channel(16);
//!         tasks.group("group:orders").spawn_named("manage", async move {
//!             while let Some(order) = incoming.recv().await {
//!                 drop(order);
//!             }
//!         });
//!         Self { tasks, orders }
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let server = Server::start();
//! # server.orders.send(1).await.unwrap();
//! # assert_eq!(server.tasks.len(), 1);
//! # }
//! ```
//!
//! Put [`#[leakcheck]`](macro@leakcheck) where `#[tokio::test]` was:
//!
//! ```
//! # struct Server;
//! # impl Server { async fn start() -> Self { Self } async fn close(&self) {} }
//! use leakcheck::leakcheck;
//!
//! #[leakcheck]
//! async fn closing_ends_every_group() {
//!     let server = Server::start().await;
//!     server.close().await;
//! }
//! ```
//!
//! While `close` forgets the group's task, the test fails:
//!
//! ```text
//! leaked: 1 task outlived test server::closing_ends_every_group (settled 8 rounds, 1.0 s)
//!
//!   group:orders › manage                      alive 1.00 s, polled once, last 1.00 s ago
//!     spawned at   src/server.rs:12
//!     waiting at   src/server.rs:13  mpsc::Receiver::recv
//!     help         no branch waits for cancellation: add one for the token that its owner cancels
//!     help         or drop the last sender of its channel, which is still there
//! ```
//!
//! # Mend it
//!
//! Give the task a second exit, which its owner controls, and wait until everybody has taken it:
//!
//! ```
//! use std::time::Duration;
//!
//! use leakcheck::{ShutdownError, TaskTracker};
//! use tokio::sync::mpsc;
//! use tokio_util::sync::CancellationToken;
//!
//! struct Server {
//!     tasks: TaskTracker,
//!     stop: CancellationToken,
//! }
//!
//! impl Server {
//!     fn manage(&self, mut incoming: mpsc::Receiver<u32>) {
//!         let stop = self.stop.clone();
//!         self.tasks.group("group:orders").spawn_named("manage", async move {
//!             loop {
//!                 tokio::select! {
//!                     order = incoming.recv() => match order {
//!                         Some(order) => drop(order),
//!                         None => break,
//!                     },
//!                     () = stop.cancelled() => break,
//!                 }
//!             }
//!         });
//!     }
//!
//!     async fn close(&self) -> Result<(), ShutdownError> {
//!         self.tasks.shutdown(&self.stop, Duration::from_secs(5)).await
//!     }
//! }
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! # let server = Server { tasks: TaskTracker::named("server"), stop: CancellationToken::new() };
//! # let (_orders, incoming) = mpsc::channel(1);
//! # server.manage(incoming);
//! # server.close().await.unwrap();
//! # }
//! ```
//!
//! A `select!` in a report has a line for each of its branches that waits, so that the one that is missing shows.
//!
//! # In a library
//!
//! A library that ships depends on this crate with `default-features = false`, and once more as a dev-dependency with the
//! defaults. In its users' builds [`TaskTracker`] costs what tokio-util's does; in its own tests every task is known.
//!
//! ```toml
//! [dependencies]
//! leakcheck = { version = "0.1", default-features = false }
//!
//! [dev-dependencies]
//! leakcheck = "0.1"
//! ```
//!
//! | feature | |
//! | --- | --- |
//! | `track` (default) | keeps the record of every task. Without it a test with the attribute just runs, and a [`Report`] says that nothing was checked |
//! | `test-util` (default) | `Check::start_paused`; turns tokio's `test-util` on |
//! | `install` | `install!`, which tells where tasks come from that no tracker saw; it needs the `backtrace` crate |
//! | `tracing` | `Dump::emit`, which tells the live tasks to `tracing` |
//! | `signal` | `dump_on_sigusr1`, on Unix |
//! | `main` | `leakcheck::main!` for test targets with `harness = false`, by libtest-mimic |
//! | `metrics` | `TaskTracker::metrics`, by tokio-metrics, which keeps the waker that a tracked future was last polled with |
//!
//! # Without the attribute
//!
//! [`verify_none`], [`guard`] and [`find`] are for plain tests, [`Check`] hands the verdict out as data, and [`tasks`]
//! lists every live task of the process. [`ignore`] has the rules for tasks that may stay. [`guard_process`] checks a whole
//! process; [`guide::goleak`] says what each function of goleak is called here.
//!
//! `explore` shuts a scenario down after each of its steps, and finds the one that goes wrong.
//!
//! # What it sees, and what it does not
//!
//! - What went through a [`TaskTracker`] is known by its name, and by where it waits. Of what did not, as by a bare
//!   `tokio::spawn`, the check's own runtime tells how many tasks there are: see [`Untracked`]. With the feature `install`
//!   they are told by where they were spawned.
//! - A tracked task that panicked fails its test where nobody can ever see that by its handle: see [`Panics`].
//! - A leak is reported when the task's future has not been dropped, and never earlier: a task that was told to stop has
//!   until the end of the grace to do so.
//! - Under a paused clock the grace is over as soon as the test's runtime has nothing to do. What another runtime drives
//!   is waited for by the wall clock, but a task of the test's own that a plain thread is about to wake cannot be told
//!   from one that nothing will: end such threads before the body is over.
//! - A task that blocks the very thread which would have to find it, as it can on a current-thread runtime, is reported
//!   all the same. Its test cannot be ended alone: the process ends with it, after the report.
//! - Tests in one process do not see each other's tasks: see [`Check`] for whose a task is.
//! - A tracked task that an untracked one spawns on a worker thread belongs to a check by its runtime, where that was
//!   made for the check. On a runtime that the check did not make, such a task belongs to no test.
//! - A task that is aborted as the very last thing before its runtime goes down has no chance to end by that. It is
//!   reported as dropped with the runtime, as one is that was never told to stop.
//! - Where a task waits is found by polling it once more, with a waker that takes a backtrace when it is cloned. A future
//!   that waits must clone the waker, so that each branch of a `select!` shows. A combinator that polls its parts with
//!   wakers of its own, as `FuturesUnordered` does, is told as itself; so is, with the feature `metrics`, a tracked future
//!   that a task polls.
//! - Under Miri no backtraces are taken: a leak is reported, but not where it waits. With `--cfg loom` a
//!   check is made as without, on a runtime that has no I/O, as tokio has none then; the threads of a model are no tasks.
//! - Lines need debug information; `debug = "line-tables-only"` is enough. The branches of a `select!` are read from the
//!   source. Where they cannot be told apart for certain, the line of the `select!` stands for each.
//!
//! With `LEAKCHECK_REPORT_DIR` set, each check that may fail a test also appends a line of JSON to a file there, which
//! is what `cargo leak-audit` reads. A check that cannot write its line fails its test; one that looked at nothing, as
//! the feature `track` is off, says so in its line.
#![deny(clippy::disallowed_methods)]

#[cfg(feature = "track")]
mod cell;
mod check;
#[cfg(feature = "track")]
mod clock;
mod dump;
#[cfg(feature = "track")]
mod durations;
#[cfg(feature = "track")]
mod ending;
#[cfg(feature = "test-util")]
mod explore;
#[cfg(feature = "track")]
mod group;
#[cfg(all(any(doc, doctest), feature = "track", feature = "test-util"))]
pub mod guide;
#[cfg(feature = "track")]
mod hang;
#[cfg(feature = "main")]
mod harness;
#[cfg(feature = "track")]
mod help;
mod hooks;
#[cfg_attr(not(any(feature = "track", test)), expect(dead_code, reason = "rules match records"))]
pub mod ignore;
mod info;
#[cfg(all(test, loom, feature = "track"))]
mod models;
#[cfg(feature = "track")]
mod names;
#[cfg(not(feature = "track"))]
mod off;
#[cfg(not(all(feature = "track", any(feature = "install", tokio_unstable))))]
mod ours;
#[cfg(feature = "track")]
mod panics;
mod plain;
mod policy;
#[cfg(feature = "track")]
mod probe;
mod process;
#[cfg(feature = "track")]
mod registry;
pub mod report;
#[cfg(feature = "track")]
mod resources;
#[cfg(feature = "track")]
mod scope;
mod seed;
#[cfg(feature = "track")]
mod settle;
mod shutdown;
#[cfg(all(unix, feature = "signal"))]
mod signal;
#[cfg(feature = "track")]
mod stop;
mod sync;
#[cfg(feature = "track")]
mod task;
#[expect(
    clippy::disallowed_methods,
    reason = "this is the tracker: what others may not call, it calls"
)]
mod tracker;
#[cfg(feature = "track")]
mod untracked;
#[cfg(feature = "track")]
mod verify;
#[cfg(feature = "track")]
mod watchdog;

#[cfg(not(feature = "track"))]
use off::{self as registry, Begun, Group, Record, Watch, verify_thread};
#[cfg(feature = "track")]
use {group::Group, resources::Watch, scope::Begun, task::Record, verify::verify_thread};

#[cfg(not(all(feature = "track", any(feature = "install", tokio_unstable))))]
use ours::Ours;
#[cfg(all(feature = "track", any(feature = "install", tokio_unstable)))]
use untracked::Ours;

pub use check::{Check, Outcome, Panic, Repeat, Repeated};
pub use dump::{Dump, Dumped, Waits, dump};
#[cfg(feature = "test-util")]
pub use explore::{Exploration, Explore, Failure, HungRun, Polled, Shutdown, explore};
pub use ignore::Ignore;
pub use info::{Parent, TaskInfo, TaskKind};
/// Checks that a test leaves no task behind.
///
/// On an `async fn` it makes the test: with a runtime of its own, so that tests that run in parallel never see each
/// other's tasks. When the body is over, also by a panic or an error, the tasks that were spawned through a
/// [`TaskTracker`] have a moment to end. One that does not fails the test, with a report that says where it waits. A
/// failure of the body is never hidden by that: it is what the test shows, and the report is printed besides.
///
/// ```
/// use leakcheck::{TaskTracker, ignore, leakcheck};
///
/// #[leakcheck(flavor = "multi_thread", worker_threads = 4, grace = "2s")]
/// async fn closing_ends_every_task() -> Result<(), std::io::Error> {
///     let tasks = TaskTracker::named("server");
///     tasks.spawn(async { /* … */ });
///     Ok(())
/// }
///
/// #[leakcheck(start_paused, ignore = ignore::name("flush", "ends with the process"))]
/// async fn a_day_goes_by() {
///     tokio::time::sleep(std::time::Duration::from_secs(86_400)).await;
/// }
/// ```
///
/// # Arguments
///
/// | argument | meaning |
/// | --- | --- |
/// | `flavor = "current_thread"` or `"multi_thread"` | the runtime; `current_thread` unless given. `multi_thread` needs tokio's feature `rt-multi-thread` |
/// | `worker_threads = 4` | of a multi-thread runtime |
/// | `start_paused`, `start_paused = true` | the clock stands still while the test has anything to do; needs tokio's feature `test-util` |
/// | `grace = "2s"` | how long tasks have to end after the body, by tokio's clock; one second unless given |
/// | `timeout = "30s"` | how long the body may take, by the wall clock: see [`Check::timeout`] |
/// | `repeat = 100` | runs the test that often and says which runs failed: see [`Check::repeat`] |
/// | `fail_fast` | stops a repeated test after the first run that fails |
/// | `seed = 42` | what [`seed()`] is made of, in place of `LEAKCHECK_SEED` or of one that is drawn |
/// | `threads` | no thread may outlive the test (Linux): see [`Check::threads`] |
/// | `fds` | no file, socket, port or pipe may outlive the test (Linux): see [`Check::fds`] |
/// | `ignore = rule`, `ignore = [rule, rule]` | what may stay: see [`ignore`](mod@ignore); may be given several times |
/// | `untracked = deny`, `warn` or `allow` | what to make of tasks that no tracker saw: see [`Untracked`] |
/// | `panics = deny`, `detached` or `allow` | what to make of tasks that panicked: see [`Panics`] |
/// | `crate = "path"` | where this crate is, when it has another name |
///
/// # With other attributes
///
/// In front of `#[tokio::test(…)]` it takes that attribute's place and arguments.
///
/// Behind `#[tokio::test]`, or in front of a plain `#[test]`, the test runs as that attribute has it, and the check is
/// made around its body. tokio drops the runtime there before anything can be asked, so the report cannot say where a
/// task waited: a task that went down with its runtime counts as leaked, unless the token of its tracker had been
/// cancelled. The arguments that make the runtime have no meaning then.
///
/// A test with `#[should_panic]` fails by a leak as any other does, whether its body panicked or not: the report is printed,
/// and the test returns, which the harness takes for its failure.
///
/// A test may return whatever a test may return. Without the feature `track` the test just runs.
pub use leakcheck_macros::leakcheck;
#[cfg(not(feature = "track"))]
pub use off::tasks;
pub use plain::{Guard, find, find_ignoring, guard, verify_none, verify_none_ignoring};
pub use policy::{Panics, Untracked};
pub use process::{ProcessGuard, guard_process};
#[cfg(feature = "track")]
pub use registry::tasks;
pub use report::{Hung, Leak, Report, Resource, TaskPanic};
pub use seed::seed;
pub use shutdown::ShutdownError;
#[cfg(all(unix, feature = "signal"))]
pub use signal::dump_on_sigusr1;
pub use tracker::{TaskTracker, TaskTrackerToken, TrackedFuture};
#[cfg(feature = "install")]
pub use untracked::Allocator;

/// What the expansions of the macros name. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use tokio;

    pub use crate::check::told_by;
    #[cfg(feature = "main")]
    pub use crate::harness::Suite;
}
