//! The report as GitHub-flavoured Markdown, for a job's summary or a comment on a pull request.

use std::fmt::Write as _;

use super::words::{self, Sums, plain};
use super::{Options, alike, frames, people};
use crate::judge::{Conclusion, count, grouped};
use crate::report::{Finding, Outcome, Report, TestRun};

/// What the line is kept free for that says that something was cut.
const CUT: usize = 160;

/// A heading with the verdict, a table of findings with their stacks folded below, what could not be judged, the tests, the
/// suspects, and what is accepted. At most `options.markdown_bytes` long: what does not fit is left out as a whole, and said.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let mut text = Bounded::new(options.markdown_bytes);
    let sign = match report.conclusion() {
        Conclusion::Clean => "✅",
        Conclusion::CannotJudge | Conclusion::BaselineOutdated => "⚠️",
        Conclusion::Leaked | Conclusion::Panicked => "❌",
    };
    text.push(&format!(
        "## {sign} leak-audit: {}\n\n",
        words::conclusion(report.conclusion())
    ));
    text.push(&format!("{}\n", prose(&words::summary(report))));
    if !report.command.is_empty() {
        text.push(&format!("\n{}\n", code(&report.command)));
    }
    listed(&mut text, "Panicked", &words::panics(report), "panic", options);
    listed(
        &mut text,
        "Could not be judged",
        &words::unjudged(report),
        "reason",
        options,
    );
    baseline(&mut text, report, options);
    findings(&mut text, report, options);
    tests(&mut text, report, options);
    suspects(&mut text, report, options);
    accepted(&mut text, report, options);
    text.end()
}

fn findings(text: &mut Bounded, report: &Report, options: &Options) {
    let mut findings = alike::of(report);
    findings.retain(|group| group.finding.accepted.is_none());
    if findings.is_empty() {
        return;
    }
    let mut head =
        String::from("\n| Verdict | Left behind | Of test | Spawned at | Why |\n| --- | --- | --- | --- | --- |\n");
    for group in findings.iter().take(options.limit) {
        let finding = group.finding;
        let place = frames::own(finding).map_or_else(|| "unknown".to_owned(), |place| code(&frames::shown(place)));
        let others = match group.others.len() {
            0 => String::new(),
            others => format!(" and {}", count(others, "other")),
        };
        let why = finding.why.first().unwrap_or(&finding.how);
        let row = format!(
            "| {} | {} {} | {}{others} | {place} | {} |\n",
            prose(&words::verdict_of(finding)),
            prose(&words::things(finding.kind, alike::sum(group.all()))),
            code(&words::subject(finding)),
            code(finding.test.as_deref().unwrap_or(&finding.program)),
            prose(why),
        );
        // A table without its head is none.
        if !text.push(&format!("{head}{row}")) {
            break;
        }
        head.clear();
    }
    text.rest(findings.len(), options.limit, "finding");
    for group in findings.iter().take(options.limit) {
        let finding = group.finding;
        let body = people::alike(report, group, options);
        let summary = format!(
            "{}: {}",
            prose(words::verdict(finding.verdict)),
            code(&words::subject(finding)),
        );
        if !text.push(&format!(
            "\n<details><summary>{summary}</summary>\n\n{}\n</details>\n",
            fenced(&body)
        )) {
            break;
        }
    }
}

fn listed(text: &mut Bounded, title: &str, items: &[String], noun: &str, options: &Options) {
    let mut head = format!("\n**{title}:**\n\n");
    for item in items.iter().take(options.limit) {
        text.push(&format!("{head}- {}\n", prose(item)));
        head.clear();
    }
    text.rest(items.len(), options.limit, noun);
}

fn baseline(text: &mut Bounded, report: &Report, options: &Options) {
    let Some(baseline) = &report.baseline else { return };
    let mut head = format!(
        "\n**{} has entries that no longer occur. Remove them:**\n\n",
        code(&baseline.path)
    );
    for entry in baseline.gone.iter().take(options.limit) {
        text.push(&format!("{head}- {} {}\n", code(&entry.id), prose(&entry.about)));
        head.clear();
    }
    text.rest(baseline.gone.len(), options.limit, "entry");
}

fn tests(text: &mut Bounded, report: &Report, options: &Options) {
    let listed = |test: &&TestRun| {
        options.by_test || test.left > 0 || matches!(test.outcome, Outcome::Failed | Outcome::Aborted)
    };
    let tests = report
        .programs
        .iter()
        .flat_map(|program| program.tests.iter().filter(listed).map(move |test| (program, test)));
    let tests: Vec<_> = tests.collect();
    if tests.is_empty() {
        return;
    }
    let mut table = format!(
        "\n<details><summary>{} by what they left behind</summary>\n\n",
        count(tests.len(), "test")
    );
    table.push_str("| Program | Test | Tasks | Left | |\n| --- | --- | ---: | ---: | --- |\n");
    for (program, test) in tests.iter().take(options.limit) {
        let outcome = match test.outcome {
            Outcome::Passed => "",
            Outcome::Failed => "failed",
            Outcome::Ignored => "not run",
            Outcome::Aborted => "aborted",
        };
        let _ = writeln!(
            table,
            "| {} | {} | {} | {} | {outcome} |",
            code(&program.name),
            code(&test.name),
            grouped(test.tasks),
            grouped(test.left)
        );
    }
    if let Some(rest) = tests.len().checked_sub(options.limit).filter(|rest| *rest > 0) {
        let _ = writeln!(table, "\n… and {}.", count(rest, "more test"));
    }
    text.push(&(table + "\n</details>\n"));
}

