//! What `cargo test` printed, read for which tests failed.
//!
//! libtest has no machine-readable output on stable Rust. What is read here is cargo's line before each binary, which
//! names the file that was built, cargo's line after each binary that failed, and libtest's final list of failures.
//! Where these do not fit together, or libtest's summary is missing, the binary counts as failed without its tests being
//! known: never as passed.

use std::fmt;

use serde::Serialize;

use crate::build::TestBinary;
use crate::error::AuditError;
use crate::report::Outcome;

/// How one test binary ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BinaryOutcome {
    /// The binary.
    #[serde(flatten)]
    pub binary: TestBinary,
    /// How it ended.
    pub result: BinaryResult,
    /// Its tests, as far as a line told how each ended.
    #[serde(skip)]
    pub tests: Vec<(String, Outcome)>,
    /// How many tests ran, by its own summary.
    #[serde(skip)]
    pub ran: u64,
}

/// How a test binary ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BinaryResult {
    /// It ran to its end, and every test that ran passed.
    Passed,
    /// These tests failed, by their names in the binary.
    Failed(Vec<String>),
    /// It ended without saying how its tests went: it crashed, a test ended the process, or it has a test harness of its
    /// own.
    Died(String),
}

impl BinaryOutcome {
    pub(crate) fn passed(&self) -> bool {
        self.result == BinaryResult::Passed
    }
}

impl fmt::Display for TestBinary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.package == self.target {
            formatter.write_str(&self.package)
        } else {
            write!(formatter, "{} › {}", self.package, self.target)
        }
    }
}

/// Reads the lines of one run, in their order.
#[derive(Debug)]
pub(crate) struct Transcript {
    sections: Vec<Section>,
    /// The section that the next line belongs to.
    current: Option<usize>,
}

#[derive(Debug)]
struct Section {
    binary: TestBinary,
    ran: bool,
    /// The list of failures that is being read, or that was read last.
    listed: Vec<String>,
    listing: bool,
    /// What the summary line says, the last one.
    summary: Option<Summary>,
    failed: bool,
    /// What cargo says about how the process ended.
    cause: Option<String>,
    tests: Vec<(String, Outcome)>,
    /// The test whose line is not complete yet.
    begun: Option<String>,
}

/// libtest's last line: `test result: ok. 3 passed; 0 failed; …`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Summary {
    ok: bool,
    failed: Option<u64>,
    passed: Option<u64>,
}

impl Summary {
    fn parse(text: &str) -> Self {
        Self {
            ok: text.starts_with("ok."),
            failed: text
                .split(';')
                .find_map(|part| part.trim().strip_suffix(" failed")?.parse().ok()),
            passed: text
                .split([';', '.'])
                .find_map(|part| part.trim().strip_suffix(" passed")?.parse().ok()),
        }
    }
}

impl Transcript {
    pub(crate) fn of(binaries: &[TestBinary]) -> Self {
        Self {
            sections: binaries.iter().cloned().map(Section::of).collect(),
            current: None,
        }
    }

    /// Reads a line. The how-manieth of the programs that were built begins with it, where one does.
    pub(crate) fn line(&mut self, line: &str) -> Option<usize> {
        let line = without_colours(line);
        if let Some(package) = line.trim_start().strip_prefix("Doc-tests ") {
            // rustdoc builds and runs them: no file of theirs is known before.
            self.sections.push(Section::of(TestBinary {
                package: package.to_owned(),
                target: package.to_owned(),
                name: format!("{package}_doctests"),
                kind: "doc".to_owned(),
                ..TestBinary::default()
            }));
            let index = self.sections.len() - 1;
            self.current = Some(index);
            self.sections[index].ran = true;
        } else if let Some(index) = self.section_opened_by(&line) {
            self.current = Some(index);
            self.sections[index].ran = true;
            return Some(self.sections.iter().filter(|section| section.ran).count());
        } else if let Some(index) = self.current {
            self.sections[index].line(&line);
        }
        None
    }

