//! Tasks that no tracker saw are counted.
#![cfg(feature = "track")]

use std::future::pending;
use std::time::Duration;

use leakcheck::report::Known;
use leakcheck::{Check, Report, TaskTracker, Untracked};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, LocalSet, yield_now};

const BRIEF: Duration = Duration::from_millis(1);

fn runtimes() -> [Builder; 2] {
    let mut workers = Builder::new_multi_thread();
    workers.worker_threads(2);
    [Builder::new_current_thread(), workers]
}

/// How many tasks of that test no tracker saw, whatever runtime it is on.
fn assert_counted(expected: usize, body: impl AsyncFn()) {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(body());
        assert!(outcome.body.is_ok());
        assert_eq!(count(&outcome.report), expected, "{}", outcome.report);
    }
}

fn count(report: &Report) -> usize {
    report.untracked.as_ref().map_or(0, |tasks| tasks.count)
}

#[test]
fn tasks_of_tokios_own_spawn_are_counted() {
    assert_counted(3, async || {
        for _ in 0..3 {
            tokio::spawn(pending::<()>());
        }
    });
}

#[test]
fn tasks_of_a_join_set_that_is_kept_are_counted() {
    let mut kept = Vec::new();
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
            let mut set = JoinSet::new();
            set.spawn(pending::<()>());
            set.spawn(pending::<()>());
            set
        });
        assert_eq!(count(&outcome.report), 2, "{}", outcome.report);
        kept.push(outcome.body);
    }
}

#[test]
fn a_task_that_another_one_spawned_is_counted_also_if_that_one_is_tracked() {
    assert_counted(3, async || {
        let nested = async {
            tokio::spawn(pending::<()>());
            pending::<()>().await;
        };
        let task = tokio::spawn(nested);
        let tracked = TaskTracker::new().spawn(async {
            tokio::spawn(pending::<()>());
        });
        tracked.await.unwrap();
        while tokio::runtime::Handle::current().metrics().num_alive_tasks() < 3 {
            yield_now().await;
        }
        drop(task);
    });
}

#[test]
fn a_task_that_a_tracker_saw_is_not_counted_whether_it_stays_or_not() {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
            let tasks = TaskTracker::new();
            tasks.spawn(pending::<()>());
            tasks.spawn(async {});
            tasks.spawn(pending::<()>()).abort();
            tokio::spawn(pending::<()>());
        });
        assert_eq!(
            (outcome.report.leaks.len(), count(&outcome.report)),
            (1, 1),
            "{}",
            outcome.report
        );
    }
}

#[test]
fn a_task_that_has_completed_is_not_counted_although_its_handle_lives() {
    for runtime in runtimes() {
        let outcome = Check::new("t").runtime(runtime).run(async {
            let mut task = tokio::spawn(async {});
            (&mut task).await.unwrap();
            (task, tokio::spawn(async {}))
        });
        assert_eq!(count(&outcome.report), 0, "{}", outcome.report);
    }
}

#[test]
fn tasks_that_end_within_the_grace_are_not_counted() {
    for runtime in runtimes() {
        let outcome = Check::new("t").runtime(runtime).run(async {
            tokio::spawn(tokio::time::sleep(Duration::from_millis(5)));
            tokio::spawn(pending::<()>()).abort();
            tokio::spawn(async {
                for _ in 0..100 {
                    yield_now().await;
                }
            });
        });
        assert!(outcome.report.is_silent(), "{}", outcome.report);
    }
}

#[test]
fn under_a_paused_clock_the_grace_takes_no_time_of_the_walls() {
    let outcome = Check::new("t")
        .configure(|runtime| {
            runtime.start_paused(true);
        })
        .grace(Duration::from_secs(3_600))
        .run(async {
            tokio::spawn(tokio::time::sleep(Duration::from_secs(3_000)));
            tokio::spawn(tokio::time::sleep(Duration::from_secs(4_000)));
        });
    assert_eq!(count(&outcome.report), 1, "{}", outcome.report);
}

