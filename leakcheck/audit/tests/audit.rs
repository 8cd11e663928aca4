//! `cargo leak-audit` from outside, on small workspaces that each test makes for itself.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

/// Stands for tokio: blocks of memory of a task's alignment, in functions that have its names. It builds in a moment.
const TOKIO: &str = include_str!("../preload/canary_tokio.rs");

/// A package whose tests do as the text says.
fn project(tests: &str) -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    for (path, text) in [
        (
            "Cargo.toml",
            "[package]\nname = \"shop\"\nedition = \"2024\"\n[workspace]\n",
        ),
        ("src/lib.rs", ""),
        ("tests/orders.rs", tests),
    ] {
        write(directory.path(), path, text);
    }
    directory
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
    fs::write(path, text).expect("a file");
}

fn leak_audit(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_cargo-leak-audit"))
        .arg("leak-audit")
        .args(arguments)
        .current_dir(directory)
        .env("CARGO_TARGET_DIR", directory.join("target"))
        .env_remove("CARGO_PROFILE_TEST_DEBUG")
        .env_remove("RUSTFLAGS")
        .output()
        .expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The exit code and stdout, with all of it in the message where it is not what was expected.
fn assert_ends(output: &Output, code: i32, says: &str) {
    let all = format!("{}\n{}", text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(code), "{all}");
    assert!(all.contains(says), "{says:?} in {all}");
}

const PASSES: &str = "#[test] fn one() {}\n#[test] fn two() {}\n#[test] fn three() {}\n";

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

    let project = project("this is not Rust");
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

#[test]
fn shards_run_each_test_once_and_merge_as_one() {
    let names: Vec<String> = (0..12).map(|number| format!("test_{number}")).collect();
    let tests: String = names.iter().map(|name| format!("#[test] fn {name}() {{}}\n")).collect();
    let project = project(&tests);
    let mut ran = Vec::new();
    for index in 1..=3 {
        let (shard, file) = (format!("{index}/3"), format!("json={index}.json"));
        let output = leak_audit(project.path(), &["--shard", &shard, "--format", &file]);
        assert_ends(&output, 0, "test result: ok");
        let document = fs::read_to_string(project.path().join(format!("{index}.json"))).expect("a report");
        let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
        let programs = document["programs"].as_array().expect("programs").iter();
        let tests = programs.flat_map(|program| program["tests"].as_array().into_iter().flatten());
        ran.extend(tests.map(|test| test["name"].as_str().unwrap_or_default().to_owned()));
    }
    ran.sort();
    let mut expected = names;
    expected.sort();
    assert_eq!(ran, expected);

    let merged = leak_audit(project.path(), &["merge", "1.json", "2.json", "3.json"]);
    assert_ends(&merged, 0, "leak-audit: clean");
    assert_ends(
        &leak_audit(project.path(), &["merge", "1.json", "3.json"]),
        2,
        "shards are missing: 2 of 3",
    );
    assert_ends(
        &leak_audit(project.path(), &["merge", "1.json", "1.json"]),
        2,
        "is there already",
    );
}

/// A project whose one test leaves a task behind that is spawned in the function `name`. `before` comes before that.
fn leaky(project: &TempDir, name: &str, before: &str) {
    let tests = format!(
        "{before}\nuse tokio::runtime::task::list::OwnedTasks;\n\
         fn {name}() {{\n    let mut tasks = OwnedTasks::default();\n    tasks.bind();\n    tasks.close_and_shutdown_all();\n}}\n\
         #[test] fn leaks() {{ {name}(); }}\n{PASSES}"
    );
    write(project.path(), "tests/orders.rs", &tests);
    write(
        project.path(),
        "tokio/Cargo.toml",
        "[package]\nname = \"tokio\"\nversion = \"1.29.0\"\n",
    );
    write(project.path(), "tokio/src/lib.rs", TOKIO);
    let manifest = "[package]\nname = \"shop\"\nedition = \"2024\"\n[dev-dependencies]\ntokio = { path = \"tokio\" }\n\
        [workspace]\nexclude = [\"tokio\"]\n";
    write(project.path(), "Cargo.toml", manifest);
}

fn report(project: &TempDir, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    let output = leak_audit(project.path(), &[&["--format", "json"], arguments].concat());
    let document = serde_json::from_slice(&output.stdout);
    let document = document.unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    (output.status.code(), document)
}

#[test]
fn a_leak_keeps_its_identity_while_the_code_around_it_changes() {
    let project = project("");
    leaky(&project, "starts", "");
    let (code, document) = report(&project, &[]);
    assert_eq!(code, Some(1), "{document:#}");
    let finding = &document["findings"][0];
    assert_eq!(
        (finding["test"].as_str(), finding["count"].as_u64()),
        (Some("leaks"), Some(1)),
        "{finding:#}"
    );
    assert_eq!(finding["spawned"][0]["file"], "tests/orders.rs", "{finding:#}");
    assert_eq!(finding["origin"], "own", "{finding:#}");
    let tests = document["programs"][0]["tests"].as_array().expect("tests");
    assert_eq!(tests.len(), 4, "{document:#}");

    leaky(
        &project,
        "starts",
        "// A line.\n\nfn unrelated() { (|| ())(); }\n#[test] fn calls_it() { unrelated(); }",
    );
    let (_, edited) = report(&project, &[]);
    assert_ne!(
        edited["findings"][0]["spawned"][0]["line"],
        finding["spawned"][0]["line"]
    );
    assert_eq!(edited["findings"][0]["id"], finding["id"]);

    leaky(&project, "begins", "");
    let (_, renamed) = report(&project, &[]);
    assert_ne!(renamed["findings"][0]["id"], finding["id"]);
}

#[test]
fn a_baseline_accepts_what_it_lists_and_nothing_else() {
    let project = project("");
    leaky(&project, "starts", "");
    assert_ends(&leak_audit(project.path(), &[]), 1, "leaked");
    assert_ends(
        &leak_audit(project.path(), &["--update-baseline"]),
        1,
        "give each new entry",
    );
    assert_ends(&leak_audit(project.path(), &[]), 2, "has no reason");
    fs::remove_file(project.path().join("leak-audit.toml")).expect("it was written");

    leak_audit(project.path(), &["--update-baseline", "--reason", "for now"]);
    assert_ends(&leak_audit(project.path(), &[]), 0, "for now");
    assert_ends(&leak_audit(project.path(), &["--no-observe"]), 2, "cannot judge");

    leaky(&project, "begins", "");
    assert_ends(&leak_audit(project.path(), &[]), 1, "leaked");
    write(project.path(), "tests/orders.rs", PASSES);
    assert_ends(&leak_audit(project.path(), &[]), 1, "of the baseline must go");
    // What a part of the tests does not show may be in another.
    assert_ends(&leak_audit(project.path(), &["--", "one"]), 0, "clean");
}

#[test]
fn tests_behave_as_without_the_audit() {
    let project = project("");
    let behaves = "#[test] fn prints() { println!(\"said\"); assert!(std::env::var_os(\"NO\").is_some()); }\n\
        #[test] #[ignore = \"slow\"] fn slow() {}\n#[test] #[should_panic] fn panics() { panic!(\"as it should\") }\n";
    leaky(&project, "starts", behaves);
    let masked = |output: &[u8]| {
        let text = text(output);
        let from = text.find("\nrunning ").expect("tests ran");
        // What cargo says comes from stderr, before or after.
        let tests = text[from..]
            .split("\nerror: test failed")
            .next()
            .unwrap_or_default()
            .to_owned();
        let mut lines: Vec<_> = tests.lines().map(str::to_owned).collect();
        for line in &mut lines {
            if let Some((before, _)) = line.split_once("; finished in ") {
                *line = before.to_owned();
            }
            // A thread's number is its process' own.
            if line.starts_with("thread 'prints'") {
                "thread 'prints' panicked".clone_into(line);
            }
        }
        while lines.last().is_some_and(String::is_empty) {
            lines.pop();
        }
        lines
    };
    let arguments = ["test", "--tests", "--no-fail-fast", "--", "--test-threads", "1"];
    let plain = Command::new(env!("CARGO"))
        .args(arguments)
        .current_dir(project.path())
        .env("CARGO_TARGET_DIR", project.path().join("target"))
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo starts");
    let audited = leak_audit(project.path(), &["--test", "orders", "--", "--test-threads", "1"]);
    let plain = text(&plain.stdout);
    let orders = plain.rfind("\nrunning ").expect("tests ran");

    assert_eq!(masked(&audited.stderr), masked(plain[orders..].as_bytes()));
    assert_ends(&audited, 1, "1 failed");
}
