//! Running the tests as `cargo nextest run` does: a process a test, some more than once.
//!
//! What nextest prints for people is not read. Its JUnit report says how every attempt ended
//! (<https://nexte.st/docs/machine-readable/junit/>), and it has to say so for as many tests as nextest's exit code lets expect:
//! whatever does not fit together counts as not run, never as passed.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;

use crate::build::TestBinary;
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::report::{Outcome, Shard};
use crate::run::{REPORT_DIR, run_with_output};
use crate::transcript::{BinaryOutcome, BinaryResult};

/// nextest's exit code where tests failed, and where there was none
/// (<https://docs.rs/nextest-metadata/latest/nextest_metadata/enum.NextestExitCode.html>).
const TEST_RUN_FAILED: i32 = 100;
const NO_TESTS_RUN: i32 = 4;

/// Why what nextest did cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NextestError {
    /// There is none.
    #[error("cargo-nextest is not installed: cargo install cargo-nextest --locked")]
    Missing,
    /// Its configuration cannot be read, or is not TOML.
    #[error("cannot read nextest's configuration {}: {why}", path.display())]
    Configuration {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// It has written no report of its run.
    #[error("nextest ended with {status} and wrote no report")]
    NoReport {
        /// How it ended.
        status: ExitStatus,
    },
    /// Its report is not what was expected.
    #[error("nextest's report cannot be read: {0}")]
    Report(String),
}

/// One run of the selected tests.
#[derive(Debug)]
pub(crate) struct NextestRun<'a> {
    pub(crate) cargo: &'a Cargo,
    pub(crate) selection: &'a Selection,
    /// What was built for this selection.
    pub(crate) binaries: &'a [TestBinary],
    /// What nextest takes behind `run`: filters, filter sets, retries, and arguments of the test harness behind another `--`.
    pub(crate) arguments: &'a [String],
    /// Variables to set for the tests.
    pub(crate) environment: &'a [(&'static str, std::ffi::OsString)],
    /// Variables that they do not have.
    pub(crate) removed: &'a [&'a str],
    pub(crate) shard: Option<Shard>,
    /// The workspace's directory, where its configuration is.
    pub(crate) root: &'a Path,
    pub(crate) report_dir: &'a Path,
}

impl NextestRun<'_> {
    /// How each binary ended. What nextest and the tests print goes to `live` as it comes.
    pub(crate) fn run(&self, live: &mut dyn Write) -> Result<Vec<BinaryOutcome>, AuditError> {
        self.is_installed()?;
        let room = tempfile::Builder::new().prefix("leak-audit-nextest-").tempdir();
        let room = room.map_err(AuditError::ReportDirectory)?;
        let (configuration, junit) = (room.path().join("nextest.toml"), room.path().join("junit.xml"));
        std::fs::write(&configuration, self.configuration(&junit)?).map_err(AuditError::ReportDirectory)?;
        let mut command = self.cargo.command("nextest run");
        // cargo's profile has another name here, as nextest has profiles of its own.
        let renamed = |argument: &String| match argument.as_str() {
            "--profile" => "--cargo-profile".to_owned(),
            _ => argument.clone(),
        };
        let selection = Selection {
            more: self.selection.more.iter().map(renamed).collect(),
            ..self.selection.clone()
        };
        selection.apply(&mut command);
        command.arg("--config-file").arg(&configuration);
        let is_given = |option: &str| self.arguments.iter().any(|argument| argument.starts_with(option));
        if !["--no-fail-fast", "--fail-fast", "--max-fail"]
            .into_iter()
            .any(is_given)
        {
            command.arg("--no-fail-fast");
        }
        if let Some(shard) = self.shard {
            command.arg(format!("--partition=hash:{}/{}", shard.index, shard.count));
            command.arg("--no-tests=pass");
        }
        command.args(self.arguments);
        command.env(REPORT_DIR, self.report_dir);
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        for name in self.removed {
            command.env_remove(name);
        }
        let status = run_with_output(command, live, &mut |_, _| ())?;
        if status.code() == Some(NO_TESTS_RUN) {
            return Err(AuditError::NoTestRan);
        }
        let text = match std::fs::read_to_string(&junit) {
            Ok(text) => text,
            // Without a test there is no report.
            Err(_) if status.success() => String::new(),
            Err(_) => return Err(NextestError::NoReport { status }.into()),
        };
        let outcomes = outcomes(self.binaries, &text)?;
        let failed = !outcomes.iter().all(BinaryOutcome::passed);
        if failed != (status.code() == Some(TEST_RUN_FAILED)) {
            return Err(AuditError::UnexplainedFailure { status });
        }
        Ok(outcomes)
    }

    fn is_installed(&self) -> Result<(), NextestError> {
        match self.cargo.subcommand("nextest").arg("--version").output() {
            Ok(output) if output.status.success() => Ok(()),
            _ => Err(NextestError::Missing),
        }
    }

    /// The project's own configuration, with each profile's JUnit report in this file.
    fn configuration(&self, junit: &Path) -> Result<String, NextestError> {
        let path = self.root.join(".config/nextest.toml");
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(NextestError::Configuration {
                    path,
                    why: error.to_string(),
                });
            }
        };
        with_junit(&text, junit).map_err(|why| NextestError::Configuration { path, why })
    }
}

