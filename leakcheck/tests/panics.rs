//! Panics of tracked tasks: those that nobody can have seen fail a test.
#![cfg(feature = "track")]

use std::panic::resume_unwind;

use leakcheck::{Check, Outcome, Panics, TaskTracker, ignore};
#[cfg(not(feature = "metrics"))]
use tokio::runtime::Builder;
#[cfg(not(feature = "metrics"))]
use tokio::task::LocalSet;
use tokio::task::yield_now;

/// As `panic!` does, without a word on stderr.
fn panic_with(message: &str) -> ! {
    resume_unwind(Box::new(message.to_owned()))
}

fn tasks() -> TaskTracker {
    TaskTracker::named("server").group("connection")
}

/// A task whose handle is gone before it panics.
async fn lose_a_panic() {
    drop(tasks().spawn_named("peer", async { panic_with("planned") }));
}

/// What a test reports, as `path: message, detached, denied`.
fn seen<T>(outcome: &Outcome<T>) -> Vec<(String, Option<&str>, bool, bool)> {
    let panics = outcome.report.panics.iter();
    panics
        .map(|panic| (panic.path(), panic.message.as_deref(), panic.detached, panic.denied))
        .collect()
}

const PEER: &str = "connection › peer";

// With the measurement around them, tasks are polled with a waker that is not tokio's.
#[cfg(not(feature = "metrics"))]
#[test]
fn a_panic_of_a_task_whose_handle_was_dropped_fails_the_test() {
    for mut runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        runtime.worker_threads(2);
        let outcome = Check::new("t").runtime(runtime).run(async {
            let (go, gone) = tokio::sync::oneshot::channel::<()>();
            let task = tasks().spawn_named("peer", async {
                gone.await.unwrap();
                panic_with("planned")
            });
            drop(task);
            go.send(()).unwrap();
        });
        assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), true, true)]);
        let report = outcome.report;
        assert!(!report.is_clean() && !report.is_silent());
        assert!(report.panics[0].spawned_at.file.ends_with("tests/panics.rs"));
        let text = report.to_string();
        assert!(
            text.starts_with("panicked: 1 task panicked and nobody awaited it, in test t"),
            "{text}"
        );
        assert!(text.contains("message      planned"), "{text}");
    }
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_panic_while_the_test_is_being_torn_down_fails_it_too() {
    let outcome = Check::new("t").run(async {
        drop(tasks().spawn_named("peer", async {
            yield_now().await;
            yield_now().await;
            panic_with("late")
        }));
    });
    assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("late"), true, true)]);
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_panic_of_a_local_task_is_like_any_other() {
    let outcome = Check::new("t").run(async {
        let local = LocalSet::new();
        let work = async {
            drop(tasks().spawn_local_named("peer", async { panic_with("planned") }));
            yield_now().await;
        };
        local.run_until(work).await;
    });
    assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), true, true)]);
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_panic_that_is_awaited_is_nobody_elses_business() {
    for policy in [Panics::Deny, Panics::Detached, Panics::Allow] {
        for mut runtime in [Builder::new_current_thread(), Builder::new_multi_thread()] {
            runtime.worker_threads(2);
            let outcome = Check::new("t").runtime(runtime).panics(policy).run(async {
                let (go, gone) = tokio::sync::oneshot::channel::<()>();
                let task = tasks().spawn(async {
                    gone.await.unwrap();
                    resume_unwind(Box::new(7_u32))
                });
                let awaiting = async { task.await.unwrap_err().into_panic() };
                // `join!` polls what is first first: the task goes on once its handle is awaited.
                let (payload, ()) = tokio::join!(biased; awaiting, async { go.send(()).unwrap() });
                assert_eq!(payload.downcast_ref(), Some(&7_u32), "it is the panic that it was");
            });
            assert!(outcome.body.is_ok());
            assert!(outcome.report.is_silent(), "{}", outcome.report);
        }
    }
}

