//! One leaked task in the words of leakcheck's own report.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::judge::{TestLeak, count};
use crate::records::{Branch, Leak, State};

/// Where a column of a report begins.
const VALUE: usize = 15;
const BESIDE: usize = 45;

/// The leaks of each test under a line of its own. Tasks that wait at the same lines are shown once, with their number.
pub(super) fn report(leaks: &[TestLeak]) -> String {
    let mut text = String::new();
    for of_one_test in leaks.chunk_by(|a, b| (&a.package, &a.binary, &a.test) == (&b.package, &b.binary, &b.test)) {
        let first = &of_one_test[0];
        let _ = writeln!(
            text,
            "leaked: {} outlived test {} (settled {}, {})\n",
            count(of_one_test.len(), "task"),
            first.test,
            count(first.rounds, "round"),
            duration(first.settled_ms),
        );
        let mut kinds: Vec<(u64, &Leak, usize)> = Vec::new();
        for TestLeak { leak, .. } in of_one_test {
            let kind = kind(leak);
            match kinds.iter_mut().find(|(other, ..)| *other == kind) {
                Some((.., number)) => *number += 1,
                None => kinds.push((kind, leak, 1)),
            }
        }
        for (_, leak, number) in kinds {
            text.push_str(&one(leak, number));
            text.push('\n');
        }
    }
    text
}

/// What tasks have in common that one fix would mend: spawn site, state and waiting lines.
fn kind(leak: &Leak) -> u64 {
    let mut hasher = DefaultHasher::new();
    (&leak.spawned_at, leak.state, &leak.waiting_at, branches(leak)).hash(&mut hasher);
    hasher.finish()
}

/// Its branches in the order of their lines: a `select!` polls them in a random one.
fn branches(leak: &Leak) -> Vec<&Branch> {
    let mut branches: Vec<_> = leak.branches.iter().collect();
    branches.sort_by_key(|branch| {
        (
            branch.line.or(branch.frames.first().map(|frame| frame.line)),
            &branch.leaf,
        )
    });
    branches
}

fn one(leak: &Leak, alike: usize) -> String {
    let mut text = beside(
        &format!("  {}", path(&leak.group, &leak.name)),
        &format!("alive {}, {}", duration(leak.alive_ms), polls(leak)),
    );
    let spawned_at = format!("{}:{}", leak.spawned_at.file, leak.spawned_at.line);
    let by = leak
        .parent
        .as_ref()
        .map(|parent| format!("by {}", path(&parent.group, &parent.name)));
    text.push_str(&field("spawned at", &spawned_at, by.as_deref().unwrap_or_default()));
    text.push_str(&waiting(leak));
    for help in &leak.help {
        text.push_str(&field("help", help, ""));
    }
    if alike > 1 {
        let others = count(alike - 1, "other task");
        text.push_str(&field(
            "alike",
            &format!("{others} of this test, at the same lines"),
            "",
        ));
    }
    text
}

/// Where a task waits: one line, and one for each branch of a `select!`.
fn waiting(leak: &Leak) -> String {
    let said = match (leak.state, &leak.waiting_at) {
        (State::Waiting, Some(place)) => format!("{}:{}", place.file, place.line),
        (State::Waiting, None) if leak.branches.is_empty() => "nothing that would ever wake it".to_owned(),
        (State::Waiting, None) => String::new(),
        (State::Silent, _) => "does not answer: its thread is blocked, or nobody drives its runtime".to_owned(),
        (State::Unasked, _) => "not asked: there are too many, and others that this line spawned were".to_owned(),
        (State::Blocking, _) => "running on a blocking thread".to_owned(),
        (State::Dropped, _) => {
            "it was dropped with its runtime: its token had not been cancelled, and no abort had taken effect"
                .to_owned()
        }
    };
    match (leak.select, branches(leak).as_slice()) {
        (None, [branch]) if leak.waiting_at.is_some() => field("waiting at", &said, &branch.leaf),
        (select, branches) => {
            let select = select.map(|number| format!("select! of {}", branch_count(number)));
            let rows = branches.iter().map(|branch| row(branch));
            field("waiting at", &said, select.as_deref().unwrap_or_default()) + &rows.collect::<String>()
        }
    }
}

fn row(branch: &Branch) -> String {
    beside(&format!("{:VALUE$}    {}", "", branch.leaf), &branch_place(branch))
}

fn branch_count(branches: u32) -> String {
    format!("{branches} branch{}", if branches == 1 { "" } else { "es" })
}

fn branch_place(branch: &Branch) -> String {
    match (branch.frames.first(), branch.line) {
        (Some(frame), line) => format!("{}:{}", frame.file, line.unwrap_or(frame.line)),
        (None, Some(line)) => format!("line {line}"),
        (None, None) => String::new(),
    }
}

fn field(name: &str, value: &str, aside: &str) -> String {
    let start = format!("    {name:<width$}{value}", width = VALUE - 2);
    beside(&start, aside)
}

/// `start`, and `aside` in the column beside it, or two spaces after it where it is longer.
fn beside(start: &str, aside: &str) -> String {
    let padding = BESIDE.saturating_sub(start.chars().count()).max(2);
    format!("{start}{:padding$}{aside}", "").trim_end().to_owned() + "\n"
}

fn polls(leak: &Leak) -> String {
    match (leak.polls, leak.last_poll_ms) {
        (0, _) => "never polled".to_owned(),
        (1, None) => "polled once".to_owned(),
        (1, Some(last)) => format!("polled once, {} ago", duration(last)),
        (polls, None) => format!("polled {}", count(polls, "time")),
        (polls, Some(last)) => format!("polled {}, last {} ago", count(polls, "time"), duration(last)),
    }
}

/// `group › name`; a task without a group has its name alone.
pub(super) fn path(group: &str, name: &str) -> String {
    match (group.is_empty(), name.is_empty()) {
        (true, _) => name.to_owned(),
        (false, true) => group.to_owned(),
        (false, false) => format!("{group} › {name}"),
    }
}

pub(super) fn duration(milliseconds: f64) -> String {
    if milliseconds >= 100.0 {
        format!("{:.2} s", milliseconds / 1000.0)
    } else {
        format!("{milliseconds:.1} ms")
    }
}
