//! What a check calls when it is over.
#![cfg(feature = "track")]

use std::future::pending;
use std::sync::{Arc, Mutex};

use leakcheck::{Check, TaskTracker};

/// What is called of a cleanup and a function for failures, in order, with the number of leaks.
fn called(body: impl Future<Output = ()>) -> Vec<(&'static str, usize)> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let note = |what: &'static str| {
        let calls = calls.clone();
        move |report: &leakcheck::Report| calls.lock().unwrap().push((what, report.leaks.len()))
    };
    let check = Check::new("a_test")
        .cleanup(note("first cleanup"))
        .on_failure(note("failure"))
        .cleanup(note("second cleanup"));
    drop(check.run(body));
    calls.lock().unwrap().clone()
}

#[test]
fn a_cleanup_runs_after_every_check_and_what_is_for_failures_before_it() {
    assert_eq!(called(async {}), [("first cleanup", 0), ("second cleanup", 0)]);
    let leaking = called(async { drop(TaskTracker::new().spawn(pending::<()>())) });
    assert_eq!(leaking, [("failure", 1), ("first cleanup", 1), ("second cleanup", 1)]);
    let panicking = called(async { panic!("planted") });
    assert_eq!(panicking, [("failure", 0), ("first cleanup", 0), ("second cleanup", 0)]);
}

#[test]
fn a_check_of_a_sync_test_calls_them_too() {
    let calls = Arc::new(Mutex::new(0));
    let counted = calls.clone();
    let check = Check::new("a_test").cleanup(move |_| *counted.lock().unwrap() += 1);
    drop(check.run_sync(|| 7));
    assert_eq!(*calls.lock().unwrap(), 1);
}
