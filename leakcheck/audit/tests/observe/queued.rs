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
    assert_eq!(
        only(&verdict, "first_looked_at_while_it_is_dropped").why,
        ["never polled"]
    );
    for test in [
        "polled_and_woken_without_a_driver",
        "polled_and_woken_in_a_local_set",
        "never_polled_without_a_driver",
    ] {
        let finding = only(&verdict, test);
        let awaits = finding.awaits.as_deref().unwrap_or_default();
        assert!(
            awaits.ends_with("  not polled yet when it was last looked at"),
            "{test}: {awaits}"
        );
        assert_eq!(finding.why, [""; 0], "{test}");
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

/// Whether it was looked at again is up to where the looks at the crowd had come to. That it was polled is never denied.
#[test]
fn what_was_polled_after_its_last_look_is_not_said_to_be_never_polled() {
    let verdict = Fixture::of("observed").run("crowd", &[]);

    let of_one = |finding: &&Finding| finding.count == 1;
    let finding = verdict.findings.iter().find(of_one).expect("the one of another kind");
    let awaits = finding.awaits.as_deref().unwrap_or_default();
    let seen_again = awaits.ends_with("  waits to be notified");
    assert!(
        seen_again || awaits.ends_with("  not polled yet when it was last looked at"),
        "{awaits}"
    );
    assert_eq!(finding.why, [""; 0]);
    let crowd: u64 = verdict.findings.iter().map(|finding| finding.count).sum();
    assert_eq!(crowd, 2001);
}
