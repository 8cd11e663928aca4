//! What every output says alike.

use std::borrow::Cow;
use std::fmt::Write as _;

use super::frames;
use crate::judge::{Conclusion, count, grouped};
use crate::report::{Await, Finding, Kind, Origin, Report, Tracked, Verdict};

/// The verdict on everything, in words.
pub(super) fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Clean => "clean",
        Conclusion::Leaked => "leaked",
        Conclusion::Panicked => "panicked",
        Conclusion::CannotJudge => "cannot judge",
        Conclusion::BaselineOutdated => "baseline outdated",
    }
}

/// `leaked`, `blocked`, `third-party`, `unsure`.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Leaked => "leaked",
        Verdict::Blocked => "blocked",
        Verdict::ThirdParty => "third-party",
        Verdict::Unsure => "unsure",
    }
}

/// The verdict with the dependency that it is about: `third-party (hyper 1.4.1)`.
pub(super) fn verdict_of(finding: &Finding) -> String {
    let word = verdict(finding.verdict);
    match &finding.origin {
        Origin::Own => word.to_owned(),
        Origin::Dependency { name, version } => format!("{word} ({})", format!("{name} {version}").trim_end()),
    }
}

/// `2 tasks`, `1 blocking task`, `3 threads`.
pub(super) fn things(kind: Kind, number: u64) -> String {
    count(
        number,
        match kind {
            Kind::Task => "task",
            Kind::Blocking => "blocking task",
            Kind::Thread => "thread",
            Kind::Descriptor => "file descriptor",
        },
    )
}

/// What a finding is best known by: its name, the future that was spawned, or the function that spawned it.
pub(super) fn subject(finding: &Finding) -> String {
    let named = finding.tracked.as_ref().map(path).filter(|path| !path.is_empty());
    let future = || {
        finding
            .awaits
            .as_ref()
            .map(|awaits| &awaits.future)
            .filter(|future| !future.is_empty())
            .or(finding.future.as_ref())
            .cloned()
    };
    named.or_else(future).unwrap_or_else(|| match frames::own(finding) {
        Some(place) if !place.function.is_empty() => place.function.clone(),
        _ => "spawned by an unknown function".to_owned(),
    })
}

/// `group › name`.
pub(super) fn path(tracked: &Tracked) -> String {
    match (tracked.group.is_empty(), tracked.name.is_empty()) {
        (true, _) => tracked.name.clone(),
        (false, true) => tracked.group.clone(),
        (false, false) => format!("{} › {}", tracked.group, tracked.name),
    }
}

/// What it outlived: `test a::b`, or `program shop` where no test spawned it.
pub(super) fn outlived(finding: &Finding) -> String {
    match &finding.test {
        Some(test) => format!("test {test}"),
        None => format!("program {}", finding.program),
    }
}

/// One sentence: `2 tasks outlived test a::b: shop::run, spawned at src/a.rs:8; no branch of this select! waits for …`.
pub(super) fn sentence(finding: &Finding) -> String {
    let may = if finding.verdict == Verdict::Unsure {
        "may have outlived"
    } else {
        "outlived"
    };
    let mut text = format!(
        "{} {may} {}: {}",
        things(finding.kind, finding.count),
        outlived(finding),
        subject(finding)
    );
    if let Some(place) = frames::own(finding) {
        let _ = write!(text, ", spawned at {}", place.location());
    }
    if let Origin::Dependency { .. } = &finding.origin {
        let _ = write!(text, ", {}", verdict_of(finding));
    }
    if let Some(why) = finding.why.first().or(Some(&finding.how)).filter(|why| !why.is_empty()) {
        let _ = write!(text, "; {why}");
    }
    text
}

/// A future and how many branches it waits for: `select! of 2 branches`.
pub(super) fn future(awaits: &Await) -> String {
    let name = if awaits.future.is_empty() {
        "a future of unknown type"
    } else {
        &awaits.future
    };
    if awaits.awaits.len() > 1 {
        format!("{name} of {} branches", awaits.awaits.len())
    } else {
        name.to_owned()
    }
}

/// What is to be said of a future's state. That it is suspended says its line already.
pub(super) fn state(awaits: &Await) -> &str {
    if awaits.state == "suspended" && awaits.at.is_some() {
        ""
    } else {
        &awaits.state
    }
}

/// How many of each verdict, of those that are not accepted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) leaked: u64,
    pub(super) blocked: u64,
    pub(super) third_party: u64,
    pub(super) unsure: u64,
    pub(super) accepted: u64,
}

impl Sums {
    pub(super) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>) -> Self {
        let mut sums = Self::default();
        for finding in findings {
            let sum = match (&finding.accepted, finding.verdict) {
                (Some(_), _) => &mut sums.accepted,
                (None, Verdict::Leaked) => &mut sums.leaked,
                (None, Verdict::Blocked) => &mut sums.blocked,
                (None, Verdict::ThirdParty) => &mut sums.third_party,
                (None, Verdict::Unsure) => &mut sums.unsure,
            };
            *sum = sum.saturating_add(finding.count);
        }
        sums
    }

    /// With their names, those that are not zero first.
    pub(super) fn named(self) -> [(&'static str, u64); 5] {
        [
            ("leaked", self.leaked),
            ("blocked", self.blocked),
            ("third-party", self.third_party),
            ("unsure", self.unsure),
            ("accepted", self.accepted),
        ]
    }
}

