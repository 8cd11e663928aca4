//! The report as text for people.
//!
//! ```text
//! leaked: 2 tasks outlived test server::closes_every_connection  (shop)
//!
//!   shop::server::Server::run                2 tasks                   9f86d081884c7d65
//!     spawned at   src/server.rs:88          shop::server::Server::start
//!             by   src/lib.rs:40             shop::serve
//!                  … 3 calls in hyper 1.4.1
//!     waiting at   src/server.rs:261         shop::server::Server::run
//!                  select! of 2 branches
//!                  ├ src/connection.rs:69    shop::connection::Connection::read_frame
//!                  │ tokio::net::TcpStream   waits until it can be read
//!                  └ src/shutdown.rs:44      shop::shutdown::Shutdown::recv
//!                    tokio::sync::broadcast::Receiver::recv   waits for a message
//!     why          no branch of this select! waits for cancellation, a channel's end or a deadline
//! ```

use std::collections::{BTreeMap, HashMap};

use super::alike::{self, Alike};
use super::frames::{self, Row};
use super::page::{Page, Role, cut};
use super::table::{Align, Table};
use super::words::{self, plain};
use super::{Options, waits};
use crate::judge::{Conclusion, count, grouped};
use crate::report::{Finding, Kind, Outcome, Report, Verdict};

/// The report for people: what was left behind by program and test, the tests as a table, what is suspected, what could not
/// be judged, the baseline, and one line that sums it up.
///
/// What is alike in several tests is shown once, with the names of the others. A chain of awaits is read downwards; lines
/// stand below one another until it branches. Nothing in it steers a terminal but the colours that `options` ask for.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let mut page = Page::new(options);
    findings(&mut page, report);
    accepted(&mut page, report);
    tests(&mut page, report);
    if options.by_site {
        sites(&mut page, report);
    }
    suspects(&mut page, report);
    baseline(&mut page, report);
    panics(&mut page, report);
    unjudged(&mut page, report);
    notes(&mut page, report);
    page.gap();
    let role = match report.conclusion() {
        Conclusion::Clean => Role::Good,
        Conclusion::CannotJudge | Conclusion::BaselineOutdated => Role::Warn,
        Conclusion::Leaked | Conclusion::Panicked => Role::Bad,
    };
    let summary = format!("leak-audit: {}", plain(&words::summary(report)));
    let summary = page.paint(role, &summary);
    page.line(&summary);
    page.text
}

/// One finding as text, without colours and alike ones: what JUnit shows of its stacks.
pub(super) fn block(report: &Report, finding: &Finding, options: &Options) -> String {
    let others = Vec::new();
    alike(report, &Alike { finding, others }, options)
}

/// Alike findings as text, without colours.
pub(super) fn alike(report: &Report, group: &Alike<'_>, options: &Options) -> String {
    let options = Options {
        colour: false,
        width: None,
        ..options.clone()
    };
    let mut page = Page::new(&options);
    one(&mut page, report, group);
    page.text
}

fn findings(page: &mut Page<'_>, report: &Report) {
    let mut blocks = alike::of(report);
    blocks.retain(|block| block.finding.accepted.is_none());
    // A test's blocks stand together, at the place of its first.
    let mut first = HashMap::new();
    for (at, block) in blocks.iter().enumerate() {
        first.entry((&block.finding.program, &block.finding.test)).or_insert(at);
    }
    blocks.sort_by_key(|block| first[&(&block.finding.program, &block.finding.test)]);

    let mut left = HashMap::<_, u64>::new();
    for finding in report.findings.iter().filter(|finding| finding.accepted.is_none()) {
        let left = left.entry((&finding.program, &finding.test)).or_default();
        *left = left.saturating_add(finding.count);
    }
    let shown = &blocks[..blocks.len().min(page.options.limit)];
    for of_one_test in
        shown.chunk_by(|a, b| (&a.finding.program, &a.finding.test) == (&b.finding.program, &b.finding.test))
    {
        page.gap();
        let first = of_one_test[0].finding;
        let here = alike::sum(of_one_test.iter().map(|block| block.finding));
        heading(
            page,
            of_one_test,
            left[&(&first.program, &first.test)].saturating_sub(here),
        );
        for block in of_one_test {
            page.gap();
            one(page, report, block);
        }
    }
    if let Some(rest) = blocks.get(shown.len()..).filter(|rest| !rest.is_empty()) {
        let left = alike::sum(rest.iter().flat_map(Alike::all));
        page.gap();
        let more = format!(
            "… and {} of another look, {} in all: --format json, or --html FILE, has every one",
            count(rest.len(), "finding"),
            grouped(left),
        );
        let more = page.paint(Role::Strong, &more);
        page.line(&more);
    }
}

