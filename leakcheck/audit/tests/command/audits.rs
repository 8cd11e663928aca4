//! What an audit of tests finds, accepts and splits.

use std::fs;

use tempfile::TempDir;

use crate::project::{self, PASSES, assert_ends, depend_on_tokio, leak_audit, leaking_test, package, text, write};

#[test]
fn shards_run_each_test_once_and_merge_as_one() {
    let names: Vec<String> = (0..12).map(|number| format!("test_{number}")).collect();
    let tests: String = names.iter().map(|name| format!("#[test] fn {name}() {{}}\n")).collect();
    let project = package(&[("tests/orders.rs", &tests)]);
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
    let tests = format!("{before}\n{}{PASSES}", leaking_test(name));
    write(project.path(), "tests/orders.rs", &tests);
    depend_on_tokio(project.path());
}

fn report(project: &TempDir, arguments: &[&str]) -> (Option<i32>, serde_json::Value) {
    project::report(project.path(), arguments)
}

#[test]
fn a_leak_keeps_its_identity_while_the_code_around_it_changes() {
    let project = package(&[]);
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
fn a_leak_has_one_identity_whether_the_code_is_optimised_or_not() {
    let project = package(&[]);
    leaky(&project, "starts", "");
    let ids = |arguments: &[&str]| {
        let mut audit = project::command(project.path(), &[&["--format", "json"], arguments].concat());
        let output = audit.env("CARGO_PROFILE_RELEASE_DEBUG", "true").output();
        let (code, document) = project::read(&output.expect("it starts"));
        assert_eq!(code, Some(1), "{document:#}");
        let findings = document["findings"].as_array().expect("findings").iter();
        findings.map(|finding| finding["id"].clone()).collect::<Vec<_>>()
    };
    let debug = ids(&[]);
    assert_eq!((debug.len(), ids(&["--release"])), (1, debug));
}

#[test]
fn a_baseline_accepts_what_it_lists_and_nothing_else() {
    let project = package(&[]);
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
fn a_second_spawn_beside_an_accepted_one_is_new() {
    let project = package(&[]);
    let spawns = |before: &str, count: usize| {
        let spawns = "    tasks.bind();\n".repeat(count);
        let tests = format!(
            "{before}use tokio::runtime::task::list::OwnedTasks;\n\
             fn starts() {{\n    let mut tasks = OwnedTasks::default();\n{spawns}    tasks.close_and_shutdown_all();\n}}\n\
             #[test] fn leaks() {{ starts(); }}\n"
        );
        write(project.path(), "tests/orders.rs", &tests);
        depend_on_tokio(project.path());
    };
    spawns("", 1);
    leak_audit(project.path(), &["--update-baseline", "--reason", "for now"]);
    spawns("// moved\n\n", 1);
    assert_ends(&leak_audit(project.path(), &[]), 0, "for now");

    spawns("", 2);
    let (code, document) = report(&project, &[]);
    assert_eq!(code, Some(1), "{document:#}");
    let findings = document["findings"].as_array().expect("findings").iter();
    let accepted: Vec<_> = findings
        .map(|f| (f["spawned"][0]["line"].as_u64(), f["accepted"].as_str()))
        .collect();
    assert_eq!(accepted.len(), 2, "{document:#}");
    assert!(
        accepted.contains(&(Some(4), Some("for now"))) && accepted.contains(&(Some(5), None)),
        "{accepted:?}"
    );

    leak_audit(project.path(), &["--update-baseline", "--reason", "for now"]);
    spawns("// moved\n\n", 2);
    assert_ends(&leak_audit(project.path(), &[]), 0, "for now");
    spawns("", 1);
    assert_ends(&leak_audit(project.path(), &[]), 1, "of the baseline must go");
}

#[test]
fn tests_behave_as_without_the_audit() {
    let project = package(&[]);
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
    let mut plain = project::plain(env!("CARGO"), project.path());
    let plain = plain.args(arguments).output().expect("cargo starts");
    let audited = leak_audit(project.path(), &["--test", "orders", "--", "--test-threads", "1"]);
    let plain = text(&plain.stdout);
    let orders = plain.rfind("\nrunning ").expect("tests ran");

    assert_eq!(masked(&audited.stderr), masked(&plain.as_bytes()[orders..]));
    assert_ends(&audited, 1, "1 failed");
}