/// A configuration of nextest's, with each profile's JUnit report in this file. What a profile says of the report's contents stays.
fn with_junit(text: &str, junit: &Path) -> Result<String, String> {
    let mut document: toml_edit::DocumentMut = text.parse().map_err(|error: toml_edit::TomlError| error.to_string())?;
    let implicit = || {
        let mut table = toml_edit::Table::new();
        table.set_implicit(true);
        toml_edit::Item::Table(table)
    };
    let profiles = document.entry("profile").or_insert_with(implicit).as_table_like_mut();
    let profiles = profiles.ok_or_else(|| "profile is not a table".to_owned())?;
    profiles.entry("default").or_insert_with(implicit);
    for (name, profile) in profiles.iter_mut() {
        let name = name.to_string();
        let profile = profile
            .as_table_like_mut()
            .ok_or_else(|| format!("profile.{name} is not a table"))?;
        // Every other profile has what `default` has.
        if name != "default" && profile.get("junit").is_none() {
            continue;
        }
        let report = profile.entry("junit").or_insert_with(toml_edit::table);
        let report = report
            .as_table_like_mut()
            .ok_or_else(|| format!("profile.{name}.junit is not a table"))?;
        report.insert("path", toml_edit::value(junit.display().to_string()));
    }
    Ok(document.to_string())
}

/// What nextest calls a binary (<https://nexte.st/docs/glossary/#binary-id>).
fn binary_id(binary: &TestBinary) -> String {
    match binary.kind.as_str() {
        "test" => format!("{}::{}", binary.package, binary.target),
        kind @ ("bin" | "example" | "bench") => format!("{}::{kind}/{}", binary.package, binary.target),
        _ => binary.package.clone(),
    }
}

/// The binaries' outcomes, by a JUnit report. One that is not in it ran no test.
fn outcomes(binaries: &[TestBinary], junit: &str) -> Result<Vec<BinaryOutcome>, NextestError> {
    let broken = |why: &str| NextestError::Report(why.to_owned());
    let mut by_id: BTreeMap<String, BinaryOutcome> = BTreeMap::new();
    for binary in binaries {
        by_id.insert(
            binary_id(binary),
            BinaryOutcome {
                binary: binary.clone(),
                result: BinaryResult::Passed,
                tests: Vec::new(),
                ran: 0,
            },
        );
    }
    let document = (!junit.is_empty())
        .then(|| roxmltree::Document::parse(junit))
        .transpose();
    let document = document.map_err(|error| NextestError::Report(error.to_string()))?;
    let suites = document.iter().flat_map(|document| document.root_element().children());
    for suite in suites.filter(|node| node.has_tag_name("testsuite")) {
        let name = suite.attribute("name").ok_or_else(|| broken("a suite has no name"))?;
        // A script that runs before the tests is a suite, too: `@setup-script:NAME`.
        if name.starts_with('@') {
            continue;
        }
        let binary = by_id
            .get_mut(name)
            .ok_or_else(|| NextestError::Report(format!("it tells of {name:?}, which was not built")))?;
        let mut failed = Vec::new();
        for case in suite.children().filter(|node| node.has_tag_name("testcase")) {
            let name = case.attribute("name").ok_or_else(|| broken("a test has no name"))?;
            let (outcome, attempts) = attempts(case);
            binary.ran += attempts;
            if matches!(outcome, Outcome::Failed | Outcome::Aborted) {
                failed.push(name.to_owned());
            }
            binary.tests.push((name.to_owned(), outcome));
        }
        let count = |name: &str| suite.attribute(name).and_then(|count| count.parse::<usize>().ok());
        let told = count("failures")
            .zip(count("errors"))
            .map(|(failures, errors)| failures + errors);
        if told != Some(failed.len()) || count("tests") != Some(binary.tests.len()) {
            return Err(NextestError::Report(format!(
                "what it counts in {name:?} is not what it lists"
            )));
        }
        if !failed.is_empty() {
            binary.result = BinaryResult::Failed(failed);
        }
    }
    // In the order in which they were built.
    let outcomes = binaries.iter().filter_map(|binary| by_id.remove(&binary_id(binary)));
    Ok(outcomes.collect())
}

