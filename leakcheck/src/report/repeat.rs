//! A test that was run many times, as one finding.

use std::fmt;

use super::Report;

/// How the runs of a repeated test went.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Repetition {
    /// How many were made.
    pub runs: u32,
    /// How many were to be made.
    pub wanted: u32,
    /// Those that failed.
    pub failed: Vec<FailedRun>,
    /// The test's seed, of which each run's is made.
    pub seed: u64,
}

/// A run that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FailedRun {
    /// Its number, counted from 1.
    pub number: u32,
    /// `panicked`, `leaked`, `hung`, `returned an error`, `did not panic` or
    /// `panicked with another text`.
    pub how: &'static str,
}

/// So many failed runs are named.
const NAMED: usize = 20;

impl fmt::Display for Repetition {
    /// Two lines: how often it failed and in which runs; how to make the first of them again.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let runs = |n: u32| format!("{n} run{}", if n == 1 { "" } else { "s" });
        let Some(first) = self.failed.first() else {
            return writeln!(f, "passed {} (seed {})", runs(self.runs), self.seed);
        };
        write!(f, "failed {} of {}: ", self.failed.len(), runs(self.runs))?;
        let alike = self.failed.iter().all(|run| run.how == first.how);
        for (index, run) in self.failed.iter().take(NAMED).enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            match alike {
                true => write!(f, "{comma}{}", run.number)?,
                false => write!(f, "{comma}{} ({})", run.number, run.how)?,
            }
        }
        if let Some(more) = self.failed.len().checked_sub(NAMED).filter(|more| *more > 0) {
            write!(f, " and {more} more")?;
        }
        if alike {
            write!(f, " ({})", first.how)?;
        }
        if self.runs < self.wanted {
            write!(f, "; {} not made", runs(self.wanted - self.runs))?;
        }
        writeln!(
            f,
            "\nrun {} alone: LEAKCHECK_SEED={} LEAKCHECK_RUN={}",
            first.number, self.seed, first.number
        )
    }
}

impl Report {
    /// Adds another run of the same test: its counts; and what it left behind, where nothing was left before.
    pub(crate) fn add(&mut self, other: Self) {
        let mut other = other;
        if self.is_clean() && !other.is_clean() {
            std::mem::swap(self, &mut other);
        }
        self.absorb(&other);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repetition(failed: &[(u32, &'static str)]) -> Repetition {
        Repetition {
            runs: 100,
            wanted: 100,
            failed: failed
                .iter()
                .map(|(number, how)| FailedRun { number: *number, how })
                .collect(),
            seed: 5,
        }
    }

    #[test]
    fn a_repetition_reads_like_this() {
        for (failed, text) in [
            (&[][..], "passed 100 runs (seed 5)\n"),
            (
                &[(7, "leaked"), (42, "leaked"), (90, "leaked")],
                "failed 3 of 100 runs: 7, 42, 90 (leaked)\nrun 7 alone: LEAKCHECK_SEED=5 LEAKCHECK_RUN=7\n",
            ),
            (
                &[(7, "panicked"), (42, "leaked")],
                "failed 2 of 100 runs: 7 (panicked), 42 (leaked)\nrun 7 alone: LEAKCHECK_SEED=5 LEAKCHECK_RUN=7\n",
            ),
        ] {
            assert_eq!(repetition(failed).to_string(), text);
        }
    }
}
