//! The report for people.

use std::fmt::{self, Write};
use std::time::Duration;

use super::page::Page;
use super::style::{Role, Style};
use super::tree::{self, Kind, pattern};
use super::{Ignored, Leak, LeakState, Report, Wait, unseen};
use crate::info;
use crate::info::Parent;

/// Leaks are shown on so many lines at most, but for the first of them; the JSON has all.
const MOST_LINES: usize = 80;

/// So many things that one task waits for are shown.
const MOST_ROWS: usize = 16;

/// So many of the tasks that are alike are named.
const NAMED: usize = 3;

impl fmt::Display for Report {
    /// The leaks, each with where it was spawned and where it waits; then the rules that matched nothing. Always in
    /// [`Style::plain`].
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(&Style::plain()))
    }
}

impl Report {
    /// The report for people, laid out in that style.
    ///
    /// A leak is shown once, below the leak that spawned it where there is one. Those that one line spawned and that wait
    /// at the same lines are shown as one, with their number. However many there are, the leaks take less than a hundred
    /// lines; what is not shown is counted.
    #[must_use]
    pub fn render(&self, style: &Style) -> String {
        let mut page = Page::new(style);
        // Writing to a page cannot fail.
        let _ = self.write(&mut page);
        page.finish()
    }

    fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        if !self.tracked {
            return page.write_str("not checked: leakcheck was built without its feature `track`\n");
        }
        if let Some(hung) = &self.hung {
            page.painted(Role::Leaked, "hung:");
            writeln!(page, " test {} {hung}", self.test)?;
            write_leaks(page, &hung.tasks)?;
            return unseen::write(page, self);
        }
        match self.leaks.len() {
            0 if !self.resources.is_empty() => {
                page.painted(Role::Leaked, "leaked:");
                write!(page, " no task, but this outlived test {}", self.test)?;
            }
            0 => {
                let (role, word, rest) = unseen::headline(self);
                page.painted(role, word);
                write!(page, " {rest}")?;
            }
            n => {
                page.painted(Role::Leaked, "leaked:");
                write!(page, " {} outlived test {}", count(n, "task"), self.test)?;
            }
        }
        writeln!(
            page,
            " (settled {} rounds, {:.1} s)",
            self.rounds,
            self.settled.as_secs_f64()
        )?;
        write_leaks(page, &self.leaks)?;
        self.write_resources(page)?;
        unseen::write(page, self)?;
        self.ignored.iter().try_for_each(|rule| write_ignored(page, rule))
    }
}

impl Report {
    fn write_resources(&self, page: &mut Page<'_>) -> fmt::Result {
        if !self.resources.is_empty() {
            page.write_char('\n')?;
        }
        self.resources
            .iter()
            .try_for_each(|resource| write!(page, "{resource}"))?;
        self.unchecked.iter().try_for_each(|what| {
            writeln!(
                page,
                "\n  not checked: {what} can be looked at on Linux alone, with /proc"
            )
        })
    }
}

/// Writes the leaks as a tree, an empty line before each root.
pub(super) fn write_leaks(page: &mut Page<'_>, leaks: &[Leak]) -> fmt::Result {
    let roots = tree::of(leaks);
    let mut shown = Shown::default();
    let fit = roots.iter().all(|root| shown.root(page, root));
    if fit {
        return Ok(());
    }
    let all_leaks: usize = roots.iter().map(Kind::size).sum();
    let all_kinds: usize = roots.iter().map(Kind::kinds).sum();
    writeln!(
        page,
        "\n  not shown: {} of {}, which the JSON in LEAKCHECK_REPORT_DIR has",
        count(all_leaks - shown.leaks, "task"),
        count(all_kinds - shown.kinds, "kind"),
    )
}

/// The leaks alone, as [`write_leaks`] writes them, without an empty line in front.
pub(crate) fn leaks(leaks: &[Leak]) -> String {
    let style = Style::plain();
    let mut page = Page::new(&style);
    let _ = write_leaks(&mut page, leaks);
    page.finish().trim_matches('\n').to_owned()
}

/// What was shown already.
#[derive(Default)]
struct Shown {
    leaks: usize,
    kinds: usize,
}

impl Shown {
    /// Shows a kind with what is below it. Returns whether there was room.
    fn root(&mut self, page: &mut Page<'_>, kind: &Kind<'_>) -> bool {
        self.kind(page, kind, "\n", "")
    }

    fn kind(&mut self, page: &mut Page<'_>, kind: &Kind<'_>, before: &str, mark: &str) -> bool {
        let mut entry = Page::new(page.style());
        entry.indent = page.indent;
        entry.painted(Role::Plain, before);
        write_kind(&mut entry, kind, mark);
        if self.kinds > 0 && page.lines() + entry.lines() > MOST_LINES {
            return false;
        }
        page.painted(Role::Plain, &entry.finish());
        self.leaks += kind.leaks.len() + kind.deeper;
        self.kinds += 1;
        page.indent += BELOW;
        let fit = kind.below.iter().all(|below| self.kind(page, below, "", "↳ "));
        page.indent -= BELOW;
        fit
    }
}

