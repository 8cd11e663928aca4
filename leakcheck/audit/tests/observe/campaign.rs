//! Clean scenarios, over and over, on a machine with more to do than processors: none may be reported. And the scenarios that
//! leave something behind, the same way: each must be, every time.
//!
//! `LEAK_AUDIT_CAMPAIGN` sets how often each program is run:
//! `LEAK_AUDIT_CAMPAIGN=500 cargo test -p leakcheck-audit --test observe campaign -- --ignored --nocapture`.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::fixture::{Fixture, assert_clean, assert_lines};
use crate::scenarios::EXPECTED;

/// Threads that only keep the processors busy.
const BUSY: usize = 4;

fn runs() -> usize {
    /// In the usual tests.
    const USUAL: usize = 10;
    let runs = std::env::var("LEAK_AUDIT_CAMPAIGN").ok();
    runs.and_then(|runs| runs.parse().ok()).unwrap_or(USUAL)
}

fn campaign(run: impl Fn(usize)) {
    /// Ends the busy threads although a run panics.
    struct Over<'a>(&'a AtomicBool);
    impl Drop for Over<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let over = AtomicBool::new(false);
    std::thread::scope(|threads| {
        let _over = Over(&over);
        for _ in 0..BUSY {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box((0..10_000_u64).fold(0, u64::wrapping_add));
                }
            });
        }
        (0..runs()).for_each(run);
    });
}

#[test]
#[ignore = "many runs: on a schedule"]
fn campaign_of_clean_scenarios() {
    let fixture = Fixture::of("tokio-newest");
    fixture.binary("clean");
    campaign(|run| {
        let threads = ["1", "4", "16"][run % 3];
        let verdict = fixture.run("clean", &["--test-threads", threads]);

        assert_clean(&verdict);
        assert!(verdict.tasks > 200, "run {run}: {verdict:?}");
    });
}

#[test]
#[ignore = "many runs: on a schedule"]
fn campaign_of_scenarios_that_leave_something_behind() {
    let fixture = Fixture::of("tokio-newest");
    fixture.binary("scenarios");
    let any_leaf = |line: &str| line.rsplit_once(" | ").map(|(line, _)| format!("{line} | *\n"));
    // Whether a task was copied in time depends on when it ran: on a busy machine, a few are not.
    let expected: String = EXPECTED.lines().filter_map(any_leaf).collect();
    campaign(|run| {
        let threads = ["1", "4", "16"][run % 3];
        let verdict = fixture.run("scenarios", &["--test-threads", threads]);

        assert_lines(&fixture.lines(&verdict), &expected);
    });
}
