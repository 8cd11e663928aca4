//! Builds fixtures, runs them observed, and writes findings down in a form that can be compared. The one place that knows
//! the library's interface.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use leakcheck_audit::Conclusion;
use leakcheck_audit::observe::{Finding, Observation, ObservedVerdict, What};

/// A directory in `fixtures`, and how it is built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Fixture {
    name: &'static str,
    arguments: Vec<&'static str>,
    environment: Vec<(&'static str, &'static str)>,
}

impl Fixture {
    pub fn of(name: &'static str) -> Self {
        Self {
            name,
            ..Self::default()
        }
    }

    /// More arguments for cargo.
    pub fn with(mut self, arguments: &[&'static str]) -> Self {
        self.arguments.extend(arguments);
        self
    }

    /// With optimised code and all debug info: one build for all tests, as that takes long.
    pub fn optimised(self) -> Self {
        self.with(&["--release", "--config", "profile.release.debug=true"])
    }

    pub fn env(mut self, name: &'static str, value: &'static str) -> Self {
        self.environment.push((name, value));
        self
    }

    pub fn directory(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(self.name)
    }

    /// A command of cargo's in this fixture.
    pub fn cargo(&self, command: &[&str]) -> Command {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(command).args(&self.arguments).arg("--locked");
        cargo.current_dir(self.directory());
        cargo.env(
            "CARGO_TARGET_DIR",
            Path::new(env!("CARGO_TARGET_TMPDIR")).join("observed"),
        );
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if name.starts_with("CARGO_PROFILE_") || name == "RUSTFLAGS" || name == "CARGO_ENCODED_RUSTFLAGS" {
                cargo.env_remove(name);
            }
        }
        // What is built again is built by another test's arguments, not by a change of source.
        cargo.env("CARGO_INCREMENTAL", "0");
        cargo.envs(self.environment.iter().copied());
        cargo
    }

    /// The program of this target, built once: what cargo does itself need not be observed each time.
    pub fn binary(&self, target: &str) -> PathBuf {
        type Built = HashMap<(Fixture, String), Arc<OnceLock<PathBuf>>>;
        static BUILT: Mutex<Option<Built>> = Mutex::new(None);
        let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
        let program = built.get_or_insert_default().entry((self.clone(), target.to_owned()));
        let program = program.or_default().clone();
        drop(built);
        program.get_or_init(|| self.build(target)).clone()
    }

