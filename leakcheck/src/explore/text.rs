//! An exploration for people.

use std::fmt;

use super::explorer::STEP;
use super::found::{Exploration, Failure, Waits};
use crate::report::Report;

/// So many kinds of failures are shown; all of them are in the data.
const SHOWN: usize = 10;

impl fmt::Display for Exploration {
    /// How it went, then each kind of failure.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, steps, .. } = self;
        if !self.report.tracked {
            return write!(f, "explored {name}: {}", self.report);
        }
        write!(f, "explored {name}: ")?;
        match self.failing().len() {
            0 if *steps == 1 => write!(f, "1 step, shut down cleanly")?,
            0 => write!(f, "{steps} steps, each shut down cleanly")?,
            failing => write!(f, "{failing} of {} runs failed", steps + u64::from(self.complete))?,
        }
        match (self.complete, self.ended_by_itself) {
            (true, true) => writeln!(f)?,
            (true, false) => writeln!(f, "; it did not end by itself, and was shut down at last")?,
            (false, _) if self.limited => writeln!(f, "; no further step was tried")?,
            (false, _) => writeln!(f, "; it has not ended: give it an end, or a limit")?,
        }
        for failure in self.failures.iter().take(SHOWN) {
            write!(f, "\n{failure}")?;
        }
        if let Some(more) = self.failures.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            writeln!(f, "\nand {more} more kinds of failures")?;
        }
        for rule in self.report.ignored.iter().filter(|rule| rule.matched == 0) {
            writeln!(
                f,
                "\n  unused: nothing matched the ignore rule for {} ({}): remove it",
                rule.rule, rule.reason
            )?;
        }
        Ok(())
    }
}

impl fmt::Display for Failure {
    /// The steps, what was polled in the first of them, and what went wrong.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let first = self.steps.first().copied().unwrap_or_default();
        match &self.steps[..] {
            [_] => write!(f, "step {first}: ")?,
            steps => write!(f, "steps {}: ", ranges(steps))?,
        }
        match &self.polled {
            Some(polled) => {
                writeln!(f, "shut down after a poll of {}", polled.task)?;
                if let Some(waits) = &polled.waits {
                    write_waits(f, waits, "ended then")?;
                }
            }
            None => writeln!(f, "shut down after the last step")?,
        }
        writeln!(f, "  replay it alone: {STEP}={first}")?;
        if !self.again {
            writeln!(
                f,
                "  it did not fail so when it was taken again: there is chance in the scenario"
            )?;
        }
        if let Some(panic) = &self.panic {
            writeln!(f, "  panicked: the body: {panic}")?;
        }
        for task in &self.panicked {
            writeln!(f, "  panicked: {task}")?;
        }
        if self.error {
            writeln!(f, "  failed: it returned an error although nothing had cut it short")?;
        }
        if let Some(hung) = &self.hung {
            match hung.waited {
                Some(waited) => writeln!(f, "  hung: the body did not end within {waited:?} of the shutdown")?,
                None => writeln!(
                    f,
                    "  hung: tasks are polled over and over after the shutdown, and time stands still"
                )?,
            }
            write_waits(f, &hung.body, "nothing that would ever wake it")?;
        }
        if !self.report.is_clean() {
            write_indented(f, &self.report)?;
        }
        Ok(())
    }
}

fn write_waits(f: &mut fmt::Formatter<'_>, waits: &Waits, nothing: &str) -> fmt::Result {
    match (&waits.at, &waits.waiting[..]) {
        (None, []) => writeln!(f, "    waiting at   {nothing}"),
        (None, [wait, ..]) => writeln!(f, "    waiting at   {}", wait.leaf),
        (Some(at), [wait]) => writeln!(f, "    waiting at   {at}  {}", wait.leaf),
        (Some(at), waits) => {
            writeln!(f, "    waiting at   {at}  for {} things at once", waits.len())?;
            waits.iter().try_for_each(|wait| match wait.at() {
                Some(at) => writeln!(f, "                   {:<25} {at}", wait.leaf),
                None => writeln!(f, "                   {}", wait.leaf),
            })
        }
    }
}

fn write_indented(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    report.to_string().lines().try_for_each(|line| match line {
        "" => writeln!(f),
        line => writeln!(f, "  {line}"),
    })
}

/// `3, 5 to 9`
fn ranges(steps: &[u64]) -> String {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for step in steps {
        match ranges.last_mut() {
            Some((_, last)) if *last + 1 == *step => *last = *step,
            _ => ranges.push((*step, *step)),
        }
    }
    let texts: Vec<String> = ranges
        .iter()
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first}, {last}"),
            _ => format!("{first} to {last}"),
        })
        .collect();
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::ranges;

    #[test]
    fn steps_in_a_row_are_a_range() {
        assert_eq!(ranges(&[3, 5, 6, 8, 9, 10, 12]), "3, 5, 6, 8 to 10, 12");
    }
}
