//! What a failing test shows and writes. The tests that fail run in processes of their own: this binary, started again.
#![cfg(feature = "track")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// Tests that do nothing unless they are asked to, and are then bad in the way of their names.
mod fixture {
    use leakcheck::{TaskTracker, leakcheck};
    use tokio::sync::Notify;

    pub const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

    fn asked() -> bool {
        std::env::var_os(ASK).is_some()
    }

    fn leak() {
        TaskTracker::named("fixture").spawn_named("stays", async {
            Notify::new().notified().await; // stays here
        });
    }

    #[leakcheck(start_paused)]
    async fn leaks() {
        if asked() {
            leak();
        }
    }

    #[leakcheck(start_paused)]
    async fn panics_and_leaks() {
        if asked() {
            leak();
            panic!("the body's own panic");
        }
    }

    #[leakcheck(start_paused)]
    async fn errs_and_leaks() -> Result<(), String> {
        match asked() {
            true => {
                leak();
                Err("the body's own error".to_owned())
            }
            false => Ok(()),
        }
    }

    #[leakcheck(start_paused)]
    async fn errs() -> Result<(), String> {
        match asked() {
            true => Err("the body's own error".to_owned()),
            false => Ok(()),
        }
    }

    #[leakcheck(start_paused)]
    #[should_panic(expected = "as it should")]
    async fn panics_as_it_should_and_leaks() {
        if asked() {
            leak();
        }
        panic!("as it should");
    }

    #[leakcheck(start_paused)]
    #[cfg_attr(all(), should_panic)]
    async fn leaks_and_should_panic() {
        match asked() {
            true => leak(),
            false => panic!("as it should"),
        }
    }

    #[tokio::test]
    #[should_panic]
    #[leakcheck]
    async fn leaks_in_a_tokio_test_and_should_panic() {
        match asked() {
            true => leak(),
            false => panic!("as it should"),
        }
    }

    #[leakcheck]
    #[should_panic(expected = "as it should")]
    async fn panics_as_it_should() {
        panic!("as it should");
    }

    #[leakcheck]
    #[test]
    fn panics_and_leaks_around_a_runtime() {
        if asked() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { leak() });
            panic!("the body's own panic");
        }
    }

    #[test]
    fn panics_and_leaks_under_a_guard() {
        if asked() {
            let _guard = leakcheck::guard();
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { leak() });
            panic!("the body's own panic");
        }
    }

    #[leakcheck]
    #[tokio::test]
    async fn leaks_in_place_of_a_tokio_test() {
        if asked() {
            leak();
        }
    }

    #[tokio::test]
    #[leakcheck]
    async fn leaks_in_a_tokio_test() {
        if asked() {
            leak();
        }
    }

    #[leakcheck]
    #[test]
    fn leaks_around_a_runtime() {
        if asked() {
            tokio::runtime::Runtime::new().unwrap().block_on(async { leak() });
        }
    }

    #[test]
    fn leaks_before_verify_none() {
        if asked() {
            let runtime = tokio::runtime::Runtime::new().unwrap();
            runtime.block_on(async { leak() });
            leakcheck::verify_none();
        }
    }

    #[test]
    fn leaks_under_a_guard() {
        if asked() {
            let _guard = leakcheck::guard();
            tokio::runtime::Runtime::new().unwrap().block_on(async { leak() });
        }
    }

    fn lose_a_panic() {
        drop(TaskTracker::named("fixture").spawn_named("panics", async { panic!("of a task") }));
    }

    #[leakcheck(start_paused)]
    async fn loses_a_panic() {
        if asked() {
            lose_a_panic();
        }
    }

    #[leakcheck(start_paused)]
    #[should_panic(expected = "as it should")]
    async fn panics_as_it_should_and_loses_a_panic() {
        if asked() {
            lose_a_panic();
        }
        panic!("as it should");
    }

    #[leakcheck(start_paused, untracked = deny)]
    async fn leaves_a_task_that_no_tracker_saw() {
        if asked() {
            tokio::spawn(std::future::pending::<()>());
        }
    }

    #[leakcheck]
    async fn passes() {
        if asked() {
            TaskTracker::named("fixture").spawn(async {}).await.unwrap();
        }
    }
}

/// Tests that end their whole process, and so run alone.
mod ending {
    use leakcheck::{TaskTracker, leakcheck};

    #[leakcheck(grace = "1ms")]
    async fn blocks_the_thread_of_its_test() {
        if std::env::var_os(super::fixture::ASK).is_some() {
            let (_keeps, never) = std::sync::mpsc::channel::<()>();
            let tasks = TaskTracker::named("fixture");
            tasks.spawn_named("blocks", async move {
                let _keeps = _keeps;
                never.recv().unwrap();
            });
            tasks.spawn_named("never runs", async {});
        }
    }
}