    /// `     Running tests/planted.rs (target/debug/deps/planted-0123456789abcdef)`, for a file that was built.
    fn section_opened_by(&self, line: &str) -> Option<usize> {
        let (_, path) = line
            .trim_start()
            .strip_prefix("Running ")?
            .strip_suffix(')')?
            .rsplit_once('(')?;
        let file = std::path::Path::new(path).file_name()?;
        self.sections
            .iter()
            .position(|section| section.binary.executable.file_name() == Some(file))
    }

    /// How each binary ended, in the order in which they were built.
    pub(crate) fn finish(self) -> Result<Vec<BinaryOutcome>, AuditError> {
        let missing: Vec<_> = self
            .sections
            .iter()
            .filter(|section| !section.ran)
            .map(|section| section.binary.to_string())
            .collect();
        if !missing.is_empty() {
            return Err(AuditError::NotRun { binaries: missing });
        }
        Ok(self.sections.into_iter().map(Section::finish).collect())
    }
}

impl Section {
    fn of(binary: TestBinary) -> Self {
        Self {
            binary,
            ran: false,
            listed: Vec::new(),
            listing: false,
            summary: None,
            failed: false,
            cause: None,
            tests: Vec::new(),
            begun: None,
        }
    }

    fn line(&mut self, line: &str) {
        self.test(line);
        if line == "failures:" {
            // It comes twice: before the output of the failed tests, and before their names. The last one counts.
            self.listed.clear();
            self.listing = true;
        } else if let Some(summary) = line.strip_prefix("test result: ") {
            self.listing = false;
            self.summary = Some(Summary::parse(summary));
        } else if line.contains("error: test failed, to rerun pass") {
            // Not always at the beginning: a test that ends the process leaves `test name ... ` without an end of line.
            self.failed = true;
        } else if let Some(cause) = line.trim_start().strip_prefix("process didn't exit successfully: ") {
            self.cause = cause
                .rsplit_once(" (")
                .map(|(_, how)| how.trim_end_matches(')').to_owned());
        } else if self.listing {
            match line.strip_prefix("    ") {
                Some(name) if !name.is_empty() => self.listed.push(name.to_owned()),
                _ => self.listing = self.listed.is_empty(),
            }
        }
    }

    /// `test shop::closes ... ok`. With one thread, or without capture, what the test prints comes before the last word.
    fn test(&mut self, line: &str) {
        let (name, end) = match line.strip_prefix("test ").and_then(|line| line.split_once(" ... ")) {
            Some((name, end)) => (Some(name.trim_end_matches(" - should panic").to_owned()), end),
            None => (self.begun.clone(), line),
        };
        let Some(name) = name else { return };
        let outcome = match end {
            "ok" => Outcome::Passed,
            "FAILED" => Outcome::Failed,
            end if end == "ignored" || end.starts_with("ignored, ") => Outcome::Ignored,
            _ => {
                self.begun = Some(name);
                return;
            }
        };
        self.begun = None;
        self.tests.push((name, outcome));
    }

    fn finish(mut self) -> BinaryOutcome {
        // A test may print what looks like a summary.
        let ran = self.summary.map_or(0, |summary| {
            summary.passed.unwrap_or(0).saturating_add(summary.failed.unwrap_or(0))
        });
        // A process that ended without a summary ended in the middle of it.
        if self.summary.is_none() {
            self.tests
                .extend(self.begun.take().map(|name| (name, Outcome::Aborted)));
        }
        let tests = std::mem::take(&mut self.tests);
        let listed = self.listed.len() as u64;
        let result = match (self.failed, self.summary) {
            (
                false,
                Some(Summary {
                    ok: true,
                    failed: Some(0),
                    ..
                }),
            ) => BinaryResult::Passed,
            (false, None) => BinaryResult::Died("it ended without a summary of its tests".to_owned()),
            (false, Some(_)) => {
                BinaryResult::Died("its summary is not that of tests that passed, and cargo saw no failure".to_owned())
            }
            (
                true,
                Some(Summary {
                    failed: Some(failed), ..
                }),
            ) if failed > 0 && failed == listed => BinaryResult::Failed(self.listed),
            (
                true,
                Some(Summary {
                    failed: Some(failed), ..
                }),
            ) if failed > 0 => BinaryResult::Died(format!(
                "its summary counts {failed} failed tests, its list has {listed}"
            )),
            (true, _) => BinaryResult::Died(
                self.cause
                    .unwrap_or_else(|| "it failed without a summary of its tests".to_owned()),
            ),
        };
        BinaryOutcome {
            binary: self.binary,
            result,
            tests,
            ran,
        }
    }
}

