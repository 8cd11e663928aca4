//! Tasks are asked where they wait while they may end, be woken from elsewhere, or be unable to answer.
#![cfg(feature = "track")]

use std::future::{Future, pending, poll_fn};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Poll, Waker};
use std::time::Duration;

use leakcheck::report::LeakState;
use leakcheck::{Check, Report, TaskTracker};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;
use tokio::task::LocalSet;

const BRIEF: Duration = Duration::from_millis(1);

fn check() -> Check {
    Check::new("probing").grace(BRIEF)
}

fn multi_thread() -> Builder {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    builder
}

fn states(report: &Report) -> Vec<(&str, LeakState)> {
    report
        .leaks
        .iter()
        .map(|leak| (leak.name.as_str(), leak.state))
        .collect()
}

/// Counts its first poll, and is ready at its second: the question itself ends it.
fn ready_at_the_second_poll(begun: Arc<AtomicUsize>) -> impl Future<Output = ()> {
    let mut polls = 0;
    poll_fn(move |_| {
        polls += 1;
        if polls == 1 {
            begun.fetch_add(1, Ordering::SeqCst);
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
}

#[test]
fn a_task_that_ends_when_it_is_asked_is_no_leak() {
    for builder in [Builder::new_current_thread, multi_thread] {
        for _ in 0..20 {
            let outcome = check().grace(Duration::ZERO).runtime(builder()).run(async {
                let begun = Arc::<AtomicUsize>::default();
                for _ in 0..50 {
                    TaskTracker::new().spawn(ready_at_the_second_poll(begun.clone()));
                }
                // One that is asked before its first poll has that, and waits for ever then.
                while begun.load(Ordering::SeqCst) < 50 {
                    tokio::task::yield_now().await;
                }
            });
            assert!(outcome.report.is_clean(), "{}", outcome.report);
            assert_eq!(outcome.report.sites[0].seen, 50);
        }
    }
}

#[test]
fn a_task_that_panics_when_it_is_asked_is_no_leak() {
    let outcome = check().run(async {
        let mut polls = 0;
        TaskTracker::new().spawn(poll_fn(move |_| {
            polls += 1;
            if polls > 1 {
                std::panic::resume_unwind(Box::new("planned"));
            }
            Poll::<()>::Pending
        }));
    });
    // The panic is the question's doing.
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[test]
fn a_waker_that_was_cloned_for_a_question_works_after_it_from_any_thread() {
    let kept: Arc<Mutex<Vec<Waker>>> = Arc::default();
    let polls = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new().unwrap();
    let tasks = TaskTracker::named("outlives");
    let (keeps, counts) = (kept.clone(), polls.clone());
    let task = tasks.spawn_on(
        poll_fn(move |cx| {
            keeps.lock().unwrap().push(cx.waker().clone());
            if counts.fetch_add(1, Ordering::SeqCst) < 3 {
                Poll::Pending
            } else {
                Poll::Ready(())
            }
        }),
        runtime.handle(),
    );

    // Asked twice: that is two polls more, with wakers that are kept.
    for _ in 0..2 {
        let report = leakcheck::find();
        assert_eq!(
            states(&report),
            [(
                "PollFn<a_waker_that_was_cloned_for_a_question_works_after_it_from_any_thread>",
                LeakState::Waiting
            )]
        );
    }
    let wakers = std::mem::take(&mut *kept.lock().unwrap());
    assert_eq!(wakers.len(), 3);
    assert!(
        wakers.windows(2).all(|pair| pair[0].will_wake(&pair[1])),
        "each is a clone of the task's own waker"
    );
    std::thread::spawn(move || {
        let mut wakers = wakers;
        drop(wakers.remove(0));
        wakers.remove(0).wake();
        drop(wakers);
    })
    .join()
    .unwrap();
    runtime.block_on(task).unwrap();
    leakcheck::verify_none();
}

#[test]
fn a_task_whose_thread_is_blocked_is_told_as_one_that_does_not_answer() {
    let (release, released) = mpsc::channel::<()>();
    let (blocks, blocked) = tokio::sync::oneshot::channel();
    let outcome = check().runtime(multi_thread()).run(async {
        TaskTracker::new().spawn_named("blocked", async move {
            blocks.send(()).unwrap();
            released.recv().unwrap_err();
        });
        blocked.await.unwrap();
        TaskTracker::new().spawn_named("waiting", pending::<()>());
    });
    assert_eq!(
        states(&outcome.report),
        [("blocked", LeakState::Silent), ("waiting", LeakState::Waiting)]
    );
    assert!(
        outcome.report.to_string().contains("its thread is blocked"),
        "{}",
        outcome.report
    );
    drop(release);
}

#[test]
fn a_closure_on_a_blocking_thread_is_told_as_such_also_under_a_paused_clock() {
    for paused in [false, true] {
        let (release, released) = mpsc::channel::<()>();
        let outcome = check()
            .configure(|runtime| {
                runtime.start_paused(paused);
            })
            .run(async {
                TaskTracker::named("io").spawn_blocking_named("read", move || released.recv().unwrap_err());
            });
        assert_eq!(states(&outcome.report), [("read", LeakState::Blocking)]);
        assert!(
            outcome.report.to_string().contains("running on a blocking thread"),
            "{}",
            outcome.report
        );
        drop(release);
    }
}

#[test]
fn a_local_task_whose_set_does_not_run_is_told_as_undriven() {
    let local = LocalSet::new();
    let outcome = check().run(async {
        TaskTracker::new().spawn_local_on(pending::<()>(), &local);
    });
    assert_eq!(outcome.report.leaks[0].state, LeakState::Undriven);
}

#[test]
fn a_runtime_that_nobody_drives_is_told_from_one_that_does_not_answer() {
    let undriven = Builder::new_current_thread().build().unwrap();
    TaskTracker::new().spawn_on(pending::<()>(), undriven.handle());
    let report = leakcheck::find();
    assert_eq!(report.leaks[0].state, LeakState::Undriven);
    assert!(
        report.to_string().contains("its runtime is not being driven"),
        "{report}"
    );

    // From inside, at once: nobody else could drive it meanwhile.
    drop(undriven);
    let driven_by_this_thread = Builder::new_current_thread().build().unwrap();
    driven_by_this_thread.block_on(async {
        TaskTracker::new().spawn(pending::<()>());
        assert_eq!(leakcheck::find().leaks[0].state, LeakState::Undriven);
    });
}

#[test]
fn a_future_inside_of_a_tracked_task_is_asked_like_the_task() {
    let outcome = check().run(async {
        let tasks = TaskTracker::named("nested");
        let inner = tasks.clone();
        tasks.spawn_named("outer", async move {
            inner
                .track_future_named("inner", async { Notify::new().notified().await })
                .await;
        });
    });
    assert_eq!(
        states(&outcome.report),
        [("outer", LeakState::Waiting), ("inner", LeakState::Waiting)]
    );
    // What tokio-metrics measures inside of a task has a waker of its own, so that the task is told to wait for that.
    let outer = if cfg!(feature = "metrics") {
        "Instrumented"
    } else {
        "Notify::notified"
    };
    for (leak, leaf) in outcome.report.leaks.iter().zip([outer, "Notify::notified"]) {
        assert_eq!(leak.waiting.len(), 1, "{leak}");
        assert_eq!(leak.waiting[0].leaf, leaf, "{leak}");
    }
}

#[test]
fn thousands_of_tasks_are_told_apart_and_folded_in_the_text() {
    const TASKS: usize = 5_000;
    let outcome = check().runtime(multi_thread()).run(async {
        let tasks = TaskTracker::named("many");
        for number in 0..TASKS {
            tasks.group(format!("group:{number}")).spawn_named("manage", async {
                Notify::new().notified().await;
            });
        }
    });
    let report = &outcome.report;
    assert_eq!((report.leaks.len(), report.sites.len()), (TASKS, TASKS));
    assert_eq!(report.leaks[TASKS - 1].path(), "group:4999 › manage");
    // Some were asked, and stand for the others: all wait alike.
    let are = |state| report.leaks.iter().filter(|leak| leak.state == state).count();
    assert_eq!((are(LeakState::Waiting), are(LeakState::Unasked)), (16, TASKS - 16));
    let text = report.to_string();
    for said in [
        "leaked: 5,000 tasks outlived test probing".to_owned(),
        "group:* › manage                           × 5,000, alive ".to_owned(),
        "these        group:0 › manage, group:1 › manage, group:2 › manage and 4,997 more".to_owned(),
        "asked        16 tasks of these, and not the other 4,984".to_owned(),
        "Notify::notified".to_owned(),
    ] {
        assert!(text.contains(&said), "{said:?} is not in:\n{text}");
    }
}

#[test]
fn a_rule_for_a_function_has_every_task_asked() {
    const TASKS: usize = 300;
    async fn told_to_stay() {
        Notify::new().notified().await;
    }
    let outcome = check()
        .ignore(leakcheck::ignore::function("*told_to_stay", "planned"))
        .run(async {
            let tasks = TaskTracker::named("many");
            for _ in 0..TASKS {
                tasks.spawn_named("stays", told_to_stay());
            }
        });
    assert!(outcome.report.is_clean(), "{}", outcome.report);
    assert_eq!(outcome.report.ignored[0].matched, TASKS as u64);
}

#[test]
fn a_task_that_another_runtime_drives_has_the_grace_of_the_wall_clock_under_a_paused_one() {
    let elsewhere = multi_thread().build().unwrap();
    let (ask, asked) = mpsc::channel::<()>();
    let (release, released) = tokio::sync::oneshot::channel::<()>();
    let helper = std::thread::spawn(move || {
        asked.recv().unwrap();
        release.send(()).unwrap();
    });
    let grace = Duration::from_secs(3_600);
    let outcome = Check::new("elsewhere")
        .configure(|runtime| {
            runtime.start_paused(true);
        })
        .grace(grace)
        .run(async {
            TaskTracker::named("elsewhere").spawn_on(async { released.await.unwrap() }, elsewhere.handle());
            // When the paused clock is at the end of the grace, and some rounds more, the task may go.
            let end = tokio::time::Instant::now() + grace;
            tokio::spawn(async move {
                tokio::time::sleep_until(end).await;
                for _ in 0..200 {
                    tokio::task::yield_now().await;
                }
                ask.send(()).unwrap();
            });
        });
    outcome.body.unwrap();
    assert!(outcome.report.is_clean(), "{}", outcome.report);
    helper.join().unwrap();
}

#[test]
fn a_paused_clock_moves_by_the_grace_and_no_further() {
    let timer = Arc::new(Mutex::new(None));
    let woken = timer.clone();
    let outcome = Check::new("paused")
        .configure(|runtime| {
            runtime.start_paused(true);
        })
        .grace(Duration::from_secs(3_600))
        .run(async move {
            TaskTracker::new().spawn_named("long", async move {
                tokio::time::sleep(Duration::from_secs(3_601)).await;
                *woken.lock().unwrap() = Some(());
            });
        });
    assert_eq!(states(&outcome.report), [("long", LeakState::Waiting)]);
    assert_eq!(outcome.report.settled.as_secs(), 3_600);
    assert_eq!(
        *timer.lock().unwrap(),
        None,
        "the question did not move the clock to the next timer"
    );
}
