//! Tests behave with the preloaded library as without it: what they print, which pass and fail, and how they end.

use std::path::Path;
use std::process::Command;

use leakcheck_audit::observe::preload;

use crate::fixture::Fixture;

/// What a run shows: its exit code, or that a signal ended it, and its output without what differs between any two runs.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    code: Option<i32>,
    output: Vec<String>,
    errors: Vec<String>,
}

fn run(fixture: &Fixture, binary: &Path, arguments: &[&str], environment: &[(&str, &Path)]) -> Shown {
    let mut command = Command::new(binary);
    command.args(arguments).current_dir(fixture.directory());
    let output = command.envs(environment.iter().copied()).output().expect("it starts");
    Shown {
        code: output.status.code(),
        output: masked(&output.stdout),
        errors: masked(&output.stderr),
    }
}

fn observed(fixture: &Fixture, binary: &Path, arguments: &[&str]) -> Shown {
    let library = preload::library().expect("the library");
    let records = tempfile::tempdir().expect("a directory");
    let environment = [
        ("LD_PRELOAD", library.as_path()),
        ("LEAK_AUDIT_OBSERVE", records.path()),
    ];
    let shown = run(fixture, binary, arguments, &environment);
    let recorded = std::fs::read_dir(records.path()).expect("a directory").count();
    assert_ne!(recorded, 0, "{} was not observed", binary.display());
    shown
}

/// How long it took, and the numbers of threads and processes.
fn masked(text: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| {
        let line = line.split("; finished in ").next().unwrap_or_default();
        match line
            .split_once("' (")
            .and_then(|(thread, rest)| Some((thread, rest.split_once(')')?.1)))
        {
            Some((thread, rest)) if line.starts_with("thread '") => format!("{thread}'{rest}"),
            _ => line.to_owned(),
        }
    };
    text.lines().map(line).collect()
}

/// Every program of a fixture, in one thread so that lines come in one order, and each of its tests alone that does not end well.
fn assert_the_same(fixture: &Fixture, targets: &[&str], badly: &[(&str, &str)]) {
    let usual = targets.iter().map(|target| (*target, vec!["--test-threads", "1"]));
    let badly = badly
        .iter()
        .map(|(target, test)| (*target, vec!["--ignored", "--exact", *test]));
    for (target, arguments) in usual.chain(badly) {
        let binary = fixture.binary(target);
        let alone = run(fixture, &binary, &arguments, &[]);
        assert!(
            alone.output.iter().any(|line| line.starts_with("running ")),
            "{alone:#?}"
        );
        assert_eq!(observed(fixture, &binary, &arguments), alone, "{target} {arguments:?}");
    }
}

const BADLY: [(&str, &str); 3] = [
    ("scenarios", "aborts"),
    ("scenarios", "exits"),
    ("scenarios", "fails_and_leaks"),
];

#[test]
fn tests_behave_as_without_the_library() {
    assert_the_same(
        &Fixture::of("observed"),
        &["boxed", "flavours"],
        &[("flavours", "aborts")],
    );
    assert_the_same(&Fixture::of("tokio-newest"), &["clean", "newest", "scenarios"], &BADLY);
}

#[test]
#[ignore = "builds other versions of tokio: CI's step observe"]
fn tests_with_older_versions_of_tokio_behave_as_without_the_library() {
    for older in ["tokio-1-32", "tokio-1-47"] {
        assert_the_same(&Fixture::of(older), &["scenarios"], &BADLY);
    }
    assert_the_same(&Fixture::of("tokio-1-20"), &["old"], &[]);
}

#[test]
#[ignore = "builds optimised code and other allocators: CI's step observe"]
fn tests_with_optimised_code_or_other_allocators_behave_as_without_the_library() {
    let release = Fixture::of("tokio-1-47").optimised();
    assert_the_same(&release, &["scenarios"], &BADLY);
    for feature in ["jemalloc", "mimalloc", "install"] {
        assert_the_same(
            &Fixture::of("allocators").with(&["--features", feature]),
            &["leaks"],
            &[],
        );
    }
}

#[test]
fn what_differs_is_not_masked() {
    let [one, other] = [
        "thread 'a' (1) panicked\ntest a ... ok\n",
        "thread 'a' (2) panicked\ntest a ... ok\n",
    ];
    assert_eq!(masked(one.as_bytes()), masked(other.as_bytes()));
    assert_ne!(masked(one.as_bytes()), masked(other.replace("ok", "FAILED").as_bytes()));
    assert_eq!(
        masked(b"test result: ok. 1 passed; finished in 0.1s"),
        ["test result: ok. 1 passed"]
    );
}
