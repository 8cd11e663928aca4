//! What cargo runs: several packages, a procedural macro and a build script that use threads and tokio, and doc tests.

use crate::fixture::{Fixture, assert_lines};

#[test]
#[ignore = "builds a workspace: CI's step observe"]
fn each_package_of_a_workspace_is_judged_and_its_build_is_not() {
    let fixture = Fixture::of("members");
    let verdict = fixture.observe(fixture.cargo(&["test", "-q", "--workspace", "--lib", "--tests"]));

    assert_lines(
        &fixture.lines(&verdict),
        "leaked | tests::leaks_in_a_unit_test | 1 | tokio::spawn(std::future::pending::<()>()); | core::future::pending::Pending\n\
         leaked | leaks_through_another_package | 1 | tokio::spawn(std::future::pending()) | core::future::pending::Pending",
    );
    assert_eq!(verdict.unjudged, [""; 0]);
    assert_eq!(verdict.command, Some(0));
    let mut programs: Vec<_> = verdict
        .findings
        .iter()
        .map(|finding| finding.program.as_str())
        .collect();
    programs.sort_unstable();
    assert_eq!(programs, ["server", "uses_server"]);
}

/// The verdict is by whose code is left behind, and not by who called tokio's `spawn` for it.
#[test]
fn own_code_that_a_dependency_spawns_is_own() {
    let fixture = Fixture::of("observed");
    let verdict = fixture.run("wrapped", &[]);

    assert_lines(&fixture.lines(&verdict), include_str!("wrapped.txt"));
}

/// A doc test's program is gone when it is judged. It is said so, and never taken for clean.
#[test]
#[ignore = "builds a workspace: CI's step observe"]
fn doc_tests_are_not_taken_for_clean() {
    let fixture = Fixture::of("members");
    let verdict = fixture.observe(fixture.cargo(&["test", "-q", "--doc", "-p", "server"]));

    crate::fixture::assert_unjudged(&verdict, "a doc test is deleted after it has run");
    assert_eq!(verdict.command, Some(0));
}
