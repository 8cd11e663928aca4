//! Tasks whose runtime did not park after they were spawned: where they waited is known all the same.

use leakcheck_audit::observe::{Finding, ObservedVerdict};

use crate::fixture::{Fixture, assert_lines};

/// What `fixtures/observed/tests/queued.rs` leaves behind.
const EXPECTED: &str = include_str!("queued.txt");

fn only<'v>(verdict: &'v ObservedVerdict, test: &str) -> &'v Finding {
    let mut found = verdict
        .findings
        .iter()
        .filter(|finding| finding.test.as_deref() == Some(test));
    let finding = found.next().expect(test);
    assert_eq!(found.next(), None);
    finding
}

#[test]
fn tasks_are_seen_where_their_runtime_does_not_park() {
    let fixture = Fixture::of("observed");
    let verdict = fixture.run("queued", &[]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
    for test in ["never_polled", "never_polled_in_a_box", "twenty_at_once"] {
        assert_eq!(only(&verdict, test).why, ["never polled"], "{test}");
    }
    let polled = only(&verdict, "polled_after_the_first_look");
    assert_eq!(polled.why, [""; 0]);
    let blocks = only(&verdict, "blocks_after_the_first_look");
    let awaits = blocks.awaits.as_deref().unwrap_or_default();
    assert!(awaits.ends_with("  on the blocking pool  running"), "{awaits}");
    assert_eq!(blocks.why, [""; 0]);
}

#[test]
fn one_thread_for_all_tests_gives_the_same_findings() {
    let fixture = Fixture::of("observed");
    let verdict = fixture.run("queued", &["--test-threads", "1"]);

    assert_lines(&fixture.lines(&verdict), EXPECTED);
}
