//! With the allocator installed, tasks that no tracker saw are told by where they were spawned.
#![cfg(feature = "install")]

use std::future::pending;
use std::sync::Barrier;
use std::sync::mpsc::channel;
use std::time::Duration;

use leakcheck::TaskKind;
use leakcheck::report::{Known, UntrackedSpawn};
use leakcheck::{Check, Report, TaskTracker};
use tokio::runtime::{Builder, Runtime};
use tokio::task::{JoinSet, LocalSet, yield_now};

leakcheck::install!();

const BRIEF: Duration = Duration::from_millis(1);

fn runtimes() -> [Builder; 2] {
    let mut workers = Builder::new_multi_thread();
    workers.worker_threads(2);
    [Builder::new_current_thread(), workers]
}

/// What was spawned, as its kind, its number, and the function that did.
fn spawned(report: &Report) -> Vec<(TaskKind, usize, &str)> {
    let spawns = report.untracked.iter().flat_map(|tasks| &tasks.spawned);
    spawns.map(|spawn| (spawn.kind, spawn.count, by(spawn))).collect()
}

fn by(spawn: &UntrackedSpawn) -> &str {
    let frame = spawn.frames.first().expect("a line of this file");
    assert_eq!(frame.file, "leakcheck/tests/install.rs");
    &frame.function
}

fn count(report: &Report) -> usize {
    report.untracked.as_ref().map_or(0, |tasks| tasks.count)
}

fn accept() {
    tokio::spawn(pending::<()>());
}

async fn serve() {
    accept();
    accept();
    let mut peers = JoinSet::new();
    peers.spawn(pending::<()>());
    peers.detach_all();
}

#[test]
fn tasks_are_told_by_the_lines_that_spawned_them() {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(serve());
        let report = outcome.report;
        assert_eq!(
            spawned(&report),
            [
                // Two calls of `accept`, at two lines.
                (TaskKind::Async, 1, "install::accept"),
                (TaskKind::Async, 1, "install::accept"),
                (TaskKind::Async, 1, "install::serve"),
            ],
            "{report}"
        );
        let tasks = report.untracked.as_ref().unwrap();
        assert_eq!((tasks.count, tasks.known), (3, Known::Named));
        assert_eq!(tasks.spawned[0].frames[1].function, "install::serve");
        let text = report.to_string();
        assert!(text.contains("spawned at   leakcheck/tests/install.rs:"), "{text}");
        assert!(text.contains("a task, in install::accept"), "{text}");
    }
}

#[test]
fn tasks_of_one_line_are_told_as_one_with_their_number() {
    let outcome = Check::new("t").grace(BRIEF).run(async {
        for _ in 0..100 {
            accept();
        }
    });
    assert_eq!(spawned(&outcome.report), [(TaskKind::Async, 100, "install::accept")]);
}

#[test]
fn a_task_that_a_worker_spawns_is_told_of_too() {
    let [_, workers] = runtimes();
    let outcome = Check::new("t").grace(BRIEF).runtime(workers).run(async {
        tokio::spawn(async { accept() }).await.unwrap();
    });
    assert_eq!(spawned(&outcome.report), [(TaskKind::Async, 1, "install::accept")]);
}

#[test]
fn tracked_tasks_are_not_told_of() {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
            let tasks = TaskTracker::new();
            tasks.spawn(pending::<()>());
            tasks.spawn(pending::<()>()).abort();
            tokio::spawn(tasks.track_future(pending::<()>()));
            yield_now().await;
            accept();
        });
        assert_eq!(outcome.report.leaks.len(), 2);
        assert_eq!(count(&outcome.report), 1, "{}", outcome.report);
        assert_eq!(spawned(&outcome.report), [(TaskKind::Async, 1, "install::accept")]);
    }
}

#[test]
fn a_completed_task_whose_handle_lives_is_not_told_of() {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
            let mut completed = tokio::spawn(async {});
            let mut closure = tokio::task::spawn_blocking(|| ());
            (&mut completed).await.unwrap();
            (&mut closure).await.unwrap();
            accept();
            (completed, closure)
        });
        assert_eq!(spawned(&outcome.report), [(TaskKind::Async, 1, "install::accept")]);
    }
}

