//! Every way that a task can end or not, with several versions of tokio and every edition.

use leakcheck_audit::Conclusion;

use crate::fixture::{Fixture, assert_clean, assert_lines, assert_unjudged};

/// What `fixtures/scenarios/tests.rs` leaves behind.
pub const EXPECTED: &str = include_str!("scenarios.txt");

fn assert_all_found(fixture: &Fixture) {
    let verdict = fixture.run("scenarios", &[]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
    assert_eq!(verdict.unjudged, [""; 0]);
    assert_eq!(verdict.command, Some(0));
    assert_eq!(verdict.conclusion(), Conclusion::Leaked);
}

#[test]
fn every_scenario_is_judged_with_the_newest_tokio_in_edition_2024() {
    assert_all_found(&Fixture::of("tokio-newest"));
}

#[test]
#[ignore = "builds another version of tokio: CI's step observe"]
fn every_scenario_is_judged_with_tokio_1_47_in_edition_2021() {
    assert_all_found(&Fixture::of("tokio-1-47"));
}

#[test]
#[ignore = "builds another version of tokio: CI's step observe"]
fn every_scenario_is_judged_with_tokio_1_32_in_edition_2018() {
    assert_all_found(&Fixture::of("tokio-1-32"));
}

#[test]
fn one_thread_for_all_tests_gives_the_same_findings() {
    let fixture = Fixture::of("tokio-newest");
    let verdict = fixture.run("scenarios", &["--test-threads", "1"]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
}

#[test]
fn scenarios_that_leave_nothing_behind_are_clean() {
    let verdict = Fixture::of("tokio-newest").run("scenarios", &["clean"]);

    assert_clean(&verdict);
    assert!(verdict.tasks >= 20, "{verdict:?}");
}

#[test]
fn what_only_newer_versions_have_is_judged_too() {
    let fixture = Fixture::of("tokio-newest");
    let verdict = fixture.run("newest", &[]);

    assert_lines(&fixture.lines(&verdict), include_str!("newest.txt"));
}

#[test]
#[ignore = "builds tokio with its unstable parts: CI's step observe"]
fn a_task_of_a_task_builder_is_judged_too() {
    let fixture = Fixture::of("tokio-newest")
        .with(&["--features", "tracing"])
        .env("RUSTFLAGS", "--cfg tokio_unstable");
    let verdict = fixture.run("builder", &[]);

    assert_lines(&fixture.lines(&verdict), include_str!("builder.txt"));
}

#[test]
fn what_has_been_aborted_or_is_about_to_end_when_the_process_exits_is_not_alive() {
    let fixture = Fixture::of("tokio-newest");
    for test in ["exits_after_an_abort", "exits_while_a_task_ends"] {
        let verdict = fixture.run("scenarios", &["--ignored", "--exact", test]);
        assert_clean(&verdict);
        assert_eq!((verdict.tasks, verdict.command), (1, Some(0)), "{test}");
    }
}

#[test]
fn a_task_that_is_blocked_in_its_poll_when_the_process_exits_is_alive() {
    let fixture = Fixture::of("tokio-newest");
    let verdict = fixture.run("scenarios", &["--ignored", "--exact", "exits_while_a_task_is_blocked"]);
    let blocked = "leaked | exits_while_a_task_is_blocked | 1 | tokio::spawn(async move { | *";
    assert_lines(&fixture.lines(&verdict), blocked);
}

#[test]
fn a_test_that_exits_shows_what_was_alive() {
    let fixture = Fixture::of("tokio-newest");
    let verdict = fixture.run("scenarios", &["--ignored", "--exact", "exits"]);

    let alive = "leaked | exits | 1 | let task = tokio::spawn(async move { | core::future::pending::Pending";
    assert_lines(&fixture.lines(&verdict), alive);
    assert_eq!(verdict.command, Some(0));
}

#[test]
fn a_test_that_fails_keeps_its_exit_code_and_its_leaks_count() {
    let fixture = Fixture::of("tokio-newest");
    let verdict = fixture.run("scenarios", &["--ignored", "fails_and_leaks"]);

    let left = "leaked | fails_and_leaks | 1 | let task = tokio::spawn(async move { | core::future::pending::Pending";
    assert_lines(&fixture.lines(&verdict), left);
    assert_eq!(verdict.command, Some(101));
}

#[test]
fn a_test_that_aborts_is_not_taken_for_clean() {
    let verdict = Fixture::of("tokio-newest").run("scenarios", &["--ignored", "aborts"]);

    assert_unjudged(&verdict, "did not come to its end");
}

/// Task cells are aligned to a pair of cache lines since tokio 1.29. Before, nothing tells them from other memory.
#[test]
#[ignore = "builds another version of tokio: CI's step observe"]
fn tokio_1_20_is_said_to_be_too_old() {
    let verdict = Fixture::of("tokio-1-20").run("old", &[]);

    assert_unjudged(
        &verdict,
        "uses tokio 1.20.6, whose tasks cannot be told from other memory: 1.29 is the first",
    );
}
