//! What it costs to shut a small scenario down at each of its steps. Target: 1,000 steps within 2 s.

use std::time::{Duration, Instant};

use criterion::Criterion;
use leakcheck::{Exploration, Explore, Shutdown, TaskTracker};
use tokio::sync::mpsc;

/// Two tasks and a body that pass orders on, in about so many steps.
async fn scenario(shutdown: Shutdown, steps: u32) {
    let tasks = TaskTracker::named("server");
    let (orders, mut incoming) = mpsc::channel(1);
    let (bills, mut sent) = mpsc::channel(1);
    let stop = shutdown.child_token();
    tasks.spawn_named("bill", async move {
        while let Some(Some(order)) = stop.run_until_cancelled(incoming.recv()).await {
            let _ = bills.send(order).await;
        }
    });
    tasks.spawn_named("send", async move { while let Some(()) = sent.recv().await {} });
    let operation = async {
        for _ in 0..steps / 3 {
            let _ = orders.send(()).await;
            tokio::task::yield_now().await;
        }
    };
    shutdown.interrupt(operation).await;
    let stopped = tasks.shutdown(&shutdown, Duration::from_secs(5)).await;
    stopped.expect("both listen");
}

fn explored(steps: u32) -> Exploration {
    let explored = Explore::new("bench").run(|shutdown| scenario(shutdown, steps));
    assert!(explored.is_clean(), "{explored}");
    explored
}

fn main() {
    let mut criterion = Criterion::default().configure_from_args().sample_size(10);
    criterion.bench_function("explore/100 steps", |b| b.iter(|| explored(100)));
    criterion.final_summary();
    let begun = Instant::now();
    let explored = explored(1_000);
    let took = begun.elapsed();
    println!("{} steps in {:.2} s", explored.steps, took.as_secs_f64());
}