/// How far a task is moved to the right of the one that spawned it.
const BELOW: usize = 4;

fn write_ignored(f: &mut impl Write, rule: &Ignored) -> fmt::Result {
    let Ignored { rule, reason, matched } = rule;
    match matched {
        0 => writeln!(
            f,
            "\n  unused: nothing matched the ignore rule for {rule} ({reason}): remove it"
        ),
        1 => writeln!(f, "\n  ignored: 1 task, {rule} ({reason})"),
        n => writeln!(f, "\n  ignored: {n} tasks, {rule} ({reason})"),
    }
}

/// One leak's entry in a report.
pub(super) fn leak(leak: &Leak) -> String {
    let style = Style::plain();
    let mut page = Page::new(&style);
    let alone = Kind {
        leaks: vec![leak],
        unasked: usize::from(leak.state == LeakState::Unasked),
        below: Vec::new(),
        deeper: 0,
    };
    write_kind(&mut page, &alone, "");
    page.finish()
}

fn write_kind(page: &mut Page<'_>, kind: &Kind<'_>, mark: &str) {
    let example = kind.example();
    match kind.leaks.as_slice() {
        [leak] => page.entry(mark, &leak.path(), &life(leak)),
        leaks => write_number(page, leaks, mark),
    }
    let by = by(&kind.leaks).filter(|_| mark.is_empty());
    page.field(
        "spawned at",
        (Role::Place, &example.spawned_at.to_string()),
        3,
        by.as_deref().unwrap_or_default(),
    );
    write_waits(page, example);
    if kind.unasked > 0 && example.state != LeakState::Unasked {
        let asked = count(kind.leaks.len() - kind.unasked, "task");
        let others = grouped(kind.unasked);
        page.sentence(
            "asked",
            Role::Plain,
            &format!("{asked} of these, and not the other {others}"),
        );
    }
    for help in &example.help {
        page.sentence("help", Role::Help, help);
    }
    if kind.deeper > 0 {
        page.sentence("below", Role::Plain, &count(kind.deeper, "more leaked task"));
    }
}

fn life(leak: &Leak) -> String {
    let polled = match (leak.polls, leak.last_poll) {
        (0, _) | (_, None) => "never polled".to_owned(),
        (polls, Some(ago)) => format!("polled {}, last {} ago", times(polls), age(ago)),
    };
    format!("alive {}, {polled}", age(leak.alive))
}

fn times(polls: u64) -> String {
    match polls {
        1 => "once".to_owned(),
        polls => format!("{polls} times"),
    }
}

/// Several leaks that are alike, and the names of the first.
fn write_number(page: &mut Page<'_>, leaks: &[&Leak], mark: &str) {
    let ages = || leaks.iter().map(|leak| leak.alive);
    let oldest = age(ages().max().unwrap_or_default());
    let youngest = age(ages().min().unwrap_or_default());
    let alive = match youngest == oldest {
        true => oldest,
        false => format!("{youngest} to {oldest}"),
    };
    let groups = pattern(leaks.iter().map(|leak| &*leak.group));
    let names = pattern(leaks.iter().map(|leak| leak.name.as_str()));
    let path = info::path(&groups, &names);
    page.entry(mark, &path, &format!("× {}, alive {alive}", grouped(leaks.len())));
    if path.contains('*') {
        let first: Vec<_> = leaks.iter().take(NAMED).map(|leak| leak.path()).collect();
        let named = match leaks.len().saturating_sub(NAMED) {
            0 => first.join(", "),
            more => format!("{} and {} more", first.join(", "), grouped(more)),
        };
        page.sentence("these", Role::Plain, &named);
    }
}

/// The tasks that spawned them.
fn by(leaks: &[&Leak]) -> Option<String> {
    let parents: Option<Vec<&Parent>> = leaks.iter().map(|leak| leak.parent.as_ref()).collect();
    let parents = parents?;
    let groups = pattern(parents.iter().map(|parent| &*parent.group));
    let names = pattern(parents.iter().map(|parent| parent.name.as_str()));
    Some(format!("by {}", info::path(&groups, &names)))
}

fn write_waits(page: &mut Page<'_>, leak: &Leak) {
    let said = match leak.state {
        LeakState::Waiting => return write_waiting(page, leak),
        LeakState::Silent => "does not answer: its thread is blocked or it is being polled",
        LeakState::Undriven => "does not answer: its runtime is not being driven",
        LeakState::Blocking => "running on a blocking thread",
        LeakState::Dropped => {
            "it was dropped with its runtime: its token had not been cancelled, and no abort had taken effect"
        }
        LeakState::Unasked => "not asked: there are too many, and others that this line spawned were",
    };
    page.sentence("waiting at", Role::Plain, said);
}

