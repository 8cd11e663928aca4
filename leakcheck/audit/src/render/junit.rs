//! The report as JUnit XML, for what shows test results: GitLab, Jenkins, Azure, Buildkite, CircleCI.
//!
//! The form is that of Maven Surefire's `surefire-test-report.xsd` and of Jenkins' `junit-10.xsd`, where both agree: `testsuites`
//! holds a `testsuite` for each program, and that a `testcase` for each of its tests. A case has at most one `failure` or
//! `error`, since GitLab reads one.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words::{self, plain};
use super::{Options, people};
use crate::report::{Finding, Outcome, Report, Verdict};

/// The name of the suite about the audit as a whole.
const AUDIT: &str = "leak-audit";
/// The name of the case for what no test spawned.
const NO_TEST: &str = "(outside of any test)";

/// A suite for each program, and one, `leak-audit`, that says whether everything could be judged and the baseline is up to date.
///
/// A leak is a failure of the case of its test, with the stacks as its text; so is the test's own failure. What could not be
/// observed or judged is an error, and so is a test that was aborted. A test that did not run is skipped. Findings that do not
/// fail the audit are the case's `system-out`.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let suites: Vec<Suite> = programs(report, options).into_iter().chain([audit(report)]).collect();
    let mut xml = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    let count = |of: fn(&Case) -> bool| {
        suites
            .iter()
            .flat_map(|suite| &suite.cases)
            .filter(|case| of(case))
            .count()
    };
    let _ = writeln!(
        xml,
        "<testsuites name=\"{AUDIT}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{}\">",
        count(|_| true),
        count(|case| matches!(case.result, Result::Failure { .. })),
        count(|case| matches!(case.result, Result::Error { .. })),
        seconds(report.totals.took_ms),
    );
    for suite in &suites {
        suite.write(&mut xml);
    }
    xml.push_str("</testsuites>\n");
    xml
}

struct Suite {
    name: String,
    cases: Vec<Case>,
}

struct Case {
    class: String,
    name: String,
    result: Result,
    said: String,
}

enum Result {
    Passed,
    Skipped,
    Failure {
        kind: &'static str,
        message: String,
        text: String,
    },
    Error {
        kind: &'static str,
        message: String,
        text: String,
    },
}

fn programs(report: &Report, options: &Options) -> Vec<Suite> {
    let mut findings = BTreeMap::<(&str, Option<&str>), Vec<&Finding>>::new();
    for finding in &report.findings {
        findings
            .entry((&finding.program, finding.test.as_deref()))
            .or_default()
            .push(finding);
    }
    let mut suites = Vec::<Suite>::new();
    for program in &report.programs {
        let mut suite = Suite::of(&program.name);
        for test in &program.tests {
            let found = findings
                .remove(&(program.name.as_str(), Some(test.name.as_str())))
                .unwrap_or_default();
            suite
                .cases
                .push(case(report, options, &program.name, &test.name, test.outcome, &found));
        }
        if let Some(reason) = &program.unobserved {
            let message = format!("{} could not be observed: {reason}", program.name);
            suite
                .cases
                .push(Case::error(&program.name, "(observed)", "unobserved", message));
        }
        if let Some(ended) = &program.ended {
            suite.cases.push(Case {
                said: ended.clone(),
                ..Case::new(&program.name, "(ended)", Result::Passed)
            });
        }
        suites.push(suite);
    }
    // What no listed test spawned: a case of its own, in its program's suite.
    for ((program, test), found) in findings {
        let at = suites
            .iter()
            .position(|suite| suite.name == program)
            .unwrap_or_else(|| {
                suites.push(Suite::of(program));
                suites.len() - 1
            });
        let case = case(
            report,
            options,
            program,
            test.unwrap_or(NO_TEST),
            Outcome::Passed,
            &found,
        );
        suites[at].cases.push(case);
    }
    suites.retain(|suite| !suite.cases.is_empty());
    suites
}

impl Suite {
    fn of(program: &str) -> Self {
        Self {
            name: program.to_owned(),
            cases: Vec::new(),
        }
    }

    fn write(&self, xml: &mut String) {
        let count = |of: fn(&Case) -> bool| self.cases.iter().filter(|case| of(case)).count();
        let _ = writeln!(
            xml,
            "  <testsuite name=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{}\" skipped=\"{}\" time=\"0\">",
            escaped(&self.name),
            self.cases.len(),
            count(|case| matches!(case.result, Result::Failure { .. })),
            count(|case| matches!(case.result, Result::Error { .. })),
            count(|case| matches!(case.result, Result::Skipped)),
        );
        for case in &self.cases {
            case.write(xml);
        }
        xml.push_str("  </testsuite>\n");
    }
}

