//! Parts of the library for macOS that run on Linux too: what each thread has of its own, a forked child, and the walk by frame
//! pointers. They record what the parts for Linux record.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use leakcheck_audit::observe::preload::library;
use leakcheck_audit::observe::records::Process;

use crate::adverse::configured;
use crate::fixture::Fixture;
use crate::preloaded::recorded_with;

/// What a process was seen to do, without what two runs differ in.
fn seen(process: &Process) -> impl PartialEq + std::fmt::Debug + use<> {
    let mut threads: Vec<_> = process
        .threads
        .iter()
        .map(|threads| {
            let creators = process.creators(threads.lineage).len();
            (threads.count, threads.ended, threads.outlived, creators)
        })
        .collect();
    threads.sort_unstable();
    let mut folds: Vec<_> = process
        .folds
        .iter()
        .map(|fold| (fold.count, fold.lineage != 0))
        .collect();
    folds.sort_unstable();
    (
        process.exited,
        process.live.len(),
        folds,
        threads,
        process.dropped,
        process.torn,
    )
}

#[test]
fn what_a_thread_has_of_its_own_may_be_kept_by_a_key() {
    let room = tempfile::tempdir().expect("a directory");
    let by_key = configured(room.path(), "leak_audit_macos_threads");
    let usual = library().expect("it builds");
    let program = Fixture::of("observed").binary("processes");
    for scenario in ["once", "abort", "exec", "fork", "threads", "chain"] {
        let run = |library: &Path| {
            let (status, processes) = recorded_with(library.as_os_str(), &program, &[scenario]);
            let seen: Vec<_> = processes.iter().map(|(process, _)| seen(process)).collect();
            assert!(!seen.is_empty(), "{scenario}");
            (status, seen)
        };
        assert_eq!(run(&by_key), run(&usual), "{scenario}");
    }
}

/// A program whose functions keep frame pointers, as all do on macOS: the canary.
fn canary(directory: &Path) -> PathBuf {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("preload");
    let rustc = |source: &str, arguments: &[&str]| {
        let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
            .current_dir(directory)
            .args([
                "--edition",
                "2021",
                "--cap-lints",
                "allow",
                "-C",
                "force-frame-pointers=yes",
            ])
            .args(arguments)
            .arg(sources.join(source))
            .output();
        let output = output.expect("rustc starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    rustc(
        "canary_tokio.rs",
        &["--crate-type", "rlib", "--crate-name", "tokio", "-o", "libtokio.rlib"],
    );
    rustc(
        "canary.rs",
        &[
            "--crate-name",
            "canary",
            "--extern",
            "tokio=libtokio.rlib",
            "-o",
            "canary",
        ],
    );
    directory.join("canary")
}

/// The stacks of all blocks: the addresses in the program itself, without its place in memory.
fn stacks(process: &Process) -> BTreeSet<Vec<u64>> {
    let own = process
        .objects
        .iter()
        .find(|object| object.path.is_empty())
        .expect("the program");
    let ended = process.folds.iter().flat_map(|fold| [fold.allocated, fold.freed]);
    let stacks = ended.chain(process.live.iter().map(|live| live.allocated));
    stacks
        .map(|stack| {
            let inside = process
                .stack(stack)
                .into_iter()
                .filter(|address| own.range.contains(address));
            inside.map(|address| address - own.base).collect()
        })
        .collect()
}

#[test]
fn a_walk_by_frame_pointers_finds_what_one_by_unwind_tables_finds() {
    let room = tempfile::tempdir().expect("a directory");
    let by_frames = configured(room.path(), "leak_audit_macos_walk");
    let usual = library().expect("it builds");
    let program = canary(room.path());
    let run = |library: &Path| {
        let (status, processes) = recorded_with(library.as_os_str(), &program, &[]);
        assert!(status.success(), "{status}");
        stacks(&processes[0].0)
    };
    let (by_frames, by_tables) = (run(&by_frames), run(&usual));
    // Three allocations, and two ends.
    assert_eq!(by_tables.len(), 5);
    assert_eq!(by_frames, by_tables);
}
