//! What aarch64 has of its own (how stacks are walked, its libc's names and calls), on any machine: programs for it, run by QEMU.
//!
//! Needs what Debian calls `qemu-user` and `gcc-aarch64-linux-gnu`, and `rustup target add aarch64-unknown-linux-gnu`:
//!
//! ```sh
//! cargo test -p leakcheck-audit --test observe -- --ignored emulated
//! ```

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use leakcheck_audit::observe::{ObservedVerdict, What};

use crate::fixture::{Fixture, assert_clean, assert_lines};
use crate::{adverse, flavours};

const TARGET: &str = "aarch64-unknown-linux-gnu";
const LINKER: &str = "aarch64-linux-gnu-gcc";
const EMULATOR: &str = "qemu-aarch64";
/// Where the loader and libc of the target are.
const ROOT: &str = "/usr/aarch64-linux-gnu";

/// The library for the target, in a directory of its own. Its own frames are known by its name.
fn library(directory: &Path) -> PathBuf {
    let built = adverse::built(directory, &["--target", TARGET, "-C", &format!("linker={LINKER}")]);
    let library = directory.join("libleak_audit_preload.so");
    std::fs::rename(built, &library).expect("another name");
    library
}

/// Runs a target of the fixture on the other processor, observed there. Around it, a shell of this one is observed, and the
/// emulator is not.
fn run(target: &str, arguments: &[&str]) -> ObservedVerdict {
    let fixture = Fixture::of("observed")
        .with(&["--target", TARGET])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER", LINKER);
    let directory = tempfile::tempdir().expect("a directory");
    let script = format!(
        "env -u LD_PRELOAD {EMULATOR} -L {ROOT} -E LD_PRELOAD=\"$0\" -E LEAK_AUDIT_OBSERVE=\"$LEAK_AUDIT_OBSERVE\" \"$@\"; exit $?"
    );
    let mut command = Command::new("sh");
    command.args([OsStr::new("-c"), OsStr::new(&script)]);
    command
        .arg(library(directory.path()))
        .arg(fixture.binary(target))
        .args(arguments);
    command.current_dir(fixture.directory());
    let verdict = fixture.observe(command);
    assert_eq!((verdict.processes, verdict.command), (1, Some(0)), "{verdict:?}");
    verdict
}

#[test]
#[ignore = "needs QEMU, and a linker and std for aarch64"]
fn every_task_that_outlived_its_test_is_found_on_aarch64_and_no_other() {
    let verdict = run("flavours", &[]);

    assert_eq!(flavours::findings(&verdict), flavours::expected());
    assert_eq!(verdict.unjudged, [""; 0]);
    let tasks = verdict.findings.iter().filter(|finding| finding.what == What::Leaked);
    for leaked in tasks {
        assert!(leaked.awaits.is_some(), "{leaked:?}");
    }
    assert_clean(&run("flavours", &["clean"]));
}

#[test]
#[ignore = "needs QEMU, and a linker and std for aarch64"]
fn where_tasks_wait_is_known_on_aarch64() {
    let fixture = Fixture::of("observed");
    let verdict = run("queued", &["--test-threads", "1"]);
    assert_lines(&fixture.lines(&verdict), include_str!("queued.txt"));
}
