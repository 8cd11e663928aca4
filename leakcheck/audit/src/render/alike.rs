//! Findings that look alike: one suite leaves the same behind in test after test.

use std::collections::HashMap;

use super::words;
use crate::judge::{count, grouped};
use crate::report::{Finding, Report};

/// How many other tests are named.
const NAMED: usize = 4;

/// A finding, and those of other tests that look the same.
#[derive(Debug)]
pub(super) struct Alike<'a> {
    /// The first of them.
    pub(super) finding: &'a Finding,
    /// The others.
    pub(super) others: Vec<&'a Finding>,
}

impl<'a> Alike<'a> {
    /// The first and the others.
    pub(super) fn all(&self) -> impl Iterator<Item = &'a Finding> {
        std::iter::once(self.finding).chain(self.others.iter().copied())
    }

    /// `3 tasks alike in 2 other tests: a, b`; empty where there are no others.
    pub(super) fn elsewhere(&self) -> String {
        if self.others.is_empty() {
            return String::new();
        }
        let mut tests: Vec<&str> = self
            .others
            .iter()
            .map(|other| other.test.as_deref().unwrap_or(&other.program))
            .collect();
        tests.dedup();
        let left = words::things(self.finding.kind, sum(self.others.iter().copied()));
        let named: Vec<&str> = tests.iter().copied().take(NAMED).collect();
        let more = match tests.len().checked_sub(NAMED) {
            None | Some(0) => String::new(),
            Some(more) => format!(" and {} more", grouped(more as u64)),
        };
        format!(
            "{left} alike in {}: {}{more}",
            count(tests.len(), "other test"),
            named.join(", ")
        )
    }
}

/// The report's findings of one look each, the most important first. Accepted ones of another reason look different.
pub(super) fn of(report: &Report) -> Vec<Alike<'_>> {
    let mut groups: Vec<Alike<'_>> = Vec::new();
    let mut places = HashMap::new();
    for finding in words::by_importance(report) {
        let looks = (
            (
                &finding.id,
                finding.verdict,
                finding.kind,
                &finding.program,
                &finding.accepted,
            ),
            (&finding.spawned, &finding.awaits, &finding.awaits_unknown),
            (&finding.why, &finding.how, &finding.root),
            finding.tracked.as_ref().map(|tracked| (&tracked.group, &tracked.name)),
        );
        match places.get(&looks) {
            Some(&place) => {
                let group: &mut Alike<'_> = &mut groups[place];
                group.others.push(finding);
            }
            None => {
                places.insert(looks, groups.len());
                groups.push(Alike {
                    finding,
                    others: Vec::new(),
                });
            }
        }
    }
    groups
}

/// How many they are in all. A merged document may say anything.
pub(super) fn sum<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> u64 {
    findings
        .into_iter()
        .fold(0, |sum, finding| sum.saturating_add(finding.count))
}
