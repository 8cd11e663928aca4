//! What the preloaded library writes down, read as records.

use std::ffi::OsStr;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus};

use leakcheck_audit::observe::preload::library;
use leakcheck_audit::observe::records::{Process, Threads};

use crate::fixture::Fixture;

/// Runs a program with the library, and reads what it left: a record a process, with the size of its file.
fn recorded(program: &Path, arguments: &[&str]) -> (ExitStatus, Vec<(Process, u64)>) {
    recorded_with(library().expect("it builds").as_os_str(), program, arguments)
}

/// The same with these libraries.
pub fn recorded_with(libraries: &OsStr, program: &Path, arguments: &[&str]) -> (ExitStatus, Vec<(Process, u64)>) {
    let directory = tempfile::tempdir().expect("a directory");
    let status = Command::new(program)
        .args(arguments)
        .env("LD_PRELOAD", libraries)
        .env("LEAK_AUDIT_OBSERVE", directory.path())
        .status()
        .expect("it starts");
    let files = std::fs::read_dir(directory.path()).expect("the records");
    let mut processes: Vec<_> = files
        .map(|file| {
            let path = file.expect("a file").path();
            let size = path.metadata().expect("its size").len();
            (Process::read(&path).expect("whole"), size)
        })
        .collect();
    processes.sort_by_key(|(process, _)| process.arguments.clone());
    (status, processes)
}

fn processes(arguments: &[&str]) -> (ExitStatus, Vec<(Process, u64)>) {
    recorded(&Fixture::of("observed").binary("processes"), arguments)
}

/// The blocks that a runtime with one task leaves behind: the task, and the runtime's own.
fn live_of_one() -> usize {
    let (_, processes) = processes(&["once"]);
    let live = processes[0].0.live.len();
    assert!(live > 0);
    live
}

#[test]
fn a_future_in_a_box_is_read_through_however_it_is_held() {
    let verdict = Fixture::of("observed").run("boxed", &[]);

    let message = "tokio::sync::mpsc::bounded::Receiver";
    let notice = "Notified";
    for (test, count, leaves) in [
        ("two_deep", 1, &[message][..]),
        ("in_a_select", 1, &[message, notice]),
        ("in_a_vec", 1, &[message]),
        ("in_a_join_set", 1, &[notice]),
        ("progressed_in_its_box", 1, &[notice]),
        ("a_hundred_at_once", 100, &[message]),
    ] {
        let mut found = verdict
            .findings
            .iter()
            .filter(|finding| finding.test.as_deref() == Some(test));
        let finding = found.next().expect(test);
        assert_eq!((finding.count, found.next()), (count, None), "{test}");
        let awaits = finding
            .awaits
            .as_ref()
            .unwrap_or_else(|| panic!("{test} has no awaits"));
        for leaf in leaves {
            assert!(format!("{awaits:?}").contains(leaf), "{test}: {awaits:?}");
        }
    }
}

/// On its own, as the time for pointers without a vtable is shared by all tasks of a process.
#[test]
fn a_future_that_tokio_puts_into_a_box_for_its_size_is_read_to_its_end() {
    let verdict = Fixture::of("observed").run("boxed", &["--exact", "too_large_for_its_cell"]);

    let [finding] = &verdict.findings[..] else {
        panic!("{:#?}", verdict.findings);
    };
    let awaits = finding.awaits.as_deref().unwrap_or_default();
    assert!(
        awaits.contains("waits_for_a_notice") && awaits.contains("Notified"),
        "{finding:#?}"
    );
}

#[test]
fn records_outlive_an_abort() {
    let (status, processes) = processes(&["abort"]);

    assert_eq!(status.signal(), Some(6));
    assert_eq!(
        (processes[0].0.live.len(), processes[0].0.exited),
        (live_of_one(), false)
    );
}

#[test]
fn a_process_that_becomes_another_program_leaves_records_of_both() {
    let (status, processes) = processes(&["exec"]);

    assert!(status.success());
    let ended: Vec<_> = processes
        .iter()
        .map(|(process, _)| (process.exited, process.live.len()))
        .collect();
    assert_eq!(ended, [(false, live_of_one()), (true, live_of_one())]);
}

#[test]
fn a_forked_child_leaves_its_parents_records_alone() {
    let (status, processes) = processes(&["fork"]);

    assert!(status.success());
    let [(process, _)] = &*processes else {
        panic!("{} processes", processes.len());
    };
    let seen = (process.exited, process.live.len(), process.folds.len());
    assert_eq!(seen, (true, live_of_one(), 0));
    assert!(process.threads.is_empty(), "{:?}", process.threads);
}

#[test]
fn threads_are_known_by_who_created_them_and_whether_they_ended() {
    let (status, processes) = processes(&["threads"]);

    assert!(status.success());
    let process = &processes[0].0;
    let mut counts: Vec<_> = process
        .threads
        .iter()
        .map(|threads| (threads.count, threads.ended, threads.outlived, threads.creator != 0))
        .collect();
    counts.sort_unstable();
    // The one that lives on, what created it, the one that left by `pthread_exit`, and three alike.
    assert_eq!(
        counts,
        [(1, 0, 1, true), (1, 1, 0, false), (1, 1, 0, false), (3, 3, 0, false)]
    );
    let alive = |threads: &&Threads| threads.ended == 0;
    let alive = process.threads.iter().find(alive).expect("one");
    assert_eq!((alive.lifetimes.len(), alive.lifetimes[0].to_ns), (1, 0));
    assert!(alive.lifetimes[0].from_ns > 0 && alive.lifetimes[0].from_ns <= process.to_ns);
    assert_eq!(process.creators(alive.lineage).len(), 2);
}

#[test]
fn a_chain_of_threads_does_not_take_memory_without_an_end() {
    let (status, processes) = processes(&["chain"]);

    assert!(status.success());
    let threads = &processes[0].0.threads;
    assert_eq!(threads.iter().map(|threads| threads.count).sum::<u64>(), 200);
    assert!(threads.len() <= 34, "{}", threads.len());
}

#[test]
#[ignore = "a million tasks and ten thousand threads: CI's step observe"]
fn a_million_tasks_and_ten_thousand_threads_take_a_file_of_a_megabyte() {
    let program = Fixture::of("observed").optimised().binary("processes");
    let (status, processes) = recorded(&program, &["many", "1000000"]);

    assert!(status.success());
    let (process, size) = &processes[0];
    assert_eq!(process.dropped, 0);
    assert!(process.folds.iter().map(|fold| fold.count).sum::<u64>() >= 1_000_000);
    assert_eq!(process.threads.iter().map(|threads| threads.ended).sum::<u64>(), 10_000);
    assert!(*size <= 1 << 20, "{size} bytes");
}
