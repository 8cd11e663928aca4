//! What cannot be judged says why, and exits with 2.

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use object::{Object, ObjectSection};
use tempfile::TempDir;

use crate::project::{
    PASSES, assert_ends, command, leak_audit, leaking_test, package, package_with_tokio, plain, write,
};

/// Nobody reads what it says: a write there fails.
#[test]
fn what_cannot_be_judged_exits_2_although_nobody_hears_why() {
    let empty = tempfile::tempdir().expect("a directory");
    for arguments in [
        &["--frobnicate"][..],
        &[],
        &["merge", "no.json"],
        &["scan", "--frobnicate"],
    ] {
        let (reader, unread) = std::io::pipe().expect("a pipe");
        drop(reader);
        let audit = command(empty.path(), arguments).stderr(unread).status();
        assert_eq!(audit.expect("it starts").code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn what_cannot_be_judged_says_why_and_exits_2() {
    let empty = tempfile::tempdir().expect("a directory");
    assert_ends(&leak_audit(empty.path(), &[]), 2, "there is no Cargo.toml");
    assert_ends(
        &leak_audit(empty.path(), &["--manifest-path", "no/Cargo.toml"]),
        2,
        "no/Cargo.toml",
    );
    assert_ends(
        &leak_audit(empty.path(), &["--manifest-path", "."]),
        2,
        "is a directory: --manifest-path names a Cargo.toml",
    );
    assert_ends(
        &leak_audit(empty.path(), &["--frobnicate"]),
        2,
        "invalid option '--frobnicate'",
    );
    assert_ends(
        &leak_audit(empty.path(), &["merge", "no.json"]),
        2,
        "cannot read the report no.json",
    );

    let project = package(&[("tests/orders.rs", "this is not Rust")]);
    let output = leak_audit(project.path(), &[]);
    assert_ends(&output, 2, "the tests do not build");
    assert_ends(&output, 2, "leak-audit: cannot judge: nothing was run\n");
    let program = leak_audit(project.path(), &["--bin", "none"]);
    assert_ends(&program, 2, "none does not build: cargo build ended with");

    for (body, says) in [
        ("std::process::abort()", "SIGABRT"),
        ("unsafe { std::ptr::null_mut::<u8>().write_volatile(1) }", "ended early"),
        ("assert_eq!(1 + 1, 3)", "failed in shop › orders"),
        ("std::process::exit(0)", "ended early"),
    ] {
        write(
            project.path(),
            "tests/orders.rs",
            &format!("#[test] fn one() {{ {body} }}"),
        );
        assert_ends(&leak_audit(project.path(), &[]), 2, says);
    }

    write(project.path(), "tests/orders.rs", PASSES);
    write(project.path(), "leak-audit.toml", "[[accept]]\nid = 1");
    assert_ends(&leak_audit(project.path(), &[]), 2, "is not a baseline");
    assert_ends(
        &leak_audit(project.path(), &["--baseline", "none.toml"]),
        2,
        "cannot read the baseline none.toml",
    );
    fs::remove_file(project.path().join("leak-audit.toml")).expect("it is there");
    assert_ends(&leak_audit(project.path(), &[]), 0, "leak-audit: clean");
}

/// A package whose test leaves a task behind.
fn leaky() -> TempDir {
    package_with_tokio(&[("tests/orders.rs", &format!("{}{PASSES}", leaking_test("starts")))])
}

#[test]
fn without_a_test_nothing_is_judged() {
    let none = package(&[]);
    assert_ends(&leak_audit(none.path(), &[]), 2, "no test ran");
    assert_ends(&leak_audit(none.path(), &["-p", "stock"]), 2, "the tests do not build");
    write(none.path(), "tests/orders.rs", PASSES);
    assert_ends(&leak_audit(none.path(), &["--", "no_such_test"]), 2, "no test ran");
    write(none.path(), "tests/orders.rs", "#[test] #[ignore] fn slow() {}");
    assert_ends(&leak_audit(none.path(), &[]), 2, "no test ran");
    fs::remove_dir_all(none.path().join("tests")).expect("it is there");
    let manifest = "[package]\nname = \"shop\"\nedition = \"2024\"\n[lib]\ntest = false\n[workspace]\n";
    write(none.path(), "Cargo.toml", manifest);
    assert_ends(&leak_audit(none.path(), &[]), 2, "have no test binaries");
    write(none.path(), "Cargo.toml", "[package");
    assert_ends(&leak_audit(none.path(), &[]), 2, "the tests do not build");
}

/// A limit to a file's size stands for a full disk: anybody may set it. The tests themselves are killed by it, too.
#[test]
fn a_report_or_records_that_find_no_room_are_an_error() {
    let project = leaky();
    assert_ends(
        &leak_audit(project.path(), &["--output", "/dev/full"]),
        2,
        "cannot write /dev/full",
    );
    let full = fs::OpenOptions::new()
        .write(true)
        .open("/dev/full")
        .expect("Linux has it");
    let output = command(project.path(), &["--format", "json"]).stdout(full).output();
    assert_ends(&output.expect("it starts"), 2, "cannot write stdout");

    let mut limited = plain("sh", project.path());
    limited.args(["-c", "ulimit -f 8 && exec \"$0\" leak-audit"]);
    let output = limited.arg(env!("CARGO_BIN_EXE_cargo-leak-audit")).output();
    assert_ends(&output.expect("sh starts"), 2, "refusing to judge: the canary");
}

#[test]
fn debug_info_that_makes_no_sense_is_not_taken_for_clean() {
    let project = leaky();
    let (code, report) = crate::project::report(project.path(), &["--test", "orders"]);
    assert_eq!(code, Some(1), "{report:#}");
    let built = fs::read_dir(project.path().join("target/debug/deps")).expect("it was built");
    let is_program = |path: &PathBuf| {
        path.extension().is_none()
            && path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with("orders-"))
    };
    let mut programs = built.flatten().map(|entry| entry.path()).filter(is_program);
    let (program, None) = (programs.next().expect("a program"), programs.next()) else {
        panic!("one program")
    };
    let whole = fs::read(&program).expect("a file");
    let (entries, names) = (section(&whole, ".debug_info"), section(&whole, ".debug_str"));
    let garbage = vec![0xff; entries.len()];
    // Each begins anew after a few bytes, none of which is a letter.
    let no_names = (0..names.len()).map(|nth| (nth % 7) as u8).collect();
    for (place, garbage, says) in [
        (entries, garbage, "has debug info that cannot be read"),
        (names, no_names, "has debug info that cannot be read"),
        // The section table's place, in an ELF header.
        (0x28..0x30, vec![0x7f; 8], "cannot be read: its file is damaged"),
    ] {
        let mut bytes = whole.clone();
        bytes.splice(place, garbage);
        fs::write(&program, bytes).expect("it is ours");
        assert_ends(&leak_audit(project.path(), &["--test", "orders"]), 2, says);
    }
}

/// Where it is in an object file.
fn section(bytes: &[u8], name: &str) -> Range<usize> {
    let object = object::File::parse(bytes).expect("an object");
    let section = object.section_by_name(name).expect("it has debug info");
    let (offset, size) = section.file_range().expect("bytes");
    let at = |offset: u64| usize::try_from(offset).expect("it fits");
    at(offset)..at(offset + size)
}
