//! Each way to end is told from the others, on every kind of runtime; none of them is a leak but going down with the
//! runtime.
#![cfg(feature = "track")]

use std::future::{pending, poll_fn};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use leakcheck::report::{LeakState, SiteSummary};
use leakcheck::{Check, Report, TaskTracker};
use tokio::runtime::{Builder, Runtime};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

/// How the tasks of one site ended: returned, cancelled, aborted, panicked, dropped.
fn ended(site: &SiteSummary) -> [u64; 5] {
    [site.returned, site.cancelled, site.aborted, site.panicked, site.dropped]
}

/// Runs a test on both flavours of runtime, and passes both reports on.
fn on_both<F: Future<Output = ()>>(body: impl Fn() -> F, expect: impl Fn(&Report)) {
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        builder.worker_threads(2);
        let outcome = Check::new("endings")
            .grace(Duration::from_millis(1))
            .runtime(builder)
            .run(body());
        outcome.body.unwrap();
        expect(&outcome.report);
    }
}

fn expect_one(ends: [u64; 5]) -> impl Fn(&Report) {
    move |report| {
        assert!(report.is_clean(), "{report}");
        let [site] = &report.sites[..] else {
            panic!("{:?}", report.sites)
        };
        assert_eq!((site.seen, ended(site)), (1, ends), "{site:?}");
    }
}

const RETURNED: [u64; 5] = [1, 0, 0, 0, 0];
const CANCELLED: [u64; 5] = [0, 1, 0, 0, 0];
const ABORTED: [u64; 5] = [0, 0, 1, 0, 0];
const PANICKED: [u64; 5] = [0, 0, 0, 1, 0];

#[test]
fn a_task_that_runs_to_its_end_has_returned() {
    on_both(
        || async {
            TaskTracker::new().spawn(tokio::task::yield_now()).await.unwrap();
        },
        expect_one(RETURNED),
    );
}

#[test]
fn a_task_that_ends_after_its_token_was_cancelled_is_cancelled() {
    on_both(
        || async {
            let token = CancellationToken::new();
            let tasks = TaskTracker::named("server").cancelled_by(&token);
            let task = tasks.group("connection").spawn(token.clone().cancelled_owned());
            token.cancel();
            task.await.unwrap();
        },
        expect_one(CANCELLED),
    );
}

#[test]
fn a_task_that_ends_before_its_token_is_cancelled_has_returned() {
    on_both(
        || async {
            let token = CancellationToken::new();
            let tasks = TaskTracker::new().cancelled_by(&token);
            tasks.spawn(async {}).await.unwrap();
            token.cancel();
        },
        expect_one(RETURNED),
    );
}

#[test]
fn a_task_that_is_aborted_while_it_waits_is_aborted() {
    on_both(
        || async {
            let (polled, is_polled) = tokio::sync::oneshot::channel();
            let task = TaskTracker::new().spawn(async move {
                polled.send(()).unwrap();
                pending::<()>().await;
            });
            is_polled.await.unwrap();
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        },
        expect_one(ABORTED),
    );
}

#[test]
fn a_task_that_is_aborted_before_its_first_poll_is_aborted() {
    on_both(
        || async {
            let task = TaskTracker::new().spawn(pending::<()>());
            task.abort();
            assert!(task.await.unwrap_err().is_cancelled());
        },
        expect_one(ABORTED),
    );
}

#[test]
fn a_tracked_future_that_its_owner_drops_is_aborted_also_without_a_runtime() {
    let tasks = TaskTracker::named("tracked");
    let outcome = Check::new("owner").run_sync(|| drop(tasks.track_future(pending::<()>())));
    outcome.body.unwrap();
    expect_one(ABORTED)(&outcome.report);

    on_both(
        || async { drop(TaskTracker::new().track_future(pending::<()>())) },
        expect_one(ABORTED),
    );
}