/// What a panic comes to that nobody awaited: with the measurement around its task, nobody knows that.
const LOST: &str = if cfg!(feature = "metrics") { "clean" } else { "panicked" };

/// A test that expects its report.
mod expecting {
    use leakcheck::TaskTracker;

    #[test]
    #[ignore = "leaks for a test that asks for it"]
    #[should_panic(expected = "leaked: 1 task outlived test failing::expecting::a_leak (settled")]
    fn a_leak() {
        let _guard = leakcheck::guard();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        TaskTracker::named("fixture").spawn_on(std::future::pending::<()>(), runtime.handle());
    }
}

struct Ran {
    passed: bool,
    output: String,
    /// One for each check.
    lines: Vec<Value>,
}

impl Ran {
    fn of(output: &Output, lines: Vec<Value>) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            passed: output.status.success(),
            output: text(&output.stdout) + &text(&output.stderr),
            lines,
        }
    }

    fn verdicts(&self) -> Vec<(&str, &str, &str)> {
        let text = |line: &'static str, value: &Value| value[line].as_str().unwrap().to_owned().leak() as &str;
        let mut verdicts: Vec<_> = self
            .lines
            .iter()
            .map(|line| (text("test", line), text("verdict", line), text("body", line)))
            .collect();
        verdicts.sort();
        verdicts
    }
}

/// Runs the fixtures whose names contain `filter`, or the one that it names exactly.
fn run(arguments: &[&str], backtrace: &str) -> Ran {
    run_with(arguments, &[("RUST_BACKTRACE", backtrace)])
}

fn run_with(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("failing-{}-{run}", std::process::id()));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env(fixture::ASK, "1")
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .env_remove("COLUMNS")
        .env_remove("CLICOLOR_FORCE")
        .env_remove("FORCE_COLOR")
        .env_remove("NO_COLOR")
        .envs(variables.iter().copied())
        .output()
        .unwrap();
    let files: Vec<_> = fs::read_dir(&directory)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    let [file] = &files[..] else {
        panic!("one file a process: {files:?}")
    };
    assert!(
        file.file_name().unwrap().to_str().unwrap().starts_with("failing-"),
        "{file:?}"
    );
    let lines = fs::read_to_string(file).unwrap().lines().map(valid).collect();
    fs::remove_dir_all(directory).unwrap();
    Ran::of(&output, lines)
}

/// A line that was written, if the schema allows it.
fn valid(line: &str) -> Value {
    static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(leakcheck::report::SCHEMA).unwrap();
        jsonschema::validator_for(&schema).unwrap()
    });
    let line = serde_json::from_str(line).unwrap();
    let errors: Vec<_> = SCHEMA.iter_errors(&line).map(|error| error.to_string()).collect();
    assert!(errors.is_empty(), "{errors:?}: {line}");
    line
}

