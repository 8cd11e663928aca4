//! What the decoder reads out of tasks that wait in every way there is.
//!
//! The fixture is built with several versions of tokio and in several profiles, and each time what is read is the same:
//! `expected.txt`, which was written by reading the fixture's source.

mod debug_info;
mod fixture;
mod nonsense;
mod run;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use fixture::Build;
use leakcheck_audit::awaits::{self, Why};
use run::Run;

const EXPECTED: &str = include_str!("expected.txt");
/// Of those tasks alone for which there is a reason that is certain.
const REASONS: &str = include_str!("reasons.txt");

/// The mangling that newer compilers use unless told otherwise.
const V0: &str = "-Csymbol-mangling-version=v0";

/// The trees by the names of their tasks.
fn expected() -> BTreeMap<&'static str, &'static str> {
    let tasks = EXPECTED.split("== ").skip(1);
    tasks
        .map(|task| task.split_once('\n').expect("a name and a tree"))
        .map(|(name, tree)| (name, tree.trim_end()))
        .collect()
}

/// What was built is shared by the tests that need no more than one run of it.
fn usual() -> &'static Run {
    static RUN: OnceLock<Run> = OnceLock::new();
    RUN.get_or_init(|| Run::of(&Build::DEV.run()))
}

fn assert_as_expected(build: Build) {
    assert_read_as_expected(&Run::of(&build.run()), build);
}

fn assert_read_as_expected(run: &Run, build: Build) {
    let mut wrong = String::new();
    let mut seen = 0;
    let reasons: BTreeMap<&str, &str> = REASONS.lines().filter_map(|line| line.split_once(": ")).collect();
    for (name, tree) in expected() {
        if run.cells.iter().any(|cell| cell.name == name) {
            seen += 1;
            let read = run.tree(name);
            // Where tokio 1.20 had its timers.
            let decoded = run.named(&read).replace("time::driver::sleep", "time::sleep");
            if decoded != tree {
                wrong.push_str(&format!("== {name}\n{decoded}\n"));
            }
            // The blocking closure is the one that has a thread.
            let (task, cell) = run.task(name);
            if task.is_being_polled(&run.memory(), cell.address) != Some(name == "blocking") {
                wrong.push_str(&format!("{name} is taken for polled, or the other way round\n"));
            }
            let reason: Vec<_> = awaits::reasons(&read).iter().map(Why::to_string).collect();
            let reason = run.with_names(reason.join("; "));
            if reason != reasons.get(name).copied().unwrap_or_default() {
                wrong.push_str(&format!("{name}: {reason}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "not as expected, of {build:?}:\n{wrong}");
    let all = expected().len();
    assert!(
        seen == all || build.is_small() && seen > 60,
        "{seen} tasks of {all} were there"
    );
}

#[test]
fn every_task_is_read_as_its_source_says() {
    assert_read_as_expected(usual(), Build::DEV);
}

#[test]
fn optimized_code_is_read_the_same() {
    assert_as_expected(Build {
        profile: "release",
        ..Build::DEV
    });
}

#[test]
fn older_versions_of_tokio_are_read_the_same() {
    // One of them with names as newer compilers mangle them.
    for (tokio, flags) in [("=1.47.5", V0), ("=1.32.1", ""), ("=1.20.6", "")] {
        assert_as_expected(Build {
            tokio: Some(tokio),
            flags,
            ..Build::DEV
        });
    }
}

#[test]
fn a_box_outside_of_the_copy_is_named_by_its_type() {
    let run = usual();
    assert_eq!(
        run.tree_of_cell("awaits_a_box").to_string(),
        "awaits_fixture::shapes::awaits_a_box  suspended at shapes.rs:69\n  \
         awaits_fixture::shapes::boxed::{async block}  state unknown"
    );
    for (name, _) in expected() {
        let (all, alone) = (run.tree(name), run.tree_of_cell(name));
        let known = alone.walk().count();
        assert!(
            known <= all.walk().count(),
            "{name}: the cell alone says no more than all memory"
        );
        assert_eq!(all.type_name, alone.type_name, "{name}");
    }
}

#[test]
fn why_a_task_never_ended_is_said_where_it_is_certain() {
    let why = |name| awaits::why(&usual().tree(name));
    assert_eq!(why("never_polled"), Some(Why::NeverPolled));
    assert_eq!(
        why("stuck"),
        Some(Why::NoWayOut {
            function: "awaits_fixture::leaves::stuck".to_owned()
        })
    );
    assert!(matches!(why("interval"), Some(Why::Ticking { .. })));
    assert!(matches!(why("generic"), Some(Why::Never { .. })));
    for uncertain in [
        "select_of_two",
        "select_of_three",
        "until_cancelled",
        "timeout",
        "opaque",
        "nested",
        "returned",
    ] {
        assert_eq!(why(uncertain), None, "{uncertain}");
    }
    let waited_for = usual().task("waited_for").1.address;
    assert_eq!(why("join_handle"), Some(Why::WaitsForTask { task: Some(waited_for) }));
}