#[test]
fn a_panic_whose_handle_is_kept_is_told_of_and_fails_only_where_that_is_asked_for() {
    for (policy, denied) in [(Panics::Detached, false), (Panics::Deny, true)] {
        let outcome = Check::new("t").panics(policy).run(async {
            let task = tasks().spawn_named("peer", async { panic_with("planned") });
            yield_now().await;
            [task]
        });
        assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), false, denied)]);
        assert_eq!(
            (outcome.report.is_clean(), outcome.report.is_silent()),
            (!denied, false)
        );
    }
}

#[test]
fn panics_that_are_allowed_are_not_reported() {
    let outcome = Check::new("t").panics(Panics::Allow).run(lose_a_panic());
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[test]
fn a_rule_ignores_panics_by_name_group_and_file() {
    for rule in [
        ignore::name("peer", "by name"),
        ignore::group("connection", "by group"),
        ignore::file("tests/panics.rs", "by file"),
    ] {
        let outcome = Check::new("t").ignore(rule).run(lose_a_panic());
        assert_eq!(seen(&outcome), []);
        assert_eq!(outcome.report.ignored[0].matched, 1);
    }
}

#[test]
fn a_panic_that_is_no_text_has_no_message() {
    let outcome = Check::new("t").run(async {
        drop(tasks().spawn_named("peer", async { resume_unwind(Box::new(7_u32)) }));
    });
    assert_eq!(outcome.report.panics[0].message, None);
    assert!(outcome.report.to_string().contains("message      not a text"));
}

#[test]
fn a_panic_of_a_blocking_closure_is_told_of() {
    let outcome = Check::new("t").run(async {
        drop(tasks().spawn_blocking_named("peer", || panic_with("planned")));
    });
    assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), false, false)]);
}

#[test]
fn a_panic_of_a_future_that_somebody_else_polls_is_not_reported() {
    let outcome = Check::new("t").panics(Panics::Deny).run(async {
        let future = tasks().track_future(async { panic_with("planned") });
        assert!(tokio::spawn(future).await.unwrap_err().is_panic());
    });
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[test]
fn a_panic_of_the_body_is_none_of_a_task() {
    let outcome = Check::new("t").run(async { panic_with("the body's own") });
    assert_eq!(outcome.body.unwrap_err().message(), Some("the body's own"));
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_check_without_a_runtime_of_its_own_reports_panics_too() {
    let outcome = Check::new("t").run_sync(|| {
        let runtime = Builder::new_current_thread().build().unwrap();
        runtime.block_on(async {
            lose_a_panic().await;
            yield_now().await;
        });
    });
    assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), true, true)]);
}

#[leakcheck::leakcheck(panics = allow)]
async fn the_attribute_has_the_policy_as_an_argument() {
    lose_a_panic().await;
}

#[leakcheck::leakcheck(panics = "allow", untracked = deny)]
async fn the_attribute_takes_a_policy_in_quotes() {
    lose_a_panic().await;
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_question_in_the_middle_of_a_test_hides_no_panic() {
    let outcome = Check::new("panics").run(async {
        let (go, going) = tokio::sync::oneshot::channel();
        drop(tasks().spawn_named("peer", async {
            let () = going.await.unwrap();
            panic_with("planned")
        }));
        yield_now().await;
        go.send(()).unwrap();
        leakcheck::dump().ask(std::time::Duration::from_secs(1)).await;
    });
    assert_eq!(seen(&outcome), [(PEER.to_owned(), Some("planned"), true, true)]);
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_hang_shows_the_panic_that_it_may_come_from() {
    let soon = std::time::Duration::from_millis(50);
    let outcome = Check::new("panics").timeout(soon).run(async {
        lose_a_panic().await;
        std::future::pending::<()>().await;
    });
    assert!(outcome.report.hung.is_some());
    assert_eq!(seen(&outcome).len(), 1, "{}", outcome.report);
    assert!(outcome.report.to_string().contains("planned"), "{}", outcome.report);
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_warning_of_one_run_is_a_warning_of_the_repeated_test() {
    let mut run = 0;
    let repeated = Check::new("panics").repeat(3).run(|| {
        run += 1;
        let second = run == 2;
        async move {
            if second {
                tokio::spawn(std::future::pending::<()>());
            }
        }
    });
    assert!(repeated.report.is_clean(), "{}", repeated.report);
    let untracked = repeated.report.untracked.expect("a warning");
    assert_eq!(untracked.count, 1);
}
