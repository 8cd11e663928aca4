//! The tests in `fixtures/observed` know nothing of leakcheck. Every task that they leave behind is found, and no other.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use leakcheck_audit::Conclusion;
use leakcheck_audit::observe::{Observation, ObservedVerdict, Origin, What};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/observed")
}

fn cargo(arguments: &[&str]) -> Command {
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .current_dir(fixture())
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("observed"),
        )
        .env_remove("CARGO_PROFILE_TEST_DEBUG")
        .env_remove("RUSTFLAGS");
    cargo
}

/// The fixture's test binaries, built once: what cargo does itself need not be observed each time.
fn binary(profile: &str) -> PathBuf {
    static DEBUG: OnceLock<PathBuf> = OnceLock::new();
    static RELEASE: OnceLock<PathBuf> = OnceLock::new();
    let built = if profile == "release" { &RELEASE } else { &DEBUG };
    let build = || {
        let mut build = cargo(&["test", "--no-run", "--test", "flavours", "--message-format", "json"]);
        if profile == "release" {
            build.args(["--release", "--config", "profile.release.debug=true"]);
        }
        let output = build.output().expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8_lossy(&output.stdout);
        let artifact = messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == "flavours")
            .find_map(|message| message["executable"].as_str().map(PathBuf::from));
        artifact.expect("cargo names the binary")
    };
    built.get_or_init(build).clone()
}

fn observe(command: Command) -> ObservedVerdict {
    Observation::of(command).workspace(fixture()).run().expect("a verdict")
}

fn observe_tests(profile: &str, arguments: &[&str]) -> ObservedVerdict {
    let mut command = Command::new(binary(profile));
    command.args(arguments);
    observe(command)
}

/// Each finding as: verdict, test, the spawn's line of code, count.
fn findings(verdict: &ObservedVerdict) -> Vec<(What, String, String, u64)> {
    let mut findings: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| {
            let place = finding.spawned.first();
            let file = place.and_then(|place| place.file.clone()).unwrap_or_default();
            let line = place.and_then(|place| place.line).unwrap_or_default() as usize;
            let source = std::fs::read_to_string(fixture().join(file)).unwrap_or_default();
            let line = source
                .lines()
                .nth(line.wrapping_sub(1))
                .unwrap_or_default()
                .trim()
                .to_owned();
            (
                finding.what,
                finding.test.clone().unwrap_or_default(),
                line,
                finding.count,
            )
        })
        .collect();
    findings.sort_by(|one, other| one.1.cmp(&other.1));
    findings
}

fn expected() -> Vec<(What, String, String, u64)> {
    let settled = "let task = tokio::spawn(async move {";
    let library = "tokio::spawn(forever())";
    [
        (What::Blocked, "blocks_a_thread", "runtime.spawn_blocking(move || {"),
        (What::Leaked, "leaks_detached_join_set", "tasks.spawn(forever());"),
        (What::Leaked, "leaks_from_a_worker", settled),
        (What::Leaked, "leaks_idle", settled),
        (What::Leaked, "leaks_in_a_library", library),
        (What::Leaked, "leaks_local_set", "tokio::task::spawn_local(forever());"),
        (What::Leaked, "leaks_multi_thread", settled),
        (What::Leaked, "leaks_nested_runtime", settled),
        (What::Leaked, "leaks_never_dropped", settled),
        (What::Leaked, "leaks_queued", library),
        (What::Leaked, "leaks_shutdown_background", settled),
        (What::Leaked, "leaks_shutdown_timeout", settled),
        (
            What::Leaked,
            "leaks_while_it_holds_an_ended_one",
            "tokio::spawn(async move {",
        ),
    ]
    .into_iter()
    .map(|(what, test, line)| (what, test.to_owned(), line.to_owned(), 1))
    .collect()
}

#[test]
fn every_task_that_outlived_its_test_is_found_and_no_other() {
    let verdict = observe_tests("dev", &[]);

    assert_eq!(findings(&verdict), expected());
    assert_eq!(verdict.unjudged, [""; 0]);
    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
}

#[test]
fn tests_that_leave_nothing_behind_are_clean() {
    let verdict = observe_tests("dev", &["clean"]);

    assert_eq!(findings(&verdict), []);
    assert_eq!(verdict.conclusion(), Conclusion::Clean);
    assert!(verdict.tasks >= 16, "{verdict:?}");
}

#[test]
fn one_thread_for_all_tests_gives_the_same_findings() {
    let verdict = observe_tests("dev", &["--test-threads", "1"]);

    assert_eq!(findings(&verdict), expected());
}

#[test]
fn what_cargo_runs_is_observed_through_cargo() {
    binary("dev");
    let verdict = observe(cargo(&["test", "-q", "--test", "flavours", "leaks_idle"]));

    assert_eq!(findings(&verdict).len(), 1, "{verdict:?}");
    assert_eq!(verdict.command, Some(0));
    assert_eq!(verdict.findings[0].program, "flavours");
    assert_eq!(verdict.findings[0].origin, Origin::Own);
}

#[test]
fn a_command_without_tokio_has_nothing_to_judge_and_keeps_its_exit_code() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 7"]);
    let verdict = observe(command);

    assert_eq!((verdict.command, verdict.processes, verdict.tasks), (Some(7), 0, 0));
}

#[test]
fn a_stripped_program_is_not_taken_for_clean() {
    let stripped = tempfile::tempdir().expect("a directory");
    let program = stripped.path().join("stripped");
    let objcopy = Command::new("strip")
        .arg("-o")
        .arg(&program)
        .arg(binary("dev"))
        .status();
    assert!(
        objcopy.is_ok_and(|status| status.success()),
        "strip is part of every C toolchain"
    );
    let mut command = Command::new(program);
    command.arg("clean_joined");
    let verdict = observe(command);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge, "{verdict:?}");
}

#[test]
fn a_test_binary_that_aborts_is_not_taken_for_clean() {
    let verdict = observe_tests("dev", &["aborts", "--ignored"]);

    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge, "{verdict:?}");
    assert_eq!(verdict.command, None);
}

#[test]
#[ignore = "builds the fixture a second time: CI's step observe"]
fn optimised_code_gives_the_same_findings() {
    let verdict = observe_tests("release", &[]);

    let mut expected = expected();
    for (_, test, line, _) in &mut expected {
        // The library's function ends in the spawn, which takes its place on the stack.
        if ["leaks_in_a_library", "leaks_queued"].contains(&&**test) {
            "start_server();".clone_into(line);
        }
    }
    assert_eq!(findings(&verdict), expected);
    assert_eq!(verdict.unjudged, [""; 0]);
}
