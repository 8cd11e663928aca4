//! A test is judged the same whoever runs it: by one thread, by many side by side, or, as nextest does it, in a process of
//! its own.
#![cfg(feature = "track")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value;

/// Tests of every kind there is. They leave a task behind when they are asked to, and their names say so.
mod fixture {
    use std::future::pending;

    use leakcheck::{TaskTracker, leakcheck};
    use tokio::runtime::Builder;
    use tokio::task::LocalSet;

    pub const ASK: &str = "LEAKCHECK_TEST_FIXTURES";

    /// Tasks that end, side by side; and one that does not, if it is to.
    async fn work(leak: bool) {
        let tasks = TaskTracker::named("fixture");
        let ends = tasks.group("ends");
        for _ in 0..16 {
            ends.spawn(tokio::task::yield_now());
        }
        ends.close();
        ends.wait().await;
        if leak && std::env::var_os(ASK).is_some() {
            tasks.spawn_named("stays", pending::<()>());
        }
    }

    /// A test of each of the two ways to come out.
    macro_rules! both {
        ($name:ident: $(#[$attribute:meta])+ |$leak:ident| $body:expr) => {
            mod $name {
                use super::*;

                $(#[$attribute])+
                async fn is_clean() {
                    let $leak = false;
                    $body
                }

                $(#[$attribute])+
                async fn leaks() {
                    let $leak = true;
                    $body
                }
            }
        };
    }

    both!(current_thread: #[leakcheck(grace = "1s")] |leak| work(leak).await);
    both!(multi_thread: #[leakcheck(flavor = "multi_thread", worker_threads = 2)] |leak| work(leak).await);
    both!(paused: #[leakcheck(start_paused)] |leak| work(leak).await);
    both!(tokio_test: #[leakcheck] #[tokio::test] |leak| work(leak).await);
    both!(within_tokio_test: #[tokio::test(flavor = "multi_thread")] #[leakcheck] |leak| work(leak).await);
    both!(local_set: #[leakcheck] |leak| LocalSet::new().run_until(work(leak)).await);
    both!(two_runtimes: #[leakcheck] |leak| {
        let other = Builder::new_multi_thread().worker_threads(1).build().unwrap();
        // Tracked: whose test an untracked task of another runtime belongs to, nobody can tell.
        TaskTracker::named("other").spawn_on(work(leak), other.handle()).await.unwrap();
        work(false).await;
        other.shutdown_background();
    });
}

/// What the tests said of themselves.
type Verdicts = BTreeMap<String, String>;

/// Runs this binary's fixtures that the arguments pick, in a process of their own.
fn run(arguments: &[&str]) -> Verdicts {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("runners-{}-{run}", std::process::id()));
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env(fixture::ASK, "1")
        .env("LEAKCHECK_REPORT_DIR", &directory)
        .output()
        .unwrap();
    let mut verdicts = Verdicts::new();
    for file in fs::read_dir(&directory).unwrap() {
        for line in fs::read_to_string(file.unwrap().path()).unwrap().lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let word = |key: &str| line[key].as_str().unwrap().to_owned();
            assert!(verdicts.insert(word("test"), word("verdict")).is_none(), "{line}");
        }
    }
    fs::remove_dir_all(directory).unwrap();
    let all_clean = verdicts.values().all(|verdict| verdict == "clean");
    assert_eq!(
        output.status.success(),
        all_clean,
        "{}",
        String::from_utf8_lossy(&output.stdout)
    );
    verdicts
}

/// The fixtures' names, as the test harness lists them.
fn fixtures() -> Vec<String> {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--list", "--format", "terse"])
        .output()
        .unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.strip_suffix(": test"))
        .filter(|name| name.starts_with("fixture::"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_test_is_judged_the_same_by_one_thread_by_many_and_alone() {
    let fixtures = fixtures();
    assert_eq!(fixtures.len(), 14);
    let expected: Verdicts = fixtures
        .iter()
        .map(|name| {
            let verdict = if name.ends_with("leaks") { "leaked" } else { "clean" };
            (format!("runners::{name}"), verdict.to_owned())
        })
        .collect();

    for threads in ["1", "2", "14"] {
        assert_eq!(
            run(&["fixture::", "--test-threads", threads]),
            expected,
            "{threads} threads"
        );
    }
    // nextest runs each test so.
    let alone: Verdicts = fixtures
        .iter()
        .flat_map(|name| run(&["--exact", name, "--nocapture"]))
        .collect();
    assert_eq!(alone, expected, "each in a process of its own");
}
