//! A test binary that is checked as a whole, and what it shows of a leak.

use std::future::pending;
use std::process::{Command, Output};

use leakcheck::{TaskTracker, ignore};
use tokio::runtime::Runtime;

const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

fn asked() -> bool {
    std::env::var_os(ASK).is_some()
}

fn spawn_for_ever(name: &'static str) {
    let runtime = Runtime::new().unwrap();
    TaskTracker::named("fixture").spawn_named_on(name, pending::<()>(), runtime.handle());
    // Nobody takes it down.
    std::mem::forget(runtime);
}

mod fixture {
    use super::*;

    pub fn leaks() {
        if asked() {
            spawn_for_ever("stays");
        }
    }

    pub fn leaks_and_fails() -> Result<(), String> {
        if asked() {
            spawn_for_ever("stays");
            return Err("the test's own error".to_owned());
        }
        Ok(())
    }

    pub async fn leaks_by_itself() {
        if asked() {
            TaskTracker::named("fixture").spawn_named("stays", pending::<()>());
        }
    }

    pub fn leaves_what_is_ignored() {
        if asked() {
            spawn_for_ever("flush");
        }
    }

    /// A `main` of its own, as it were.
    pub fn guards_the_process() {
        if asked() {
            let guard = leakcheck::guard_process().ignoring(ignore::name("nobody", "has left"));
            std::thread::spawn(|| spawn_for_ever("stays")).join().unwrap();
            assert_ne!(guard.finish(), std::process::ExitCode::SUCCESS);
            let guard = leakcheck::guard_process().ignoring(ignore::name("stays", "known by now"));
            assert_eq!(guard.finish(), std::process::ExitCode::SUCCESS);
        }
    }

    /// A task that ends a moment after the guard began to look.
    pub fn waits_for_what_ends() {
        if asked() {
            let runtime = Runtime::new().unwrap();
            let ends = std::sync::Arc::new(tokio::sync::Notify::new());
            TaskTracker::named("fixture").spawn_on(ends.clone().notified_owned(), runtime.handle());
            let guard = leakcheck::guard_process().grace(std::time::Duration::from_secs(60));
            let ended = std::thread::spawn(move || ends.notify_one());
            assert_eq!(guard.finish(), std::process::ExitCode::SUCCESS);
            ended.join().unwrap();
        }
    }

    pub fn passes() {
        TaskTracker::named("fixture").spawn_on(async {}, Runtime::new().unwrap().handle());
    }
}

fn run(fixture: &str, more: &[&str]) -> (Output, String) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", fixture])
        .args(more)
        .env(ASK, "1")
        .env_remove("LEAKCHECK_REPORT_DIR")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output, text)
}

fn a_task_that_is_left_fails_the_process_although_every_test_passed() {
    for threads in ["--test-threads=1", "--test-threads=2"] {
        let (output, text) = run("fixture::leaks", &[threads]);
        assert_eq!(output.status.code(), Some(101), "{text}");
        assert!(text.contains("1 passed; 0 failed"), "{text}");
        assert!(text.contains("leaked: 1 task outlived test whole::main"), "{text}");
        assert!(text.contains("fixture › stays"), "{text}");
    }
}

fn a_leak_is_shown_beside_the_failure_of_a_test() {
    let (output, text) = run("fixture::leaks_and_fails", &[]);
    assert_eq!(output.status.code(), Some(101), "{text}");
    assert!(
        text.contains("the test's own error") && text.contains("fixture › stays"),
        "{text}"
    );
}

fn a_guard_of_the_process_sees_the_tasks_of_every_thread() {
    let (_, text) = run("fixture::guards_the_process", &[]);
    assert!(text.contains("leaked: 1 task outlived test whole::main"), "{text}");
    assert!(
        text.contains("unused: nothing matched the ignore rule for name `nobody`"),
        "{text}"
    );
    assert!(text.contains("1 passed"), "{text}");
}

fn a_guard_of_the_process_waits_until_tasks_have_ended() {
    let (output, text) = run("fixture::waits_for_what_ends", &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
}

fn an_async_test_answers_for_its_own_tasks() {
    let (output, text) = run("fixture::leaks_by_itself", &[]);
    assert_eq!(output.status.code(), Some(101), "{text}");
    assert!(
        text.contains("leaked: 1 task outlived test whole::fixture::leaks_by_itself"),
        "{text}"
    );
    assert!(!text.contains("test whole::main"), "{text}");
}

fn what_a_rule_matches_may_stay_and_is_told_of() {
    let (output, text) = run("fixture::leaves_what_is_ignored", &[]);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(!text.contains("unused"), "{text}");
}

fn a_task_that_went_down_with_its_runtime_is_gone_on_any_thread() {
    for threads in ["--test-threads=1", "--test-threads=2"] {
        let (output, text) = run("fixture::passes", &[threads]);
        assert_eq!(output.status.code(), Some(0), "{text}");
    }
}

fn tests_are_listed_and_filtered_as_the_built_in_harness_does() {
    let (_, text) = run("fixture::passes", &["--list"]);
    assert!(text.contains("fixture::passes: test"), "{text}");
    let (_, text) = run("nothing", &[]);
    assert!(text.contains("0 passed"), "{text}");
}

async fn an_async_test_may_spawn() -> Result<(), tokio::task::JoinError> {
    TaskTracker::named("test").spawn(async {}).await
}

leakcheck::main! {
    ignore: [ignore::name("flush", "lives as long as the process")],
    tests: [
        fixture::leaks,
        fixture::leaks_and_fails,
        async fixture::leaks_by_itself,
        fixture::leaves_what_is_ignored,
        fixture::guards_the_process,
        fixture::waits_for_what_ends,
        fixture::passes,
        a_task_that_is_left_fails_the_process_although_every_test_passed,
        a_leak_is_shown_beside_the_failure_of_a_test,
        a_guard_of_the_process_sees_the_tasks_of_every_thread,
        a_guard_of_the_process_waits_until_tasks_have_ended,
        an_async_test_answers_for_its_own_tasks,
        what_a_rule_matches_may_stay_and_is_told_of,
        a_task_that_went_down_with_its_runtime_is_gone_on_any_thread,
        tests_are_listed_and_filtered_as_the_built_in_harness_does,
        async an_async_test_may_spawn,
    ],
}
