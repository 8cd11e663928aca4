//! How long a check takes to report what a test leaves behind, from the end of the grace on.

use std::future::pending;
use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion};
use leakcheck::{Check, Report, TaskTracker};
use tokio::sync::Notify;

/// Leaves so many tasks of two kinds, and says how long it took to look at them and to write the text.
fn leave(tasks: usize) -> (Report, Duration) {
    let mut begun = Instant::now();
    let outcome = Check::new("bench").grace(Duration::ZERO).run(async {
        let tracker = TaskTracker::named("bench");
        for number in 0..tasks / 2 {
            let group = tracker.group(format!("group:{number}"));
            group.spawn_named("manage", async { Notify::new().notified().await });
            group.spawn_named(format!("peer {number}"), pending::<()>());
        }
        // Until each has begun to wait.
        while leakcheck::tasks().iter().any(|task| task.polls == 0) {
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        }
        begun = Instant::now();
    });
    black_box(outcome.report.to_string());
    (outcome.report, begun.elapsed())
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    let mut group = criterion.benchmark_group("report");
    for tasks in [10, 1_000, 10_000, 100_000] {
        group.bench_function(BenchmarkId::from_parameter(tasks), |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| leave(tasks).1).sum());
        });
    }
    group.finish();
    criterion.final_summary();
    let (report, took) = leave(100_000);
    let lines = report.to_string().lines().count();
    println!(
        "{} leaks: {lines} lines, {:.3} s",
        report.leaks.len(),
        took.as_secs_f64()
    );
}
