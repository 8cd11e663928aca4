//! What a spawn costs through `leakcheck::TaskTracker`, beside tokio-util's and bare tokio: waited for by the tracker, and
//! joined one by one.
//!
//! `cargo bench -p leakcheck` measures it with the feature `track`, where a task may cost a microsecond more;
//! `cargo bench -p leakcheck --no-default-features` without, where it may cost five per cent more.

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{BenchmarkId, Criterion, Throughput};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinHandle;

/// Tasks a round: so many that what a round itself costs does not show.
const TASKS: u32 = 1_000;
/// Rounds of each kind in the comparison. They take turns, so that both see the same disturbances, and the quickest
/// counts, as disturbances only ever add.
const ROUNDS: u32 = 2_000;

/// Spawns tasks that end at once through a tracker, and waits for them.
macro_rules! round {
    ($name:ident, $tracker:ty) => {
        fn $name(runtime: &Runtime, tasks: &$tracker) {
            runtime.block_on(async {
                tasks.reopen();
                for number in 0..TASKS {
                    drop(tasks.spawn(async move { black_box(number) }));
                }
                tasks.close();
                tasks.wait().await;
            });
        }
    };
}

round!(by_tokio_util, tokio_util::task::TaskTracker);
round!(by_leakcheck, leakcheck::TaskTracker);

/// Spawns tasks that end at once, and joins each.
fn joined(runtime: &Runtime, spawn: impl Fn(u32) -> JoinHandle<u32>) {
    runtime.block_on(async {
        let mut joins = Vec::with_capacity(TASKS as usize);
        joins.extend((0..TASKS).map(spawn));
        for join in joins {
            black_box(join.await).expect("a task that ends");
        }
    });
}

fn joined_by_tokio(runtime: &Runtime) {
    joined(runtime, |number| tokio::spawn(async move { black_box(number) }));
}

fn joined_by_tokio_util(runtime: &Runtime, tasks: &tokio_util::task::TaskTracker) {
    joined(runtime, |number| tasks.spawn(async move { black_box(number) }));
}

fn joined_by_leakcheck(runtime: &Runtime, tasks: &leakcheck::TaskTracker) {
    joined(runtime, |number| tasks.spawn(async move { black_box(number) }));
}

struct Subjects {
    runtime: Runtime,
    theirs: tokio_util::task::TaskTracker,
    ours: leakcheck::TaskTracker,
    ours_in_a_group: leakcheck::TaskTracker,
}

impl Subjects {
    fn new(mut builder: Builder) -> Self {
        let ours = leakcheck::TaskTracker::named("bench");
        Self {
            runtime: builder.enable_all().build().expect("a runtime"),
            theirs: tokio_util::task::TaskTracker::new(),
            ours_in_a_group: ours.group("group"),
            ours,
        }
    }
}

fn current_thread() -> Subjects {
    Subjects::new(Builder::new_current_thread())
}

fn multi_thread() -> Subjects {
    let mut builder = Builder::new_multi_thread();
    builder.worker_threads(2);
    Subjects::new(builder)
}

fn spawn(criterion: &mut Criterion) {
    for (flavor, subjects) in [("current_thread", current_thread()), ("multi_thread", multi_thread())] {
        let Subjects {
            runtime,
            theirs,
            ours,
            ours_in_a_group,
        } = &subjects;
        let mut group = criterion.benchmark_group(format!("spawn/{flavor}"));
        group.throughput(Throughput::Elements(u64::from(TASKS)));
        group.bench_function(BenchmarkId::from_parameter("tokio-util"), |b| {
            b.iter(|| by_tokio_util(runtime, theirs));
        });
        group.bench_function(BenchmarkId::from_parameter("leakcheck"), |b| {
            b.iter(|| by_leakcheck(runtime, ours));
        });
        group.bench_function(BenchmarkId::from_parameter("leakcheck in a group"), |b| {
            b.iter(|| by_leakcheck(runtime, ours_in_a_group));
        });
        group.finish();

        let mut group = criterion.benchmark_group(format!("spawn and join/{flavor}"));
        group.throughput(Throughput::Elements(u64::from(TASKS)));
        group.bench_function(BenchmarkId::from_parameter("tokio"), |b| {
            b.iter(|| joined_by_tokio(runtime));
        });
        group.bench_function(BenchmarkId::from_parameter("tokio-util"), |b| {
            b.iter(|| joined_by_tokio_util(runtime, theirs));
        });
        group.bench_function(BenchmarkId::from_parameter("leakcheck"), |b| {
            b.iter(|| joined_by_leakcheck(runtime, ours));
        });
        group.finish();
    }
}

/// The quickest round of each kind, in nanoseconds a task.
fn compare<const KINDS: usize>(rounds: [&dyn Fn(); KINDS]) -> [f64; KINDS] {
    let mut quickest = [Duration::MAX; KINDS];
    for _ in 0..ROUNDS {
        for (round, quickest) in rounds.iter().zip(&mut quickest) {
            let begun = Instant::now();
            round();
            *quickest = begun.elapsed().min(*quickest);
        }
    }
    quickest.map(|round| round.as_secs_f64() * 1e9 / f64::from(TASKS))
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    spawn(&mut criterion);
    criterion.final_summary();
    let track = if cfg!(feature = "track") { "with" } else { "without" };
    report(&format!("{track} `track`"));
    // A check counts the tasks of each place besides.
    let _guard = leakcheck::guard();
    report(&format!("{track} `track`, inside of a check"));
}

fn report(how: &str) {
    let Subjects {
        runtime,
        theirs,
        ours,
        ours_in_a_group,
    } = &current_thread();
    let [theirs_waited, ours_waited, in_a_group] = compare([
        &|| by_tokio_util(runtime, theirs),
        &|| by_leakcheck(runtime, ours),
        &|| by_leakcheck(runtime, ours_in_a_group),
    ]);
    for (name, ns) in [("leakcheck", ours_waited), ("leakcheck in a group", in_a_group)] {
        print(how, name, ns, "tokio-util", theirs_waited);
    }
    let [tokio, theirs_joined, ours_joined] = compare([
        &|| joined_by_tokio(runtime),
        &|| joined_by_tokio_util(runtime, theirs),
        &|| joined_by_leakcheck(runtime, ours),
    ]);
    print(how, "leakcheck, joined", ours_joined, "tokio-util", theirs_joined);
    print(how, "leakcheck, joined", ours_joined, "tokio", tokio);
}

fn print(how: &str, name: &str, ns: f64, other: &str, others: f64) {
    println!(
        "{how}: {name} {ns:.0} ns a task, {other} {others:.0} ns: ratio {:.3}, {:+.0} ns",
        ns / others,
        ns - others
    );
}
