//! A verdict for people: tables, the leaks, and one line that sums it up.

use std::collections::BTreeMap;

use crate::baseline::Known;
use crate::error::AuditError;
use crate::judge::{Conclusion, KnownLeak, SiteTotals, Verdict, count, grouped};
use crate::records::{Body, CheckVerdict, Ends, Record, Stopping};
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
        let never = never_shut_down(&verdict.sites);
        blocks.extend((!never.is_empty()).then_some(never));
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
    let untracked = denied.filter_map(|record| Some(record.untracked.as_ref()?.count));
    let untracked = untracked.fold(0, u64::saturating_add);
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

/// A table of exit paths: columns of its own, how the tasks ended, and more columns.
fn table(first: &[(Align, &str)], more: &[&str]) -> Table {
    let rest = ENDS.iter().chain(more).map(|name| (Align::Right, *name));
    Table::with_heading(first.iter().copied().chain(rest))
}

/// The exit paths of every spawn site, and how long its tasks took to end once they were told to.
fn site_table(sites: &[SiteTotals]) -> String {
    use Align::{Left, Right};
    let first = [
        (Left, "spawned at"),
        (Left, "group › name"),
        (Right, "tests"),
        (Right, "tasks"),
    ];
    let mut table = table(&first, &["p50 to stop", "p99", "worst"]);
    for site in sites {
        let first = [
            place(site),
            path(site),
            site.tests.to_string(),
            site.ends.seen.to_string(),
        ];
        let stopping = match &site.stopping {
            Some(Stopping {
                p50_ms,
                p99_ms,
                worst_ms,
                ..
            }) => [p50_ms, p99_ms, worst_ms].map(|ms| leak::duration(*ms)),
            None => ["-"; 3].map(str::to_owned),
        };
        table.row(first.into_iter().chain(ends(site.ends)).chain(stopping));
    }
    table.render()
}

/// The sites whose tasks no test has told to stop. They are no failure: what was not tried is not wrong.
fn never_shut_down(sites: &[SiteTotals]) -> String {
    let never: Vec<_> = sites.iter().filter(|site| site.was_never_shut_down()).collect();
    if never.is_empty() {
        return String::new();
    }
    let mut text = "no test has shut this down:\n".to_owned();
    let mut table = Table::with_heading([(Align::Left, ""); 3]);
    for site in never {
        let Ends {
            seen,
            aborted,
            dropped,
            leaked,
            ..
        } = site.ends;
        let ways = [
            (aborted, "aborted"),
            (dropped, "dropped with their runtime"),
            (leaked, "leaked"),
        ];
        let ways: Vec<_> = ways
            .iter()
            .filter(|(number, _)| *number > 0)
            .map(|(number, way)| format!("{} {way}", grouped(*number)))
            .collect();
        table.row([
            place(site),
            path(site),
            format!("{}: {}", count(seen, "task"), ways.join(", ")),
        ]);
    }
    text.push_str(&table.render());
    let returned = sites.iter().filter(|site| site.always_returned()).count();
    if returned > 0 {
        let sites = count(returned, "more site");
        let said = format!("{sites} needed no shutdown: all of their tasks returned\n");
        text.push_str(&said);
    }
    text
}

fn place(site: &SiteTotals) -> String {
    format!("{}:{}", site.spawned_at.file, site.spawned_at.line)
}

fn path(site: &SiteTotals) -> String {
    leak::path(
        &one_or_number(&site.groups, "groups"),
        &one_or_number(&site.names, "names"),
    )
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
    let first = [
        (Left, "test"),
        (Left, "group › name"),
        (Left, "spawned at"),
        (Right, "tasks"),
    ];
    let mut table = table(&first, &[]);
    for record in records {
        let mut test = match record.body {
            Body::Passed => record.test.clone(),
            Body::Panicked => format!("{} (panicked)", record.test),
            Body::Error => format!("{} (returned an error)", record.test),
            Body::Hung => format!("{} (did not end)", record.test),
        };
        let mut row = |path: String, place: String, of_site: Ends| {
            // The test's name stands in the first of its rows alone.
            let first = [std::mem::take(&mut test), path, place, of_site.seen.to_string()];
            table.row(first.into_iter().chain(ends(of_site)));
        };
        if record.sites.is_empty() {
            row("-".to_owned(), "-".to_owned(), Ends::default());
        }
        for site in &record.sites {
            let place = format!("{}:{}", site.spawned_at.file, site.spawned_at.line);
            row(leak::path(&site.group, &site.name), place, site.ends);
        }
    }
    table.render()
}
