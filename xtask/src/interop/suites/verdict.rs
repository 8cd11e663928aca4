//! What came out, held against what is listed.

use super::output::{Report, Said};
use super::suite::{Expected, Suite};
use crate::interop::outcome::Counts;

/// What a suite was run against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// The kfake binary.
    Kfake,
    /// Apache Kafka.
    Kafka,
}

impl Against {
    /// Its name, for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Kfake => "kfake",
            Self::Kafka => "Apache Kafka",
        }
    }
}

/// One run of a suite, judged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Tests that passed as they should, tests that are listed and came out so, and what did not.
    pub counts: Counts,
    /// What came out otherwise, and what else went wrong.
    pub failures: Vec<String>,
}

impl Suite {
    /// What is expected of a test.
    pub fn expected(&self, test: &str, against: Against) -> Expected {
        match (self.listed(test), against) {
            (None, _) => Expected::Passed,
            (Some(listed), Against::Kfake) => listed.kfake,
            (Some(listed), Against::Kafka) => listed.kafka,
        }
    }

    /// Judges what the suite reported.
    pub fn judge(&self, against: Against, report: &Report) -> Verdict {
        let mut verdict = Verdict {
            failures: report.trouble.clone(),
            ..Verdict::default()
        };
        for (test, said) in &report.tests {
            let expected = self.expected(test, against);
            match (expected, said) {
                (Expected::Passed, Said::Passed) => verdict.counts.passed += 1,
                (Expected::Failed, Said::Failed)
                | (Expected::Skipped, Said::Skipped)
                | (Expected::Varies, Said::Passed | Said::Failed)
                | (Expected::Unrun, Said::Passed) => verdict.counts.skipped += 1,
                (expected, said) => {
                    let (listed, came) = (expected.word(), said.word());
                    verdict.failures.push(format!("{test}: {came}, and not {listed}"));
                }
            }
        }
        let listed = self.listed.iter().flat_map(|listed| &listed.tests);
        for test in listed.filter(|test| !report.tests.contains_key(*test)) {
            verdict
                .failures
                .push(format!("{test}: it is listed, and was not reported"));
        }
        if report.tests.len() != self.tests {
            let (reported, tests) = (report.tests.len(), self.tests);
            verdict
                .failures
                .push(format!("{reported} tests were reported, and not {tests}"));
        }
        verdict.counts.failed = verdict.failures.len();
        verdict
    }
}

impl Expected {
    /// The word for it, in messages and on the page.
    pub fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Unrun => "not run",
            Self::Varies => "varies",
        }
    }
}

impl Said {
    fn word(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::suite::parse;
    use super::*;

    const FILE: &str = "about = 'a suite'\nversion = '1'\nneeds = []\nbrokers = 1\ninstall = []\nrun = ['suite']\ntests = 4\n\
        [env]\n\
        [[listed]]\ntests = ['acls']\nkfake = 'failed'\nkafka = 'passed'\nwhy = 'later'\n\
        [[listed]]\ntests = ['tls']\nkfake = 'skipped'\nkafka = 'skipped'\nwhy = 'no keys'\n\
        [[listed]]\ntests = ['proxy']\nkfake = 'unrun'\nkafka = 'unrun'\nwhy = 'no proxy'\n";

    fn judge(against: Against, lines: &str) -> Verdict {
        let mut report = Report::default();
        lines.lines().for_each(|line| report.line(line));
        parse("one".to_owned(), FILE.to_owned())
            .expect("a suite")
            .judge(against, &report)
    }

    const AS_LISTED: &str = "test plain ... ok\ntest acls ... FAILED\ntest tls ... ignored\ntest proxy ... ok\n";

    #[test]
    fn what_comes_out_as_listed_is_no_failure() {
        let verdict = judge(Against::Kfake, AS_LISTED);

        assert_eq!(verdict.failures, [] as [String; 0]);
        assert_eq!(verdict.counts.to_string(), "1 passed, 0 failed, 3 skipped");
    }

    #[test]
    fn the_list_tells_kfake_from_apache_kafka() {
        let verdict = judge(Against::Kafka, AS_LISTED);

        assert_eq!(verdict.failures, ["acls: failed, and not passed"]);
        assert_eq!(verdict.counts.failed, 1);
    }

    #[test]
    fn what_is_better_than_listed_is_a_failure_too() {
        let verdict = judge(Against::Kfake, &AS_LISTED.replace("acls ... FAILED", "acls ... ok"));

        assert_eq!(verdict.failures, ["acls: passed, and not failed"]);
    }

    #[test]
    fn what_varies_may_pass_or_fail_and_not_be_skipped() {
        let judge = |came: &str| {
            let file = FILE.replace("'unrun'", "'varies'");
            let mut report = Report::default();
            let lines = AS_LISTED.replace("proxy ... ok", &format!("proxy ... {came}"));
            lines.lines().for_each(|line| report.line(line));
            let suite = parse("one".to_owned(), file).expect("a suite");
            suite.judge(Against::Kfake, &report).failures
        };
        for came in ["ok", "FAILED"] {
            assert_eq!(judge(came), [] as [String; 0], "{came}");
        }
        assert_eq!(judge("ignored"), ["proxy: skipped, and not varies"]);
    }

    #[test]
    fn a_test_that_is_gone_is_missed() {
        let verdict = judge(Against::Kfake, &AS_LISTED.replace("test tls ... ignored\n", ""));

        assert_eq!(
            verdict.failures,
            [
                "tls: it is listed, and was not reported",
                "3 tests were reported, and not 4"
            ]
        );
    }

    #[test]
    fn a_test_that_is_new_is_noticed() {
        let verdict = judge(Against::Kfake, &format!("{AS_LISTED}test more ... ok\n"));

        assert_eq!(verdict.failures, ["5 tests were reported, and not 4"]);
    }
}
