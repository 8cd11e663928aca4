//! The report as GitHub Actions' workflow commands: an annotation at the line that spawned what was left behind.
//!
//! <https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-error-message>

use super::alike::{self, Alike};
use super::words::{self, plain};
use super::{Options, frames, waits};
use crate::judge::{count, grouped};
use crate::report::{Place, Report, Verdict};

/// How many annotations of each level GitHub shows of one step. It drops the rest without a word.
/// <https://docs.github.com/rest/checks/runs> and
/// <https://github.com/orgs/community/discussions/26680>
const SHOWN: usize = 10;

/// At most ten `::error`s, ten `::warning`s and ten `::notice`s, the most important first, then how many there are that have none,
/// and one line that sums it up.
///
/// What fails the audit is an error: leaks, what could not be judged, and entries of the baseline that must go. Other
/// findings and suspects are warnings; what is accepted or unsure is a notice. Findings that look alike in several tests are one.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let mut commands = [Level::new("error"), Level::new("warning"), Level::new("notice")];
    for group in alike::of(report) {
        let finding = group.finding;
        let level = match (&finding.accepted, finding.verdict) {
            (None, _) if report.fails(finding) => 0,
            (None, Verdict::Leaked | Verdict::Blocked | Verdict::ThirdParty) => 1,
            (None, Verdict::Unsure) | (Some(_), _) => 2,
        };
        commands[level].push(|| of_group(report, &group, options));
    }
    for panic in words::panics(report) {
        commands[0].push(|| Command::at(None, options, "leak-audit: panicked", panic));
    }
    for reason in words::unjudged(report) {
        commands[0].push(|| Command::at(None, options, "leak-audit cannot judge", reason));
    }
    if let Some(baseline) = &report.baseline {
        for entry in &baseline.gone {
            let place = Place {
                file: Some(baseline.path.clone()),
                ..Place::default()
            };
            let message = format!("{} {} no longer occurs: remove it", entry.id, entry.about);
            commands[0].push(|| Command::at(Some(&place), options, "leak-audit: the baseline is outdated", message));
        }
    }
    for suspect in report.suspects.iter().filter(|suspect| suspect.silenced.is_none()) {
        let title = format!("suspected leak: {}", suspect.rule);
        let message = [suspect.why.as_str(), suspect.fix.as_str()].join("\n");
        commands[1].push(|| Command::at(Some(&suspect.at), options, &title, message.trim_end().to_owned()));
    }

    let mut text = String::new();
    for level in &commands {
        for command in &level.commands {
            text.push_str(&format!("::{}{command}\n", level.name));
        }
    }
    for level in &commands {
        if let Some(hidden) = level.all.checked_sub(SHOWN).filter(|hidden| *hidden > 0) {
            let noun = count(hidden, &format!("more {}", level.name));
            text.push_str(&format!(
                "leak-audit: {noun} without an annotation: GitHub shows {} a step\n",
                grouped(SHOWN as u64)
            ));
        }
    }
    text + &format!("leak-audit: {}\n", plain(&words::summary(report)))
}

struct Level {
    name: &'static str,
    commands: Vec<String>,
    all: usize,
}

impl Level {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            commands: Vec::new(),
            all: 0,
        }
    }

    fn push(&mut self, command: impl FnOnce() -> String) {
        self.all += 1;
        if self.commands.len() < SHOWN {
            self.commands.push(command());
        }
    }
}

struct Command;

impl Command {
    /// What follows the level: ` file=…,line=…,title=…::message`.
    fn at(place: Option<&Place>, options: &Options, title: &str, message: String) -> String {
        let mut properties = Vec::new();
        if let Some(file) = place.and_then(|place| place.file.as_deref()) {
            properties.push(format!("file={}", property(&from_repository(file, options))));
            if let Some(line) = place.and_then(|place| place.line) {
                properties.push(format!("line={line}"));
            }
        }
        properties.push(format!("title={}", property(&plain(title))));
        format!(" {}::{}", properties.join(","), data(&message))
    }
}

fn of_group(report: &Report, group: &Alike<'_>, options: &Options) -> String {
    let finding = group.finding;
    let mut lines = vec![plain(&words::sentence(finding)).into_owned()];
    if !group.others.is_empty() {
        lines.push(plain(&group.elsewhere()).into_owned());
    }
    if let Some(reason) = &finding.accepted {
        lines.push(format!("accepted: {}", plain(reason)));
    }
    if let Some(awaits) = &finding.awaits {
        lines.push("waiting at:".to_owned());
        for line in waits::lines(awaits).into_iter().take(options.calls) {
            let place = line.at.map(|at| format!("  {}", at.location())).unwrap_or_default();
            let said = format!(
                "  {}{}{place}  {}",
                line.tree,
                words::future(line.awaits),
                words::state(line.awaits)
            );
            lines.push(plain(&said).trim_end().to_owned());
        }
    }
    lines.extend(finding.why.iter().skip(1).map(|why| plain(why).into_owned()));
    if let Some(root) = &finding.root {
        lines.push(format!("it waits for {}: mend that one", plain(root)));
    }
    let title = match (&finding.accepted, report.fails(finding)) {
        (Some(_), _) => format!("accepted: {}", words::verdict(finding.verdict)),
        _ => format!(
            "{}: {}",
            words::verdict_of(finding),
            words::things(finding.kind, alike::sum(group.all()))
        ),
    };
    Command::at(frames::own(finding), options, &title, lines.join("\n"))
}

/// The file as the repository has it.
fn from_repository(file: &str, options: &Options) -> String {
    let is_absolute = file.starts_with(['/', '\\']) || file.get(1..2) == Some(":");
    if is_absolute {
        file.to_owned()
    } else {
        format!("{}{file}", options.prefix)
    }
}

/// As the runner's `escapeData` does: <https://github.com/actions/toolkit/blob/main/packages/core/src/command.ts>
fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// As the runner's `escapeProperty` does, where a colon and a comma would end the property.
fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_end_a_command_or_a_property_is_escaped() {
        assert_eq!(data("100%\r\n::error::a, b"), "100%25%0D%0A::error::a, b");
        assert_eq!(property("a:b,c%0A"), "a%3Ab%2Cc%250A");
    }
}
