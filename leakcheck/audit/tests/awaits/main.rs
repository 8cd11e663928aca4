//! What the decoder reads out of tasks that wait in every way there is.
//!
//! The fixture is built with several versions of tokio and in several profiles, and each time what is read is the same:
//! `expected.txt`, which was written by reading the fixture's source.

mod fixture;
mod nonsense;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use fixture::{Build, Run};
use leakcheck_audit::awaits::{self, Error, Program, Why};

const EXPECTED: &str = include_str!("expected.txt");

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
    let run = Run::of(&build.run());
    let mut wrong = String::new();
    let mut seen = 0;
    for (name, tree) in expected() {
        if run.cells.iter().any(|cell| cell.name == name) {
            seen += 1;
            let decoded = run.named(&run.tree(name));
            if decoded != tree {
                wrong.push_str(&format!("== {name}\n{decoded}\n"));
            }
        }
    }
    assert!(wrong.is_empty(), "not as expected, of {build:?}:\n{wrong}");
    let all = expected().len();
    assert!(
        seen == all || build.tokio.is_some() && seen > 40,
        "{seen} tasks of {all} were there"
    );
}

#[test]
fn every_task_is_read_as_its_source_says() {
    assert_as_expected(Build::DEV);
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
    for tokio in ["=1.47.1", "=1.32.0"] {
        assert_as_expected(Build {
            tokio: Some(tokio),
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

#[test]
fn line_tables_alone_are_said_to_lack_types() {
    // As this workspace builds its tests, and this one is.
    let error = Program::open(std::env::current_exe().unwrap()).unwrap_err();
    assert!(matches!(error, Error::NoTypes { .. }), "{error:?}");
    assert!(error.to_string().contains("types are missing: debug = true"), "{error}");
}

#[test]
fn what_has_no_debug_info_is_said_to_have_none() {
    let mut bytes = std::fs::read(std::env::current_exe().unwrap()).unwrap();
    let name = memmem(&bytes, b".debug_info\0").unwrap();
    bytes[name + 1] = b'x';
    let directory = tempfile::tempdir().unwrap();
    let stripped = directory.path().join("stripped");
    std::fs::write(&stripped, bytes).unwrap();
    assert!(matches!(Program::open(&stripped), Err(Error::NoDebugInfo { .. })));
    assert!(matches!(Program::open("/nowhere"), Err(Error::Unreadable { .. })));
    assert!(matches!(Program::open("Cargo.toml"), Err(Error::NoObject { .. })));
}

fn memmem(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).rposition(|window| window == wanted)
}

#[test]
fn debug_info_in_files_of_its_own_is_found() {
    assert_as_expected(Build {
        settings: &["split-debuginfo=\"packed\""],
        ..Build::DEV
    });
    assert_as_expected(Build {
        settings: &["split-debuginfo=\"unpacked\""],
        ..Build::DEV
    });
}
