//! Two transcripts held side by side, and the differences that are wanted.

use std::collections::BTreeSet;
use std::fmt::Write;

use serde::Deserialize;
use thiserror::Error;

use crate::transcript::Transcript;
use crate::tree::Value;

/// A difference at one place.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// The step, in short.
    pub label: String,
    /// The line that it stands on; 0 where it is not known.
    pub line: usize,
    /// The path within the answer; empty for the whole.
    pub path: String,
    /// What the oracle has.
    pub oracle: String,
    /// What the other has.
    pub other: String,
}

/// What has no counterpart.
const NOTHING: &str = "-";

/// Everything in which two transcripts of one scenario differ.
pub fn differences(oracle: &Transcript, other: &Transcript) -> Vec<Difference> {
    let mut found = Vec::new();
    let longest = oracle.answers.len().max(other.answers.len());
    for index in 0..longest {
        let (a, b) = (oracle.answers.get(index), other.answers.get(index));
        let label = a.or(b).map(|answer| answer.label.clone()).unwrap_or_default();
        let line = a.map_or(0, |a| a.line).max(b.map_or(0, |b| b.line));
        let mut differs = |path: &str, a: String, b: String| {
            found.push(Difference {
                label: label.clone(),
                line,
                path: path.to_owned(),
                oracle: a,
                other: b,
            });
        };
        match (a, b) {
            (Some(a), Some(b)) if a.label != b.label => differs("", a.label.clone(), b.label.clone()),
            (Some(a), Some(b)) => {
                for (path, a, b) in leaves(&a.value, &b.value) {
                    differs(&path, a, b);
                }
            }
            (a, b) => {
                let text = |answer: Option<&crate::transcript::Answer>| {
                    answer.map_or_else(|| NOTHING.to_owned(), |answer| answer.value.to_string())
                };
                differs("", text(a), text(b));
            }
        }
    }
    if oracle.failure != other.failure {
        let text = |failure: &Option<String>| failure.clone().unwrap_or_else(|| NOTHING.to_owned());
        found.push(Difference {
            label: "the end".to_owned(),
            line: 0,
            path: String::new(),
            oracle: text(&oracle.failure),
            other: text(&other.failure),
        });
    }
    found
}

/// Each path at which two values differ.
fn leaves(a: &Value, b: &Value) -> Vec<(String, String, String)> {
    if a == b {
        return Vec::new();
    }
    let (a, b) = (a.leaves(), b.leaves());
    let mut paths = BTreeSet::new();
    let mut found = Vec::new();
    for (path, _) in a.iter().chain(&b) {
        if !paths.insert(path.clone()) {
            continue;
        }
        let at = |leaves: &[(String, &Value)]| {
            let leaf = leaves.iter().find(|(p, _)| p == path);
            leaf.map_or_else(|| NOTHING.to_owned(), |(_, value)| value.to_string())
        };
        let (a, b) = (at(&a), at(&b));
        if a != b {
            found.push((path.clone(), a, b));
        }
    }
    found
}

/// A difference that is wanted.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `file/title`; a title without its version stands for all of them.
    pub scenario: String,
    /// The paths that differ; each stands for what is below it, too.
    pub at: Vec<String>,
    /// Why it is wanted.
    pub reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    #[serde(default)]
    wanted: Vec<Wanted>,
}

/// The list of wanted differences cannot be read.
#[derive(Debug, Error)]
pub enum WantedError {
    /// It is not of its form.
    #[error("the list of wanted differences: {0}")]
    Toml(#[from] toml::de::Error),
    /// An entry without a reason or a place.
    #[error("the wanted difference of {0} needs a reason and a place")]
    Empty(String),
}

/// This repository's list.
///
/// # Errors
///
/// See [`WantedError`].
pub fn wanted() -> Result<Vec<Wanted>, WantedError> {
    read_wanted(include_str!("../wanted.toml"))
}

/// Reads a list.
///
/// # Errors
///
/// See [`WantedError`].
pub fn read_wanted(text: &str) -> Result<Vec<Wanted>, WantedError> {
    let list: List = toml::from_str(text)?;
    match list
        .wanted
        .iter()
        .find(|w| w.reason.trim().is_empty() || w.at.is_empty())
    {
        Some(empty) => Err(WantedError::Empty(empty.scenario.clone())),
        None => Ok(list.wanted),
    }
}

impl Wanted {
    fn is_of(&self, file: &str, title: &str) -> bool {
        let Some(rest) = self.scenario.strip_prefix(file).and_then(|rest| rest.strip_prefix('/')) else {
            return false;
        };
        title == rest
            || title
                .rsplit_once(" v")
                .is_some_and(|(bare, v)| bare == rest && v.parse::<i16>().is_ok())
    }
}

/// A scenario's verdict.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// The answers are equal.
    Identical,
    /// They differ in what is wanted alone.
    Wanted,
    /// They differ.
    Different,
    /// The scenario did not come to its end on the oracle, so that it shows nothing.
    Broken,
}

/// A scenario and its verdict.
#[derive(Debug, Clone)]
pub struct Judged {
    /// The file's name.
    pub file: String,
    /// The scenario's title.
    pub title: String,
    /// The verdict.
    pub outcome: Outcome,
    /// What differs and is not wanted.
    pub differences: Vec<Difference>,
    /// Why the oracle did not come to the scenario's end.
    pub failure: Option<String>,
}

