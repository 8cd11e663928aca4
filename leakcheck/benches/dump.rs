//! How long the live view of ten thousand tasks takes: as data, as text, and with where they wait.

use std::hint::black_box;
use std::time::Duration;

use criterion::Criterion;
use leakcheck::{TaskTracker, dump};
use tokio::sync::Notify;

const TASKS: usize = 10_000;

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(20);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let tracker = TaskTracker::named("bench");
    for number in 0..TASKS {
        let group = tracker.group(format!("connection:{}", number % 100));
        group.spawn_named_on(
            format!("127.0.0.1:{number}"),
            async { Notify::new().notified().await },
            runtime.handle(),
        );
    }
    let mut group = criterion.benchmark_group(format!("dump/{TASKS} tasks"));
    group.bench_function("as data", |b| b.iter(|| black_box(dump())));
    group.bench_function("as text", |b| b.iter(|| black_box(dump().to_string())));
    group.bench_function("asked", |b| {
        b.iter(|| runtime.block_on(async { black_box(dump().ask(Duration::from_secs(5)).await.to_string()) }));
    });
    group.finish();
    criterion.final_summary();
}
