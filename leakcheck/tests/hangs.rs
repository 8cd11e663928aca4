//! Tests that do not end in time fail, and say what they wait for.
#![cfg(feature = "track")]

use std::future::pending;
use std::process::Command;
use std::time::Duration;

use leakcheck::report::LeakState;
use leakcheck::{Check, Outcome, TaskTracker, leakcheck};
use tokio::sync::{Notify, oneshot};

const SOON: Duration = Duration::from_millis(50);

/// The leaf and the line of each wait, by the name of who waits.
fn waits<T>(outcome: &Outcome<T>) -> Vec<(String, String)> {
    let hung = outcome.report.hung.as_ref().expect("a hang");
    hung.tasks
        .iter()
        .map(|task| {
            let leaf = task.waiting.first().map_or("-", |wait| &wait.leaf);
            (task.path(), leaf.to_owned())
        })
        .collect()
}

fn named(waits: &[(&str, &str)]) -> Vec<(String, String)> {
    waits
        .iter()
        .map(|(name, leaf)| ((*name).to_owned(), (*leaf).to_owned()))
        .collect()
}

#[test]
fn a_body_that_waits_for_ever_is_told_by_its_line() {
    let outcome = Check::new("hangs").timeout(SOON).run(async {
        Notify::new().notified().await; // here
    });
    let here = include_str!("hangs.rs")
        .lines()
        .position(|line| line.ends_with("// here"))
        .unwrap()
        + 1;
    assert_eq!(waits(&outcome), named(&[("test body", "Notify::notified")]));
    let body = &outcome.report.hung.as_ref().unwrap().tasks[0];
    assert_eq!(body.waiting_at.as_ref().map(|at| at.line as usize), Some(here));
    assert_eq!(body.spawned_at.file, file!());
    assert!(body.polls >= 1 && !outcome.report.is_clean() && outcome.report.leaks.is_empty());
    assert_eq!(outcome.body.unwrap_err().message(), Some("did not end within 0.05 s"));
    let text = outcome.report.to_string();
    assert!(
        text.starts_with("hung: test hangs did not end within 0.05 s\n\n  test body "),
        "{text}"
    );
}

#[test]
fn a_task_that_the_body_waits_for_is_told_with_it() {
    let outcome = Check::new("hangs").timeout(SOON).run(async {
        let tasks = TaskTracker::named("server");
        tasks
            .spawn_named("accept", async { Notify::new().notified().await })
            .await
            .unwrap();
    });
    assert_eq!(
        waits(&outcome),
        named(&[("test body", "JoinHandle"), ("server › accept", "Notify::notified")])
    );
}

#[test]
fn two_tasks_that_wait_for_each_other_are_both_told() {
    let outcome = Check::new("hangs").timeout(SOON).run(async {
        let tasks = TaskTracker::named("ring");
        let (give, take) = oneshot::channel::<tokio::task::JoinHandle<()>>();
        let one = tasks.spawn_named("one", async move { take.await.unwrap().await.unwrap() });
        let two = tasks.spawn_named("two", async move { one.await.unwrap() });
        give.send(two).unwrap();
        pending::<()>().await;
    });
    let waits = waits(&outcome);
    assert_eq!(
        waits[1..],
        named(&[("ring › one", "JoinHandle"), ("ring › two", "JoinHandle")])
    );
}

#[cfg(feature = "test-util")]
#[test]
fn a_paused_clock_does_not_stop_the_time_of_a_test() {
    let outcome = Check::new("hangs").start_paused(true).timeout(SOON).run(async {
        Notify::new().notified().await;
    });
    assert_eq!(waits(&outcome), named(&[("test body", "Notify::notified")]));
}

#[cfg(feature = "test-util")]
#[test]
fn a_busy_clock_under_a_paused_one_is_a_hang_too() {
    let outcome = Check::new("hangs").start_paused(true).timeout(SOON).run(async {
        loop {
            tokio::time::sleep(Duration::from_secs(3_600)).await;
        }
    });
    assert_eq!(waits(&outcome), named(&[("test body", "Sleep")]));
}

#[test]
fn a_test_on_many_threads_may_hang() {
    let outcome = Check::new("hangs")
        .runtime(tokio::runtime::Builder::new_multi_thread())
        .timeout(SOON)
        .run(async {
            let tasks = TaskTracker::named("server");
            tasks
                .spawn_named("accept", async { Notify::new().notified().await })
                .await
                .unwrap();
        });
    assert_eq!(
        waits(&outcome),
        named(&[("test body", "JoinHandle"), ("server › accept", "Notify::notified")])
    );
}

