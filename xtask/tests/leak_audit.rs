//! `cargo xtask leak-audit` from outside, on a workspace whose tests write leakcheck's records by hand.

use std::fs;
use std::process::Command;

use tempfile::TempDir;

/// One package, with the planted test and one that does as a variable tells it.
fn workspace() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let package = directory.path().join("leakcheck");
    fs::create_dir_all(package.join("tests")).expect("a directory");
    fs::create_dir_all(package.join("src")).expect("a directory");
    let planted = [
        include_str!("../../leakcheck/audit/tests/fixture/record.rs"),
        include_str!("../../leakcheck/audit/tests/fixture/planted.rs"),
        r#"
        #[test]
        fn does_as_told() {
            let told = std::env::var("TOLD").unwrap_or_default();
            record("does_as_told", told == "leak");
            assert_eq!(told, "");
        }
        "#,
    ];
    for (path, text) in [
        (
            "../Cargo.toml",
            "[workspace]\nmembers = [\"leakcheck\"]\nresolver = \"3\"\n",
        ),
        ("Cargo.toml", "[package]\nname = \"leakcheck\"\nedition = \"2024\"\n"),
        ("src/lib.rs", ""),
        ("tests/planted.rs", &planted.concat()),
    ] {
        fs::write(package.join(path), text).expect("a file");
    }
    directory
}

/// The exit code, stdout and stderr.
fn audit(workspace: &TempDir, told: &str, arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
        .args(["leak-audit", "--manifest-path"])
        .arg(workspace.path().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(workspace.path().join("target"))
        .args(arguments)
        .env("TOLD", told)
        .output()
        .expect("xtask runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_exit_code_is_the_verdict() {
    let workspace = workspace();

    for (told, code, word) in [
        ("", 0, "clean"),
        ("leak", 1, "1 leaked"),
        ("fail", 2, "could not be judged"),
    ] {
        let (found, stdout, stderr) = audit(&workspace, told, &[]);

        assert_eq!(found, Some(code), "{told}: {stdout}{stderr}");
        let summary = stdout.lines().last().unwrap_or_default();
        assert!(
            summary.starts_with("leak-audit: ") && summary.contains(word),
            "{told}: {stdout}"
        );
        assert!(
            stderr.contains("test does_as_told ... "),
            "the tests are shown: {stderr}"
        );
    }
}

#[test]
fn stdout_has_one_document_and_nothing_else() {
    let (code, stdout, _) = audit(&workspace(), "leak", &["--format", "json"]);

    let document: serde_json::Value = serde_json::from_str(&stdout).expect("one document");
    assert_eq!(code, Some(1));
    assert_eq!(document["findings"][0]["test"], "does_as_told");
    assert_eq!(document["findings"][0]["seen"], "tracked");
}

#[test]
fn filters_reach_the_tests() {
    let (code, stdout, stderr) = audit(&workspace(), "fail", &["--", "--skip", "does_as_told"]);

    assert_eq!(code, Some(0), "{stdout}{stderr}");
    assert!(stderr.contains("1 filtered out"), "{stderr}");
}

#[test]
fn a_known_leak_is_tolerated() {
    let workspace = workspace();
    let baseline = workspace.path().join("baseline.toml");
    let entry = "[[known]]\nfile = \"leakcheck/tests/planted.rs\"\ngroup = \"g\"\nname = \"*\"\nreason = \"made for this test\"\n";
    fs::write(&baseline, entry).expect("a file");
    let arguments = ["--baseline", baseline.to_str().expect("a path in UTF-8")];

    let (code, stdout, stderr) = audit(&workspace, "leak", &arguments);
    assert_eq!(code, Some(0), "{stdout}{stderr}");

    let (code, stdout, stderr) = audit(&workspace, "", &arguments);
    assert_eq!(code, Some(1), "{stdout}{stderr}");
    assert!(stdout.contains("of the baseline must go"), "{stdout}");
}
