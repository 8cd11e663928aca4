//! What `install!` costs a spawn: while a check is running, and while none is.

#[cfg(feature = "install")]
leakcheck::install!();

#[cfg(feature = "install")]
mod measured {
    use std::time::Instant;

    use criterion::{BenchmarkId, Criterion, Throughput};
    use tokio::runtime::{Builder, Runtime};

    const TASKS: u32 = 1_000;
    const ROUNDS: u32 = 300;

    /// Spawns tasks that no tracker sees, and awaits them.
    fn spawn(runtime: &Runtime) {
        runtime.block_on(async {
            let mut tasks = Vec::with_capacity(TASKS as usize);
            tasks.extend((0..TASKS).map(|_| tokio::spawn(async {})));
            for task in tasks {
                task.await.expect("it returns");
            }
        });
    }

    /// The quickest round, in nanoseconds a task.
    fn quickest(runtime: &Runtime) -> f64 {
        let round = || {
            let begun = Instant::now();
            spawn(runtime);
            begun.elapsed()
        };
        let quickest = (0..ROUNDS).map(|_| round()).min().unwrap_or_default();
        quickest.as_secs_f64() * 1e9 / f64::from(TASKS)
    }

    pub fn compare() {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let without = quickest(&runtime);
        let guard = leakcheck::guard();
        let within = quickest(&runtime);
        drop(guard);
        println!(
            "spawn and join, a task: no check {without:.0} ns, inside of a check {within:.0} ns: {:+.0} ns",
            within - without
        );
    }

    pub fn measure(criterion: &mut Criterion) {
        let runtime = Builder::new_current_thread().build().expect("a runtime");
        let mut group = criterion.benchmark_group("install");
        group.throughput(Throughput::Elements(u64::from(TASKS)));
        group.bench_function(BenchmarkId::from_parameter("no check"), |b| b.iter(|| spawn(&runtime)));
        let guard = leakcheck::guard();
        group.bench_function(BenchmarkId::from_parameter("inside of a check"), |b| {
            b.iter(|| spawn(&runtime));
        });
        drop(guard);
        group.finish();
    }
}

fn main() {
    #[cfg(feature = "install")]
    {
        let mut criterion = criterion::Criterion::default().configure_from_args();
        measured::measure(&mut criterion);
        criterion.final_summary();
        measured::compare();
    }
    #[cfg(not(feature = "install"))]
    println!("nothing to measure without the feature `install`");
}
