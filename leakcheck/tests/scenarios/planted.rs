//! Tests that leave one task behind, each of another kind.

use std::future::pending;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use leakcheck::{Check, Report, TaskTracker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{Notify, mpsc};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use super::{STAYS, Scenario};

/// Every kind of leak, among tasks that end.
pub const PLANTED: &[Scenario] = &[
    ("waits for ever, current_thread", || found(current_thread(), waits())),
    ("waits for ever, multi_thread", || found(multi_thread(), waits())),
    ("waits for a channel, paused", || found(paused(), waits_for_a_channel())),
    ("waits for a timer, multi_thread", || {
        found(multi_thread(), waits_for_a_timer())
    }),
    ("never polled", || found(current_thread(), never_polled())),
    ("deaf to its token, current_thread", || found(current_thread(), deaf())),
    ("deaf to its token, multi_thread", || found(multi_thread(), deaf())),
    ("a child of a task that ended", || found(multi_thread(), child())),
    ("always ready", || found(multi_thread(), always_ready())),
    ("a closure", closure),
    ("on another runtime", on_another_runtime),
    ("dropped with its runtime", dropped_with_its_runtime),
    ("dropped with its local set", || {
        found(current_thread(), dropped_with_its_local_set())
    }),
    ("before a plain test's check", before_find),
];

/// Nothing that waits here ends by itself, so that no time is lost on it.
const GRACE: Duration = Duration::from_millis(1);

fn current_thread() -> Builder {
    Builder::new_current_thread()
}

fn multi_thread() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    builder
}

fn paused() -> Builder {
    let mut builder = Builder::new_current_thread();
    builder.start_paused(true);
    builder
}

fn found<F: Future<Output = ()>>(runtime: Builder, body: F) -> Report {
    let outcome = Check::new("planted").grace(GRACE).runtime(runtime).run(body);
    outcome.body.expect("the body of a scenario");
    outcome.report
}

/// Tasks that end, beside the one that does not.
async fn others(tasks: &TaskTracker) {
    for _ in 0..4 {
        tasks.spawn(tokio::task::yield_now()).await.unwrap();
    }
}

async fn waits() {
    let tasks = TaskTracker::named("planted");
    tasks.spawn_named(STAYS, pending::<()>());
    others(&tasks).await;
}

async fn waits_for_a_channel() {
    let tasks = TaskTracker::named("planted");
    let (orders, mut incoming) = mpsc::channel::<u32>(1);
    tasks.spawn_named(STAYS, async move {
        let _keeps_itself = orders;
        while incoming.recv().await.is_some() {}
    });
    others(&tasks).await;
}

async fn waits_for_a_timer() {
    let tasks = TaskTracker::named("planted");
    tasks.spawn_named(STAYS, tokio::time::sleep(Duration::from_secs(3_600)));
    others(&tasks).await;
}

async fn never_polled() {
    let tasks = TaskTracker::named("planted");
    others(&tasks).await;
    tasks.spawn_named(STAYS, async { Notify::new().notified().await });
}

async fn deaf() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("planted").cancelled_by(&token);
    tasks.spawn_named(STAYS, pending::<()>());
    let heard = tasks.spawn(token.clone().cancelled_owned());
    token.cancel();
    heard.await.unwrap();
}

async fn child() {
    let tasks = TaskTracker::named("planted");
    let children = tasks.group("children");
    let parent = tasks.spawn(async move { drop(children.spawn_named(STAYS, pending::<()>())) });
    parent.await.unwrap();
}

async fn always_ready() {
    let tasks = TaskTracker::named("planted");
    tasks.spawn_named(STAYS, async {
        loop {
            tokio::task::yield_now().await;
        }
    });
    others(&tasks).await;
}

fn closure() -> Report {
    let (go, gone) = std_mpsc::channel::<()>();
    let report = found(current_thread(), async move {
        TaskTracker::named("planted").spawn_blocking_named(STAYS, move || gone.recv().unwrap_err());
    });
    drop(go);
    report
}

fn on_another_runtime() -> Report {
    let other = Builder::new_multi_thread().worker_threads(1).build().unwrap();
    let handle = other.handle().clone();
    found(current_thread(), async move {
        TaskTracker::named("planted").spawn_named_on(STAYS, pending::<()>(), &handle);
    })
}

fn dropped_with_its_runtime() -> Report {
    let outcome = Check::new("planted").grace(GRACE).run_sync(|| {
        let runtime = Runtime::new().unwrap();
        TaskTracker::named("planted").spawn_named_on(STAYS, pending::<()>(), runtime.handle());
    });
    outcome.body.expect("the body of a scenario");
    outcome.report
}

async fn dropped_with_its_local_set() {
    let local = LocalSet::new();
    local
        .run_until(async { drop(TaskTracker::named("planted").spawn_local_named(STAYS, pending::<()>())) })
        .await;
}

/// On a thread of its own, as a plain test has one: what it leaves would be found again by the next check there.
fn before_find() -> Report {
    let thread = std::thread::spawn(|| {
        let runtime = multi_thread().build().unwrap();
        TaskTracker::named("planted").spawn_named_on(STAYS, pending::<()>(), runtime.handle());
        leakcheck::find()
    });
    thread.join().expect("the thread of a plain test")
}
