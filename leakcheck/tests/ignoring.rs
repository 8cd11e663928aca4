//! What each rule lets stay, and what it does not; and what the report says of it.
#![cfg(feature = "track")]

use std::future::pending;

use leakcheck::{Check, Ignore, Report, TaskTracker, ignore, leakcheck};
use tokio::sync::Notify;

async fn reap() {
    Notify::new().notified().await;
}

async fn deeper() {
    reap().await;
}

struct Pool(TaskTracker);

impl Pool {
    fn start(&self, name: &'static str) {
        self.0.spawn_named(name, reap());
    }
}

/// What is left of three tasks: `one` waits in `reap`, `two` in `reap` below `deeper`, and `three` was started by the pool.
fn left(rules: impl IntoIterator<Item = Ignore>) -> Report {
    let outcome = Check::new("a_test").ignoring(rules).run(async {
        let tasks = TaskTracker::named("server");
        tasks.spawn_named("one", reap());
        tasks.spawn_named("two", deeper());
        tasks.spawn_named("never", pending::<()>());
        Pool(tasks.clone()).start("three");
    });
    outcome.report
}

fn names(report: &Report) -> Vec<&str> {
    report.leaks.iter().map(|leak| leak.name.as_str()).collect()
}

#[test]
fn a_rule_for_a_function_holds_for_its_callers_and_one_for_the_top_function_does_not() {
    assert_eq!(names(&left([])), ["one", "two", "never", "three"]);
    assert_eq!(
        names(&left([ignore::function("ignoring::deeper", "r")])),
        ["one", "never", "three"]
    );
    assert_eq!(names(&left([ignore::function("*::reap", "r")])), ["never"]);
    let top = left([ignore::top_function("*::deeper", "r")]);
    assert_eq!(names(&top), ["one", "two", "never", "three"]);
    assert_eq!(names(&left([ignore::top_function("ignoring::reap", "r")])), ["never"]);
    assert!(top.to_string().contains("unused: nothing matched"), "{top}");
}

#[test]
fn a_rule_for_the_function_that_spawned_a_task_is_read_from_the_source() {
    let report = left([ignore::spawned_by("ignoring::Pool::start", "pooled")]);
    assert_eq!(names(&report), ["one", "two", "never"]);
    assert!(
        report
            .to_string()
            .contains("ignored: 1 task, spawned by `ignoring::Pool::start` (pooled)"),
        "{report}"
    );
    assert_eq!(names(&left([ignore::spawned_by("*::left", "r")])), ["three"]);
}

#[leakcheck(ignore = ignore::current("there before"))]
async fn what_lives_when_the_rule_is_made_may_stay_and_nothing_else() {
    let tasks = TaskTracker::named("server");
    let kept = tasks.spawn_named("kept", pending::<()>());
    let before = ignore::current("a fixture");
    let again = tasks.spawn_named("kept", pending::<()>());
    let report = leakcheck::find_ignoring([before.clone()]);
    assert_eq!(names(&report), ["kept"], "{report}");
    assert_eq!(report.ignored[0].matched, 1, "{report}");
    for task in [again, kept] {
        task.abort();
        drop(task.await);
    }
    let report = leakcheck::find_ignoring([before]);
    assert!(report.ignored.is_empty(), "{report}");
}

mod my_pool {
    use leakcheck::ignore::{self, Rules};

    pub fn leakcheck_rules() -> Rules {
        ignore::published_by(
            "my-pool",
            [
                ignore::name("reaper", "one a process"),
                ignore::name("resolver", "shared"),
            ],
        )
    }
}

#[leakcheck(ignore = my_pool::leakcheck_rules(), ignore = [ignore::name("flush", "known"), ignore::name("sync", "known")])]
async fn published_rules_stand_beside_a_tests_own() {
    let tasks = TaskTracker::new();
    for name in ["reaper", "flush", "sync"] {
        tasks.spawn_named(name, pending::<()>());
    }
}

#[test]
fn a_published_rule_is_in_the_report_when_it_was_used_and_not_when_it_was_not() {
    let report = Check::new("a_test")
        .ignore(my_pool::leakcheck_rules())
        .run(async { drop(TaskTracker::new().spawn_named("reaper", pending::<()>())) })
        .report;
    assert!(report.is_clean(), "{report}");
    let text = report.to_string();
    assert!(
        text.contains("ignored: 1 task, name `reaper`, published by my-pool (one a process)"),
        "{text}"
    );
    assert!(!text.contains("resolver"), "{text}");
}
