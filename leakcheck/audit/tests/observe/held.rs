//! Tasks that another task holds and perhaps waits for: whichever of both the runtime ends first, the same is said of them.

use leakcheck_audit::observe::{Finding, ObservedVerdict, What};

use crate::fixture::{Fixture, assert_clean};

fn run(test: &str) -> ObservedVerdict {
    Fixture::of("observed").run("held", &["--exact", test])
}

/// The findings whose spawn is in a function of this name, and how many tasks those are.
fn spawned_by<'v>(verdict: &'v ObservedVerdict, function: &str) -> (Vec<&'v Finding>, u64) {
    let is_by = |finding: &&Finding| {
        let spawned = finding.spawned.first().expect("a spawn");
        spawned.function.starts_with(&format!("held::{function}"))
    };
    let found: Vec<_> = verdict.findings.iter().filter(is_by).collect();
    let count = found.iter().map(|finding| finding.count).sum();
    (found, count)
}

#[test]
fn what_was_looked_at_in_its_runtimes_last_wait_waited_until_the_end() {
    let verdict = run("parks_at_the_end");

    let (inner, count) = spawned_by(&verdict, "waits_for_its_own");
    let [inner] = inner[..] else { panic!("{verdict:#?}") };
    assert_eq!(inner.what, What::Leaked);
    assert!(count >= 2, "both orders: {verdict:#?}");
    let (outer, waiting) = spawned_by(&verdict, "parks_at_the_end");
    assert_eq!(waiting, count, "{verdict:#?}");
    // Those whose own task was ended first are due to run.
    assert_eq!(outer.len(), 2, "{verdict:#?}");
    for finding in outer {
        assert_eq!(finding.what, What::Leaked, "{finding:#?}");
        let root = finding.root.map(|root| &verdict.findings[root]);
        assert_eq!(root, Some(inner), "{finding:#?}");
    }
}

#[test]
fn what_was_aborted_meanwhile_is_not_said_to_have_been_left_behind() {
    assert_clean(&run("aborted_in_time"));
    for (test, spawned) in [
        ("aborted_behind_the_last_park", "waits_for_its_own"),
        (
            "aborted_in_time_and_held_by_one_that_waits_for_something_else",
            "holds::{closure}",
        ),
        ("aborted_by_another_task_that_then_wakes_the_test", "holds::{closure}"),
    ] {
        let verdict = run(test);
        let (aborted, _) = spawned_by(&verdict, spawned);
        assert!(
            aborted.iter().all(|finding| finding.what == What::Unsure),
            "{test}: {aborted:#?}"
        );
        assert!(
            !verdict.findings.is_empty(),
            "{test}: those that wait for them, or hold them"
        );
    }
}

#[test]
fn of_several_threads_it_is_unsure_which_order_hid() {
    let verdict = run("of_several_threads");

    let (inner, count) = spawned_by(&verdict, "waits_for_its_own");
    assert!(
        inner
            .iter()
            .all(|finding| matches!(finding.what, What::Leaked | What::Unsure)),
        "{inner:#?}"
    );
    // A worker that parks between the end of one and that of the other sees the one done, and it is taken for ended then.
    let (outer, waiting) = spawned_by(&verdict, "of_several_threads");
    assert!(count <= waiting && outer.iter().all(|finding| finding.what == What::Leaked));
}