#[test]
fn a_tracked_future_that_goes_down_with_its_runtime_is_dropped() {
    let outcome = Check::new("runtime").run_sync(|| {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let (polled, is_polled) = tokio::sync::oneshot::channel();
            tokio::spawn(TaskTracker::named("tracked").track_future(async move {
                polled.send(()).unwrap();
                pending::<()>().await;
            }));
            is_polled.await.unwrap();
        });
    });
    outcome.body.unwrap();
    assert_eq!(outcome.report.leaks.len(), 1, "{}", outcome.report);
    assert_eq!(outcome.report.leaks[0].state, LeakState::Dropped);
}

#[test]
fn a_task_that_is_going_down_right_now_is_never_missing() {
    /// Looks for leaks when its last clone is dropped: the tracked task's record has one, and drops it while it ends.
    struct Looks(mpsc::Sender<Report>);
    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            self.0.send(leakcheck::find()).unwrap();
        }
    }

    let (looks, found) = mpsc::channel();
    let outcome = Check::new("going down").run_sync(|| {
        let runtime = Builder::new_current_thread().build().unwrap();
        let mut tracked = Box::pin(TaskTracker::named("tracked").track_future(pending::<()>()));
        let mut looks = Some(looks);
        runtime.spawn(poll_fn(move |_| {
            if let Some(looks) = looks.take() {
                let waker = Waker::from(Arc::new(Looks(looks)));
                assert!(tracked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            }
            Poll::<()>::Pending
        }));
        runtime.block_on(tokio::task::yield_now());
    });
    outcome.body.unwrap();

    let meanwhile = found.recv().unwrap();
    assert_eq!(meanwhile.leaks.len(), 1, "{meanwhile}");
    assert_eq!(meanwhile.leaks[0].state, LeakState::Dropped);
    assert_eq!(outcome.report.leaks.len(), 1, "{}", outcome.report);
}

#[test]
fn a_task_that_is_aborted_as_the_last_thing_before_its_runtime_goes_down_is_said_to_be_dropped() {
    let outcome = Check::new("too late").run_sync(|| {
        let runtime = Builder::new_current_thread().build().unwrap();
        let task = TaskTracker::named("late").spawn_on(pending::<()>(), runtime.handle());
        runtime.block_on(tokio::task::yield_now());
        task.abort();
    });
    outcome.body.unwrap();
    assert_eq!(outcome.report.leaks[0].state, LeakState::Dropped);
    let said = "its token had not been cancelled, and no abort had taken effect";
    assert!(outcome.report.to_string().contains(said), "{}", outcome.report);
}

#[test]
fn a_task_that_panics_has_panicked() {
    on_both(
        || async {
            let task = TaskTracker::new().spawn(async { std::panic::resume_unwind(Box::new("planned")) });
            assert!(task.await.unwrap_err().is_panic());
        },
        expect_one(PANICKED),
    );
}

#[test]
fn blocking_closures_return_and_panic_like_tasks() {
    on_both(
        || async { TaskTracker::new().spawn_blocking(|| ()).await.unwrap() },
        expect_one(RETURNED),
    );
    on_both(
        || async {
            let task = TaskTracker::new().spawn_blocking(|| std::panic::resume_unwind(Box::new("planned")));
            assert!(task.await.unwrap_err().is_panic());
        },
        expect_one(PANICKED),
    );
}

#[test]
fn local_tasks_are_told_apart_too() {
    on_both(
        || async {
            let local = LocalSet::new();
            let tasks = TaskTracker::new();
            local
                .run_until(async {
                    let task = tasks.spawn_local(pending::<()>());
                    task.abort();
                    assert!(task.await.unwrap_err().is_cancelled());
                })
                .await;
        },
        expect_one(ABORTED),
    );
    on_both(
        || async {
            let local = LocalSet::new();
            let task = TaskTracker::new().spawn_local_on(async {}, &local);
            local.run_until(task).await.unwrap();
        },
        expect_one(RETURNED),
    );
}

/// Runs `body` with a runtime of each flavour that is dropped before the check.
fn around_a_dropped_runtime(body: impl Fn(&Runtime)) -> Vec<Report> {
    [Builder::new_current_thread(), Builder::new_multi_thread()]
        .into_iter()
        .map(|mut builder| {
            let outcome = Check::new("dropped").run_sync(|| {
                let runtime = builder.enable_all().build().unwrap();
                body(&runtime);
                drop(runtime);
            });
            outcome.body.unwrap();
            outcome.report
        })
        .collect()
}