#[test]
fn a_body_that_panics_as_it_is_dropped_is_told_all_the_same() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            panic!("made by a test");
        }
    }
    let outcome = Check::new("hangs").timeout(SOON).run(async {
        let _bomb = Bomb;
        Notify::new().notified().await;
    });
    assert_eq!(waits(&outcome), named(&[("test body", "Notify::notified")]));
}

#[test]
fn a_blocking_closure_that_the_body_waits_for_is_told() {
    let (release, held) = std::sync::mpsc::channel::<()>();
    let outcome = Check::new("hangs").timeout(SOON).run(async move {
        let tasks = TaskTracker::named("jobs");
        tasks
            .spawn_blocking_named("blocks", move || held.recv().is_err())
            .await
            .unwrap();
    });
    let hung = outcome.report.hung.as_ref().unwrap();
    assert_eq!(hung.tasks[1].state, LeakState::Blocking);
    drop(release);
}

#[leakcheck(timeout = "10m")]
async fn a_test_that_ends_in_time_passes() -> Result<(), std::fmt::Error> {
    TaskTracker::named("server").spawn(async {}).await.unwrap();
    Ok(())
}

#[leakcheck(timeout = "10m")]
#[test]
fn a_plain_test_that_ends_in_time_passes() {}

#[tokio::test]
#[leakcheck(timeout = "10m")]
async fn a_tokio_test_that_ends_in_time_passes() {}

/// Tests that hang when they are asked to.
mod fixture {
    use super::*;

    pub const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

    fn asked() -> bool {
        std::env::var_os(ASK).is_some()
    }

    #[leakcheck(timeout = "50ms")]
    async fn hangs() {
        if asked() {
            pending::<()>().await;
        }
    }

    #[leakcheck(timeout = "50ms")]
    #[should_panic]
    async fn hangs_and_should_panic() {
        if asked() {
            pending::<()>().await;
        }
        panic!("as it should");
    }

    #[leakcheck(timeout = "50ms")]
    async fn locks_a_lock_twice() {
        if asked() {
            let lock = std::sync::Mutex::new(());
            TaskTracker::named("server").spawn_named("never runs", async {});
            let _first = lock.lock();
            let _second = lock.lock();
        }
    }

    #[leakcheck(timeout = "50ms")]
    #[test]
    fn waits_in_a_plain_test() {
        if asked() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            TaskTracker::named("server").spawn_on(async { Notify::new().notified().await }, runtime.handle());
            runtime.block_on(pending::<()>());
        }
    }
}

/// Runs one fixture: whether it passed, what it showed, and its line.
fn run(fixture: &str) -> (Option<i32>, String, serde_json::Value) {
    let directory =
        std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("hangs-{}-{fixture}", std::process::id()));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fixture::{fixture}")])
        .env(fixture::ASK, "1")
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .output()
        .unwrap();
    let file = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let line = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    std::fs::remove_dir_all(directory).unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code(), shown, line)
}

#[test]
fn a_hang_fails_every_kind_of_test_and_is_written_down() {
    for (fixture, texts) in [
        ("hangs", &["test body"][..]),
        (
            "hangs_and_should_panic",
            &["test body", "test did not panic as expected"],
        ),
        (
            "locks_a_lock_twice",
            &[
                "test body",
                "its thread is blocked",
                "server › never runs",
                "the process is ended",
            ],
        ),
        (
            "waits_in_a_plain_test",
            &["test body", "Notify::notified", "the process is ended"],
        ),
    ] {
        let (code, shown, line) = run(fixture);
        assert_eq!(code, Some(101), "{shown}");
        let headline = format!("hung: test hangs::fixture::{fixture} did not end within 0.05 s");
        for text in texts.iter().copied().chain([headline.as_str()]) {
            assert!(shown.contains(text), "{text:?} is not in:\n{shown}");
        }
        assert_eq!((&line["verdict"], &line["body"]), (&"hung".into(), &"hung".into()));
        assert_eq!(line["hung"]["timeout_ms"], 50.0);
        assert_eq!(line["hung"]["tasks"][0]["name"], "test body");
        assert_eq!(line["leaks"], serde_json::json!([]));
    }
}
