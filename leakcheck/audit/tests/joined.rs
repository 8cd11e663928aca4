//! What leakcheck reports, what the preloaded library sees and what the source tells, in one report: with the real leakcheck and
//! the real tokio.

#![cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]

use std::path::Path;
use std::process::Command;

use leakcheck_audit::report::{Finding, Report, Seen, Verdict};

/// The audit, in the fixture.
fn audit() -> Command {
    let mut audit = Command::new(env!("CARGO_BIN_EXE_cargo-leak-audit"));
    audit
        .arg("leak-audit")
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/joined"))
        .env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("observed"),
        )
        .env_remove("CARGO_PROFILE_TEST_DEBUG")
        .env_remove("CARGO_PROFILE_DEV_DEBUG")
        .env_remove("RUSTFLAGS");
    audit
}

#[test]
fn each_task_is_one_finding_with_all_that_is_known_of_it() {
    let output = audit()
        .args(["--scan", "--format", "json"])
        .output()
        .expect("it starts");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{shown}");
    let report: Report = serde_json::from_slice(&output.stdout).expect("a report");
    let of = |test: &str| -> Vec<&Finding> {
        let findings = report.findings.iter();
        findings
            .filter(|finding| finding.test.as_deref() == Some(test))
            .collect()
    };

    let [both] = of("both_see_it")[..] else {
        panic!("{:#?}", of("both_see_it"));
    };
    assert_eq!((both.seen, both.verdict, both.count), (Seen::Both, Verdict::Leaked, 1));
    let tracked = both.tracked.as_ref().expect("leakcheck knows it");
    assert_eq!((&*tracked.group, &*tracked.name), ("orders", "writes them down"));
    assert!(both.awaits.is_some(), "{both:#?}");

    let [spared] = of("a_rule_lets_it_be")[..] else {
        panic!("{:#?}", of("a_rule_lets_it_be"));
    };
    assert_eq!(spared.accepted.as_deref(), Some("as long as the process"));
    let uncovered = of("a_rule_does_not_cover_another");
    assert_eq!(uncovered.len(), 2, "{uncovered:#?}");
    assert!(
        uncovered.iter().all(|finding| finding.accepted.is_none()),
        "{uncovered:#?}"
    );

    let waiting = of("one_waits_for_the_other");
    assert_eq!(waiting.len(), 2, "{waiting:#?}");
    let roots: Vec<_> = waiting.iter().filter_map(|finding| finding.root.as_deref()).collect();
    let [root] = roots[..] else { panic!("{waiting:#?}") };
    let inner = waiting.iter().find(|finding| finding.root.is_none());
    assert_eq!(inner.map(|finding| &*finding.id), Some(root));

    let [told] = of("what_the_source_tells")[..] else {
        panic!("{:#?}", of("what_the_source_tells"));
    };
    let suspects: Vec<_> = report
        .suspects
        .iter()
        .map(|suspect| (&*suspect.at.function, suspect.reached, &suspect.confirmed_by[..]))
        .collect();
    assert_eq!(
        suspects,
        [
            ("joined::ticks", Some(true), std::slice::from_ref(&told.id)),
            ("joined::ticks_unreached", Some(false), &[]),
        ]
    );

    // The library's tests, of which there are none, are a program of the same name.
    let tests: Vec<_> = report.programs.iter().map(|program| program.tests.len()).collect();
    assert_eq!(tests.iter().sum::<usize>(), 6, "{:#?}", report.programs);
    assert_eq!(report.totals.failed, 1);
}

#[test]
fn what_leakcheck_asks_with_is_no_task_that_was_left_behind() {
    let report = Path::new(env!("CARGO_TARGET_TMPDIR")).join("question.json");
    let output = audit()
        .args(["exec", "--format", "json", "--output"])
        .arg(&report)
        .args(["--", "cargo", "test", "--locked", "--test", "joined", "--", "--ignored"])
        .output()
        .expect("it starts");
    let shown = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{shown}");
    let report = std::fs::read(report).expect("a report");
    let report: Report = serde_json::from_slice(&report).expect("a report");
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    assert_eq!((report.totals.tasks, report.totals.processes), (0, 1));
}