/// The verdict over a corpus.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// A scenario each.
    pub judged: Vec<Judged>,
    /// What is listed as wanted, and is not there any more.
    pub gone: Vec<String>,
}

/// At most this share of the scenarios may differ as wanted, in percent.
pub const WANTED_PERCENT: usize = 2;

/// So many differences of one scenario are shown.
const SHOWN: usize = 25;

impl Verdict {
    /// Judges scenarios: their file, what the oracle answered and what the other did.
    pub fn of<'a>(
        pairs: impl IntoIterator<Item = (&'a str, &'a Transcript, &'a Transcript)>,
        wanted: &[Wanted],
    ) -> Self {
        let mut verdict = Self::default();
        let mut seen = BTreeSet::new();
        let mut asked = BTreeSet::new();
        for (file, oracle, other) in pairs {
            let of_this: Vec<_> = wanted
                .iter()
                .enumerate()
                .filter(|(_, w)| w.is_of(file, &oracle.title))
                .collect();
            let mut rest = Vec::new();
            for difference in differences(oracle, other) {
                let place = of_this.iter().find_map(|(entry, w)| {
                    let at = w.at.iter().position(|at| covers(at, &difference.path))?;
                    Some((*entry, at))
                });
                match place {
                    Some(place) => {
                        seen.insert(place);
                    }
                    None => rest.push(difference),
                }
            }
            for (entry, w) in &of_this {
                asked.extend((0..w.at.len()).map(|at| (*entry, at)));
            }
            let outcome = match (&oracle.failure, rest.is_empty()) {
                (Some(_), _) => Outcome::Broken,
                (None, false) => Outcome::Different,
                (None, true) if differences(oracle, other).is_empty() => Outcome::Identical,
                (None, true) => Outcome::Wanted,
            };
            verdict.judged.push(Judged {
                file: file.to_owned(),
                title: oracle.title.clone(),
                outcome,
                differences: rest,
                failure: oracle.failure.clone(),
            });
        }
        let gone = asked.difference(&seen);
        verdict.gone = gone
            .map(|(entry, at)| format!("{} at {}", wanted[*entry].scenario, wanted[*entry].at[*at]))
            .collect();
        verdict
    }

    /// How many scenarios ended so.
    pub fn count(&self, outcome: &Outcome) -> usize {
        self.judged.iter().filter(|j| j.outcome == *outcome).count()
    }

    /// Whether every scenario is identical or listed, and the list is what it says.
    pub fn holds(&self) -> bool {
        self.count(&Outcome::Different) + self.count(&Outcome::Broken) == 0 && self.gone.is_empty() && !self.too_many()
    }

    fn too_many(&self) -> bool {
        self.count(&Outcome::Wanted) * 100 > self.judged.len() * WANTED_PERCENT
    }

    /// The differences side by side, and the last line.
    pub fn text(&self, oracle: &str, other: &str) -> String {
        let mut text = String::new();
        for judged in self.judged.iter().filter(|j| !j.differences.is_empty()) {
            let _ = writeln!(text, "\n{}.scn: {}", judged.file, judged.title);
            let width = judged
                .differences
                .iter()
                .map(|d| d.path.len())
                .max()
                .unwrap_or(0)
                .clamp(4, 60);
            let column = judged
                .differences
                .iter()
                .map(|d| d.oracle.len())
                .max()
                .unwrap_or(0)
                .clamp(oracle.len(), 48);
            let _ = writeln!(text, "    {:width$}  {oracle:column$}  {other}", "");
            let mut step = None;
            for d in judged.differences.iter().take(SHOWN) {
                if step != Some((&d.label, d.line)) {
                    let _ = writeln!(text, "  line {}  {}", d.line, d.label);
                    step = Some((&d.label, d.line));
                }
                let path = if d.path.is_empty() { "(all)" } else { &d.path };
                let _ = writeln!(text, "    {path:width$}  {:column$}  {}", d.oracle, d.other);
            }
            if let Some(more) = judged.differences.len().checked_sub(SHOWN).filter(|more| *more > 0) {
                let _ = writeln!(text, "    and {more} more");
            }
        }
        for judged in &self.judged {
            if let Some(failure) = &judged.failure {
                let _ = writeln!(
                    text,
                    "\n{}.scn: {}\n  on {oracle}: {failure}",
                    judged.file, judged.title
                );
            }
        }
        for gone in &self.gone {
            let _ = writeln!(text, "\nlisted as wanted and not there any more: {gone}");
        }
        let wanted = self.count(&Outcome::Wanted);
        if self.too_many() {
            let _ = writeln!(text, "\nmore than {WANTED_PERCENT} % of the scenarios differ as listed");
        }
        let broken = self.count(&Outcome::Broken);
        if broken > 0 {
            let _ = writeln!(text, "\n{broken} scenarios did not come to their end on {oracle}");
        }
        if wanted > 0 {
            let _ = writeln!(text, "\n{wanted} differ as listed in wanted.toml");
        }
        let different = self.judged.len() - self.count(&Outcome::Identical);
        let _ = writeln!(
            text,
            "{} identical, {different} different",
            self.judged.len() - different
        );
        text
    }
}

/// Whether a listed path stands for this one.
fn covers(listed: &str, path: &str) -> bool {
    path.strip_prefix(listed)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

#[cfg(test)]
mod tests;