fn case(report: &Report, options: &Options, program: &str, test: &str, outcome: Outcome, found: &[&Finding]) -> Case {
    let (fatal, other): (Vec<&Finding>, Vec<&Finding>) = found.iter().partition(|finding| report.fails(finding));
    let text = |findings: &[&Finding]| -> String {
        let blocks = findings.iter().map(|finding| {
            let reason = finding
                .accepted
                .as_ref()
                .map(|reason| format!("  accepted: {}\n", plain(reason)));
            reason.unwrap_or_default() + &people::block(report, finding, options)
        });
        blocks.collect::<Vec<_>>().join("\n")
    };
    let mut message = match fatal.as_slice() {
        [] => String::new(),
        [one] => words::sentence(one),
        [first, rest @ ..] => format!(
            "{}; and {} more",
            words::sentence(first),
            crate::judge::count(rest.len(), "finding")
        ),
    };
    let result = match outcome {
        Outcome::Aborted => {
            let separator = if message.is_empty() { "" } else { "; " };
            Result::Error {
                kind: "aborted",
                message: format!("its process ended before the test did{separator}{message}"),
                text: text(&fatal),
            }
        }
        Outcome::Failed => {
            let separator = if message.is_empty() { "" } else { "; " };
            message = format!("the test itself failed{separator}{message}");
            Result::Failure {
                kind: "failed",
                message,
                text: text(&fatal),
            }
        }
        _ if !fatal.is_empty() => Result::Failure {
            kind: if fatal.iter().all(|finding| finding.verdict == Verdict::Blocked) {
                "blocked"
            } else {
                "leaked"
            },
            message,
            text: text(&fatal),
        },
        Outcome::Ignored => Result::Skipped,
        Outcome::Passed => Result::Passed,
    };
    Case {
        said: text(&other),
        ..Case::new(program, test, result)
    }
}

/// What is to be said of the audit, a case each, so that a clean audit has one too.
fn audit(report: &Report) -> Suite {
    let programs: Vec<_> = report
        .programs
        .iter()
        .filter_map(|program| program.unobserved.as_deref())
        .collect();
    let reasons = report
        .unjudged
        .iter()
        .filter(|reason| !programs.contains(&reason.as_str()));
    let mut cases: Vec<Case> = reasons
        .enumerate()
        .map(|(index, reason)| Case::error(AUDIT, &format!("judged {}", index + 1), "cannot-judge", reason.clone()))
        .collect();
    if cases.is_empty() {
        cases.push(Case::new(AUDIT, "judged", Result::Passed));
    }
    for (index, message) in words::panics(report).into_iter().enumerate() {
        let (kind, text) = ("panicked", message.clone());
        let result = Result::Failure { kind, message, text };
        cases.push(Case::new(AUDIT, &format!("panicked {}", index + 1), result));
    }
    if let Some(baseline) = &report.baseline {
        let gone: Vec<String> = baseline
            .gone
            .iter()
            .map(|entry| format!("{} {}", entry.id, entry.about))
            .collect();
        let result = if gone.is_empty() {
            Result::Passed
        } else {
            Result::Failure {
                kind: "baseline-outdated",
                message: format!(
                    "{} has {} that no longer occur",
                    baseline.path,
                    crate::judge::count(gone.len(), "entry").replace("entrys", "entries")
                ),
                text: gone.join("\n"),
            }
        };
        cases.push(Case::new(AUDIT, "baseline", result));
    }
    let name = AUDIT.to_owned();
    Suite { name, cases }
}

impl Case {
    fn new(program: &str, name: &str, result: Result) -> Self {
        Self {
            class: program.to_owned(),
            name: name.to_owned(),
            result,
            said: String::new(),
        }
    }

    fn error(program: &str, name: &str, kind: &'static str, message: String) -> Self {
        let text = message.clone();
        Self::new(program, name, Result::Error { kind, message, text })
    }

    fn write(&self, xml: &mut String) {
        let (class, name) = (escaped(&self.class), escaped(&self.name));
        let _ = write!(xml, "    <testcase classname=\"{class}\" name=\"{name}\" time=\"0\"");
        let mut inner = String::new();
        match &self.result {
            Result::Passed => (),
            Result::Skipped => inner.push_str("      <skipped/>\n"),
            Result::Failure { kind, message, text } => element(&mut inner, "failure", kind, message, text),
            Result::Error { kind, message, text } => element(&mut inner, "error", kind, message, text),
        }
        if !self.said.is_empty() {
            let _ = writeln!(inner, "      <system-out>{}</system-out>", escaped(&self.said));
        }
        if inner.is_empty() {
            xml.push_str("/>\n");
        } else {
            let _ = write!(xml, ">\n{inner}    </testcase>\n");
        }
    }
}

fn element(xml: &mut String, element: &str, kind: &str, message: &str, text: &str) {
    let (message, text) = (escaped(&plain(message)), escaped(text));
    let _ = writeln!(
        xml,
        "      <{element} type=\"{kind}\" message=\"{message}\">{text}</{element}>"
    );
}

fn seconds(milliseconds: u64) -> String {
    format!("{}.{:03}", milliseconds / 1_000, milliseconds % 1_000)
}

/// Text as XML 1.0 may hold it, in an element and between quotes. What it may not hold at all, though escaped, is spelt out:
/// <https://www.w3.org/TR/xml/#charsets>
fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            // `]]>` may not stand in text.
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&apos;"),
            '\n' | '\t' => xml.push(char),
            // A parser would make a line break of it.
            '\r' => xml.push_str("&#13;"),
            '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{fffe}' | '\u{ffff}' => xml.extend(char.escape_unicode()),
            _ => xml.push(char),
        }
    }
    xml
}
