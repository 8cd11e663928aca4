//! Tests that leave nothing behind, each ending its tasks in another way.

use std::future::pending;
use std::sync::mpsc as std_mpsc;
use std::time::Duration;

use leakcheck::TaskTracker;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc, oneshot};
use tokio::task::{JoinSet, LocalSet};
use tokio_util::sync::CancellationToken;

use super::{Scenario, around, on_current_thread, on_multi_thread, under_a_paused_clock};

/// Every kind of end, on every kind of runtime that has it.
pub const CLEAN: &[Scenario] = &[
    ("joined, current_thread", || on_current_thread(joined())),
    ("joined, multi_thread", || on_multi_thread(joined())),
    ("let go of while it ends, current_thread", || {
        on_current_thread(ends_at_the_verdict())
    }),
    ("let go of while it ends, multi_thread", || {
        on_multi_thread(ends_at_the_verdict())
    }),
    ("aborted at the verdict, current_thread", || {
        on_current_thread(aborted_at_the_verdict())
    }),
    ("aborted at the verdict, multi_thread", || {
        on_multi_thread(aborted_at_the_verdict())
    }),
    ("told to stop, not waited for, current_thread", || {
        on_current_thread(told_at_the_verdict())
    }),
    ("told to stop, not waited for, multi_thread", || {
        on_multi_thread(told_at_the_verdict())
    }),
    ("shut down, current_thread", || on_current_thread(shut_down())),
    ("shut down, multi_thread", || on_multi_thread(shut_down())),
    ("shut down, paused", || under_a_paused_clock(shut_down())),
    ("a join set, current_thread", || on_current_thread(join_set())),
    ("a join set, multi_thread", || on_multi_thread(join_set())),
    ("closures, current_thread", || on_current_thread(closures())),
    ("closures, multi_thread", || on_multi_thread(closures())),
    ("closures, paused", || under_a_paused_clock(closures())),
    ("a local set", || on_current_thread(local_set())),
    ("a local set, multi_thread", || on_multi_thread(local_set())),
    ("a chain of children, current_thread", || on_current_thread(chain())),
    ("a chain of children, multi_thread", || on_multi_thread(chain())),
    ("a runtime of its own", || on_current_thread(another_runtime())),
    ("a runtime of its own, multi_thread", || {
        on_multi_thread(another_runtime())
    }),
    ("a runtime of its own that is woken last, paused", || {
        under_a_paused_clock(another_runtime())
    }),
    ("timers, paused", || under_a_paused_clock(timers())),
    ("channels that close, current_thread", || on_current_thread(channels())),
    ("channels that close, multi_thread", || on_multi_thread(channels())),
    ("a future that only is tracked", || on_multi_thread(tracked_future())),
    ("panics that somebody saw", || on_multi_thread(seen_panics())),
    ("told before its runtime went down", || {
        around(told_before_its_runtime_went_down)
    }),
    ("ended before its runtime went down", || {
        around(ended_before_its_runtime_went_down)
    }),
    ("a guard around a runtime", || around(guarded)),
];

async fn joined() {
    let tasks = TaskTracker::named("joined");
    let all: Vec<_> = (0..8).map(|_| tasks.spawn(tokio::task::yield_now())).collect();
    for task in all {
        task.await.unwrap();
    }
}

/// Its tasks are still to end when the body is over.
async fn ends_at_the_verdict() {
    let tasks = TaskTracker::named("ends");
    for rounds in 0..8 {
        tasks.spawn(async move {
            for _ in 0..rounds * 4 {
                tokio::task::yield_now().await;
            }
        });
    }
}

async fn aborted_at_the_verdict() {
    let tasks = TaskTracker::named("aborted");
    let all: Vec<_> = (0..8).map(|_| tasks.spawn(pending::<()>())).collect();
    tokio::task::yield_now().await;
    all.iter().for_each(tokio::task::JoinHandle::abort);
}

async fn told_at_the_verdict() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("told").cancelled_by(&token);
    for _ in 0..8 {
        tasks.group("group").spawn(token.clone().cancelled_owned());
    }
    token.cancel();
}

