//! What cannot be judged says why, and exits with 2.

use std::fs;

use crate::project::{PASSES, assert_ends, leak_audit, package, write};

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
    assert_ends(&leak_audit(project.path(), &[]), 2, "the tests do not build");

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
