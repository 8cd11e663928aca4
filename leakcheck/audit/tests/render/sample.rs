//! The reports that the tests render.

use leakcheck_audit::render::document;
use leakcheck_audit::report::Report;

/// Every verdict, kind and field, with strings that mean something to a terminal, to HTML, XML, Markdown or a workflow command.
pub const RICH: &str = include_str!("samples/rich.json");
/// One program with one test, which left nothing behind.
pub const CLEAN: &str = include_str!("samples/clean.json");
/// A canary that was missed, and a program that could not be observed.
pub const UNJUDGED: &str = include_str!("samples/unjudged.json");

/// All of them, with their names.
pub const ALL: [(&str, &str); 3] = [("rich", RICH), ("clean", CLEAN), ("unjudged", UNJUDGED)];

/// The report of a sample.
pub fn report(sample: &str) -> Report {
    document::parse(sample).expect("a sample is a report")
}

/// The rich report with `number` findings: every one of it again and again, each time of another test.
pub fn many(number: usize) -> Report {
    let mut report = report(RICH);
    let findings = std::mem::take(&mut report.findings);
    let tests = report.programs[0].tests.clone();
    for (index, finding) in findings.iter().cycle().take(number).enumerate() {
        let round = index / findings.len();
        let mut finding = finding.clone();
        finding.id = format!("{index:016x}");
        finding.test = finding.test.map(|test| format!("{test}_{round}"));
        report.findings.push(finding);
    }
    for round in 1..number / findings.len() {
        report.programs[0].tests.extend(tests.iter().cloned().map(|mut test| {
            test.name = format!("{}_{round}", test.name);
            test
        }));
    }
    report
}
