//! The program from outside: its help, its exit codes, and that stdout has nothing but what was asked for.

use std::process::{Command, Output};

fn xtask(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(arguments)
        .output()
        .expect("xtask runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn help_goes_to_stdout_and_is_no_failure() {
    for (arguments, usage) in [
        (&["--help"][..], "Usage: cargo xtask COMMAND"),
        (&["leak-audit", "--help"], "Usage: cargo leak-audit [OPTIONS]"),
        (
            &["differential", "--help"],
            "Usage: cargo xtask differential [OPTIONS] [FILE...]",
        ),
        (&["lint-gate", "-h"], "Usage: cargo xtask lint-gate [OPTIONS]"),
    ] {
        let output = xtask(arguments);

        assert_eq!(output.status.code(), Some(0), "{arguments:?}");
        assert!(text(&output.stdout).contains(usage), "{arguments:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn wrong_arguments_exit_2_and_say_so_on_stderr() {
    for arguments in [
        &[][..],
        &["leak-adit"],
        &["leak-audit", "--format", "xml"],
        &["leak-audit", "closing"],
    ] {
        let output = xtask(arguments);

        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {output:?}");
        assert!(text(&output.stderr).contains("--help"), "{arguments:?}: {output:?}");
    }
}

#[test]
fn an_audit_that_cannot_judge_exits_2_with_one_document() {
    let directory = tempfile::tempdir().expect("a directory");
    let manifest_path = directory.path().join("Cargo.toml");
    std::fs::write(&manifest_path, "[workspace]\n").expect("a file");
    let manifest_path = manifest_path.to_str().expect("a path in UTF-8");

    let output = xtask(&["leak-audit", "--format", "json", "--manifest-path", manifest_path]);

    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one document on stdout");
    assert_eq!(document["conclusion"], "cannot_judge");
    assert_eq!(document["unjudged"].as_array().map(Vec::len), Some(1));
}
