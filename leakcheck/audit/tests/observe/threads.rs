//! Threads that outlived their test: those that are blocked for certain are told of, and no other.

use leakcheck_audit::observe::What;

use crate::fixture::{Fixture, assert_clean, assert_lines};

/// What `fixtures/observed/tests/threads.rs` leaves behind.
const EXPECTED: &str = include_str!("threads.txt");

#[test]
fn a_thread_that_is_blocked_is_found_and_no_other() {
    let fixture = Fixture::of("observed");
    let verdict = fixture.run("threads", &[]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
    assert!(verdict.findings.iter().all(|finding| finding.what == What::Blocked));
    assert_eq!(verdict.unjudged, [""; 0]);
    // 17 that outlive their test or are about to end, and four that have ended: joined, of a scope, or creators of others.
    assert_eq!(verdict.threads, 21);
    let why: Vec<_> = verdict
        .findings
        .iter()
        .filter_map(|finding| Some((finding.test.as_deref()?, finding.why.first()?.split(", at ").next()?)))
        .collect();
    assert_eq!(
        why,
        [
            ("leaks_in_a_mutex", "blocked in a std mutex"),
            ("leaks_in_a_rwlock", "blocked in a std rwlock"),
        ]
    );
}

#[test]
fn one_thread_for_all_tests_gives_the_same_findings() {
    let fixture = Fixture::of("observed");
    let verdict = fixture.run("threads", &["--test-threads", "1"]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
}

#[test]
fn threads_that_end_or_may_end_are_clean() {
    let verdict = Fixture::of("observed").run("threads", &["clean"]);

    assert_clean(&verdict);
}

/// Its test has not ended, so that nothing has outlived it.
#[test]
fn a_test_that_ends_the_process_leaves_no_thread_behind() {
    let verdict = Fixture::of("observed").run("threads", &["--ignored", "exits"]);

    assert_clean(&verdict);
    assert_eq!(verdict.command, Some(0));
}
