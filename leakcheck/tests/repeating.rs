//! Tests that are run many times, and the seeds that they draw from.
#![cfg(feature = "track")]

use std::collections::BTreeSet;
use std::process::{Command, ExitCode};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use leakcheck::{Check, TaskTracker, leakcheck};

fn leak() {
    TaskTracker::named("server").spawn_named("accept", std::future::pending::<()>());
}

/// A body whose number is in `bad` leaks.
fn failing<'a>(run: &'a AtomicU32, bad: &'a [u32]) -> impl FnMut() -> std::future::Ready<()> + 'a {
    move || {
        let run = run.fetch_add(1, Ordering::Relaxed) + 1;
        if bad.contains(&run) {
            panic!("made by a test");
        }
        std::future::ready(())
    }
}

#[cfg(feature = "test-util")]
#[test]
fn the_report_says_which_runs_failed() {
    let run = AtomicU32::new(0);
    let repeated = Check::new("t").start_paused(true).seed(5).repeat(100).run(|| {
        let run = run.fetch_add(1, Ordering::Relaxed) + 1;
        async move {
            if [7, 42, 90].contains(&run) {
                leak();
            }
        }
    });
    let repetition = repeated.report.repeated.as_ref().unwrap();
    let failed: Vec<_> = repetition.failed.iter().map(|run| (run.number, run.how)).collect();
    assert_eq!(failed, [(7, "leaked"), (42, "leaked"), (90, "leaked")]);
    assert_eq!(
        repetition.to_string().lines().next(),
        Some("failed 3 of 100 runs: 7, 42, 90 (leaked)")
    );
    assert_eq!(repeated.report.leaks.len(), 1, "those of the first run that left any");
    assert_eq!((repeated.report.sites[0].seen, repeated.report.sites[0].leaked), (3, 3));
    assert_eq!(repeated.first.unwrap().report.leaks[0].path(), "server › accept");
}

#[test]
fn runs_after_a_failed_one_are_made_unless_asked_otherwise() {
    for (fast, runs) in [(false, 10), (true, 3)] {
        let run = AtomicU32::new(0);
        let mut body = failing(&run, &[3, 5]);
        let repeated = Check::new("t").repeat(10).fail_fast(fast).run(|| {
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut body)).is_err();
            async move { assert!(!caught, "made by a test") }
        });
        assert_eq!(repeated.report.repeated.unwrap().runs, runs);
        assert_eq!(
            repeated.first.unwrap().body.unwrap_err().message(),
            Some("made by a test")
        );
    }
}

#[test]
fn a_run_that_hangs_is_the_last() {
    let repeated = Check::new("t")
        .timeout(Duration::from_millis(20))
        .repeat(10)
        .run(std::future::pending::<()>);
    let repetition = repeated.report.repeated.as_ref().unwrap();
    assert_eq!((repetition.runs, repetition.failed[0].how), (1, "hung"));
    assert!(repetition.to_string().contains("; 9 runs not made"), "{repetition}");
}

#[test]
fn each_run_has_a_seed_of_its_own_on_every_thread_of_its_runtime() {
    let seeds = || {
        let seen = Mutex::new(Vec::new());
        let repeated = Check::new("t")
            .runtime(tokio::runtime::Builder::new_multi_thread())
            .seed(42)
            .repeat(5)
            .run(|| async {
                let tasks = TaskTracker::new();
                let elsewhere = tasks.spawn(async { leakcheck::seed() }).await.unwrap();
                let blocking = tasks.spawn_blocking(leakcheck::seed).await.unwrap();
                assert_eq!((elsewhere, blocking), (leakcheck::seed(), leakcheck::seed()));
                seen.lock().unwrap().push(elsewhere);
            });
        assert!(repeated.first.is_none());
        seen.into_inner().unwrap()
    };
    let first = seeds();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 5);
    assert_eq!(first, seeds(), "the same seeds come again");
}

#[test]
fn a_seed_that_nobody_asked_for_is_not_told() {
    assert_eq!(Check::new("t").seed(7).run(async {}).report.seed, None);
    let asked = Check::new("t").seed(7).run(async { leakcheck::seed() });
    assert_eq!(asked.report.seed, Some(7));
    assert_eq!(
        asked.body.unwrap(),
        Check::new("t").seed(7).run_sync(leakcheck::seed).body.unwrap()
    );
}

#[leakcheck(repeat = 3)]
async fn a_repeated_test_may_pass() {}

#[leakcheck(repeat = 3, seed = 42)]
#[test]
fn a_plain_test_may_be_repeated() -> Result<(), std::fmt::Error> {
    Ok(())
}

