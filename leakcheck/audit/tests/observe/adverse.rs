//! What a process may do to whoever watches it: signals, other programs, a full disk, files that are unloaded.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

use leakcheck_audit::observe::ObservedVerdict;
use leakcheck_audit::observe::preload::{SOURCES, library};
use leakcheck_audit::observe::records::Process;

use crate::fixture::{Fixture, assert_lines, assert_unjudged};
use crate::preloaded::recorded_with;

/// Builds sources as a library.
pub fn build(directory: &Path, root: &str, arguments: &[&str]) -> PathBuf {
    let library = directory.join(root).with_extension("so");
    let output = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
        .current_dir(directory)
        .args([
            "--edition",
            "2021",
            "--cap-lints",
            "allow",
            "--crate-type",
            "cdylib",
            "-O",
            "-o",
        ])
        .arg(&library)
        .args(arguments)
        .arg(root)
        .output()
        .expect("rustc starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The library to preload, with more arguments for rustc.
pub fn built(directory: &Path, arguments: &[&str]) -> PathBuf {
    for (name, text) in SOURCES {
        std::fs::write(directory.join(name), text).expect("a file");
    }
    build(directory, SOURCES[0].0, arguments)
}

/// The library with a configuration of the tests'.
pub fn configured(directory: &Path, configuration: &str) -> PathBuf {
    built(directory, &["--cfg", configuration])
}

/// The library that ends the process where a walk over the stack is not that of libgcc.
fn verifying(directory: &Path) -> PathBuf {
    configured(directory, "leak_audit_verify")
}

/// A library whose function has a frame of this size, and calls what it is given.
fn calling(directory: &Path, name: &str, frame: usize) -> String {
    let source = format!(
        "#![no_std]
        #[panic_handler]
        fn panic(_: &core::panic::PanicInfo<'_>) -> ! {{ loop {{}} }}
        #[no_mangle]
        pub extern \"C\" fn run(call: extern \"C\" fn()) {{
            let mut room = [0_u8; {frame}];
            core::hint::black_box(&mut room);
            call();
            core::hint::black_box(&mut room);
        }}"
    );
    std::fs::write(directory.join(name), source).expect("a file");
    let arguments = ["-C", "panic=abort", "-C", "force-unwind-tables=yes"];
    build(directory, name, &arguments).display().to_string()
}

/// What the process with these arguments has recorded.
fn recorded(library: &Path, arguments: &[&str]) -> (ExitStatus, Process) {
    let program = Fixture::of("observed").binary("processes");
    let (status, processes) = recorded_with(library.as_os_str(), &program, arguments);
    let mut processes = processes.into_iter().map(|(process, _)| process);
    let process = processes.find(|process| process.arguments.get(1).map(String::as_str) == arguments.first().copied());
    (status, process.expect("its records"))
}

/// Blocks that were not freed, and how many were.
fn blocks(process: &Process) -> (usize, u64) {
    (process.live.len(), process.folds.iter().map(|fold| fold.count).sum())
}

#[test]
fn a_signal_may_come_at_any_moment() {
    let library = library().expect("it builds");
    let (_, once) = recorded(&library, &["once"]);
    let (status, process) = recorded(&library, &["signals"]);

    assert!(status.success(), "{status}");
    assert!(process.exited);
    let (live, freed) = blocks(&process);
    assert_eq!((live, process.dropped), (blocks(&once).0, 0));
    assert!(freed > 0);
    let threads: u64 = process.threads.iter().map(|threads| threads.ended).sum();
    assert_eq!(threads, freed, "a thread for each task");
}

#[test]
fn other_programs_leave_the_records_alone() {
    let library = library().expect("it builds");
    let (_, once) = recorded(&library, &["once"]);
    let (status, process) = recorded(&library, &["spawns"]);

    assert!(status.success(), "{status}");
    assert_eq!((process.exited, process.dropped), (true, 0));
    // Its own tasks, which never run.
    assert_eq!(blocks(&process), (blocks(&once).0 + 10, 0));
}

/// The kernel ends a process by a signal that makes a file larger than it may be.
#[test]
fn a_limit_on_files_does_not_end_the_process() {
    let (status, process) = recorded(&library().expect("it builds"), &["limited"]);

    assert!(status.success(), "{status}");
    assert!(process.exited && process.dropped > 0, "{} dropped", process.dropped);
    assert!(!process.live.is_empty());
}

#[test]
fn a_full_disk_does_not_end_the_process() {
    let directory = tempfile::tempdir().expect("a directory");
    let source = "#[no_mangle]
        pub extern \"C\" fn posix_fallocate(file: i32, offset: i64, length: i64) -> i32 {
            extern \"C\" { fn posix_fallocate64(file: i32, offset: i64, length: i64) -> i32; }
            if length > 300_000 { 28 } else { unsafe { posix_fallocate64(file, offset, length) } }
        }";
    std::fs::write(directory.path().join("full.rs"), source).expect("a file");
    let mut libraries = build(directory.path(), "full.rs", &[]).into_os_string();
    libraries.push(":");
    libraries.push(library().expect("it builds"));
    let (status, process) = recorded(Path::new(&libraries), &["crowd"]);

    assert!(status.success(), "{status}");
    assert!(process.exited && process.dropped > 0, "{} dropped", process.dropped);
    // What there was room for is there.
    assert!(!process.live.is_empty());
}

