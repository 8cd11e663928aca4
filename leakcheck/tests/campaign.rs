//! Clean scenarios of every kind, over and over, several at once on a busy machine: none may be reported. Planted leaks of
//! every kind, the same way: each must be, every time.
//!
//! `LEAKCHECK_CAMPAIGN` sets how many runs there are of each clean scenario, and of each planted leak a tenth of that:
//! `LEAKCHECK_CAMPAIGN=10000 cargo test --release -p leakcheck --test campaign -- --nocapture`.
#![cfg(feature = "track")]

mod scenarios;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use leakcheck::Report;

/// How many run at once.
const AT_ONCE: usize = 8;
/// Threads that only keep the processors busy.
const BUSY: usize = 4;

fn runs(of_full: usize) -> usize {
    /// Of each scenario, in the usual tests.
    const USUAL: usize = 20;
    let full = std::env::var("LEAKCHECK_CAMPAIGN").ok();
    full.and_then(|runs| runs.parse::<usize>().ok())
        .map_or(USUAL, |runs| (runs / of_full).max(1))
}

/// Runs each scenario so often, spread over threads that each go through all of them in turn, and returns what `judge` has
/// against them.
fn campaign<S: Sync>(
    scenarios: &[(&'static str, S)],
    runs: usize,
    run: impl Fn(&S) -> Report + Sync,
    judge: impl Fn(&Report) -> bool + Sync,
) -> Vec<String> {
    let (next, over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let total = scenarios.len() * runs;
    let work = || {
        let mut wrong = Vec::new();
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= total {
                return wrong;
            }
            let (name, scenario) = &scenarios[number % scenarios.len()];
            match catch_unwind(AssertUnwindSafe(|| run(scenario))) {
                Ok(report) if judge(&report) => {}
                Ok(report) => wrong.push(format!("{name}, run {number}: {report:#?}")),
                Err(_) => wrong.push(format!("{name}, run {number}: it panicked")),
            }
        }
    };
    let begun = Instant::now();
    let wrong: Vec<String> = std::thread::scope(|threads| {
        for _ in 0..BUSY {
            threads.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box((0..10_000_u64).fold(0, u64::wrapping_add));
                }
            });
        }
        let workers: Vec<_> = (0..AT_ONCE).map(|_| threads.spawn(work)).collect();
        let wrong = workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker of the campaign"))
            .collect();
        over.store(true, Ordering::Relaxed);
        wrong
    });
    println!(
        "{runs} runs of each of {} scenarios in {:.1} s: {} wrong",
        scenarios.len(),
        begun.elapsed().as_secs_f64(),
        wrong.len()
    );
    wrong
}

fn assert_none(wrong: &[String]) {
    let first = wrong.iter().take(3).cloned().collect::<Vec<_>>().join("\n");
    assert!(
        wrong.is_empty(),
        "{} runs were judged wrongly; the first:\n{first}",
        wrong.len()
    );
}

#[test]
fn a_clean_scenario_is_never_reported() {
    assert_none(&campaign(scenarios::CLEAN, runs(1), |run| run(), Report::is_clean));
}

#[test]
fn a_planted_leak_is_always_caught() {
    let wrong = campaign(
        scenarios::PLANTED,
        runs(10),
        |run| run(),
        |report| report.leaks.len() == 1 && report.leaks[0].name == scenarios::STAYS,
    );
    assert_none(&wrong);
}

/// A campaign that finds nothing wrong has to be one that could have.
#[test]
fn a_campaign_sees_what_is_wrong() {
    let clean_taken_for_planted = campaign(scenarios::PLANTED, 1, |run| run(), Report::is_clean);
    assert_eq!(clean_taken_for_planted.len(), scenarios::PLANTED.len());
    let planted_taken_for_clean = campaign(scenarios::CLEAN, 1, |run| run(), |report| !report.is_clean());
    assert_eq!(planted_taken_for_clean.len(), scenarios::CLEAN.len());
}
