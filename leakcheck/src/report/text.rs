//! The report for people.

use std::fmt::{self, Write};
use std::time::Duration;

use super::{Ignored, Leak, LeakState, Report, Wait};

/// Tasks that one line spawned are told apart up to this many; the JSON has all of them.
const SHOWN_PER_SITE: usize = 8;

impl fmt::Display for Report {
    /// The leaks, each with where it was spawned and where it waits; then the rules that matched nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.tracked {
            return f.write_str("not checked: leakcheck was built without its feature `track`\n");
        }
        if let Some(hung) = &self.hung {
            return self.write_hung(f, hung);
        }
        match self.leaks.len() {
            0 if !self.resources.is_empty() => write!(f, "leaked: no task, but this outlived test {}", self.test)?,
            0 => write!(f, "clean: no task outlived test {}", self.test)?,
            1 => write!(f, "leaked: 1 task outlived test {}", self.test)?,
            n => write!(f, "leaked: {n} tasks outlived test {}", self.test)?,
        }
        writeln!(
            f,
            " (settled {} rounds, {:.1} s)",
            self.rounds,
            self.settled.as_secs_f64()
        )?;
        Self::write_entries(f, &self.leaks)?;
        self.write_resources(f)?;
        self.ignored.iter().try_for_each(|rule| write_ignored(f, rule))
    }
}

impl Report {
    fn write_resources(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.resources.is_empty() {
            f.write_char('\n')?;
        }
        self.resources.iter().try_for_each(|resource| write!(f, "{resource}"))?;
        self.unchecked
            .iter()
            .try_for_each(|what| writeln!(f, "\n  not checked: {what} can be looked at on Linux alone, with /proc"))
    }

    pub(super) fn write_entries(f: &mut fmt::Formatter<'_>, leaks: &[Leak]) -> fmt::Result {
        let mut sites: Vec<(&super::Place, &str, usize)> = Vec::new();
        for leak in leaks {
            let site = sites
                .iter_mut()
                .find(|(place, name, _)| **place == leak.spawned_at && *name == leak.name);
            match site {
                Some((_, _, shown)) if *shown >= SHOWN_PER_SITE => {
                    *shown += 1;
                    continue;
                }
                Some((_, _, shown)) => *shown += 1,
                None => sites.push((&leak.spawned_at, &leak.name, 1)),
            }
            write!(f, "\n{leak}")?;
        }
        for (place, name, tasks) in sites {
            if let Some(more) = tasks.checked_sub(SHOWN_PER_SITE).filter(|more| *more > 0) {
                writeln!(f, "\n  and {more} more {name} spawned at {place}")?;
            }
        }
        Ok(())
    }
}

fn write_ignored(f: &mut fmt::Formatter<'_>, rule: &Ignored) -> fmt::Result {
    let Ignored { rule, reason, matched } = rule;
    match matched {
        0 => writeln!(
            f,
            "\n  unused: nothing matched the ignore rule for {rule} ({reason}): remove it"
        ),
        n => {
            let noun = match rule.split(' ').next() {
                Some("thread") => "thread",
                Some("fd") => "descriptor",
                _ => "task",
            };
            let plural = if *n == 1 { "" } else { "s" };
            writeln!(f, "\n  ignored: {n} {noun}{plural}, {rule} ({reason})")
        }
    }
}

/// Writes one leak's entry in a report.
pub(super) fn write_leak(f: &mut fmt::Formatter<'_>, leak: &Leak) -> fmt::Result {
    let path = leak.path();
    write!(f, "  {path:<42} alive {}, ", age(leak.alive))?;
    match (leak.polls, leak.last_poll) {
        (0, _) | (_, None) => writeln!(f, "never polled")?,
        (polls, Some(ago)) => {
            let times = if polls == 1 {
                "once".to_owned()
            } else {
                format!("{polls} times")
            };
            writeln!(f, "polled {times}, last {} ago", age(ago))?;
        }
    }
    write!(f, "    spawned at   {}", leak.spawned_at)?;
    match &leak.parent {
        Some(parent) => writeln!(f, "   by {parent}")?,
        None => f.write_char('\n')?,
    }
    write_waits(f, leak)?;
    leak.help
        .iter()
        .try_for_each(|help| writeln!(f, "    help         {help}"))
}

fn write_waits(f: &mut fmt::Formatter<'_>, leak: &Leak) -> fmt::Result {
    let said = match leak.state {
        LeakState::Waiting => return write_waiting(f, leak),
        LeakState::Silent => "does not answer: its thread is blocked or it is being polled",
        LeakState::Undriven => "does not answer: its runtime is not being driven",
        LeakState::Blocking => "running on a blocking thread",
        LeakState::Dropped => {
            "it was dropped with its runtime: its token had not been cancelled, and no abort had taken effect"
        }
    };
    writeln!(f, "    waiting at   {said}")
}

fn write_waiting(f: &mut fmt::Formatter<'_>, leak: &Leak) -> fmt::Result {
    match (&leak.waiting_at, leak.waiting.as_slice()) {
        (None, []) => writeln!(f, "    waiting at   nothing that would ever wake it"),
        (None, waits) => waits
            .iter()
            .try_for_each(|wait| writeln!(f, "    waiting at   {}", wait.leaf)),
        (Some(at), []) => writeln!(f, "    waiting at   {at}"),
        (Some(at), [wait]) if leak.select.is_none() => {
            writeln!(f, "    waiting at   {at}  {}", wait.leaf)
        }
        (Some(at), waits) => {
            match leak.select {
                Some(1) => writeln!(f, "    waiting at   {at}  select! of 1 branch")?,
                Some(n) => writeln!(f, "    waiting at   {at}  select! of {n} branches")?,
                None => writeln!(f, "    waiting at   {at}  for {} things at once", waits.len())?,
            }
            let width = waits.iter().map(|wait| wait.leaf.len()).max().unwrap_or(0).max(25);
            waits.iter().try_for_each(|wait| write_row(f, wait, width))
        }
    }
}

fn write_row(f: &mut fmt::Formatter<'_>, wait: &Wait, width: usize) -> fmt::Result {
    match wait.at() {
        Some(at) => writeln!(f, "                   {:<width$} {at}", wait.leaf),
        None => writeln!(f, "                   {}", wait.leaf),
    }
}

/// Seconds with the digits that matter.
fn age(age: Duration) -> String {
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