/// Beside the blocks below it, the test left `elsewhere` behind that is shown with another test.
fn heading(page: &mut Page<'_>, blocks: &[Alike<'_>], elsewhere: u64) {
    let first = blocks[0].finding;
    let mut kinds = BTreeMap::<Kind, u64>::new();
    for block in blocks {
        let number = kinds.entry(block.finding.kind).or_default();
        *number = number.saturating_add(block.finding.count);
    }
    let things: Vec<String> = kinds
        .into_iter()
        .map(|(kind, number)| words::things(kind, number))
        .collect();
    let sure = blocks.iter().any(|block| block.finding.verdict != Verdict::Unsure);
    let outlived = if sure { "outlived" } else { "may have outlived" };
    let heading = format!("{} {outlived} {}", things.join(" and "), plain(&words::outlived(first)));
    let verdict = page.paint(role(first.verdict), &format!("{}:", words::verdict(first.verdict)));
    let heading = page.paint(Role::Strong, &heading);
    let program = match &first.test {
        Some(_) => page.paint(Role::Faint, &format!("  ({})", plain(&first.program))),
        None => String::new(),
    };
    let elsewhere = match elsewhere {
        0 => String::new(),
        _ => page.paint(
            Role::Faint,
            &format!(", and {} shown with another test", grouped(elsewhere)),
        ),
    };
    page.line(&format!("{verdict} {heading}{elsewhere}{program}"));
}

fn role(verdict: Verdict) -> Role {
    match verdict {
        Verdict::Leaked | Verdict::Blocked => Role::Bad,
        Verdict::ThirdParty => Role::Warn,
        Verdict::Unsure => Role::Faint,
    }
}

fn one(page: &mut Page<'_>, report: &Report, block: &Alike<'_>) {
    let finding = block.finding;
    title(page, finding);
    let columns = columns(finding, page.options);
    stack(page, finding, columns);
    match (&finding.awaits, &finding.awaits_unknown) {
        (Some(awaits), _) => {
            let mut label = page.label("waiting at");
            for line in waits::lines(awaits) {
                tree_line(page, &label, &line, columns);
                label = page.label("");
            }
        }
        (None, Some(reason)) => page.field("waiting at", &format!("unknown: {}", plain(reason))),
        (None, None) => (),
    }
    if !finding.how.is_empty() {
        page.field("ended", &plain(&finding.how));
    }
    for (index, why) in finding.why.iter().enumerate() {
        page.field(if index == 0 { "why" } else { "" }, &plain(why));
    }
    if let Some(root) = &finding.root {
        page.field("root", &format!("waits for {}: mend that one", root_of(report, root)));
    }
    tracked(page, finding);
    if !block.others.is_empty() {
        page.field("also", &plain(&block.elsewhere()));
    }
}

/// Its name and number, and what a baseline knows it by.
fn title(page: &mut Page<'_>, finding: &Finding) {
    let number = words::things(finding.kind, finding.count);
    let verdict = words::verdict_of(finding);
    let subject = words::subject(finding);
    let subject = plain(&subject);
    let aside =
        [number, plain(&verdict).into_owned(), plain(&finding.id).into_owned()].map(|part| part.trim().to_owned());
    let aside = aside
        .iter()
        .filter(|part| !part.is_empty())
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join("  ");
    let room = page.room(4).saturating_sub(aside.chars().count() + 2);
    let (subject, aside) = (
        page.paint(Role::Strong, &cut(&subject, room)),
        page.paint(Role::Faint, &aside),
    );
    page.line(&format!("  {subject}  {aside}"));
}

