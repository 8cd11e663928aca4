//! What the output takes from where it goes to.

use std::fs;
use std::process::Command;

use leakcheck_audit::render::{Options, people};
use leakcheck_audit::report::Report;

use crate::project::{PASSES, assert_ends, command, leak_audit, package, text, write};

const REPORT: &str = include_str!("../render/samples/rich.json");

/// util-linux' `script` gives a terminal to what it runs.
#[test]
fn text_is_as_wide_as_its_terminal_and_coloured_there() {
    let project = package(&[("a.json", REPORT)]);
    // In the order that merge gives it.
    let merged = command(project.path(), &["merge", "a.json", "--format", "json"]).output();
    let report: Report = serde_json::from_slice(&merged.expect("it starts").stdout).expect("a report");
    let shown = |width: usize| {
        let output = Command::new("script")
            .args(["--quiet", "--command"])
            .arg(format!("stty cols {width} -opost; \"$AUDIT\" leak-audit merge a.json"))
            .arg("/dev/null")
            .env("AUDIT", env!("CARGO_BIN_EXE_cargo-leak-audit"))
            .env_remove("NO_COLOR")
            .current_dir(project.path())
            .output();
        text(&output.expect("util-linux has it").stdout)
    };
    let mut options = Options::default();
    options.colour = true;
    for width in [60, 110] {
        options.width = Some(width);
        assert_eq!(shown(width), people::render(&report, &options));
    }
    options.width = None;
    options.colour = false;
    let piped = command(project.path(), &["merge", "a.json"])
        .output()
        .expect("it starts");
    assert_eq!(text(&piped.stdout), people::render(&report, &options));
}

#[test]
fn files_are_named_from_the_repository_s_root_where_a_forge_reads_them() {
    let project = package(&[]);
    fs::create_dir(project.path().join(".git")).expect("a directory");
    write(project.path(), "services/shop/a.json", REPORT);
    write(project.path(), "services/shop/src/lib.rs", "");
    let manifest = "[package]\nname = \"inner\"\n[workspace]\n";
    write(project.path(), "services/shop/Cargo.toml", manifest);
    let directory = project.path().join("services/shop");
    for (format, says) in [
        ("sarif", "\"uri\": \"services/shop/src/"),
        ("github", "file=services/shop/src/"),
        ("json", "\"file\": \"src/"),
    ] {
        let output = command(&directory, &["merge", "a.json", "--format", format]).output();
        let shown = text(&output.expect("it starts").stdout);
        assert!(shown.contains(says), "{says} in {shown}");
    }
}

/// Where it is, between the lines of cargo and the tests.
#[test]
fn it_says_how_far_it_is_while_it_builds_and_runs() {
    let project = package(&[("tests/a.rs", PASSES), ("tests/b.rs", PASSES)]);
    let output = leak_audit(project.path(), &[]);
    assert_ends(&output, 0, "leak-audit: clean");
    let (shown, said) = (text(&output.stdout), text(&output.stderr));
    assert!(!shown.contains("test program"), "findings alone go to stdout: {shown}");
    let mut rest = said.as_str();
    for line in [
        "leak-audit: building the tests\n",
        "Compiling shop",
        "leak-audit: running the tests: 3 programs\n",
        "Running unittests src/lib.rs",
        "leak-audit: test program 1 of 3\n",
        "Running tests/a.rs",
        "leak-audit: test program 2 of 3\n",
        "test three ... ok",
        "Running tests/b.rs",
        "leak-audit: test program 3 of 3\n",
        "leak-audit: reading what they left behind\n",
    ] {
        let Some((_, after)) = rest.split_once(line) else {
            panic!("no {line:?} from here on: {rest}\nin\n{said}")
        };
        rest = after;
    }
    let quiet = leak_audit(project.path(), &["--quiet"]);
    assert_ends(&quiet, 0, "leak-audit: clean");
    assert_eq!(text(&quiet.stderr), "");
}