#[test]
fn walks_are_those_of_libgcc() {
    let directory = tempfile::tempdir().expect("a directory");
    let library = verifying(directory.path());
    for arguments in [&["signals"][..], &["threads"], &["spawns"]] {
        let (status, process) = recorded(&library, arguments);
        assert!(status.success() && process.exited, "{arguments:?}: {status}");
    }
    for target in ["flavours", "threads", "queued", "boxed"] {
        let program = Fixture::of("observed").binary(target);
        let (status, processes) = recorded_with(library.as_os_str(), &program, &["--quiet"]);
        assert!(status.success(), "{target}: {status}");
        assert!(processes.iter().all(|(process, _)| process.exited));
    }
}

/// What was remembered of the code at an address is wrong once other code is there.
#[test]
fn code_that_takes_the_place_of_other_code_is_walked_as_what_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let library = verifying(directory.path());
    // The same code but for the size of its frame, so that its calls return to the same addresses.
    let one = calling(directory.path(), "one.rs", 1024);
    let other = calling(directory.path(), "other.rs", 2048);
    let (_, once) = recorded(&library, &["once"]);
    let (status, process) = recorded(&library, &["unloads", &one, &other, &one, &other]);

    assert!(status.success(), "{status}");
    assert_eq!(blocks(&process).0, blocks(&once).0 + 4);
    let place = |path: &str| {
        let object = process.objects.iter().find(|object| object.path == path);
        object.expect("it was loaded").range.clone()
    };
    let (one, other) = (place(&one), place(&other));
    assert!(
        one.start < other.end && other.start < one.end,
        "they were in one place: {one:x?} {other:x?}"
    );
    // Listed once, however often they were loaded.
    let mut paths: Vec<_> = process
        .objects
        .iter()
        .map(|object| (&object.path, object.base))
        .collect();
    let all = paths.len();
    paths.sort();
    paths.dedup();
    assert_eq!(paths.len(), all);
}

/// Runs a program that leaves a task behind, and puts another one in its place before it is judged, as a build does that goes on
/// beside the tests. `is_kept` says whether its own file is still where cargo keeps it.
fn replaced(is_kept: bool) -> (Fixture, ObservedVerdict) {
    let fixture = Fixture::of("tokio-newest");
    let room = tempfile::tempdir().expect("a directory");
    let deps = room.path().join("deps");
    std::fs::create_dir(&deps).expect("created");
    let (program, kept) = (room.path().join("scenarios"), deps.join("scenarios-0123456789abcdef"));
    std::fs::copy(fixture.binary("scenarios"), &kept).expect("copied");
    std::fs::hard_link(&kept, &program).expect("linked");
    if !is_kept {
        std::fs::remove_file(&kept).expect("removed");
    }
    let script = r#""$0" current_thread_attribute && rm "$0" && cp "$1" "$0""#;
    let mut command = Command::new("sh");
    let other = Fixture::of("observed").binary("threads");
    command.args(["-c", script]).arg(program).arg(other);
    let verdict = fixture.observe(command);
    assert_eq!(verdict.command, Some(0));
    (fixture, verdict)
}

#[test]
fn a_program_that_was_built_again_while_it_was_observed_is_not_judged_by_its_successor() {
    assert_unjudged(&replaced(false).1, "was built again since it ran");
}

#[test]
fn a_program_that_was_built_again_is_judged_by_the_build_that_cargo_has_kept() {
    let (fixture, verdict) = replaced(true);
    let leaked =
        "leaked | current_thread_attribute | 1 | let task = tokio::spawn(async move { | core::future::pending::Pending";
    assert_lines(&fixture.lines(&verdict), leaked);
    assert_eq!(verdict.unjudged, [""; 0]);
    assert_eq!(verdict.findings[0].program, "scenarios");
}