/// How wide the column of places is: as the widest of the block, within reason.
fn columns(finding: &Finding, options: &Options) -> usize {
    const WIDEST: usize = 44;
    let stack = frames::rows(&finding.spawned, options.calls)
        .into_iter()
        .filter_map(|row| match row {
            Row::Call(place) => Some(plain(&frames::shown(place)).chars().count()),
            Row::Folded { .. } | Row::More(_) => None,
        });
    let waits = finding.awaits.iter().flat_map(waits::lines);
    let waits =
        waits.filter_map(|line| Some(line.tree.chars().count() + plain(&frames::shown(line.at?)).chars().count()));
    let widest = stack
        .chain(waits)
        .filter(|width| *width <= WIDEST)
        .max()
        .unwrap_or_default();
    match options.width {
        Some(width) => widest.min(width / 3),
        None => widest,
    }
}

fn stack(page: &mut Page<'_>, finding: &Finding, columns: usize) {
    if finding.spawned.is_empty() {
        page.field("spawned at", "unknown: the stack has no function that is known");
    }
    for (index, row) in frames::rows(&finding.spawned, page.options.calls)
        .into_iter()
        .enumerate()
    {
        let label = page.label(match index {
            0 => "spawned at",
            1 => "        by",
            _ => "",
        });
        match row {
            Row::Call(place) => {
                let function = if place.file.is_some() {
                    place.function.as_str()
                } else {
                    ""
                };
                row_of(page, &label, "", &frames::shown(place), function, columns);
            }
            Row::Folded { calls, of } => {
                let text = page.paint(Role::Faint, &format!("… {} in {}", count(calls, "call"), plain(&of)));
                page.line(&format!("{label}{text}"));
            }
            Row::More(calls) => {
                let text = page.paint(Role::Faint, &format!("… and {} more", count(calls, "call")));
                page.line(&format!("{label}{text}"));
            }
        }
    }
}

/// A place, and what is said of it in the column beside.
fn row_of(page: &mut Page<'_>, label: &str, tree: &str, place: &str, aside: &str, columns: usize) {
    use super::page::VALUE;
    let place = plain(place);
    let width = tree.chars().count() + place.chars().count();
    let padding = columns.saturating_sub(width) + 2;
    let aside = cut(&plain(aside), page.room(VALUE + width + padding));
    let (tree, place) = (page.paint(Role::Faint, tree), page.paint(Role::Where, &place));
    page.line(&format!("{label}{tree}{place}{:padding$}{aside}", ""));
}

fn tree_line(page: &mut Page<'_>, label: &str, line: &waits::Line<'_>, columns: usize) {
    use super::page::{VALUE, wrapped};
    let future = words::future(line.awaits);
    let state = plain(words::state(line.awaits));
    let Some(at) = line.at else {
        let room = page.room(VALUE + line.tree.chars().count());
        let future = cut(&plain(&future), room);
        let tree = page.paint(Role::Faint, &line.tree);
        let together = future.chars().count() + 3 + state.chars().count();
        let state_beside = !state.is_empty() && together <= room;
        let beside = if state_beside {
            format!("   {}", page.paint(Role::Faint, &state))
        } else {
            String::new()
        };
        page.line(&format!("{label}{tree}{future}{beside}"));
        if !state.is_empty() && !state_beside {
            for said in wrapped(&state, room.saturating_sub(2)) {
                let said = page.paint(Role::Faint, &said);
                let (empty, tree) = (page.label(""), page.paint(Role::Faint, &line.below));
                page.line(&format!("{empty}{tree}  {said}"));
            }
        }
        return;
    };
    let aside = if state.is_empty() {
        future
    } else {
        format!("{future}   {state}")
    };
    row_of(page, label, &line.tree, &frames::shown(at), &aside, columns);
}

fn root_of(report: &Report, root: &str) -> String {
    let root = report.findings.iter().find(|finding| finding.id == root).map_or_else(
        || root.to_owned(),
        |finding| match frames::own(finding) {
            Some(place) => format!("{} ({}, {root})", words::subject(finding), frames::shown(place)),
            None => format!("{} ({root})", words::subject(finding)),
        },
    );
    plain(&root).into_owned()
}

