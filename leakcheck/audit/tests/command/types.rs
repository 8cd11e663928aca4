//! `leak-audit scan --clippy`: what names seem to say, and what the compiler says.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::project::{command, package, text};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/resolved")
}

/// The fixture's scan, built below this workspace's target directory.
fn scan(arguments: &[&str]) -> Output {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("resolved");
    command(&fixture(), &[&["scan"], arguments].concat())
        .env("CARGO_TARGET_DIR", built)
        .output()
        .unwrap()
}

type Found = BTreeSet<(String, u64, String)>;

/// What the fixture's comments say is found: its file, its line, its rule, and whether it was confirmed where clippy is asked.
fn expected(by_type: bool) -> Found {
    let mut all = Found::new();
    for entry in fs::read_dir(fixture().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let file = format!("src/{}", path.file_name().unwrap().to_str().unwrap());
        for (number, line) in (1..).zip(fs::read_to_string(&path).unwrap().lines()) {
            let mut insert = |rule: String| all.insert((file.clone(), number, rule));
            if let Some((_, said)) = line.split_once("//~ ") {
                let mut words = said.split(' ');
                let (rule, confirmed) = (words.next().unwrap(), words.next().unwrap());
                let by_type_alone = words.next() == Some("//+");
                if by_type {
                    insert(format!("{rule} {confirmed}"));
                } else if !by_type_alone {
                    insert(rule.to_owned());
                }
            } else if let Some((_, rule)) = line.split_once("//- ")
                && !by_type
            {
                insert(rule.to_owned());
            }
        }
    }
    all
}

fn found(report: &Value) -> Found {
    let suspects = report["suspects"].as_array().unwrap().iter();
    suspects
        .filter(|suspect| suspect["silenced"].is_null())
        .map(|suspect| {
            let rule = suspect["rule"].as_str().unwrap();
            let rule = match suspect["by_type"].as_str() {
                Some(by_type) => format!("{rule} {by_type}"),
                None => rule.to_owned(),
            };
            let file = suspect["at"]["file"].as_str().unwrap().to_owned();
            (file, suspect["at"]["line"].as_u64().unwrap(), rule)
        })
        .collect()
}

fn said(output: &Output) -> String {
    text(&output.stderr)
}

#[test]
fn clippy_confirms_drops_and_adds_what_names_do_not_tell() {
    let own = fs::read_to_string(fixture().join("clippy.toml")).unwrap();
    // The second time nothing is built, and cargo repeats what clippy said.
    for _ in 0..2 {
        let output = scan(&["--clippy", "--format", "json"]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found(&report), expected(true));
        let notes = report["notes"].as_array().unwrap();
        let notes: Vec<&str> = notes.iter().filter_map(Value::as_str).collect();
        let dropped = "what is called at src/somebody_else.rs";
        assert_eq!(
            notes.iter().filter(|note| note.contains(dropped)).count(),
            3,
            "{notes:?}"
        );
        assert_eq!(
            notes.last(),
            Some(&"by type: 18 spawns confirmed, 3 not resolved; 3 findings dropped, 4 found by it alone")
        );
    }
    assert_eq!(fs::read_to_string(fixture().join("clippy.toml")).unwrap(), own);
}

#[test]
fn without_clippy_names_alone_decide() {
    let output = scan(&["--format", "json"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(found(&report), expected(false));
    assert_eq!(report["notes"], serde_json::json!([]));
}

#[test]
fn a_feature_that_is_compiled_is_resolved() {
    let output = scan(&["--clippy", "--features", "extra"]);
    let text = text(&output.stdout);
    assert!(text.contains("by type: 21 spawns confirmed, 0 not resolved;"), "{text}");
    assert!(!text.contains("by type  not resolved"), "{text}");
}

#[test]
fn what_does_not_build_is_not_judged() {
    let output = scan(&["--clippy", "--features", "broken"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(2), 0));
    let said = said(&output);
    assert!(
        said.contains("it does not build") && said.contains("this feature is broken"),
        "{said}"
    );
}

#[test]
fn without_clippy_installed_nothing_is_judged() {
    let directory = package(&[("src/lib.rs", "pub fn f() {}\n")]);
    // A cargo without the component.
    let cargo = directory.path().join("cargo.sh");
    let script = "#!/bin/sh\n\
        [ \"$1\" = clippy ] && echo \"error: 'cargo-clippy' is not installed for this toolchain\" >&2 && exit 1\n\
        exec \"$REAL\" \"$@\"\n";
    fs::write(&cargo, script).unwrap();
    fs::set_permissions(&cargo, fs::Permissions::from_mode(0o755)).unwrap();
    let output = command(directory.path(), &["scan", "--clippy"])
        .env("REAL", env!("CARGO"))
        .env("CARGO", &cargo)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let said = said(&output);
    assert!(
        said.contains("rustup component add clippy") && said.contains("is not installed for this toolchain"),
        "{said}"
    );
}

#[test]
fn source_without_a_package_cannot_be_compiled() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("lib.rs"), "pub fn f() {}\n").unwrap();
    for path in [".", "lib.rs"] {
        let output = command(directory.path(), &["scan", "--clippy", path]).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(
            said(&output).contains("needs a package of cargo's"),
            "{}",
            said(&output)
        );
    }
    let output = command(directory.path(), &["scan", "--all-features", "."])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(said(&output).contains("features are for --clippy"), "{}", said(&output));
}
