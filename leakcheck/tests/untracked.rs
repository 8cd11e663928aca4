//! Without the feature `track` everything is there, nothing is known, and nothing is claimed.
#![cfg(not(feature = "track"))]

use std::future::pending;

use leakcheck::{Check, TaskTracker, leakcheck};

#[leakcheck(flavor = "multi_thread", worker_threads = 2)]
async fn a_test_runs_and_is_not_checked() {
    TaskTracker::named("unknown")
        .group("group")
        .spawn_named("task", pending::<()>());
    assert!(leakcheck::tasks().is_empty());
}

#[leakcheck]
#[should_panic(expected = "the body's own panic")]
async fn a_test_fails_as_it_would_alone() {
    panic!("the body's own panic");
}

#[test]
fn a_report_says_that_nothing_was_checked() {
    let outcome = Check::new("unchecked").run(async {
        let tasks = TaskTracker::named("unknown");
        tasks.spawn(pending::<()>());
        tasks.len()
    });
    assert_eq!(outcome.body.unwrap(), 1);
    assert!(!outcome.report.tracked && outcome.report.is_clean());
    assert_eq!(
        outcome.report.to_string(),
        "not checked: leakcheck was built without its feature `track`\n"
    );
    leakcheck::verify_none();
    drop(leakcheck::guard());
}

#[tokio::test]
async fn a_tracker_counts_and_waits_all_the_same() {
    let tasks = TaskTracker::named("counts");
    let group = tasks.group("group");
    let inner = group.group("inner");
    let task = inner.spawn_named("task", async { 7 });
    let blocking = group.spawn_blocking(|| 8);
    assert_eq!((tasks.len(), group.len(), inner.len()), (2, 2, 1));
    tasks.close();
    tasks.wait().await;
    assert_eq!((task.await.unwrap(), blocking.await.unwrap()), (7, 8));
    assert!(tasks.is_empty() && group.is_empty() && inner.is_empty());
}
