//! `cargo xtask lint-gate` on copies of this workspace's lists, with clippy itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

const DENIES: &str = "#![deny(clippy::disallowed_methods)]\n";
const EXCEPTION: &str = "#[expect(clippy::disallowed_methods, reason = \"why\")]\nfn exception() {}\n";

/// A workspace with this one's lists and lock file, and crate roots that deny the lint.
struct Workspace(TempDir);

impl Workspace {
    fn new() -> Self {
        let workspace = Self(tempfile::tempdir().expect("a directory"));
        for path in ["clippy.toml", "kfake/clippy.toml", "Cargo.lock"] {
            workspace.write(
                path,
                &fs::read_to_string(this_workspace().join(path)).expect("the original"),
            );
        }
        for path in ["leakcheck/src/lib.rs", "kfake/src/lib.rs", "kfake/src/main.rs"] {
            workspace.write(path, DENIES);
        }
        // As many exceptions as this workspace has.
        workspace.write("leakcheck/src/lib.rs", &[DENIES, EXCEPTION].concat());
        workspace.write("leakcheck/src/cell.rs", &EXCEPTION.repeat(2));
        for path in [
            "leakcheck/src/check/alone.rs",
            "leakcheck/src/ending.rs",
            "leakcheck/src/settle.rs",
            "leakcheck/src/signal.rs",
            "leakcheck/src/untracked/hooks.rs",
            "leakcheck/src/untracked/named.rs",
            "leakcheck/src/watchdog.rs",
            "kfake/src/cluster/state.rs",
        ] {
            workspace.write(path, EXCEPTION);
        }
        workspace
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a directory");
        fs::write(path, text).expect("a file");
    }

    fn replace(&self, path: &str, from: &str, to: &str) {
        let text = fs::read_to_string(self.0.path().join(path)).expect("the file");
        assert!(text.contains(from), "{path} has no {from}");
        self.write(path, &text.replace(from, to));
    }

    /// The exit code, and what it prints. None where there is no clippy, which CI's own step insists on.
    fn gate_with_clippy(&self) -> Option<(Option<i32>, String)> {
        let clippy = Command::new(env!("CARGO")).args(["clippy", "-V"]).output();
        if !clippy.is_ok_and(|output| output.status.success()) {
            println!("skipped: no clippy");
            return None;
        }
        Some(self.gate())
    }

    /// The exit code, and what it prints.
    fn gate(&self) -> (Option<i32>, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_xtask"))
            .args(["lint-gate", "--root"])
            .arg(self.0.path())
            // One for all tests, and the one of this workspace's own lists: tokio is built once.
            .args([
                "--target-dir",
                concat!(env!("CARGO_TARGET_TMPDIR"), "/../lint-gate/target"),
            ])
            .output()
            .expect("xtask runs");
        let text = [output.stdout, output.stderr].concat();
        (output.status.code(), String::from_utf8_lossy(&text).into_owned())
    }
}

fn this_workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn clippy_reports_every_path_of_the_lists() {
    let Some((code, text)) = Workspace::new().gate_with_clippy() else {
        return;
    };

    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" 0 findings"), "{text}");
}

#[test]
fn a_crate_that_does_not_deny_the_lint_does_not_pass() {
    let workspace = Workspace::new();
    workspace.write("kfake/src/main.rs", "fn main() {}\n");

    let Some((code, text)) = workspace.gate_with_clippy() else {
        return;
    };

    assert_eq!(code, Some(1), "{text}");
    assert!(text.starts_with("kfake/src/main.rs: does not deny the lint"), "{text}");
}

#[test]
fn an_exception_that_is_not_listed_does_not_pass() {
    let workspace = Workspace::new();
    workspace.write("kfake/src/net/mod.rs", EXCEPTION);
    workspace.write("leakcheck/src/ending.rs", &EXCEPTION.repeat(2));
    workspace.write("leakcheck/src/settle.rs", "// No exception any more.\n");

    let Some((code, text)) = workspace.gate_with_clippy() else {
        return;
    };

    assert_eq!(code, Some(1), "{text}");
    for (file, count, listed) in [
        ("kfake/src/net/mod.rs", 1, 0),
        ("leakcheck/src/ending.rs", 2, 1),
        ("leakcheck/src/settle.rs", 0, 1),
    ] {
        let finding = format!("{file}: makes {count} exceptions from the lint, and the gate's list has {listed}\n");
        assert!(text.contains(&finding), "{text}");
    }
    assert!(text.contains(" 3 findings"), "{text}");
}

#[test]
fn a_misspelt_path_does_not_pass() {
    let workspace = Workspace::new();
    workspace.replace(
        "clippy.toml",
        "tokio::task::JoinSet::spawn_on",
        "tokio::task::JoinSet::spwan_on",
    );

    let Some((code, text)) = workspace.gate_with_clippy() else {
        return;
    };

    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("clippy.toml: tokio::task::JoinSet::spwan_on is never tried"),
        "{text}"
    );
}

#[test]
fn a_list_that_clippy_cannot_use_does_not_pass() {
    let workspace = Workspace::new();
    workspace.replace(
        "clippy.toml",
        "disallowed-methods = [",
        "no-such-setting = true\ndisallowed-methods = [",
    );

    let Some((code, text)) = workspace.gate_with_clippy() else {
        return;
    };

    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("clippy says:"), "{text}");
}

#[test]
fn a_workspace_without_a_list_cannot_be_checked() {
    let workspace = Workspace::new();
    fs::remove_file(workspace.0.path().join("clippy.toml")).expect("it was there");

    let (code, text) = workspace.gate();

    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("clippy.toml"), "{text}");
}
