//! Small workspaces, and `cargo leak-audit` run in them.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Stands for tokio: blocks of memory of a task's alignment, in functions that have its names. It builds in a moment.
const TOKIO: &str = include_str!("../../preload/canary_tokio.rs");

/// Tests that leave nothing behind.
pub const PASSES: &str = "#[test] fn one() {}\n#[test] fn two() {}\n#[test] fn three() {}\n";

/// A package without anything but what it is given: paths and texts.
pub fn package(files: &[(&str, &str)]) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let manifest = "[package]\nname = \"shop\"\nedition = \"2024\"\n[workspace]\n";
    write(directory.path(), "Cargo.toml", manifest);
    write(directory.path(), "src/lib.rs", "");
    for (path, text) in files {
        write(directory.path(), path, text);
    }
    directory
}

/// A package that depends on what stands for tokio.
pub fn package_with_tokio(files: &[(&str, &str)]) -> TempDir {
    let directory = package(files);
    depend_on_tokio(directory.path());
    directory
}

/// Makes it depend on what stands for tokio.
pub fn depend_on_tokio(root: &Path) {
    let manifest = "[package]\nname = \"shop\"\nedition = \"2024\"\n[dependencies]\ntokio = { path = \"tokio\" }\n\
        [workspace]\nexclude = [\"tokio\"]\n";
    write(root, "Cargo.toml", manifest);
    let manifest = "[package]\nname = \"tokio\"\nversion = \"1.29.0\"\n";
    write(root, "tokio/Cargo.toml", manifest);
    write(root, "tokio/src/lib.rs", TOKIO);
}

/// A test that leaves a task behind, which is spawned in the function `name`.
pub fn leaking_test(name: &str) -> String {
    format!(
        "use tokio::runtime::task::list::OwnedTasks;\n\
         fn {name}() {{\n    let mut tasks = OwnedTasks::default();\n    tasks.bind();\n    tasks.close_and_shutdown_all();\n}}\n\
         #[test] fn leaks() {{ {name}(); }}\n"
    )
}

pub fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, text).expect("a file");
}

/// `cargo leak-audit`, to be started in this directory.
pub fn command(directory: &Path, arguments: &[&str]) -> Command {
    let mut command = plain(env!("CARGO_BIN_EXE_cargo-leak-audit"), directory);
    command.arg("leak-audit").args(arguments);
    command
}

/// Any program in this directory, which builds there.
pub fn plain(program: &str, directory: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", directory.join("target"))
        .env_remove("CARGO_PROFILE_TEST_DEBUG")
        .env_remove("RUSTFLAGS");
    command
}

pub fn leak_audit(directory: &Path, arguments: &[&str]) -> Output {
    command(directory, arguments).output().expect("it starts")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code, and what is said on stdout or stderr, with all of it in the message where it is not what was expected.
#[track_caller]
pub fn assert_ends(output: &Output, code: i32, says: &str) {
    let all = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{all}");
    assert!(all.contains(says), "{says:?} in {all}");
}

/// The exit code, and the report that goes to stdout.
pub fn report(directory: &Path, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    read(&leak_audit(directory, &[&["--format", "json"], arguments].concat()))
}

/// The exit code, and the report on stdout.
pub fn read(output: &Output) -> (Option<i32>, serde_json::Value) {
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    (output.status.code(), document)
}
