//! `cargo leak-audit` on programs, commands and doc tests, and what ends it before it is done.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::project::{command, leak_audit, package_with_tokio};

/// A library whose doc test leaves a task behind.
const LIBRARY: &str = "/// ```\n/// shop::starts();\n/// ```\n\
    pub fn starts() {\n    use tokio::runtime::task::list::OwnedTasks;\n    let mut tasks = OwnedTasks::default();\n    \
    tasks.bind();\n    tasks.close_and_shutdown_all();\n}\n";

/// A program that closes its output, goes on until SIGINT, and leaves a task behind.
const SERVER: &str = r#"
use std::sync::atomic::{AtomicBool, Ordering};
static STOP: AtomicBool = AtomicBool::new(false);
unsafe extern "C" {
    fn signal(number: i32, handler: extern "C" fn(i32)) -> usize;
    fn close(descriptor: i32) -> i32;
}
extern "C" fn stop(_: i32) { STOP.store(true, Ordering::Relaxed); }
fn main() {
    unsafe { signal(2, stop) };
    println!("ready");
    unsafe { close(1) };
    while !STOP.load(Ordering::Relaxed) { std::thread::sleep(std::time::Duration::from_millis(5)); }
    shop::starts();
}
"#;

/// Says which process it is, and never ends. `said` is the file.
const WAITS: &str = "let said = std::env::var(\"SAID\").unwrap();\n\
    std::fs::write(format!(\"{said}.new\"), std::process::id().to_string()).unwrap();\n\
    std::fs::rename(format!(\"{said}.new\"), said).unwrap();\n    loop { std::thread::park(); }\n";

fn project() -> TempDir {
    let test = format!("#[test] fn waits() {{ {WAITS} }}\n#[test] fn leaks() {{ shop::starts(); }}\n");
    package_with_tokio(&[
        ("src/lib.rs", LIBRARY),
        ("src/bin/server.rs", SERVER),
        ("src/bin/waits.rs", &format!("fn main() {{ {WAITS} }}")),
        ("tests/orders.rs", &test),
    ])
}

/// stdout, where it ended so.
fn ends(output: &Output, code: i32) -> String {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{stdout}\n{stderr}");
    stdout
}

fn runs(directory: &Path, arguments: &[&str], code: i32) -> String {
    ends(&leak_audit(directory, arguments), code)
}

fn findings(document: &str) -> Vec<serde_json::Value> {
    let document: serde_json::Value = serde_json::from_str(document).expect("JSON");
    document["findings"].as_array().cloned().unwrap_or_default()
}

#[test]
fn a_program_that_closed_its_output_is_stopped_and_judged() {
    let project = project();
    let by_time = ["--bin", "server", "--for", "100ms", "--format", "json"];
    let found = findings(&runs(project.path(), &by_time, 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["spawned"][0]["file"], "src/lib.rs", "{found:#?}");

    // Without the text it would run for as long as a day.
    let by_text = [
        "--bin", "server", "--for", "1440m", "--until", "ready", "--format", "json",
    ];
    assert_eq!(findings(&runs(project.path(), &by_text, 1)), found);
}

#[test]
fn a_command_and_doc_tests_are_judged() {
    let project = project();
    // The command's output is its own.
    let exec = [
        "exec",
        "--format",
        "json=a.json",
        "--",
        "cargo",
        "test",
        "--test",
        "orders",
        "leaks",
    ];
    assert!(runs(project.path(), &exec, 1).contains("test leaks ... ok"));
    let found = findings(&fs::read_to_string(project.path().join("a.json")).expect("a report"));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["test"], "leaks", "{found:#?}");

    let found = findings(&runs(project.path(), &["--doc", "--format", "json"], 1));
    assert_eq!(found.len(), 1, "{found:#?}");
    assert_eq!(found[0]["spawned"][0]["file"], "src/lib.rs", "{found:#?}");
}

#[test]
fn a_signal_ends_what_was_started_and_leaves_no_files() {
    let project = project();
    let waiting: [&[&str]; 3] = [
        &["--test", "orders"],
        &["--bin", "waits", "--for", "1440m"],
        &["exec", "--", "cargo", "run", "--bin", "waits"],
    ];
    for (arguments, signal) in waiting
        .iter()
        .flat_map(|arguments| [(arguments, "TERM"), (arguments, "INT")])
    {
        let temporary = tempfile::tempdir().expect("a directory");
        let beside = tempfile::tempdir().expect("a directory");
        let said = beside.path().join("said");
        let mut audit = command(project.path(), arguments)
            .env("TMPDIR", temporary.path())
            .env("SAID", &said)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        let started = loop {
            if let Ok(started) = fs::read_to_string(&said) {
                break started;
            }
            assert_eq!(audit.try_wait().expect("a child"), None, "{arguments:?}");
            std::thread::yield_now();
        };
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", signal, &audit.id().to_string()])
            .status();
        assert!(sent.expect("sh starts").success());
        let output = audit.wait_with_output().expect("it ends");

        ends(&output, 2);
        assert!(
            String::from_utf8_lossy(&output.stderr).contains("leak-audit: interrupted"),
            "{arguments:?}"
        );
        // Until it is gone, or nothing but its entry is left, for whoever started it. One that goes on makes this hang.
        while fs::read_to_string(format!("/proc/{started}/stat")).is_ok_and(|state| !state.contains(") Z")) {
            std::thread::yield_now();
        }
        let left: Vec<_> = fs::read_dir(temporary.path()).expect("a directory").flatten().collect();
        assert!(left.is_empty(), "{arguments:?} {signal}: {left:?}");
    }
}