#[test]
fn the_schema_is_not_for_any_line() {
    let schema: Value = serde_json::from_str(leakcheck::report::SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let line = run_one("leaks").lines.remove(0);
    assert!(schema.is_valid(&line));
    for (member, value) in [
        ("schema", Value::from(2)),
        ("verdict", "clean".into()),
        ("body", "unknown".into()),
        ("sites", Value::Null),
        ("rounds", (-1).into()),
    ] {
        let mut other = line.clone();
        other[member] = value;
        assert!(!schema.is_valid(&other), "{member}: {other}");
    }
    let mut more = line;
    more["one that is added"] = 7.into();
    assert!(schema.is_valid(&more), "members may be added: {more}");
}

fn run_one(fixture: &str) -> Ran {
    run(&["--exact", &format!("fixture::{fixture}")], "0")
}

fn assert_shows(ran: &Ran, texts: &[&str]) {
    assert!(!ran.passed, "{}", ran.output);
    for text in texts {
        assert!(ran.output.contains(text), "{text:?} is not in:\n{}", ran.output);
    }
}

#[test]
fn a_leak_fails_every_kind_of_test() {
    for (fixture, waiting) in [
        ("leaks", "Notify::notified"),
        ("leaks_in_place_of_a_tokio_test", "Notify::notified"),
        ("leaks_in_a_tokio_test", "it was dropped with its runtime"),
        ("leaks_around_a_runtime", "it was dropped with its runtime"),
        ("leaks_before_verify_none", "Notify::notified"),
        ("leaks_under_a_guard", "it was dropped with its runtime"),
    ] {
        let ran = run_one(fixture);
        let test = format!("failing::fixture::{fixture}");
        let headline = format!("leaked: 1 task outlived test {test}");
        assert_shows(&ran, &[&headline, "fixture › stays", waiting]);
        assert_eq!(ran.verdicts(), [(test.as_str(), "leaked", "passed")]);
    }
}

#[test]
fn a_task_that_no_tracker_saw_fails_a_test_that_denies_it() {
    let ran = run_one("leaves_a_task_that_no_tracker_saw");
    let test = "failing::fixture::leaves_a_task_that_no_tracker_saw";
    assert_shows(
        &ran,
        &[&format!("leaked: 1 task that no tracker saw outlived test {test}")],
    );
    assert_eq!(ran.verdicts(), [(test, "leaked", "passed")]);
    let untracked = &ran.lines[0]["untracked"];
    assert_eq!((&untracked["count"], &untracked["denied"]), (&1.into(), &true.into()));
}

#[cfg(not(feature = "metrics"))]
#[test]
fn a_panic_of_a_task_that_nobody_awaited_fails_its_test() {
    for (fixture, body) in [
        ("loses_a_panic", "passed"),
        ("panics_as_it_should_and_loses_a_panic", "panicked"),
    ] {
        let ran = run_one(fixture);
        let test = format!("failing::fixture::{fixture}");
        let headline = format!("panicked: 1 task panicked and nobody awaited it, in test {test}");
        assert_shows(&ran, &[&headline, "fixture › panics", "of a task"]);
        assert_eq!(ran.verdicts(), [(test.as_str(), "panicked", body)]);
        assert_eq!(ran.lines[0]["panics"][0]["message"], "of a task");
    }
}

#[test]
fn a_report_is_laid_out_for_the_terminal_and_caught_as_plain_text() {
    let red = "\x1b[1;31mleaked:\x1b[0m";
    let arguments = ["--exact", "fixture::leaks", "fixture::panics_and_leaks"];
    let ran = run_with(&arguments, &[("FORCE_COLOR", "1")]);
    assert_shows(
        &ran,
        &[red, "thread 'fixture::leaks' panicked at leakcheck/tests/failing.rs:"],
    );
    assert_eq!(ran.output.matches(red).count(), 2, "{}", ran.output);
    assert_eq!(ran.output.matches("panicked at").count(), 2, "{}", ran.output);
    let ran = run_with(&arguments, &[("FORCE_COLOR", "1"), ("NO_COLOR", "1")]);
    assert_shows(&ran, &["leaked: 1 task"]);
    assert!(!ran.output.contains('\x1b'), "{}", ran.output);

    let ran = run_with(&arguments[..2], &[("COLUMNS", "60"), ("RUST_BACKTRACE", "0")]);
    let widest = ran
        .output
        .lines()
        .filter(|line| line.starts_with("    "))
        .map(|line| line.chars().count());
    assert!(widest.max() <= Some(60), "{}", ran.output);

    let ran = run_with(&["--ignored", "--exact", "expecting::a_leak"], &[("FORCE_COLOR", "1")]);
    assert!(ran.passed, "{}", ran.output);
}

#[test]
fn a_panic_of_the_body_is_shown_beside_the_leak() {
    for (fixture, waiting) in [
        ("panics_and_leaks", "Notify::notified"),
        ("panics_and_leaks_around_a_runtime", "it was dropped with its runtime"),
        ("panics_and_leaks_under_a_guard", "it was dropped with its runtime"),
    ] {
        let ran = run_one(fixture);
        let test = format!("failing::fixture::{fixture}");
        let headline = format!("leaked: 1 task outlived test {test}");
        assert_shows(&ran, &["the body's own panic", &headline, waiting]);
        let panics = ran.output.matches("panicked at").count();
        assert_eq!(panics, 1, "one panic, the body's: {}", ran.output);
        assert_eq!(ran.verdicts(), [(test.as_str(), "leaked", "panicked")]);
    }
}

#[test]
fn a_leak_fails_a_test_that_should_panic_whether_it_does_or_not() {
    for (fixture, body) in [
        ("panics_as_it_should_and_leaks", "panicked"),
        ("leaks_and_should_panic", "passed"),
        ("leaks_in_a_tokio_test_and_should_panic", "passed"),
    ] {
        let ran = run_one(fixture);
        let test = format!("failing::fixture::{fixture}");
        let headline = format!("leaked: 1 task outlived test {test}");
        assert_shows(&ran, &[&headline, "test did not panic as expected"]);
        assert_eq!(ran.verdicts(), [(test.as_str(), "leaked", body)]);
    }
    assert!(run_one("panics_as_it_should").passed);
}

#[test]
fn a_check_fails_that_cannot_write_the_report_it_is_asked_for() {
    for (fixture, shown) in [
        ("passes", "panicked at"),
        ("panics_as_it_should", "test did not panic as expected"),
        ("errs", "the body's own error"),
    ] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("fixture::{fixture}")])
            .env(fixture::ASK, "1")
            // A file, and not a directory.
            .env("LEAKCHECK_REPORT_DIR", std::env::current_exe().unwrap())
            .output()
            .unwrap();
        let ran = Ran::of(&output, Vec::new());
        let said = format!("the report of failing::fixture::{fixture} could not be written");
        assert_shows(&ran, &[&said, shown]);
    }
}