#[test]
fn a_task_that_goes_down_with_its_runtime_is_dropped_and_that_is_a_leak() {
    for report in around_a_dropped_runtime(|runtime| {
        TaskTracker::named("server").spawn_on(pending::<()>(), runtime.handle());
    }) {
        let [leak] = &report.leaks[..] else { panic!("{report}") };
        assert_eq!(
            (leak.state, leak.path()),
            (LeakState::Dropped, "server › Pending<()>".to_owned())
        );
        assert_eq!((ended(&report.sites[0]), report.sites[0].leaked), ([0, 0, 0, 0, 1], 1));
    }
}

#[test]
fn a_task_that_was_told_to_stop_may_go_down_with_its_runtime() {
    for report in around_a_dropped_runtime(|runtime| {
        let token = CancellationToken::new();
        TaskTracker::new()
            .cancelled_by(&token)
            .spawn_on(pending::<()>(), runtime.handle());
        token.cancel();
    }) {
        assert!(report.is_clean(), "{report}");
        assert_eq!(ended(&report.sites[0]), [0, 0, 0, 0, 1]);
    }
}

#[test]
fn a_closure_that_is_aborted_before_it_got_a_thread_is_aborted() {
    let mut builder = Builder::new_current_thread();
    builder.max_blocking_threads(1);
    let outcome = Check::new("queued").runtime(builder).run(async {
        let (end, ended) = mpsc::channel::<()>();
        let tasks = TaskTracker::new();
        let running = tasks.spawn_blocking_named("running", move || ended.recv().unwrap_err());
        let queued = tasks.spawn_blocking_named("queued", || ());
        queued.abort();
        drop(end);
        running.await.unwrap();
        assert!(queued.await.unwrap_err().is_cancelled());
    });
    outcome.body.unwrap();
    assert!(outcome.report.is_clean(), "{}", outcome.report);
    let ends: Vec<_> = outcome
        .report
        .sites
        .iter()
        .map(|site| (site.name.as_str(), ended(site)))
        .collect();
    assert_eq!(ends, [("queued", ABORTED), ("running", RETURNED)]);
}

#[test]
fn a_task_that_goes_down_with_its_local_set_is_dropped() {
    let outcome = Check::new("local").grace(Duration::from_millis(1)).run(async {
        let local = LocalSet::new();
        TaskTracker::named("ui").spawn_local_on(pending::<()>(), &local);
        drop(local);
    });
    assert_eq!(outcome.report.leaks.len(), 1, "{}", outcome.report);
    assert_eq!(ended(&outcome.report.sites[0]), [0, 0, 0, 0, 1]);

    let outside = Check::new("local outside").run_sync(|| {
        let local = LocalSet::new();
        TaskTracker::named("ui").spawn_local_on(pending::<()>(), &local);
        drop(local);
    });
    assert_eq!(ended(&outside.report.sites[0]), [0, 0, 0, 0, 1]);
}

#[test]
fn a_task_that_is_spawned_on_a_runtime_that_is_gone_is_dropped() {
    let outcome = Check::new("gone").grace(Duration::from_millis(1)).run(async {
        let gone = {
            let runtime = Builder::new_multi_thread().worker_threads(1).build().unwrap();
            let handle = runtime.handle().clone();
            runtime.shutdown_background();
            handle
        };
        drop(TaskTracker::named("late").spawn_on(pending::<()>(), &gone).await);
    });
    assert_eq!(ended(&outcome.report.sites[0]), [0, 0, 0, 0, 1], "{}", outcome.report);
}

#[test]
fn a_spawn_in_the_wrong_place_panics_and_leaves_no_task() {
    let outcome = Check::new("endings").run(async {
        let tasks = TaskTracker::named("lost");
        let spawn = || drop(tasks.spawn_local(async {}));
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(spawn)).unwrap_err();
        let outside = || std::thread::scope(|scope| scope.spawn(|| drop(tasks.spawn(async {}))).join());
        outside().unwrap_err();
    });
    outcome.body.unwrap();
    assert!(outcome.report.is_clean(), "{}", outcome.report);
}