#[leakcheck(repeat = 3)]
#[should_panic(expected = "as it should")]
async fn a_test_that_should_panic_may_be_repeated() {
    panic!("as it should");
}

/// Tests that fail in some of their runs when they are asked to.
mod fixture {
    use super::*;

    pub const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

    fn asked() -> bool {
        std::env::var_os(ASK).is_some()
    }

    /// The run that is being made. Each process runs one fixture.
    fn number() -> u32 {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let counted = RUNS.fetch_add(1, Ordering::Relaxed) + 1;
        std::env::var("LEAKCHECK_RUN").map_or(counted, |run| run.parse().unwrap())
    }

    #[leakcheck(repeat = 10, seed = 42, start_paused)]
    async fn leaks_in_some_runs() {
        if asked() && [4, 6].contains(&number()) {
            leak();
        }
    }

    #[leakcheck(repeat = 10, seed = 42)]
    async fn errs_in_one_run() -> Result<(), String> {
        match asked() && number() == 4 {
            true => Err("made by a test".to_owned()),
            false => Ok(()),
        }
    }

    #[leakcheck(repeat = 10, seed = 42)]
    #[should_panic]
    async fn does_not_panic_in_one_run() {
        assert!(asked() && number() == 4, "as it should");
    }

    #[leakcheck(repeat = 10, seed = 42)]
    #[should_panic(expected = "as it should")]
    async fn panics_otherwise_in_one_run() {
        assert!(!(asked() && number() == 4), "otherwise");
        panic!("as it should");
    }

    #[leakcheck]
    async fn panics_with_a_seed() {
        assert!(!asked(), "{}", leakcheck::seed());
    }
}

fn run(fixture: &str, environment: &[(&str, &str)]) -> (bool, String, serde_json::Value) {
    let directory = std::path::PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!(
        "repeating-{}-{fixture}-{}",
        std::process::id(),
        environment.len()
    ));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &format!("fixture::{fixture}")])
        .env(fixture::ASK, "1")
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    let file = std::fs::read_dir(&directory).unwrap().next().unwrap().unwrap().path();
    let lines = std::fs::read_to_string(file).unwrap();
    assert_eq!(lines.lines().count(), 1, "one line a test: {lines}");
    std::fs::remove_dir_all(directory).unwrap();
    let shown = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), shown, serde_json::from_str(&lines).unwrap())
}

#[test]
fn every_kind_of_repeated_test_fails_by_the_runs_that_do() {
    for (fixture, said, verdict, body) in [
        (
            "leaks_in_some_runs",
            "failed 2 of 10 runs: 4, 6 (leaked)",
            "leaked",
            "passed",
        ),
        (
            "errs_in_one_run",
            "failed 1 of 10 runs: 4 (returned an error)",
            "clean",
            "error",
        ),
        (
            "does_not_panic_in_one_run",
            "failed 1 of 10 runs: 4 (did not panic)",
            "clean",
            "passed",
        ),
    ] {
        let (passed, shown, line) = run(fixture, &[]);
        assert!(!passed && shown.contains(said), "{shown}");
        assert!(
            shown.contains("run 4 alone: LEAKCHECK_SEED=42 LEAKCHECK_RUN=4"),
            "{shown}"
        );
        assert_eq!(
            (&line["verdict"], &line["body"]),
            (&verdict.into(), &body.into()),
            "{fixture}"
        );
        assert_eq!(line["repeated"]["runs"], 10);
        assert_eq!(line["repeated"]["failed"][0], 4);
    }
}

#[test]
fn one_run_can_be_made_alone() {
    let (passed, shown, line) = run("leaks_in_some_runs", &[("LEAKCHECK_RUN", "6")]);
    assert!(!passed && shown.contains("failed 1 of 1 run: 6 (leaked)"), "{shown}");
    assert_eq!(line["repeated"]["runs"], 1);
    assert!(run("leaks_in_some_runs", &[("LEAKCHECK_RUN", "5"), ("A", "B")]).0);
}

#[test]
fn a_test_that_asked_for_its_seed_prints_it_when_it_fails() {
    let (passed, shown, _) = run("panics_with_a_seed", &[("LEAKCHECK_SEED", "77")]);
    assert!(!passed && shown.contains("LEAKCHECK_SEED=77 runs this test"), "{shown}");
}

#[test]
fn an_exit_code_that_is_no_success_is_a_failed_run() {
    let runs = AtomicU32::new(0);
    let caught = std::panic::catch_unwind(|| {
        Check::new("t")
            .repeat(3)
            .conclude_sync(|| match runs.fetch_add(1, Ordering::Relaxed) {
                1 => ExitCode::FAILURE,
                _ => ExitCode::SUCCESS,
            })
    });
    assert!(caught.is_err());
}