fn write_waiting(page: &mut Page<'_>, leak: &Leak) {
    const LABEL: &str = "waiting at";
    match (&leak.waiting_at, leak.waiting.as_slice()) {
        (None, []) => page.sentence(LABEL, Role::Plain, "nothing that would ever wake it"),
        (None, waits) => {
            for wait in waits.iter().take(MOST_ROWS) {
                page.field(LABEL, (Role::Plain, &wait.leaf), 2, "");
            }
            write_more(page, waits);
        }
        (Some(at), []) => page.field(LABEL, (Role::Place, &at.to_string()), 2, ""),
        (Some(at), [wait]) if leak.select.is_none() => {
            page.field(LABEL, (Role::Place, &at.to_string()), 2, &wait.leaf);
        }
        (Some(at), waits) => {
            let what = match leak.select {
                Some(1) => "select! of 1 branch".to_owned(),
                Some(n) => format!("select! of {n} branches"),
                None => format!("for {} things at once", waits.len()),
            };
            page.field(LABEL, (Role::Place, &at.to_string()), 2, &what);
            let widest = waits.iter().map(|wait| wait.leaf.chars().count()).max().unwrap_or(0);
            for wait in waits.iter().take(MOST_ROWS) {
                let at = wait.at().map(ToString::to_string);
                page.row(&wait.leaf, widest, at.as_deref());
            }
            write_more(page, waits);
        }
    }
}

fn write_more(page: &mut Page<'_>, waits: &[Wait]) {
    if let Some(more) = waits.len().checked_sub(MOST_ROWS).filter(|more| *more > 0) {
        page.row(&format!("and {more} more"), 0, None);
    }
}

/// `1 task`, `1,000 tasks`
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `100000` as `100,000`
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Seconds with the digits that matter.
pub(crate) fn age(age: Duration) -> String {
    match age.as_secs_f64() {
        s if s >= 100.0 => format!("{s:.0} s"),
        s if s >= 0.01 => format!("{s:.2} s"),
        s if s >= 0.001 => format!("{:.1} ms", s * 1e3),
        s => format!("{:.0} µs", s * 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Frame, Place};
    use super::*;
    use crate::info::Parent;

    fn frame(line: u32) -> Frame {
        Frame {
            function: "kfake::group::classic::manage".into(),
            file: "kfake/src/group/classic.rs".into(),
            line,
            column: 9,
        }
    }

    fn wait(leaf: &str, line: u32) -> Wait {
        Wait {
            leaf: leaf.into(),
            line: Some(line),
            frames: vec![frame(line)],
        }
    }

    #[test]
    fn a_report_reads_like_this() {
        let report = Report {
            tracked: true,
            rounds: 12,
            settled: Duration::from_secs(1),
            leaks: vec![Leak {
                task: 17,
                group: "group:orders".into(),
                name: "manage".into(),
                spawned_at: Place {
                    file: "kfake/src/group/mod.rs".into(),
                    line: 88,
                    column: 9,
                },
                parent: Some(Parent {
                    id: 3,
                    group: "connection".into(),
                    name: "127.0.0.1:51234".into(),
                }),
                alive: Duration::from_millis(1_020),
                polls: 7,
                last_poll: Some(Duration::from_millis(980)),
                busy: Duration::from_micros(200),
                state: LeakState::Waiting,
                waiting_at: Some(frame(214)),
                select: Some(2),
                waiting: vec![wait("mpsc::Receiver::recv", 215), wait("Sleep", 216)],
                help: vec!["no branch waits for cancellation: add one".into()],
            }],
            ignored: vec![Ignored {
                rule: "name `flush`".into(),
                reason: "known".into(),
                matched: 2,
            }],
            ..Report::new("kfake::closing_ends_every_group")
        };
        let expected = "\
leaked: 1 task outlived test kfake::closing_ends_every_group (settled 12 rounds, 1.0 s)

  group:orders › manage                      alive 1.02 s, polled 7 times, last 0.98 s ago
    spawned at   kfake/src/group/mod.rs:88   by connection › 127.0.0.1:51234
    waiting at   kfake/src/group/classic.rs:214  select! of 2 branches
                   mpsc::Receiver::recv      kfake/src/group/classic.rs:215
                   Sleep                     kfake/src/group/classic.rs:216
    help         no branch waits for cancellation: add one

  ignored: 2 tasks, name `flush` (known)
";
        assert_eq!(report.to_string(), expected);
    }

    #[test]
    fn ages_have_the_digits_that_matter() {
        for (micros, text) in [
            (123_000_000, "123 s"),
            (1_020_000, "1.02 s"),
            (12_000, "0.01 s"),
            (2_300, "2.3 ms"),
            (17, "17 µs"),
        ] {
            assert_eq!(age(Duration::from_micros(micros)), text);
        }
    }
}