fn suspects(text: &mut Bounded, report: &Report, options: &Options) {
    let loud: Vec<_> = report
        .suspects
        .iter()
        .filter(|suspect| suspect.silenced.is_none())
        .collect();
    let mut head = "\n| Suspected at | Rule | Why | Seen |\n| --- | --- | --- | --- |\n".to_owned();
    for suspect in loud.iter().take(options.limit) {
        let seen = match (suspect.confirmed_by.len(), suspect.reached) {
            (0, Some(true)) => "a test reached it, and left nothing behind there".to_owned(),
            (0, Some(false)) => "no test reached it".to_owned(),
            (0, None) => String::new(),
            (findings, _) => format!("confirmed by {}", count(findings, "finding")),
        };
        let (at, rule) = (code(&suspect.at.location()), code(&suspect.rule));
        if !text.push(&format!("{head}| {at} | {rule} | {} | {seen} |\n", prose(&suspect.why))) {
            break;
        }
        head.clear();
    }
    text.rest(loud.len(), options.limit, "suspect");
}

fn accepted(text: &mut Bounded, report: &Report, options: &Options) {
    let accepted: Vec<&Finding> = report
        .findings
        .iter()
        .filter(|finding| finding.accepted.is_some())
        .collect();
    if accepted.is_empty() {
        return;
    }
    let number = grouped(Sums::of(accepted.iter().copied()).accepted);
    let mut table = format!(
        "\n<details><summary>{number} accepted</summary>\n\n| What | Spawned at | Reason |\n| --- | --- | --- |\n"
    );
    for finding in accepted.iter().take(options.limit) {
        let place = frames::own(finding).map_or_else(|| "unknown".to_owned(), |place| code(&place.location()));
        let _ = writeln!(
            table,
            "| {} {} | {place} | {} |",
            prose(&words::things(finding.kind, finding.count)),
            code(&words::subject(finding)),
            prose(finding.accepted.as_deref().unwrap_or_default()),
        );
    }
    if let Some(rest) = accepted.len().checked_sub(options.limit).filter(|rest| *rest > 0) {
        let _ = writeln!(table, "\n… and {}.", count(rest, "more finding"));
    }
    text.push(&(table + "\n</details>\n"));
}

/// Text of at most so many bytes, in pieces that are there as a whole or not at all.
struct Bounded {
    text: String,
    bytes: usize,
    is_cut: bool,
}

impl Bounded {
    fn new(bytes: usize) -> Self {
        Self {
            text: String::new(),
            bytes,
            is_cut: false,
        }
    }

    /// Whether the piece had room. Once one had none, no later one has: what is there has no gaps.
    fn push(&mut self, piece: &str) -> bool {
        self.is_cut |= self.text.len() + piece.len() + CUT > self.bytes;
        if !self.is_cut {
            self.text.push_str(piece);
        }
        !self.is_cut
    }

    fn rest(&mut self, all: usize, limit: usize, noun: &str) {
        if let Some(rest) = all.checked_sub(limit).filter(|rest| *rest > 0) {
            self.push(&format!("\n… and {}.\n", count(rest, &format!("more {noun}"))));
        }
    }

    fn end(mut self) -> String {
        if self.is_cut {
            let cut = format!(
                "\n**Cut here: the rest would exceed {} bytes. The JSON and HTML reports have everything.**\n",
                self.bytes
            );
            self.text.push_str(&cut);
        }
        self.text
    }
}

/// Foreign text as code. GitHub looks for no mention and no emoji in it.
fn code(text: &str) -> String {
    format!("<code>{}</code>", prose(text))
}

/// Text that Markdown and HTML take as nothing else, in one line: what may be markup becomes a character reference.
fn prose(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut before = ' ';
    let text = plain(text);
    let mut chars = text.chars().peekable();
    while let Some(char) = chars.next() {
        let inside_word = before.is_alphanumeric() && chars.peek().is_some_and(|next| next.is_alphanumeric());
        let is_markup = match char {
            '_' => !inside_word,
            // A list or a heading begins a line, and no piece of foreign text does.
            '&' | '<' | '>' | '"' | '\'' | '`' | '|' | '*' | '[' | ']' | '\\' | '~' | '#' | '@' | '$' => true,
            _ => false,
        };
        if is_markup {
            let _ = write!(safe, "&#{};", u32::from(char));
        } else {
            safe.push(char);
        }
        before = char;
    }
    safe
}

/// A block of code whose fence is longer than any run of backticks in it.
fn fenced(text: &str) -> String {
    let longest = text.split(|char| char != '`').map(str::len).max().unwrap_or_default();
    let fence = "`".repeat(longest.max(2) + 1);
    format!("{fence}text\n{}\n{fence}\n", text.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_foreign_is_markup() {
        assert_eq!(
            prose("a|b <b>`x` *y* @me __init__ foo_bar"),
            "a&#124;b &#60;b&#62;&#96;x&#96; &#42;y&#42; &#64;me &#95;&#95;init&#95;&#95; foo_bar"
        );
        assert_eq!(fenced("````"), "`````text\n````\n`````\n");
        assert_eq!(fenced("a"), "```text\na\n```\n");
    }

    #[test]
    fn a_piece_is_there_as_a_whole_or_not_at_all() {
        let mut text = Bounded::new(CUT + 10);
        assert!(text.push("12345"));
        assert!(!text.push("678901"));
        assert!(!text.push("6"), "nothing follows a gap");

        let text = text.end();

        assert!(text.starts_with("12345\n**Cut here"), "{text}");
        assert!(text.len() <= CUT + 10);
    }
}
