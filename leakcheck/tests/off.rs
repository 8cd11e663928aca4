//! Without the feature `track` everything is there, nothing is known, and nothing is claimed.
#![cfg(not(feature = "track"))]

use std::fs;
use std::future::pending;
use std::path::PathBuf;
use std::process::Command;

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

#[test]
fn a_check_writes_that_it_looked_at_nothing() {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("off-{}", std::process::id()));
    let ran = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "a_test_runs_and_is_not_checked"])
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .output()
        .unwrap();
    assert!(ran.status.success(), "{ran:?}");
    let files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let line: serde_json::Value = serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(
        (&line["test"], &line["verdict"]),
        (&"off::a_test_runs_and_is_not_checked".into(), &"unchecked".into())
    );
    fs::remove_dir_all(directory).unwrap();
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

#[cfg(feature = "test-util")]
#[test]
fn an_exploration_runs_its_scenario_once_and_says_that_it_looked_at_nothing() {
    let mut runs = 0;
    let explored = leakcheck::Explore::new("a scenario").run(|shutdown| {
        runs += 1;
        async move { assert!(!shutdown.is_cancelled()) }
    });
    assert!(explored.is_clean() && !explored.complete && explored.steps == 0);
    assert!(explored.to_string().contains("not checked"), "{explored}");
    assert_eq!(runs, 1);
}
