//! With the feature `metrics`, each group measures its own tasks.
#![cfg(feature = "metrics")]

use leakcheck::TaskTracker;

#[tokio::test]
async fn a_group_measures_the_tasks_that_it_spawned() {
    let server = TaskTracker::named("server");
    let group = server.group("connection");
    for _ in 0..3 {
        group.spawn(tokio::task::yield_now()).await.unwrap();
    }
    server.spawn(async {}).await.unwrap();
    let metrics = group.metrics();
    assert_eq!(
        (
            metrics.instrumented_count,
            metrics.dropped_count,
            metrics.total_poll_count
        ),
        (3, 3, 6)
    );
    assert_eq!(server.metrics().instrumented_count, 1);
}

#[cfg(feature = "track")]
#[test]
fn a_measured_task_is_asked_like_any_other() {
    let outcome = leakcheck::Check::new("measured")
        .grace(std::time::Duration::from_millis(1))
        .run(async {
            TaskTracker::named("measured").spawn(async { tokio::sync::Notify::new().notified().await });
        });
    assert_eq!(outcome.report.leaks[0].waiting[0].leaf, "Notify::notified");
    assert_eq!(outcome.report.leaks[0].waiting_at.as_ref().unwrap().file, file!());
}