#[test]
fn a_local_sets_tasks_are_not_counted() {
    for runtime in runtimes() {
        let outcome = Check::new("t").grace(BRIEF).runtime(runtime).run(async {
            let local = LocalSet::new();
            local.spawn_local(pending::<()>());
            [local]
        });
        assert!(outcome.report.is_silent(), "{}", outcome.report);
    }
}

#[test]
fn the_default_tells_of_them_and_passes() {
    let outcome = Check::new("t").grace(BRIEF).run(async {
        tokio::spawn(pending::<()>());
    });
    let report = outcome.report;
    assert!(report.is_clean() && !report.is_silent());
    let text = report.to_string();
    assert!(text.starts_with("clean: no tracked task outlived test t "), "{text}");
    assert!(text.contains("\n  1 task that no tracker saw\n"), "{text}");
    assert_eq!(report.untracked.unwrap().policy, Untracked::Warn);
}

#[test]
fn where_they_are_denied_they_fail_the_test() {
    let outcome = Check::new("t").untracked(Untracked::Deny).grace(BRIEF).run(async {
        tokio::spawn(pending::<()>());
        tokio::spawn(pending::<()>());
    });
    let report = outcome.report;
    assert!(!report.is_clean());
    let text = report.to_string();
    assert!(
        text.starts_with("leaked: 2 tasks that no tracker saw outlived test t "),
        "{text}"
    );
    assert!(
        text.contains("help         spawn it through a TaskTracker, or allow it with `untracked = allow`"),
        "{text}"
    );
    assert!(matches!(report.untracked.unwrap().known, Known::Counted | Known::Exact));
}

/// A group of a cluster whose task only a request to delete the group ends: to close the cluster does not.
mod planted {
    use tokio::sync::mpsc;

    pub struct Cluster {
        groups: Vec<mpsc::Sender<()>>,
    }

    impl Cluster {
        pub fn start() -> Self {
            Self { groups: Vec::new() }
        }

        pub fn group(&mut self) {
            let (delete, mut deleted) = mpsc::channel(1);
            let manages = delete.clone();
            tokio::spawn(async move {
                let _keeps_its_own_queue_open = manages;
                deleted.recv().await;
            });
            self.groups.push(delete);
        }

        pub fn close(self, forgets_the_groups: bool) {
            if !forgets_the_groups {
                self.groups.iter().for_each(|group| group.try_send(()).unwrap());
            }
        }
    }
}

#[test]
fn a_planted_bug_is_caught_although_its_tasks_are_in_no_tracker() {
    for forgets in [true, false] {
        for runtime in runtimes() {
            let check = Check::new("t").untracked(Untracked::Deny).grace(BRIEF).runtime(runtime);
            let outcome = check.run(async {
                let mut cluster = planted::Cluster::start();
                (0..3).for_each(|_| cluster.group());
                cluster.close(forgets);
            });
            assert_eq!(outcome.report.is_clean(), !forgets, "{}", outcome.report);
            assert_eq!(count(&outcome.report), if forgets { 3 } else { 0 });
        }
    }
}

#[test]
fn where_they_are_allowed_nobody_looks() {
    let outcome = Check::new("t").untracked(Untracked::Allow).run(async {
        // It would hold up whoever gave it time to end.
        tokio::spawn(async {
            let (_keeps, never) = std::sync::mpsc::channel::<()>();
            assert!(never.recv().is_ok());
            drop(_keeps);
        });
    });
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[test]
fn what_other_runtimes_have_is_not_counted() {
    let other = tokio::runtime::Runtime::new().unwrap();
    other.spawn(pending::<()>());
    let outcome = Check::new("t").run(async {});
    assert!(outcome.report.is_silent(), "{}", outcome.report);
}

#[leakcheck::leakcheck(untracked = allow)]
async fn the_attribute_has_the_policy_as_an_argument() {
    tokio::spawn(pending::<()>());
}