/// The one line that sums a report up, without a name in front.
pub(super) fn summary(report: &Report) -> String {
    let totals = &report.totals;
    let ran = totals.tests > 0 || totals.tasks > 0 || !report.programs.is_empty() || !report.findings.is_empty();
    // What was asked for did not come so far: why is told above.
    if !ran && !report.unjudged.is_empty() {
        return format!("{}: nothing was run", conclusion(report.conclusion()));
    }
    let said: Vec<String> = Sums::of(&report.findings)
        .named()
        .into_iter()
        .filter(|(_, number)| *number > 0)
        .map(|(name, number)| format!("{} {name}", grouped(number)))
        .collect();
    let left = if said.is_empty() {
        "none seen left behind".to_owned()
    } else {
        said.join(", ")
    };
    let mut text = match report.conclusion() {
        Conclusion::Leaked => left,
        other => format!("{}: {left}", conclusion(other)),
    };
    let _ = write!(text, " of {}", count(totals.tasks, "task"));
    if totals.threads > 0 {
        let _ = write!(text, " and {}", count(totals.threads, "thread"));
    }
    // Of a command nobody said which tests it has run.
    if totals.tests == 0 && !report.programs.is_empty() {
        let _ = write!(text, " in {}", count(report.programs.len(), "program"));
    } else {
        let _ = write!(text, " in {}", count(totals.tests, "test"));
        if totals.failed > 0 {
            let _ = write!(text, " ({} failed)", grouped(totals.failed));
        }
        let _ = write!(text, " of {}", count(report.programs.len(), "program"));
    }
    if totals.took_ms > 0 {
        let _ = write!(text, ", {}", duration(totals.took_ms));
    }
    if !report.panics.is_empty() {
        let _ = write!(text, "; {} unseen", count(report.panics.len(), "panic"));
    }
    let unjudged = unjudged(report).len();
    if unjudged > 0 {
        let _ = write!(text, "; {} could not be judged", count(unjudged, "thing"));
    }
    if let Some(baseline) = report.baseline.as_ref().filter(|baseline| !baseline.gone.is_empty()) {
        let entries = if baseline.gone.len() == 1 {
            "1 entry"
        } else {
            &format!("{} entries", grouped(baseline.gone.len() as u64))
        };
        let _ = write!(text, "; {entries} of the baseline must go");
    }
    text
}

/// Why something could not be judged: the report's reasons, and each program's that could not be observed.
pub(super) fn unjudged(report: &Report) -> Vec<String> {
    let programs = report.programs.iter().filter_map(|program| {
        let reason = program.unobserved.as_ref().filter(|_| program.accepted.is_none())?;
        let said = report
            .unjudged
            .iter()
            .any(|other| other.contains(reason.as_str()) && other.contains(&program.name));
        (!said).then(|| format!("{}: {reason}", program.name))
    });
    report.unjudged.iter().cloned().chain(programs).collect()
}

/// Each task that panicked while nobody awaited it. It was judged: the audit fails.
pub(super) fn panics(report: &Report) -> Vec<String> {
    let panics = report.panics.iter();
    panics
        .map(|panic| format!("a task panicked and nobody awaited it: {panic}"))
        .collect()
}

/// `340 ms`, `2.4 s`, `3 min 5 s`.
pub(super) fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        1_000..60_000 => format!("{:.1} s", milliseconds as f64 / 1_000.0),
        _ => format!("{} min {} s", milliseconds / 60_000, milliseconds % 60_000 / 1_000),
    }
}

/// One line of text that a terminal or a log takes as nothing else: no control character, and none that turns the direction
/// of what follows. Breaks of lines become spaces.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_control) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for char in text.chars() {
        match char {
            '\n' | '\r' | '\t' | '\u{2028}' | '\u{2029}' => plain.push(' '),
            _ if is_control(char) => plain.extend(char.escape_unicode()),
            _ => plain.push(char),
        }
    }
    Cow::Owned(plain)
}

/// Unicode's `Cc`, the separators of lines, and what `UAX #9` calls explicit directional formatting.
fn is_control(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{61c}')
}

/// Findings by how much they matter: those that fail the audit, then third-party and unsure ones, then accepted ones; alike
/// in the report's order.
pub(super) fn by_importance(report: &Report) -> Vec<&Finding> {
    let mut findings: Vec<&Finding> = report.findings.iter().collect();
    findings.sort_by_key(|finding| importance(report, finding));
    findings
}

/// The least matters most.
pub(super) fn importance(report: &Report, finding: &Finding) -> (u8, Verdict) {
    let class = match finding.accepted {
        Some(_) => 2,
        None if report.fails(finding) => 0,
        None => 1,
    };
    (class, finding.verdict)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_steer_a_terminal_is_spelt_out() {
        assert_eq!(
            plain("a\u{1b}[2Jb\u{7f}\u{9b}\u{202e}c\nd"),
            "a\\u{1b}[2Jb\\u{7f}\\u{9b}\\u{202e}c d"
        );
        assert!(matches!(plain("größe › λ"), Cow::Borrowed(_)));
    }

    #[test]
    fn a_duration_has_the_unit_that_people_would_use() {
        assert_eq!(
            [0, 999, 1_000, 59_940, 185_000].map(duration),
            ["0 ms", "999 ms", "1.0 s", "59.9 s", "3 min 5 s"]
        );
    }
}
