//! What a suite prints, in the form of Rust's test harness under cargo.

use std::collections::BTreeMap;

/// How a test went, as its harness said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// `ok`
    Passed,
    /// `FAILED`
    Failed,
    /// `ignored`
    Skipped,
}

/// What the harness said of each test.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The tests; where cargo names the program that has a test, `PROGRAM::TEST`.
    pub tests: BTreeMap<String, Said>,
    /// What went wrong beside the tests.
    pub trouble: Vec<String>,
    /// The program whose tests follow.
    program: Option<String>,
}

impl Report {
    /// Reads one more line. Whatever is no test's result is for people.
    pub fn line(&mut self, line: &str) {
        if let Some(program) = program(line) {
            self.program = Some(program);
            return;
        }
        let Some((test, said)) = test(line) else { return };
        let name = match &self.program {
            Some(program) => format!("{program}::{test}"),
            None => test.to_owned(),
        };
        if self.tests.insert(name.clone(), said).is_some() {
            self.trouble.push(format!("it reported {name} twice"));
        }
    }
}

/// `Running tests/NAME.rs (PATH)`: cargo says whose tests follow.
fn program(line: &str) -> Option<String> {
    let path = line.trim_start().strip_prefix("Running tests/")?.split(' ').next()?;
    Some(path.strip_suffix(".rs")?.to_owned())
}

/// `test NAME ... RESULT`
fn test(line: &str) -> Option<(&str, Said)> {
    let (name, result) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
    let said = match result.trim_end() {
        "ok" => Said::Passed,
        "FAILED" => Said::Failed,
        "ignored" => Said::Skipped,
        _ if result.starts_with("ignored, ") => Said::Skipped,
        _ => return None,
    };
    Some((name, said))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(text: &str) -> Report {
        let mut report = Report::default();
        text.lines().for_each(|line| report.line(line));
        report
    }

    #[test]
    fn tests_are_named_by_the_program_that_has_them() {
        let report = report(
            "     Running tests/client.rs (target/debug/deps/client-1)\n\nrunning 2 tests\ntest plain ... ok\n\
             test tls ... ignored, no keys\n     Running tests/consumer.rs (target/debug/deps/consumer-1)\n\
             test plain ... FAILED\ntest plain has been running for over 60 seconds\ntest result: FAILED. 0 passed\n",
        );

        let expected = [
            ("client::plain", Said::Passed),
            ("client::tls", Said::Skipped),
            ("consumer::plain", Said::Failed),
        ];
        assert_eq!(
            report.tests,
            expected.map(|(name, said)| (name.to_owned(), said)).into()
        );
        assert_eq!(report.trouble, [] as [String; 0]);
    }

    #[test]
    fn a_test_without_a_program_has_its_own_name() {
        let tests = report("test admin::test_acl[a ... b] ... ok\n").tests;

        assert_eq!(tests.keys().collect::<Vec<_>>(), ["admin::test_acl[a ... b]"]);
    }

    #[test]
    fn a_test_that_comes_twice_is_trouble() {
        assert_eq!(report("test a ... ok\ntest a ... ok").trouble, ["it reported a twice"]);
    }
}