#[test]
fn a_task_that_blocks_the_thread_of_its_test_is_reported_before_the_process_ends() {
    let ran = run(&["--exact", "ending::blocks_the_thread_of_its_test"], "0");
    assert_shows(
        &ran,
        &[
            "leaked: 2 tasks outlived test failing::ending::blocks_the_thread_of_its_test",
            "fixture › blocks",
            "does not answer: its thread is blocked",
            "fixture › never runs",
            "does not answer: its runtime is not being driven",
            "the process is ended",
        ],
    );
    assert_eq!(
        ran.verdicts(),
        [("failing::ending::blocks_the_thread_of_its_test", "leaked", "passed")]
    );
}

#[test]
fn an_error_of_the_body_is_shown_beside_the_leak() {
    let ran = run_one("errs_and_leaks");
    let headline = "leaked: 1 task outlived test failing::fixture::errs_and_leaks";
    assert_shows(&ran, &["Error: \"the body's own error\"", headline]);
    assert!(!ran.output.contains("panicked at"), "{}", ran.output);
    assert_eq!(
        ran.verdicts(),
        [("failing::fixture::errs_and_leaks", "leaked", "error")]
    );
}

#[test]
fn an_error_of_the_body_fails_a_test_without_a_leak() {
    let ran = run_one("errs");
    assert_shows(&ran, &["Error: \"the body's own error\""]);
    assert_eq!(ran.verdicts(), [("failing::fixture::errs", "clean", "error")]);
}

#[test]
fn every_check_of_a_process_appends_its_line_also_side_by_side() {
    let ran = run(&["fixture::", "--test-threads", "8"], "0");
    assert!(!ran.passed);
    let verdicts = ran.verdicts();
    let verdicts: Vec<_> = verdicts
        .iter()
        .map(|(test, verdict, body)| (test.trim_start_matches("failing::fixture::"), *verdict, *body))
        .collect();
    assert_eq!(
        verdicts,
        [
            ("errs", "clean", "error"),
            ("errs_and_leaks", "leaked", "error"),
            ("leaks", "leaked", "passed"),
            ("leaks_and_should_panic", "leaked", "passed"),
            ("leaks_around_a_runtime", "leaked", "passed"),
            ("leaks_before_verify_none", "leaked", "passed"),
            ("leaks_in_a_tokio_test", "leaked", "passed"),
            ("leaks_in_a_tokio_test_and_should_panic", "leaked", "passed"),
            ("leaks_in_place_of_a_tokio_test", "leaked", "passed"),
            ("leaks_under_a_guard", "leaked", "passed"),
            ("leaves_a_task_that_no_tracker_saw", "leaked", "passed"),
            ("loses_a_panic", LOST, "passed"),
            ("panics_and_leaks", "leaked", "panicked"),
            ("panics_and_leaks_around_a_runtime", "leaked", "panicked"),
            ("panics_and_leaks_under_a_guard", "leaked", "panicked"),
            ("panics_as_it_should", "clean", "panicked"),
            ("panics_as_it_should_and_leaks", "leaked", "panicked"),
            ("panics_as_it_should_and_loses_a_panic", LOST, "panicked"),
            ("passes", "clean", "passed"),
        ]
    );
    for line in &ran.lines {
        assert_eq!(
            (&line["schema"], &line["binary"], &line["package"]),
            (&1.into(), &"failing".into(), &"leakcheck".into())
        );
    }
}

#[test]
fn a_leaks_line_is_found_whatever_rust_backtrace_says() {
    let stays = include_str!("failing.rs")
        .lines()
        .position(|line| line.ends_with("// stays here"))
        .unwrap()
        + 1;
    for backtrace in ["0", "1", "full"] {
        let ran = run(&["--exact", "fixture::leaks"], backtrace);
        let leak = &ran.lines[0]["leaks"][0];
        assert_eq!(
            leak["waiting_at"]["file"],
            file!(),
            "RUST_BACKTRACE={backtrace}: {leak}"
        );
        assert_eq!(leak["waiting_at"]["line"], stays, "RUST_BACKTRACE={backtrace}: {leak}");
        assert_eq!(
            leak["branches"][0]["leaf"], "Notify::notified",
            "RUST_BACKTRACE={backtrace}: {leak}"
        );
    }
}
