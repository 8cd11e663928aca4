//! What a client reported.

use std::collections::BTreeMap;

/// How a case went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// As it should.
    Passed,
    /// It failed, and why.
    Failed(String),
    /// The client has no such case, and why.
    Skipped(String),
}

/// A line that a client printed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// A case and how it went.
    Case(String, Outcome),
    /// It wants the cluster to end.
    Stop,
    /// It wants the cluster to start.
    Start,
    /// It wants other leaders for a topic's partitions.
    Move(String),
    /// Anything else, which is for people.
    Other,
}

/// Reads a line.
pub fn line(text: &str) -> Line {
    let reason = |rest: &str| match rest.split_once(": ") {
        Some((case, why)) => (case.to_owned(), why.to_owned()),
        None => (rest.to_owned(), "it gave no reason".to_owned()),
    };
    if text == "cluster stop" {
        Line::Stop
    } else if text == "cluster start" {
        Line::Start
    } else if let Some(topic) = text.strip_prefix("cluster move ") {
        Line::Move(topic.to_owned())
    } else if let Some(case) = text.strip_prefix("ok ") {
        Line::Case(case.to_owned(), Outcome::Passed)
    } else if let Some(rest) = text.strip_prefix("not ok ") {
        let (case, why) = reason(rest);
        Line::Case(case, Outcome::Failed(why))
    } else if let Some(rest) = text.strip_prefix("skip ") {
        let (case, why) = reason(rest);
        Line::Case(case, Outcome::Skipped(why))
    } else {
        Line::Other
    }
}

/// How the cases of one client went, in the order of the cases.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcomes {
    by_case: BTreeMap<String, Outcome>,
    /// What went wrong beside its cases: it could not be installed, it hung, the cluster left tasks behind.
    pub trouble: Vec<String>,
}

impl Outcomes {
    /// Notes a case.
    pub fn report(&mut self, case: String, outcome: Outcome, known: &[String]) {
        if !known.contains(&case) {
            self.trouble.push(format!("it reported {case:?}, which is no case"));
        } else if self.by_case.insert(case.clone(), outcome).is_some() {
            self.trouble.push(format!("it reported {case} twice"));
        }
    }

    /// Every case that was wanted and not reported has failed.
    pub fn complete(&mut self, wanted: &[String]) {
        for case in wanted {
            self.by_case
                .entry(case.clone())
                .or_insert_with(|| Outcome::Failed("it was not reported".to_owned()));
        }
    }

    /// How a case went.
    pub fn of(&self, case: &str) -> Option<&Outcome> {
        self.by_case.get(case)
    }

    /// How many passed, failed and were left out. What went wrong beside cases counts as failed.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            failed: self.trouble.len(),
            ..Counts::default()
        };
        for outcome in self.by_case.values() {
            match outcome {
                Outcome::Passed => counts.passed += 1,
                Outcome::Failed(_) => counts.failed += 1,
                Outcome::Skipped(_) => counts.skipped += 1,
            }
        }
        counts
    }

    /// The cases that failed and why, and what else went wrong.
    pub fn failures(&self) -> impl Iterator<Item = String> {
        let cases = self.by_case.iter().filter_map(|(case, outcome)| match outcome {
            Outcome::Failed(why) => Some(format!("{case}: {why}")),
            Outcome::Passed | Outcome::Skipped(_) => None,
        });
        cases.chain(self.trouble.iter().cloned())
    }
}

/// Sums.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that passed.
    pub passed: usize,
    /// Cases that failed, and what else went wrong.
    pub failed: usize,
    /// Cases that were left out.
    pub skipped: usize,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Counts {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(to, "{passed} passed, {failed} failed, {skipped} skipped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_what_clients_print() {
        let case = |case: &str, outcome| Line::Case(case.to_owned(), outcome);
        assert_eq!(line("ok seek"), case("seek", Outcome::Passed));
        let failed = Outcome::Failed("E: no".to_owned());
        assert_eq!(line("not ok seek: E: no"), case("seek", failed));
        let nameless = Outcome::Failed("it gave no reason".to_owned());
        assert_eq!(line("not ok seek"), case("seek", nameless));
        let skipped = Outcome::Skipped("old".to_owned());
        assert_eq!(line("skip seek: old"), case("seek", skipped));
        assert_eq!(line("cluster stop"), Line::Stop);
        assert_eq!(line("cluster start"), Line::Start);
        assert_eq!(line("cluster move orders"), Line::Move("orders".to_owned()));
        assert_eq!(line("okay"), Line::Other);
    }

    #[test]
    fn what_a_client_keeps_to_itself_has_failed() {
        let known = ["seek", "commit", "groups"].map(str::to_owned);
        let mut outcomes = Outcomes::default();
        outcomes.report("seek".to_owned(), Outcome::Passed, &known);
        outcomes.report("commit".to_owned(), Outcome::Skipped("old".to_owned()), &known);
        outcomes.complete(&known);

        assert_eq!(outcomes.counts().to_string(), "1 passed, 1 failed, 1 skipped");
        assert_eq!(outcomes.failures().collect::<Vec<_>>(), ["groups: it was not reported"]);
    }

    #[test]
    fn a_case_that_nobody_knows_or_that_comes_twice_is_a_failure() {
        let known = ["seek".to_owned()];
        let mut outcomes = Outcomes::default();
        outcomes.report("seek".to_owned(), Outcome::Failed("no".to_owned()), &known);
        outcomes.report("seek".to_owned(), Outcome::Passed, &known);
        outcomes.report("sek".to_owned(), Outcome::Passed, &known);

        assert_eq!(outcomes.counts().failed, 2);
    }
}