async fn shut_down() {
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("server");
    for number in 0..8 {
        let token = token.clone();
        tasks
            .group("connection")
            .spawn_named(format!("connection {number}"), async move {
                tokio::select! {
                    () = token.cancelled() => {}
                    () = tokio::time::sleep(Duration::from_secs(3_600)) => {}
                }
            });
    }
    tasks.shutdown(&token, Duration::from_secs(60)).await.unwrap();
}

async fn join_set() {
    let tasks = TaskTracker::named("set");
    let mut set = JoinSet::new();
    for number in 0..8 {
        let task = tasks.track_future(async move {
            if number % 2 == 0 {
                pending::<()>().await;
            }
        });
        set.spawn(task);
    }
    for _ in 0..4 {
        set.join_next().await.unwrap().unwrap();
    }
    // Dropped, it aborts the others.
}

async fn closures() {
    let tasks = TaskTracker::named("closures");
    let (go, gone) = std_mpsc::channel::<()>();
    let waits = tasks.spawn_blocking(move || gone.recv().unwrap_err());
    tasks.spawn_blocking(|| ());
    drop(go);
    waits.await.unwrap();
}

async fn local_set() {
    let local = LocalSet::new();
    let tasks = TaskTracker::named("local");
    local
        .run_until(async {
            let ended = tasks.spawn_local(tokio::task::yield_now());
            let aborted = tasks.spawn_local(pending::<()>());
            ended.await.unwrap();
            aborted.abort();
            assert!(aborted.await.unwrap_err().is_cancelled());
        })
        .await;
}

/// The last of its tasks is spawned once the body is over, most of the time.
async fn chain() {
    fn link(tasks: TaskTracker, left: u32) {
        let child = tasks.clone();
        tasks.spawn(async move {
            tokio::task::yield_now().await;
            if left > 0 {
                link(child, left - 1);
            }
        });
    }
    link(TaskTracker::named("chain"), 16);
}

/// Whose tasks end at the verdict, woken from this one.
async fn another_runtime() {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    let other = builder.worker_threads(1).build().unwrap();
    let tasks = TaskTracker::named("other");
    let (go, gone) = oneshot::channel::<()>();
    let last = tasks.spawn_on(async move { gone.await.unwrap() }, other.handle());
    for _ in 0..4 {
        tasks.spawn_on(tokio::task::yield_now(), other.handle()).await.unwrap();
    }
    go.send(()).unwrap();
    last.await.unwrap();
    other.shutdown_background();
}

async fn timers() {
    let tasks = TaskTracker::named("timers");
    for tenths in 0..8 {
        tasks.spawn(tokio::time::sleep(Duration::from_millis(100 * tenths)));
    }
}

async fn channels() {
    let tasks = TaskTracker::named("channels");
    let (orders, mut incoming) = mpsc::channel::<u32>(1);
    tasks.spawn(async move { while incoming.recv().await.is_some() {} });
    for order in 0..4 {
        orders.send(order).await.unwrap();
    }
}

async fn tracked_future() {
    let tasks = TaskTracker::named("tracked");
    let notify = std::sync::Arc::new(Notify::new());
    let notified = notify.clone();
    let task = tokio::spawn(tasks.track_future(async move { notified.notified().await }));
    notify.notify_one();
    task.await.unwrap();
    drop(tasks.track_future(pending::<()>()));
}

async fn seen_panics() {
    let tasks = TaskTracker::named("panics");
    let task = tasks.spawn(async { std::panic::resume_unwind(Box::new("planned")) });
    assert!(task.await.unwrap_err().is_panic());
}

fn told_before_its_runtime_went_down() {
    let runtime = Runtime::new().unwrap();
    let token = CancellationToken::new();
    let tasks = TaskTracker::named("told").cancelled_by(&token);
    tasks.spawn_on(pending::<()>(), runtime.handle());
    token.cancel();
}

fn ended_before_its_runtime_went_down() {
    let runtime = Runtime::new().unwrap();
    let tasks = TaskTracker::named("ended");
    let task = tasks.spawn_on(tokio::task::yield_now(), runtime.handle());
    runtime.block_on(task).unwrap();
}

fn guarded() {
    let _guard = leakcheck::guard();
    let runtime = Runtime::new().unwrap();
    let tasks = TaskTracker::named("guarded");
    tasks.spawn_on(tokio::task::yield_now(), runtime.handle());
    tasks.close();
    runtime.block_on(tasks.wait());
}
