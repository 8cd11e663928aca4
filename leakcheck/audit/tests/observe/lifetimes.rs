//! When tasks and threads lived, as the report has it.

use std::process::Command;

use leakcheck_audit::report::{Lifetime, Report};

use crate::fixture::Fixture;

/// The report of a target's tests, as `exec` writes it.
fn report(target: &str) -> Report {
    let fixture = Fixture::of("observed");
    let output = Command::new(env!("CARGO_BIN_EXE_cargo-leak-audit"))
        .args(["leak-audit", "exec", "--format", "json", "--"])
        .arg(fixture.binary(target))
        .arg("--quiet")
        .current_dir(fixture.directory())
        .output()
        .expect("it starts");
    let text = String::from_utf8_lossy(&output.stdout);
    // What the tests print comes first.
    let begin = text.find("\n{\n").expect("a report");
    serde_json::from_str(&text[begin..]).expect("a report")
}

fn is_sound(lived: &Lifetime) -> bool {
    0 < lived.from_ns && lived.from_ns < lived.to_ns
}

#[test]
fn each_finding_has_the_lifetimes_of_its_tasks() {
    let report = report("queued");

    assert_eq!(report.findings.len(), 13);
    for finding in &report.findings {
        assert_eq!(finding.lifetimes.len() as u64, finding.count, "{:?}", finding.test);
        assert!(finding.lifetimes.iter().all(is_sound), "{:?}", finding.lifetimes);
    }
    // Those that ended are among the sites, and nowhere else.
    let mut tests: Vec<_> = report.sites.iter().filter_map(|site| site.test.as_deref()).collect();
    tests.sort_unstable();
    tests.dedup();
    assert_eq!((report.sites.len(), tests.len()), (15, 14), "{tests:?}");
    for site in &report.sites {
        let lived = site.lived.as_ref().expect("when its tasks lived");
        assert!(is_sound(lived), "{site:?}");
        let of_site = |finding: &&leakcheck_audit::report::Finding| {
            finding.test == site.test && finding.spawned.first() == site.spawned.first()
        };
        for finding in report.findings.iter().filter(of_site) {
            let from = finding.lifetimes.iter().map(|lived| lived.from_ns).min();
            let to = finding.lifetimes.iter().map(|lived| lived.to_ns).max();
            assert_eq!((from, to), (Some(lived.from_ns), Some(lived.to_ns)), "{site:?}");
        }
    }
}

/// What is alive at the end has lived until then.
#[test]
fn a_thread_that_is_left_behind_has_lived_until_the_end() {
    let report = report("threads");

    assert_eq!(report.totals.threads, 22);
    let lifetimes: Vec<_> = report.findings.iter().flat_map(|finding| &finding.lifetimes).collect();
    assert_eq!(lifetimes.len(), 12);
    assert!(
        lifetimes
            .iter()
            .all(|lived| is_sound(lived) && lived.to_ns == lifetimes[0].to_ns)
    );
}
