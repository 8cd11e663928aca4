//! A verdict as one JSON document.

use serde::Serialize;

use crate::baseline::Known;
use crate::error::AuditError;
use crate::judge::{Conclusion, KnownLeak, TestLeak, Verdict};
use crate::records::{Ends, Place, Record, Stopping};

/// The schema of the document. Fields may be added under the same number; a change of meaning raises it.
pub const SCHEMA: u64 = 1;

#[derive(Serialize)]
struct Document<'a> {
    schema: u64,
    conclusion: Conclusion,
    exit_code: u8,
    binaries: usize,
    totals: Ends,
    sites: Vec<SiteOf<'a>>,
    leaks: &'a [TestLeak],
    known: &'a [KnownLeak],
    fixed: &'a [Known],
    problems: Vec<String>,
    tests: &'a [Record],
}

#[derive(Serialize)]
struct SiteOf<'a> {
    spawned_at: &'a Place,
    groups: usize,
    names: usize,
    tests: usize,
    #[serde(flatten)]
    ends: Ends,
    stopping: Option<&'a Stopping>,
    never_shut_down: bool,
}

/// The document of a verdict: `schema`, `conclusion` (`clean`, `leaked`, `panicked`, `cannot_judge`, `baseline_outdated`), `exit_code`,
/// `binaries`, `totals`, `sites`, `leaks`, `known`, `fixed`, `problems` and `tests`; the tasks and tests in the words of
/// leakcheck's records.
#[must_use]
pub fn verdict(verdict: &Verdict) -> String {
    let sites = verdict.sites.iter().map(|site| SiteOf {
        spawned_at: &site.spawned_at,
        groups: site.groups.len(),
        names: site.names.len(),
        tests: site.tests,
        ends: site.ends,
        stopping: site.stopping.as_ref(),
        never_shut_down: site.was_never_shut_down(),
    });
    document(&Document {
        schema: SCHEMA,
        conclusion: verdict.conclusion(),
        exit_code: verdict.conclusion().exit_code(),
        binaries: verdict.binaries(),
        totals: verdict.totals(),
        sites: sites.collect(),
        leaks: &verdict.leaks,
        known: &verdict.known,
        fixed: &verdict.fixed,
        problems: verdict.problems.iter().map(ToString::to_string).collect(),
        tests: &verdict.tests,
    })
}

/// The document where there is no verdict: the same fields, empty but for `problems`.
#[must_use]
pub fn error(error: &AuditError) -> String {
    document(&Document {
        schema: SCHEMA,
        conclusion: Conclusion::CannotJudge,
        exit_code: Conclusion::CannotJudge.exit_code(),
        binaries: 0,
        totals: Ends::default(),
        sites: Vec::new(),
        leaks: &[],
        known: &[],
        fixed: &[],
        problems: vec![error.to_string()],
        tests: &[],
    })
}

fn document(document: &Document<'_>) -> String {
    serde_json::to_string_pretty(document).expect("plain data with string keys has a JSON form") + "\n"
}
