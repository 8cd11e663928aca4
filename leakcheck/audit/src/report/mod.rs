//! What an audit found, as data: what every output is rendered from, what `--format json` prints, and what `leak-audit merge`
//! reads back.
//!
//! ```text
//! observed tasks ─┐
//! leakcheck's own ─┼──► Report ──► render (text, JSON, JUnit, SARIF, GitHub, Markdown, HTML)
//! scanned source  ─┘        └────► merge with those of other shards
//! ```

mod finding;
mod totals;

pub use finding::{Await, Finding, Kind, Lifetime, Origin, Place, Seen, Tracked, Verdict};
pub use totals::{Baseline, ByType, Entry, Outcome, Program, Shard, SpawnSite, Suspect, TestRun, Totals};

use serde::{Deserialize, Serialize};

use crate::judge::Conclusion;

/// The schema of this document. Fields may be added under the same number; a change of meaning raises it.
pub const SCHEMA: u32 = 1;

/// What an audit found.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Report {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The audit's own version.
    pub version: String,
    /// What was run, as a person would type it.
    pub command: String,
    /// The part of the tests that was run, where it was not all; several once reports were merged.
    pub shards: Vec<Shard>,
    /// Everything was run that the workspace has, but for what other shards run: what does not occur is gone.
    pub complete: bool,
    /// The programs that were run: test binaries, examples, doc tests, any command's.
    pub programs: Vec<Program>,
    /// What was left behind, by program and test.
    pub findings: Vec<Finding>,
    /// Every line that spawned, with what became of its tasks.
    pub sites: Vec<SpawnSite>,
    /// What the static audit suspects, where it was asked.
    pub suspects: Vec<Suspect>,
    /// Why something could not be judged. Nothing is clean while this is not empty.
    pub unjudged: Vec<String>,
    /// Tracked tasks that panicked while nobody awaited them, in words. They make the audit fail.
    pub panics: Vec<String>,
    /// What a reader should know, and what changes no verdict.
    pub notes: Vec<String>,
    /// What the baseline said, where there was one.
    pub baseline: Option<Baseline>,
    /// Sums.
    pub totals: Totals,
    /// Findings in dependencies count as leaks too.
    pub deny_third_party: bool,
}

impl Report {
    /// The verdict in one word. A leak that was seen counts although something else could not be judged.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        if self.findings.iter().any(|finding| self.fails(finding)) {
            Conclusion::Leaked
        } else if !self.panics.is_empty() {
            Conclusion::Panicked
        } else if !self.unjudged.is_empty() || self.programs.iter().any(Program::is_unjudged) {
            Conclusion::CannotJudge
        } else if self.baseline.as_ref().is_some_and(|baseline| !baseline.gone.is_empty()) {
            Conclusion::BaselineOutdated
        } else {
            Conclusion::Clean
        }
    }

    /// Whether this finding makes the audit fail.
    #[must_use]
    pub fn fails(&self, finding: &Finding) -> bool {
        finding.accepted.is_none()
            && match finding.verdict {
                Verdict::Leaked | Verdict::Blocked => true,
                Verdict::ThirdParty => self.deny_third_party,
                Verdict::Unsure => false,
            }
    }
}
