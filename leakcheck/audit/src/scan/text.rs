//! A scan's findings for people.

use std::fmt::Write;

use super::outcome::{Outcome, Types};
use crate::report::{ByType, Suspect};

/// The findings, a paragraph each, and a line that sums up.
#[must_use]
pub fn text(outcome: &Outcome) -> String {
    let mut out = String::new();
    for suspect in outcome.suspects.iter().filter(|suspect| suspect.silenced.is_none()) {
        paragraph(suspect, &mut out);
    }
    let silenced: Vec<&Suspect> = outcome
        .suspects
        .iter()
        .filter(|suspect| suspect.silenced.is_some())
        .collect();
    if !silenced.is_empty() {
        let _ = writeln!(out, "silenced");
        for suspect in silenced {
            let reason = suspect.silenced.as_deref().unwrap_or_default();
            let _ = writeln!(out, "  {}  {}: {reason}", suspect.at.location(), suspect.rule);
        }
        out.push('\n');
    }
    for unparsed in &outcome.unparsed {
        let place = match unparsed.line {
            Some(line) => format!("{}:{line}", unparsed.path.display()),
            None => unparsed.path.display().to_string(),
        };
        let _ = writeln!(out, "not scanned  {place}: {}", unparsed.why);
    }
    if !outcome.unparsed.is_empty() {
        out.push('\n');
    }
    for line in outcome.types.iter().flat_map(by_type) {
        let _ = writeln!(out, "{line}");
    }
    let _ = writeln!(
        out,
        "{} in {}, {}, {}",
        counted(outcome.open().count(), "finding", "findings"),
        counted(outcome.files, "file", "files"),
        counted(outcome.functions, "function", "functions"),
        counted(outcome.spawns, "spawn", "spawns"),
    );
    out
}

/// What clippy has changed: the findings that it took away, and a line that sums up.
pub(super) fn by_type(types: &Types) -> Vec<String> {
    let mut lines: Vec<String> = types
        .dropped
        .iter()
        .map(|suspect| {
            let spawned = suspect.spawned_at.as_ref().unwrap_or(&suspect.at);
            format!(
                "dropped  {}  {}: what is called at {} is nothing that spawns",
                suspect.at.location(),
                suspect.rule,
                spawned.location()
            )
        })
        .collect();
    lines.push(format!(
        "by type: {} confirmed, {} not resolved; {} dropped, {} found by it alone",
        counted(types.confirmed, "spawn", "spawns"),
        types.not_resolved,
        counted(types.dropped.len(), "finding", "findings"),
        types.added,
    ));
    lines
}

fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}

/// Most of it is behind a feature.
const NOT_RESOLVED: &str =
    "  by type  not resolved: it was not compiled, as far as is known (--features, --all-features)\n";

fn paragraph(suspect: &Suspect, out: &mut String) {
    let level = if suspect.note { "note: " } else { "" };
    let _ = writeln!(out, "{}  {level}{}", suspect.at.location(), suspect.rule);
    if !suspect.at.function.is_empty() {
        let _ = writeln!(out, "  in       {}", suspect.at.function);
    }
    if let Some(spawned) = suspect.spawned_at.as_ref().filter(|spawned| **spawned != suspect.at) {
        let _ = writeln!(out, "  spawned  {}  {}", spawned.location(), spawned.function);
    }
    match suspect.by_type {
        Some(ByType::Confirmed) => out.push_str("  by type  confirmed: what is called there spawns\n"),
        Some(ByType::NotResolved) => out.push_str(NOT_RESOLVED),
        None => {}
    }
    let _ = writeln!(out, "  why      {}", suspect.why);
    let _ = writeln!(out, "  fix      {}", suspect.fix);
    if !suspect.confirmed_by.is_empty() {
        let _ = writeln!(out, "  seen     confirmed by {}", suspect.confirmed_by.join(", "));
    } else if suspect.reached == Some(false) {
        let _ = writeln!(out, "  seen     no test reached it");
    }
    out.push('\n');
}
