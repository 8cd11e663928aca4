//! How a project is compiled.

use std::process::Command;

use leakcheck_audit::Conclusion;

use crate::fixture::{Fixture, assert_lines, assert_unjudged};
use crate::scenarios::EXPECTED;

fn release(debug: &'static str) -> Fixture {
    Fixture::of("tokio-1-47").with(&["--release", "--config", debug])
}

#[test]
#[ignore = "builds optimised code: CI's step observe"]
fn optimised_code_with_debug_info_gives_the_same_findings() {
    let fixture = Fixture::of("tokio-1-47").optimised();
    let verdict = fixture.run("scenarios", &[]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
    assert_eq!(verdict.unjudged, [""; 0]);
}

/// Line tables name functions without their modules.
#[test]
#[ignore = "builds optimised code: on a schedule"]
fn optimised_code_with_line_tables_alone_is_not_taken_for_clean() {
    let fixture = release("profile.release.debug=\"line-tables-only\"");

    assert_unjudged(&fixture.run("scenarios", &[]), "line tables alone");
}

#[test]
#[ignore = "builds optimised code: on a schedule"]
fn optimised_code_without_debug_info_or_stripped_is_never_taken_for_clean() {
    let fixture = release("profile.release.debug=\"none\"").with(&["--config", "profile.release.strip=\"none\""]);
    let program = fixture.binary("scenarios");
    // What symbols alone tell is less, and where it is too little, that is said.
    let verdict = fixture.run("scenarios", &[]);
    assert_ne!(verdict.conclusion(), Conclusion::Clean, "{verdict:#?}");

    let directory = tempfile::tempdir().expect("a directory");
    let stripped = directory.path().join("stripped");
    let strip = Command::new("strip").arg("-o").arg(&stripped).arg(program).status();
    assert!(
        strip.is_ok_and(|status| status.success()),
        "strip is part of every C toolchain"
    );
    assert_unjudged(&fixture.observe(Command::new(stripped)), "is stripped");
}

#[test]
#[ignore = "builds another profile: CI's step observe"]
fn a_program_that_aborts_on_panic_is_judged_as_any_other_until_it_panics() {
    let fixture = Fixture::of("tokio-1-47").with(&["--config", "profile.dev.panic=\"abort\""]);
    let verdict = fixture.run("server", &[]);
    assert_lines(
        &fixture.lines(&verdict),
        "leaked | - | 1 | tokio::spawn(async { | core::future::pending::Pending",
    );

    assert_unjudged(&fixture.run("server", &["panic"]), "did not come to its end");
}
