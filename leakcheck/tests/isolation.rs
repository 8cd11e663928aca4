//! Tests that run side by side in one process see their own tasks alone.
#![cfg(feature = "track")]

use std::future::pending;
use std::sync::{Arc, Barrier, LazyLock};
use std::time::Duration;

use leakcheck::{Check, Report, TaskTracker};
use tokio::runtime::{Builder, Runtime};

const BRIEF: Duration = Duration::from_millis(1);

fn paths(report: &Report) -> Vec<String> {
    report.leaks.iter().map(leakcheck::Leak::path).collect()
}

/// Runs `body` on several threads, all of them inside of their checks at the same time.
fn side_by_side(body: impl Fn(usize, &Barrier) + Sync) {
    const TESTS: usize = 8;
    let all_here = Barrier::new(TESTS);
    std::thread::scope(|threads| {
        for number in 0..TESTS {
            let (body, all_here) = (&body, &all_here);
            threads.spawn(move || body(number, all_here));
        }
    });
}

#[test]
fn checks_with_runtimes_of_their_own_do_not_see_each_others_tasks() {
    side_by_side(|number, all_here| {
        let mut builder = match number % 2 {
            0 => Builder::new_current_thread(),
            _ => Builder::new_multi_thread(),
        };
        builder.worker_threads(2);
        let outcome = Check::new(format!("test {number}"))
            .grace(BRIEF)
            .runtime(builder)
            .run(async {
                let tasks = TaskTracker::named("side");
                tasks.spawn_named(number.to_string(), pending::<()>());
                // One that a worker spawns, from a task that nobody tracks.
                tokio::spawn(async move {
                    drop(tasks.spawn_named(format!("{number} from a worker"), pending::<()>()));
                })
                .await
                .unwrap();
                all_here.wait();
            });
        outcome.body.unwrap();
        assert_eq!(
            paths(&outcome.report),
            [format!("side › {number}"), format!("side › {number} from a worker")]
        );
        assert_eq!(outcome.report.sites.iter().map(|site| site.seen).sum::<u64>(), 2);
        all_here.wait();
    });
}

#[test]
fn plain_tests_on_threads_of_their_own_do_not_see_each_others_tasks() {
    side_by_side(|number, all_here| {
        let runtime = Runtime::new().unwrap();
        let tasks = TaskTracker::named("plain");
        tasks.spawn_named_on(number.to_string(), pending::<()>(), runtime.handle());
        all_here.wait();
        assert_eq!(paths(&leakcheck::find()), [format!("plain › {number}")]);
        all_here.wait();
    });
}

#[test]
fn on_a_runtime_that_tests_share_each_sees_what_it_spawned_itself_and_its_descendants() {
    let shared = Arc::new(Runtime::new().unwrap());
    side_by_side(|number, all_here| {
        let tasks = TaskTracker::named("shared");
        let child = tasks.clone();
        let outcome = Check::new("shared").grace(BRIEF).run_sync(|| {
            let parent = tasks.spawn_named_on(
                format!("parent {number}"),
                async move {
                    child.spawn_named(format!("child {number}"), pending::<()>());
                },
                shared.handle(),
            );
            shared.block_on(parent).unwrap();
            all_here.wait();
        });
        outcome.body.unwrap();
        assert_eq!(paths(&outcome.report), [format!("shared › child {number}")]);
        all_here.wait();
    });
}

#[test]
fn on_a_runtime_that_tests_share_no_test_is_charged_with_another_ones_untracked_spawns() {
    static SHARED: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());

    let first = Check::new("first").grace(BRIEF).run_sync(|| {
        let own = TaskTracker::named("first").spawn_on(async {}, SHARED.handle());
        SHARED.block_on(own).unwrap();
        let second = || {
            Check::new("second").grace(BRIEF).run_sync(|| {
                // A task that nobody tracks spawns one that is tracked, on a worker of the runtime.
                let nobodys =
                    SHARED.spawn(async { TaskTracker::named("second").spawn(pending::<()>()).abort_handle() });
                SHARED.block_on(nobodys).unwrap()
            })
        };
        let second = std::thread::scope(|threads| threads.spawn(second).join().unwrap());
        assert!(second.report.is_clean(), "{}", second.report);
        second.body.unwrap()
    });

    assert!(first.report.is_clean(), "{}", first.report);
    assert_eq!(first.report.sites.iter().map(|site| site.seen).sum::<u64>(), 1);
    first.body.unwrap().abort();
}

#[test]
fn a_check_inside_of_another_takes_its_tasks_for_itself() {
    let outer = Check::new("outer").grace(BRIEF).run_sync(|| {
        let inner = Check::new("inner").grace(BRIEF).run(async {
            TaskTracker::named("nested").spawn_named("inner", pending::<()>());
        });
        assert_eq!(paths(&inner.report), ["nested › inner"]);
    });
    outer.body.unwrap();
    assert!(outer.report.is_clean(), "{}", outer.report);
}

#[test]
fn a_task_belongs_to_its_parents_check_wherever_it_is_spawned() {
    let elsewhere = Runtime::new().unwrap();
    let handle = elsewhere.handle().clone();
    let outcome = Check::new("parent").grace(BRIEF).run(async move {
        let tasks = TaskTracker::named("family");
        let child = tasks.clone();
        let parent = tasks.spawn_named("parent", async move {
            child.spawn_named_on("child", pending::<()>(), &handle);
        });
        parent.await.unwrap();
    });
    outcome.body.unwrap();
    let [leak] = &outcome.report.leaks[..] else {
        panic!("{}", outcome.report)
    };
    assert_eq!(leak.path(), "family › child");
    assert_eq!(
        leak.parent.as_ref().map(ToString::to_string).as_deref(),
        Some("family › parent")
    );
}
