//! Checks without the attribute, and what they may be told to overlook.
#![cfg(feature = "track")]

use std::future::pending;

use leakcheck::{Ignore, TaskTracker, ignore};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

/// A runtime with a task that stays for as long as the runtime does.
fn runtime_with_a_task() -> Runtime {
    let runtime = Runtime::new().unwrap();
    TaskTracker::named("plain")
        .group("pool")
        .spawn_named_on("reaper", reap(), runtime.handle());
    runtime
}

async fn reap() {
    Notify::new().notified().await;
}

#[test]
fn verify_none_passes_when_the_tasks_have_ended() {
    let runtime = Runtime::new().unwrap();
    let brief = async {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    };
    TaskTracker::new().spawn_on(brief, runtime.handle());
    leakcheck::verify_none();
}

#[test]
fn find_returns_the_report_as_data() {
    let runtime = runtime_with_a_task();
    let report = leakcheck::find();
    assert_eq!((report.is_clean(), report.leaks.len()), (false, 1));
    assert_eq!(report.leaks[0].waiting[0].leaf, "Notify::notified");
    drop(runtime);
    assert!(leakcheck::find().is_clean());
}

#[test]
fn a_guard_does_not_see_what_was_there_before_it() {
    let _runtime = runtime_with_a_task();
    drop(leakcheck::guard());
}

#[test]
fn a_rule_may_match_a_name_a_group_a_file_or_a_function() {
    let runtime = runtime_with_a_task();
    for rule in [
        ignore::name("reap*", "by name"),
        ignore::group("pool", "by group"),
        ignore::file("tests/plain.rs", "by file"),
        ignore::function("plain::reap", "by function"),
    ] {
        let report = leakcheck::find_ignoring([rule.clone()]);
        assert!(report.is_clean(), "{rule:?}: {report}");
        assert_eq!(
            (report.ignored[0].matched, &*report.ignored[0].reason),
            (1, rule.reason())
        );
        assert!(
            report
                .to_string()
                .contains(&format!("ignored: 1 task, {}", rule.describe())),
            "{report}"
        );
        leakcheck::verify_none_ignoring([rule]);
    }
    drop(leakcheck::guard().ignoring([ignore::name("none", "nothing is spawned here")]));
    drop(runtime);
}

#[test]
fn a_rule_that_matches_nothing_is_told_of() {
    let report = leakcheck::find_ignoring([ignore::name("gone", "it was there once")]);
    assert!(report.is_clean() && !report.is_silent());
    assert_eq!(report.ignored[0].matched, 0);
    assert!(
        report
            .to_string()
            .contains("nothing matched the ignore rule for name `gone` (it was there once)"),
        "{report}"
    );
}

#[test]
fn the_first_rule_that_matches_a_task_counts_it() {
    let _runtime = runtime_with_a_task();
    let rules: Vec<Ignore> = vec![ignore::name("reaper", "first"), ignore::group("pool", "second")];
    let report = leakcheck::find_ignoring(rules);
    let matched: Vec<_> = report
        .ignored
        .iter()
        .map(|rule| (rule.reason.as_str(), rule.matched))
        .collect();
    assert_eq!(matched, [("first", 1), ("second", 0)]);
}

#[test]
fn a_task_that_is_not_tracked_is_not_seen() {
    let runtime = Runtime::new().unwrap();
    runtime.spawn(pending::<()>());
    leakcheck::verify_none();
}