fn tracked(page: &mut Page<'_>, finding: &Finding) {
    let Some(tracked) = &finding.tracked else { return };
    let mut said = Vec::new();
    let path = words::path(tracked);
    if !path.is_empty() {
        said.push(path);
    }
    if let Some(alive) = tracked.alive_ms.filter(|alive| alive.is_finite() && *alive >= 0.0) {
        said.push(format!("alive {}", super::leak::duration(alive)));
    }
    match tracked.polls {
        Some(0) => said.push("never polled".to_owned()),
        Some(1) => said.push("polled once".to_owned()),
        Some(polls) => said.push(format!("polled {}", count(polls, "time"))),
        None => (),
    }
    if let Some(parent) = &tracked.parent {
        said.push(format!("by {parent}"));
    }
    if !said.is_empty() {
        page.field("tracked", &plain(&said.join(", ")));
    }
    for (index, place) in tracked.waiting.iter().enumerate() {
        let label = page.label(if index == 0 { "waits" } else { "" });
        let function = if place.file.is_some() {
            place.function.as_str()
        } else {
            ""
        };
        row_of(page, &label, "", &frames::shown(place), function, 0);
    }
    if let Some(help) = &tracked.help {
        page.field("help", &plain(help));
    }
}

/// What is expected, by its reason.
fn accepted(page: &mut Page<'_>, report: &Report) {
    let mut by_reason = BTreeMap::<(&str, Kind), u64>::new();
    for finding in &report.findings {
        if let Some(reason) = &finding.accepted {
            let number = by_reason.entry((reason, finding.kind)).or_default();
            *number = number.saturating_add(finding.count);
        }
    }
    if by_reason.is_empty() {
        return;
    }
    page.gap();
    for ((reason, kind), number) in by_reason.iter().take(page.options.limit) {
        let said = format!("{}, {}", words::things(*kind, *number), plain(reason));
        let word = page.paint(Role::Faint, "accepted:");
        page.line(&format!("{word} {said}"));
    }
    more(page, by_reason.len(), "reason");
}

fn more(page: &mut Page<'_>, all: usize, noun: &str) {
    if let Some(rest) = all.checked_sub(page.options.limit).filter(|rest| *rest > 0) {
        let more = page.paint(Role::Faint, &format!("… and {} more", count(rest, noun)));
        page.line(&format!("  {more}"));
    }
}

fn tests(page: &mut Page<'_>, report: &Report) {
    let listed = |test: &&crate::report::TestRun| {
        page.options.by_test || test.left > 0 || matches!(test.outcome, Outcome::Failed | Outcome::Aborted)
    };
    let mut rows: Vec<_> = report
        .programs
        .iter()
        .flat_map(|program| program.tests.iter().filter(listed).map(move |test| (program, test)))
        .collect();
    let ended: Vec<_> = report
        .programs
        .iter()
        .filter(|program| program.ended.is_some())
        .collect();
    if rows.is_empty() && ended.is_empty() {
        return;
    }
    let all = rows.len();
    if !page.options.by_test {
        rows.sort_by_key(|(_, test)| std::cmp::Reverse(test.left));
    }
    rows.truncate(page.options.limit);
    if !rows.is_empty() {
        page.gap();
        let mut table = Table::with_heading([
            (Align::Left, "program"),
            (Align::Left, "test"),
            (Align::Right, "tasks"),
            (Align::Right, "left"),
            (Align::Left, ""),
        ]);
        for (program, test) in rows {
            let outcome = match test.outcome {
                Outcome::Passed => "",
                Outcome::Failed => "failed",
                Outcome::Ignored => "not run",
                Outcome::Aborted => "aborted",
            };
            table.row([
                plain(&program.name).into_owned(),
                plain(&test.name).into_owned(),
                grouped(test.tasks),
                grouped(test.left),
                outcome.to_owned(),
            ]);
        }
        page.text.push_str(&table.render());
        more(page, all, "test");
    }
    if !ended.is_empty() {
        page.gap();
    }
    for program in ended {
        let said = format!(
            "{}: {}",
            plain(&program.name),
            plain(program.ended.as_deref().unwrap_or_default())
        );
        let word = page.paint(Role::Warn, "ended badly:");
        page.line(&format!("{word} {said}"));
    }
}

