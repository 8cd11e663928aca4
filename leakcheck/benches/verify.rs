//! What a check costs that finds nothing, which is what nearly every check finds.
//!
//! `benches/goleak/run.sh` measures goleak's beside it, where Go is there.

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use leakcheck::{Check, TaskTracker};
use tokio::runtime::{Builder, Runtime};

/// Live tasks of other tests, which a check has to pass over.
const OTHERS: usize = 1_000;

fn runtime() -> Runtime {
    Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn verify(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("verify");
    group
        .measurement_time(Duration::from_secs(2))
        .warm_up_time(Duration::from_millis(500));

    let clean = runtime();
    let ended = TaskTracker::named("ended");
    clean.block_on(async { ended.spawn(async {}).await.expect("the task") });
    group.bench_function("verify_none", |b| b.iter(leakcheck::verify_none));
    group.bench_function("find", |b| b.iter(|| black_box(leakcheck::find())));
    group.bench_function("guard around a task", |b| {
        b.iter(|| {
            let _guard = leakcheck::guard();
            clean.block_on(async { ended.spawn(async {}).await.expect("the task") });
        });
    });

    let others = std::thread::spawn(|| {
        let runtime = runtime();
        let tasks = TaskTracker::named("others");
        for _ in 0..OTHERS {
            tasks.spawn_on(std::future::pending::<()>(), runtime.handle());
        }
        runtime
    });
    let others = others.join().expect("the thread of the others");
    group.bench_function("verify_none beside 1,000 tasks of other tests", |b| {
        b.iter(leakcheck::verify_none);
    });
    drop(others);

    // With what a runtime costs: what the attribute adds to it, against what `#[tokio::test]` does.
    group.bench_function("a runtime", |b| {
        b.iter(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async { black_box(()) });
        });
    });
    group.bench_function("a check with its runtime", |b| {
        b.iter(|| black_box(Check::new("clean").run(async { black_box(()) })));
    });
    group.finish();
}

criterion_group!(benches, verify);
criterion_main!(benches);