    fn build(&self, target: &str) -> PathBuf {
        let is_test = self
            .directory()
            .join("tests")
            .join(target)
            .with_extension("rs")
            .exists()
            || target == "scenarios";
        let command: &[&str] = if is_test {
            &["test", "--no-run", "--message-format", "json", "--test"]
        } else {
            &["build", "--message-format", "json", "--example"]
        };
        let output = self
            .cargo(&[command, &[target]].concat())
            .output()
            .expect("cargo starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let messages = String::from_utf8_lossy(&output.stdout);
        messages
            .lines()
            .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
            .filter(|message| message["target"]["name"] == target)
            .find_map(|message| message["executable"].as_str().map(PathBuf::from))
            .expect("cargo names the program")
    }

    /// Runs a target with these arguments, observed.
    pub fn run(&self, target: &str, arguments: &[&str]) -> ObservedVerdict {
        let mut command = Command::new(self.binary(target));
        command.args(arguments).current_dir(self.directory());
        self.observe(command)
    }

    pub fn observe(&self, command: Command) -> ObservedVerdict {
        Observation::of(command)
            .workspace(self.directory())
            .run()
            .expect("a verdict")
    }

    /// A line for each finding: verdict, test, count, the spawn's line of code, and the leaf of its tree of awaits. Sorted.
    pub fn lines(&self, verdict: &ObservedVerdict) -> Vec<String> {
        let mut lines: Vec<String> = verdict.findings.iter().map(|finding| self.line(finding)).collect();
        lines.sort();
        lines
    }

    fn line(&self, finding: &Finding) -> String {
        let what = match finding.what {
            What::Leaked => "leaked",
            What::Blocked => "blocked",
            What::ThirdParty => "third-party",
            What::Unsure => "unsure",
        };
        let test = finding.test.as_deref().unwrap_or("-");
        let leaf = finding.awaits.as_deref().map_or_else(|| "-".to_owned(), leaf);
        format!(
            "{what} | {test} | {} | {} | {leaf}",
            finding.count,
            self.source(finding)
        )
    }

    /// The source line of a spawn.
    pub fn source(&self, finding: &Finding) -> String {
        let Some(place) = finding.spawned.first() else {
            return "-".to_owned();
        };
        let (Some(file), Some(line)) = (&place.file, place.line) else {
            return place.function.clone();
        };
        let source = std::fs::read_to_string(self.directory().join(file)).unwrap_or_default();
        let line = source.lines().nth((line as usize).wrapping_sub(1));
        line.unwrap_or_default().trim().to_owned()
    }
}

/// The future that ends a tree, without what is said of it and without its type's arguments.
fn leaf(tree: &str) -> String {
    let last = tree.lines().last().unwrap_or_default().trim();
    let name = last.split("  ").next().unwrap_or_default();
    name.split('<').next().unwrap_or_default().to_owned()
}

const MAYBE: &str = "leaked/unsure/ended";
const EITHER: &str = "leaked/unsure |";

/// Compares findings with what is expected, line by line. A leaf of `*` is one that is not always known: the first task to
/// die may not have been copied. `leaked/unsure/ended` is a task whose cell another leaked task holds: which of them is shut down
/// first is up to tokio, and whether it had ended before cannot be told then. `leaked/unsure` is a task that was never polled: that
/// nobody can have aborted it is known where another test's thread happened to look at it.
pub fn assert_lines(found: &[String], expected: &str) {
    let mut expected: Vec<&str> = expected.lines().filter(|line| !line.is_empty()).collect();
    expected.sort_unstable();
    let same = |found: &str, expected: &str| {
        let start = expected.strip_suffix('*');
        start.map_or(found == expected, |start| found.starts_with(start))
    };
    let matches = |found: &str, expected: &str| {
        let either = expected.strip_prefix(MAYBE);
        let either = either.or_else(|| expected.strip_prefix(EITHER).map(|_| &expected[EITHER.len() - 2..]));
        either.map_or_else(
            || same(found, expected),
            |rest| {
                ["leaked", "unsure"]
                    .iter()
                    .any(|what| same(found, &format!("{what}{rest}")))
            },
        )
    };
    let mut difference = String::new();
    for line in &expected {
        if !line.starts_with(MAYBE) && !found.iter().any(|found| matches(found, line)) {
            let _ = writeln!(difference, "missing   {line}");
        }
    }
    for line in found {
        if !expected.iter().any(|expected| matches(line, expected)) {
            let _ = writeln!(difference, "unexpected {line}");
        }
    }
    let most = expected.len();
    let least = most - expected.iter().filter(|line| line.starts_with(MAYBE)).count();
    assert!(
        difference.is_empty() && (least..=most).contains(&found.len()),
        "{difference}{found:#?}"
    );
}

pub fn assert_clean(verdict: &ObservedVerdict) {
    assert!(verdict.findings.is_empty(), "{:#?}", verdict.findings);
    assert_eq!(verdict.unjudged, [""; 0]);
    assert_eq!(verdict.conclusion(), Conclusion::Clean);
}

/// Whether something could not be judged, and says so in words that contain these.
pub fn assert_unjudged(verdict: &ObservedVerdict, why: &str) {
    assert!(
        verdict.unjudged.iter().any(|reason| reason.contains(why)),
        "{verdict:#?}"
    );
    assert!(verdict.findings.is_empty(), "{:#?}", verdict.findings);
    assert_eq!(verdict.conclusion(), Conclusion::CannotJudge);
}

#[test]
#[should_panic(expected = "missing   leaked | a | 1 | x | y")]
fn a_finding_that_is_missing_is_noticed() {
    assert_lines(&["leaked | a | 2 | x | y".to_owned()], "leaked | a | 1 | x | y");
}

#[test]
#[should_panic(expected = "unexpected leaked | b | 1 | x | z")]
fn a_finding_that_is_not_expected_is_noticed() {
    let found = ["leaked | a | 1 | x | y", "leaked | b | 1 | x | z"].map(str::to_owned);
    assert_lines(&found, "leaked | a | 1 | x | *");
}