fn sites(page: &mut Page<'_>, report: &Report) {
    let mut by_place = BTreeMap::<String, (u64, u64)>::new();
    for site in &report.sites {
        let place = frames::own_of(&site.spawned).map_or_else(|| "unknown".to_owned(), crate::report::Place::location);
        let (tasks, left) = by_place.entry(plain(&place).into_owned()).or_default();
        *tasks = tasks.saturating_add(site.tasks);
        *left = left.saturating_add(site.left);
    }
    if by_place.is_empty() {
        return;
    }
    let mut rows: Vec<_> = by_place.into_iter().collect();
    rows.sort_by_key(|(_, (tasks, left))| (std::cmp::Reverse(*left), std::cmp::Reverse(*tasks)));
    page.gap();
    let mut table = Table::with_heading([
        (Align::Left, "spawned at"),
        (Align::Right, "tasks"),
        (Align::Right, "left"),
    ]);
    for (place, (tasks, left)) in rows.iter().take(page.options.limit) {
        table.row([place.clone(), grouped(*tasks), grouped(*left)]);
    }
    page.text.push_str(&table.render());
    more(page, rows.len(), "line");
}

fn suspects(page: &mut Page<'_>, report: &Report) {
    let loud: Vec<_> = report
        .suspects
        .iter()
        .filter(|suspect| suspect.silenced.is_none())
        .collect();
    for suspect in loud.iter().take(page.options.limit) {
        page.gap();
        let word = page.paint(Role::Warn, "suspected:");
        let place = page.paint(Role::Where, &plain(&suspect.at.location()));
        let rule = page.paint(Role::Faint, &format!("[{}]", plain(&suspect.rule)));
        let function = if suspect.at.file.is_some() {
            format!("  {}", plain(&suspect.at.function))
        } else {
            String::new()
        };
        page.line(&format!("{word} {place}{function}  {rule}"));
        page.field("why", &plain(&suspect.why));
        if !suspect.fix.is_empty() {
            page.field("help", &plain(&suspect.fix));
        }
        match (suspect.confirmed_by.as_slice(), suspect.reached) {
            ([], Some(true)) => page.field("seen", "a test reached it, and left nothing behind there"),
            ([], Some(false)) => page.field("seen", "no test reached it"),
            ([], None) => (),
            (findings, _) => page.field("confirmed", &format!("by {}", plain(&findings.join(", ")))),
        }
    }
    more(page, loud.len(), "suspect");
    let silenced = report.suspects.len() - loud.len();
    if silenced > 0 {
        page.gap();
        let said = page.paint(
            Role::Faint,
            &format!("{} silenced by a comment", count(silenced, "suspect")),
        );
        page.line(&said);
    }
}

fn baseline(page: &mut Page<'_>, report: &Report) {
    let Some(baseline) = report.baseline.as_ref().filter(|baseline| !baseline.gone.is_empty()) else {
        return;
    };
    page.gap();
    for entry in baseline.gone.iter().take(page.options.limit) {
        let word = page.paint(Role::Warn, "gone:");
        page.line(&format!(
            "{word} {} accepts {} {}, which no longer occurs: remove it",
            plain(&baseline.path),
            plain(&entry.id),
            plain(&entry.about)
        ));
    }
    more(page, baseline.gone.len(), "entry");
}

fn notes(page: &mut Page<'_>, report: &Report) {
    if !report.notes.is_empty() {
        page.gap();
    }
    for note in &report.notes {
        let word = page.paint(Role::Faint, "note:");
        page.line(&format!("{word} {}", plain(note)));
    }
}

fn panics(page: &mut Page<'_>, report: &Report) {
    listed(page, Role::Bad, "panicked:", &words::panics(report), "panic");
}

fn unjudged(page: &mut Page<'_>, report: &Report) {
    listed(page, Role::Warn, "cannot judge:", &words::unjudged(report), "reason");
}

fn listed(page: &mut Page<'_>, role: Role, word: &str, lines: &[String], noun: &str) {
    if !lines.is_empty() {
        page.gap();
    }
    for line in lines.iter().take(page.options.limit) {
        let word = page.paint(role, word);
        page.line(&format!("{word} {}", plain(line)));
    }
    more(page, lines.len(), noun);
}
