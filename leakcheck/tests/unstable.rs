//! With `--cfg tokio_unstable`, tokio itself tells where the tasks come from that no tracker saw.
#![cfg(all(feature = "track", tokio_unstable))]

use std::future::pending;
use std::time::Duration;

use leakcheck::report::Known;
use leakcheck::{Check, TaskTracker};
use tokio::task::yield_now;

#[test]
fn tasks_are_told_by_the_line_that_spawned_them() {
    let outcome = Check::new("t").grace(Duration::from_millis(1)).run(async {
        let tasks = TaskTracker::new();
        tasks.spawn(pending::<()>());
        tokio::spawn(tasks.track_future(pending::<()>()));
        tokio::spawn(async {});
        for _ in 0..2 {
            tokio::spawn(pending::<()>());
        }
        yield_now().await;
    });
    let tasks = outcome.report.untracked.expect("two tasks");
    assert_eq!((tasks.count, tasks.known), (2, Known::Exact));
    let [spawn] = &tasks.spawned[..] else {
        panic!("one line: {tasks:?}")
    };
    assert_eq!(spawn.count, 2);
    // An older tokio tells their number alone.
    assert!(spawn.frames.iter().all(|frame| frame.file == file!()), "{spawn:?}");
}

#[test]
fn without_the_end_of_each_task_nothing_is_told_exactly() {
    let check = Check::new("t").grace(Duration::from_millis(1)).configure(|runtime| {
        runtime.on_task_terminate(|_| ());
    });
    let outcome = check.run(async {
        tokio::spawn(async {}).await.unwrap();
        tokio::spawn(pending::<()>());
    });
    let tasks = outcome.report.untracked.expect("one task");
    assert_eq!((tasks.count, tasks.known), (1, Known::Counted));
}
