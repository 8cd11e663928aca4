//! A verdict for people: tables, the leaks, and one line that sums it up.

use std::collections::BTreeMap;

use crate::baseline::Known;
use crate::error::AuditError;
use crate::judge::{Conclusion, KnownLeak, SiteTotals, Verdict, count, grouped};
use crate::records::{Body, CheckVerdict, Ends, Record};
use crate::render::table::{Align, Table};
use crate::render::{leak, unseen};

/// The tables, the leaks, what went wrong, and the summary as the last line.
///
/// Without `by_test` the tasks of all tests are put together by spawn site, and only tests with a leak have rows of their
/// own; with it every test has.
#[must_use]
pub fn verdict(verdict: &Verdict, by_test: bool) -> String {
    let mut blocks = Vec::new();
    if !verdict.sites.is_empty() {
        blocks.push(site_table(&verdict.sites));
    }
    let listed: Vec<_> = verdict
        .tests
        .iter()
        .filter(|record| by_test || matches!(record.verdict, CheckVerdict::Leaked | CheckVerdict::Panicked))
        .collect();
    if !listed.is_empty() {
        blocks.push(test_table(&listed));
    }
    if !verdict.leaks.is_empty() {
        blocks.push(leak::report(&verdict.leaks).trim_end().to_owned() + "\n");
    }
    let unseen = unseen::report(&verdict.tests);
    if !unseen.is_empty() {
        blocks.push(unseen);
    }
    if !verdict.known.is_empty() {
        blocks.push(known(&verdict.known));
    }
    if !verdict.fixed.is_empty() {
        blocks.push(verdict.fixed.iter().map(fixed).collect());
    }
    if !verdict.problems.is_empty() {
        blocks.push(
            verdict
                .problems
                .iter()
                .map(|problem| format!("cannot judge: {problem}\n"))
                .collect(),
        );
    }
    blocks.push(summary(verdict) + "\n");
    blocks.join("\n")
}

/// Why there is no verdict.
#[must_use]
pub fn error(error: &AuditError) -> String {
    format!("leak-audit: {error}\n")
}

/// The one line that sums a verdict up.
#[must_use]
pub fn summary(verdict: &Verdict) -> String {
    let totals = verdict.totals();
    let mut line = format!(
        "leak-audit: {} in {}, {} at {}, {} leaked",
        count(verdict.tests.len(), "guarded test"),
        binaries(verdict.binaries()),
        count(totals.seen, "task"),
        count(verdict.sites.len(), "spawn site"),
        grouped(verdict.leaks.len() as u64),
    );
    let denied = verdict.tests.iter().filter(|record| record.denies_untracked());
    let untracked: u64 = denied.filter_map(|record| Some(record.untracked.as_ref()?.count)).sum();
    if untracked > 0 {
        line.push_str(&format!(", {} untracked", grouped(untracked)));
    }
    let panicked: usize = verdict.tests.iter().map(|record| record.denied_panics().count()).sum();
    if panicked > 0 {
        line.push_str(&format!(", {} panicked unseen", grouped(panicked as u64)));
    }
    if !verdict.known.is_empty() {
        line.push_str(&format!(", {} known", grouped(verdict.known.len() as u64)));
    }
    if verdict.conclusion() == Conclusion::BaselineOutdated {
        line.push_str(": the baseline is outdated");
    }
    if verdict.conclusion() == Conclusion::CannotJudge {
        line.push_str(": cannot judge");
    }
    line
}

/// The known leaks by their reason.
fn known(leaks: &[KnownLeak]) -> String {
    let mut by_reason = BTreeMap::<&str, usize>::new();
    for leak in leaks {
        *by_reason.entry(&leak.reason).or_default() += 1;
    }
    by_reason
        .into_iter()
        .map(|(reason, number)| format!("known: {}: {reason}\n", count(number, "leak")))
        .collect()
}

fn fixed(entry: &Known) -> String {
    let path = leak::path(&entry.group, &entry.name);
    format!(
        "fixed: {path} of {} leaks no more: remove it from the baseline ({})\n",
        entry.file, entry.reason
    )
}

fn binaries(number: usize) -> String {
    if number == 1 {
        "1 binary".to_owned()
    } else {
        format!("{number} binaries")
    }
}

const ENDS: [&str; 6] = ["returned", "cancelled", "aborted", "panicked", "dropped", "leaked"];

fn ends(ends: Ends) -> [String; 6] {
    [
        ends.returned,
        ends.cancelled,
        ends.aborted,
        ends.panicked,
        ends.dropped,
        ends.leaked,
    ]
    .map(|end| end.to_string())
}

fn site_table(sites: &[SiteTotals]) -> String {
    use Align::{Left, Right};
    let [returned, cancelled, aborted, panicked, dropped, leaked] = ENDS;
    let mut table = Table::with_heading(
        [Left, Left, Right, Right, Right, Right, Right, Right, Right, Right],
        [
            "spawned at",
            "group › name",
            "tests",
            "tasks",
            returned,
            cancelled,
            aborted,
            panicked,
            dropped,
            leaked,
        ],
    );
    for site in sites {
        let name = leak::path(
            &one_or_number(&site.groups, "groups"),
            &one_or_number(&site.names, "names"),
        );
        let [returned, cancelled, aborted, panicked, dropped, leaked] = ends(site.ends);
        table.row([
            format!("{}:{}", site.spawned_at.file, site.spawned_at.line),
            name,
            site.tests.to_string(),
            site.ends.seen.to_string(),
            returned,
            cancelled,
            aborted,
            panicked,
            dropped,
            leaked,
        ]);
    }
    table.render()
}

/// One line may spawn the tasks of thousands of groups: then their number stands for them.
fn one_or_number(texts: &std::collections::BTreeSet<String>, noun: &str) -> String {
    match texts.first() {
        Some(text) if texts.len() == 1 => text.clone(),
        _ => format!("({} {noun})", texts.len()),
    }
}

fn test_table(records: &[&Record]) -> String {
    use Align::{Left, Right};
    let [returned, cancelled, aborted, panicked, dropped, leaked] = ENDS;
    let mut table = Table::with_heading(
        [Left, Left, Left, Right, Right, Right, Right, Right, Right, Right],
        [
            "test",
            "group › name",
            "spawned at",
            "tasks",
            returned,
            cancelled,
            aborted,
            panicked,
            dropped,
            leaked,
        ],
    );
    for record in records {
        let mut test = match record.body {
            Body::Passed => record.test.clone(),
            Body::Panicked => format!("{} (panicked)", record.test),
            Body::Error => format!("{} (returned an error)", record.test),
        };
        if record.sites.is_empty() {
            let [returned, cancelled, aborted, panicked, dropped, leaked] = ends(Ends::default());
            let none = || "-".to_owned();
            table.row([
                test,
                none(),
                none(),
                "0".into(),
                returned,
                cancelled,
                aborted,
                panicked,
                dropped,
                leaked,
            ]);
            continue;
        }
        for site in &record.sites {
            let [returned, cancelled, aborted, panicked, dropped, leaked] = ends(site.ends);
            table.row([
                // The test's name stands in the first of its rows alone.
                std::mem::take(&mut test),
                leak::path(&site.group, &site.name),
                format!("{}:{}", site.spawned_at.file, site.spawned_at.line),
                site.ends.seen.to_string(),
                returned,
                cancelled,
                aborted,
                panicked,
                dropped,
                leaked,
            ]);
        }
    }
    table.render()
}