#[test]
fn a_closure_on_a_blocking_thread_is_told_of_as_long_as_it_runs() {
    for runtime in runtimes() {
        let (keeps, never) = channel::<()>();
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async move {
            drop(tokio::task::spawn_blocking(move || never.recv().is_ok()));
            drop(tokio::task::spawn_blocking(|| ()).await);
        });
        drop(keeps);
        let report = outcome.report;
        assert_eq!(count(&report), 1, "{report}");
        assert_eq!(report.untracked.as_ref().unwrap().spawned[0].kind, TaskKind::Blocking);
        assert!(report.to_string().contains("a blocking task, in install::"), "{report}");
    }
}

#[test]
fn a_task_of_a_local_set_that_is_kept_is_told_of() {
    let outcome = Check::new("t").grace(BRIEF).run(async {
        let local = LocalSet::new();
        local.spawn_local(pending::<()>());
        [local]
    });
    let report = outcome.report;
    assert_eq!(count(&report), 1, "{report}");
    assert_eq!(report.untracked.as_ref().unwrap().spawned[0].kind, TaskKind::Local);
}

#[test]
fn a_task_of_a_local_set_that_is_gone_is_not() {
    let outcome = Check::new("t").grace(BRIEF).run(async {
        let local = LocalSet::new();
        [local.spawn_local(pending::<()>())]
    });
    assert!(outcome.body.is_ok());
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[test]
fn a_check_without_a_runtime_of_its_own_tells_of_what_its_thread_spawned() {
    let runtime = Runtime::new().unwrap();
    let outcome = Check::new("t").grace(BRIEF).run_sync(|| {
        let _entered = runtime.enter();
        accept();
    });
    assert_eq!(spawned(&outcome.report), [(TaskKind::Async, 1, "install::accept")]);

    let outcome = Check::new("t").grace(BRIEF).run_sync(|| {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async { accept() });
    });
    assert!(
        outcome.report.is_silent(),
        "it went down with its runtime: {}",
        outcome.report
    );
}

#[test]
fn tests_side_by_side_do_not_see_each_others_tasks() {
    const TESTS: usize = 8;
    let all_here = Barrier::new(TESTS);
    std::thread::scope(|threads| {
        for number in 0..TESTS {
            let all_here = &all_here;
            threads.spawn(move || {
                let [one, other] = runtimes();
                let runtime = if number % 2 == 0 { one } else { other };
                let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
                    for _ in 0..number {
                        tokio::spawn(async { accept() }).await.unwrap();
                    }
                    all_here.wait();
                });
                let told: usize = spawned(&outcome.report).iter().map(|(_, count, _)| count).sum();
                assert_eq!((count(&outcome.report), told), (number, number), "{}", outcome.report);
                // The others look while these tasks are there.
                all_here.wait();
            });
        }
    });
}

/// As aligned as a task, and no task.
#[repr(align(128))]
struct Aligned([usize; 32]);

#[test]
fn other_allocations_of_that_alignment_are_no_tasks() {
    let outcome = Check::new("t").grace(BRIEF).run(async {
        let here = Box::new(Aligned([64; 32]));
        let on_a_thread = tokio::task::spawn_blocking(|| Box::new(Aligned([64; 32]))).await;
        let in_a_task = tokio::spawn(async { Box::new(Aligned([64; 32])) }).await;
        let local = LocalSet::new();
        let in_a_local_task = local.run_until(async {
            let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
            let aligned = tokio::task::spawn_local(async { Box::new(Aligned([64; 32])) });
            (aligned.await, listener)
        });
        let in_a_local_task = in_a_local_task.await;
        assert_eq!(here.0[0], 64);
        (here, on_a_thread, in_a_task, in_a_local_task)
    });
    assert!(outcome.body.is_ok());
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}
