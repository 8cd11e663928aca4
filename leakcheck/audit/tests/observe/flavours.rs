//! The tests in `fixtures/observed` know nothing of leakcheck. Every task that they leave behind is found, and no other.

use std::process::Command;

use leakcheck_audit::Conclusion;
use leakcheck_audit::observe::{ObservedVerdict, Origin, What};

use crate::fixture::{Fixture, assert_unjudged};

fn fixture(profile: &str) -> Fixture {
    let fixture = Fixture::of("observed");
    if profile == "release" {
        fixture.optimised()
    } else {
        fixture
    }
}

fn observe_tests(profile: &str, arguments: &[&str]) -> ObservedVerdict {
    fixture(profile).run("flavours", arguments)
}

/// Each finding as: verdict, test, the spawn's line of code, count.
pub fn findings(verdict: &ObservedVerdict) -> Vec<(What, String, String, u64)> {
    let found = verdict.findings.iter().map(|finding| {
        let test = finding.test.clone().unwrap_or_default();
        (finding.what, test, fixture("dev").source(finding), finding.count)
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|one, other| one.1.cmp(&other.1));
    found
}

pub fn expected() -> Vec<(What, String, String, u64)> {
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
        (What::Unsure, "leaks_queued", library),
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
    let fixture = fixture("dev");
    let verdict = fixture.observe(fixture.cargo(&["test", "-q", "--test", "flavours", "leaks_idle"]));

    assert_eq!(findings(&verdict).len(), 1, "{verdict:?}");
    assert_eq!(verdict.command, Some(0));
    assert_eq!(verdict.findings[0].program, "flavours");
    assert_eq!(verdict.findings[0].origin, Origin::Own);
}

#[test]
fn a_command_without_tokio_has_nothing_to_judge_and_keeps_its_exit_code() {
    let mut command = Command::new("sh");
    command.args(["-c", "exit 7"]);
    let verdict = fixture("dev").observe(command);

    assert_eq!((verdict.command, verdict.processes, verdict.tasks), (Some(7), 0, 0));
}

#[test]
fn a_stripped_program_is_not_taken_for_clean() {
    let stripped = tempfile::tempdir().expect("a directory");
    let program = stripped.path().join("stripped");
    let objcopy = Command::new("strip")
        .arg("-o")
        .arg(&program)
        .arg(fixture("dev").binary("flavours"))
        .status();
    assert!(
        objcopy.is_ok_and(|status| status.success()),
        "strip is part of every C toolchain"
    );
    let mut command = Command::new(program);
    command.arg("clean_joined");
    let verdict = fixture("dev").observe(command);

    assert_unjudged(&verdict, "is stripped");
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

    assert_eq!(findings(&verdict), expected());
    assert_eq!(verdict.unjudged, [""; 0]);
}