/// The line without its terminal escapes: `-- --color always` asks the test harness for them.
fn without_colours(line: &str) -> String {
    let mut parts = line.split("\u{1b}[");
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // An escape ends with its first letter.
        let text = part
            .find(|letter: char| letter.is_ascii_alphabetic())
            .map_or("", |end| &part[end + 1..]);
        plain.push_str(text);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(name: &str) -> TestBinary {
        TestBinary {
            package: "shop".to_owned(),
            target: name.to_owned(),
            name: name.to_owned(),
            kind: "test".to_owned(),
            executable: format!("/w/target/debug/deps/{name}-0123456789abcdef").into(),
        }
    }

    fn running(name: &str) -> String {
        format!("     Running tests/{name}.rs (target/debug/deps/{name}-0123456789abcdef)\n")
    }

    fn outcomes(names: &[&str], text: &str) -> Result<Vec<BinaryResult>, AuditError> {
        let binaries: Vec<_> = names.iter().map(|name| binary(name)).collect();
        let mut transcript = Transcript::of(&binaries);
        text.lines().for_each(|line| {
            transcript.line(line);
        });
        Ok(transcript.finish()?.into_iter().map(|outcome| outcome.result).collect())
    }

    fn only(text: &str) -> BinaryResult {
        let outcomes = outcomes(&["orders"], &(running("orders") + text)).expect("the binary ran");
        outcomes.into_iter().next().expect("one outcome")
    }

    const FAILED: &str = "\nrunning 3 tests\ntest b ... FAILED\ntest ok ... ok\ntest m::a ... FAILED\n\nfailures:\n\n\
        ---- m::a stdout ----\nfailures:\n    printed::by::the::test\n\n---- b stdout ----\nError: \"x\"\n\n\nfailures:\n    b\n    m::a\n\n\
        test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.06s\n\n";
    const OK: &str =
        "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s\n\n";
    const RERUN: &str = "error: test failed, to rerun pass `-p shop --test orders`\n";

    #[test]
    fn the_names_of_failed_tests_come_from_the_final_list() {
        let result = only(&format!("{FAILED}{RERUN}"));

        assert_eq!(result, BinaryResult::Failed(vec!["b".to_owned(), "m::a".to_owned()]));
    }

    #[test]
    fn colours_do_not_hide_a_failure() {
        let coloured = FAILED.replace("FAILED.", "\u{1b}[31mFAILED\u{1b}(B\u{1b}[m.");

        assert_eq!(only(&format!("{coloured}{RERUN}")), only(&format!("{FAILED}{RERUN}")));
    }

    #[test]
    fn what_a_passing_binary_prints_is_no_failure() {
        assert_eq!(only(&format!("{FAILED}{OK}")), BinaryResult::Passed);
    }

    #[test]
    fn a_binary_that_ends_without_a_summary_has_not_passed() {
        for text in ["", "\nrunning 1 test\n", "\nrunning 1 test\ntest ends_the_process ... "] {
            assert_eq!(
                only(text),
                BinaryResult::Died("it ended without a summary of its tests".to_owned()),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_summary_of_failures_is_never_passed() {
        assert!(matches!(only(FAILED), BinaryResult::Died(_)));
    }

    #[test]
    fn cargos_line_is_found_behind_one_that_the_test_left_unfinished() {
        let text = format!("\nrunning 1 test\ntest crashes ... {RERUN}");

        assert_eq!(
            only(&text),
            BinaryResult::Died("it failed without a summary of its tests".to_owned())
        );
    }

    #[test]
    fn a_failure_after_a_summary_of_passed_tests_is_not_passed() {
        assert!(matches!(only(&format!("{OK}{RERUN}")), BinaryResult::Died(_)));
    }

    #[test]
    fn a_list_that_does_not_fit_the_summary_is_not_believed() {
        let doctored = FAILED.replace("2 failed", "3 failed");

        assert!(matches!(only(&format!("{doctored}{RERUN}")), BinaryResult::Died(_)));
    }

    #[test]
    fn a_crash_is_told_by_its_signal() {
        let crash = format!(
            "\nrunning 1 test\n{RERUN}\nCaused by:\n  process didn't exit successfully: `/w/orders (1)` (signal: 6, SIGABRT: process abort signal)\n"
        );

        assert_eq!(
            only(&crash),
            BinaryResult::Died("signal: 6, SIGABRT: process abort signal".to_owned())
        );
    }

    #[test]
    fn each_test_has_its_outcome() {
        let binaries = [binary("orders")];
        let mut transcript = Transcript::of(&binaries);
        let text = "test a ... ok\ntest b - should panic ... ok\ntest c ... ignored, slow\ntest d ... said by it\nok\n\
            test e ... FAILED\ntest result: FAILED. 3 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out\n";
        (running("orders") + text).lines().for_each(|line| {
            transcript.line(line);
        });
        let outcome = transcript.finish().expect("it ran").remove(0);

        let expected = [
            ("a", Outcome::Passed),
            ("b", Outcome::Passed),
            ("c", Outcome::Ignored),
            ("d", Outcome::Passed),
            ("e", Outcome::Failed),
        ];
        assert_eq!(outcome.tests, expected.map(|(name, how)| (name.to_owned(), how)));
        assert_eq!(outcome.ran, 4);
    }

    /// What a test prints stands among what is said of it.
    #[test]
    fn a_summary_with_more_tests_than_can_be_counted_is_the_most_that_can_be() {
        let binaries = [binary("orders")];
        let mut transcript = Transcript::of(&binaries);
        let most = u64::MAX;
        let text = format!("test result: ok. {most} passed; {most} failed; 0 ignored; 0 measured; 0 filtered out\n");
        (running("orders") + &text).lines().for_each(|line| {
            transcript.line(line);
        });
        assert_eq!(transcript.finish().expect("it ran").remove(0).ran, most);
    }

    #[test]
    fn the_test_that_a_process_ended_in_is_named() {
        let binaries = [binary("orders")];
        let mut transcript = Transcript::of(&binaries);
        (running("orders") + "\nrunning 1 test\ntest crashes ... ")
            .lines()
            .for_each(|line| {
                transcript.line(line);
            });
        let outcome = transcript.finish().expect("it ran").remove(0);

        assert_eq!(outcome.tests, [("crashes".to_owned(), Outcome::Aborted)]);
    }

    #[test]
    fn each_binary_has_its_own_failures() {
        let text = [&running("orders"), OK, &running("stock"), FAILED, RERUN].concat();

        let outcomes = outcomes(&["orders", "stock"], &text).expect("both ran");

        assert_eq!(outcomes[0], BinaryResult::Passed);
        assert!(
            matches!(&outcomes[1], BinaryResult::Failed(tests) if tests.len() == 2),
            "{outcomes:?}"
        );
    }

    #[test]
    fn a_binary_that_was_built_and_never_ran_is_an_error() {
        let error = outcomes(&["orders", "stock"], &running("orders"));

        assert!(matches!(error, Err(AuditError::NotRun { binaries }) if binaries == ["shop › stock"]));
    }
}