/// How a test ended, and how often it ran. One that passed in the end has passed.
fn attempts(case: roxmltree::Node<'_, '_>) -> (Outcome, u64) {
    let mut outcome = Outcome::Passed;
    let mut attempts = 1;
    for node in case.children().filter(roxmltree::Node::is_element) {
        match node.tag_name().name() {
            "failure" | "error" => {
                let how = node.attribute("type").unwrap_or_default();
                // Only a test that told so itself has failed: `test failure with exit code 101`.
                let is_told = how.starts_with("test failure");
                outcome = if is_told { Outcome::Failed } else { Outcome::Aborted };
            }
            "skipped" => (outcome, attempts) = (Outcome::Ignored, 0),
            "flakyFailure" | "flakyError" | "rerunFailure" | "rerunError" => attempts += 1,
            _ => {}
        }
    }
    (outcome, attempts)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn binary(package: &str, target: &str, kind: &str) -> TestBinary {
        TestBinary {
            package: package.to_owned(),
            target: target.to_owned(),
            name: target.to_owned(),
            kind: kind.to_owned(),
            ..TestBinary::default()
        }
    }

    fn shop() -> [TestBinary; 3] {
        [
            binary("shop", "shop", "lib"),
            binary("shop", "orders", "test"),
            binary("shop", "server", "bin"),
        ]
    }

    fn report(suites: &str) -> String {
        format!("<?xml version=\"1.0\"?><testsuites name=\"nextest-run\">{suites}</testsuites>")
    }

    const SUITES: &str = r#"
        <testsuite name="@setup-script:db" tests="1" errors="0" failures="0"><testcase name="db"/></testsuite>
        <testsuite name="shop" tests="1" errors="0" failures="0"><testcase name="unit"/></testsuite>
        <testsuite name="shop::orders" tests="4" errors="1" failures="2">
            <testcase name="flaky"><flakyFailure type="test failure with exit code 101"/></testcase>
            <testcase name="m::aborts"><failure type="test abort"/><rerunFailure type="test abort"/></testcase>
            <testcase name="fails"><failure type="test failure with exit code 101"/></testcase>
            <testcase name="no_program"><error type="execution failure"/></testcase>
        </testsuite>"#;

    #[test]
    fn each_test_has_its_outcome_and_each_attempt_counts() {
        let outcomes = outcomes(&shop(), &report(SUITES)).expect("a report");

        let [unit, orders, server] = &outcomes[..] else {
            panic!("{outcomes:?}")
        };
        assert_eq!((&unit.result, unit.ran), (&BinaryResult::Passed, 1));
        assert_eq!((&server.result, server.ran), (&BinaryResult::Passed, 0));
        let failed = ["m::aborts", "fails", "no_program"].map(str::to_owned).to_vec();
        assert_eq!((&orders.result, orders.ran), (&BinaryResult::Failed(failed), 6));
        let how: Vec<_> = orders.tests.iter().map(|(_, how)| *how).collect();
        use Outcome::{Aborted, Failed, Passed};
        assert_eq!(how, [Passed, Aborted, Failed, Aborted]);
    }

    #[test]
    fn a_report_that_does_not_fit_is_refused() {
        for (from, to, why) in [
            ("failures=\"2\"", "failures=\"3\"", "not what it lists"),
            ("tests=\"4\"", "tests=\"5\"", "not what it lists"),
            ("name=\"shop::orders\"", "name=\"shop::stock\"", "was not built"),
            ("</testsuite>", "", "expected"),
        ] {
            let error = outcomes(&shop(), &report(&SUITES.replace(from, to))).expect_err(to);
            assert!(error.to_string().contains(why), "{error}");
        }
    }

    #[test]
    fn the_projects_own_configuration_stays_and_the_report_goes_elsewhere() {
        let text = "# ours\n[profile.default]\nretries = 2\n[profile.ci]\nfail-fast = false\n\
            [profile.ci.junit]\npath = \"ours.xml\"\nstore-success-output = true\n[profile.quick]\nretries = 0\n";
        let changed = with_junit(text, Path::new("/x/junit.xml")).expect("TOML");

        let parsed: toml::Table = changed.parse().expect("TOML");
        let profile = &parsed["profile"];
        assert!(changed.starts_with("# ours"), "{changed}");
        assert_eq!(profile["default"]["junit"]["path"].as_str(), Some("/x/junit.xml"));
        assert_eq!(profile["default"]["retries"].as_integer(), Some(2));
        assert_eq!(profile["ci"]["junit"]["path"].as_str(), Some("/x/junit.xml"));
        assert_eq!(profile["ci"]["junit"]["store-success-output"].as_bool(), Some(true));
        assert!(profile["quick"].get("junit").is_none(), "{changed}");
        assert!(
            with_junit("", Path::new("/x"))
                .expect("TOML")
                .contains("[profile.default.junit]")
        );
        assert!(with_junit("profile = 1", Path::new("/x")).is_err());
        assert!(with_junit("[", Path::new("/x")).is_err());
    }
}
