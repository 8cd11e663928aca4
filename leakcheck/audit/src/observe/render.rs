//! A verdict for people, and as JSON.

use std::fmt::Write;

use super::judge::{Finding, ObservedVerdict, What};
use crate::judge::Conclusion;
use crate::report::{Origin, Place};

/// The calls of a spawn that are shown.
const SHOWN: usize = 6;

/// For people. Ends with a line that says it all.
#[must_use]
pub fn text(verdict: &ObservedVerdict) -> String {
    let mut text = String::new();
    let mut last = None;
    for finding in &verdict.findings {
        let heading = (finding.program.as_str(), finding.test.as_deref());
        if last != Some(heading) {
            let (program, test) = heading;
            let _ = writeln!(
                text,
                "\n{program}{}{}",
                if test.is_some() { "  " } else { "" },
                test.unwrap_or_default()
            );
            last = Some(heading);
        }
        push(&mut text, finding);
    }
    for reason in &verdict.unjudged {
        let _ = writeln!(text, "\ncannot judge: {reason}");
    }
    let _ = writeln!(text, "\n{}", summary(verdict));
    text
}

fn push(text: &mut String, finding: &Finding) {
    let what = match (&finding.what, &finding.origin) {
        (What::Leaked, _) => "leaked".to_owned(),
        (What::Blocked, _) => "blocked".to_owned(),
        (What::Unsure, _) => "unsure".to_owned(),
        (What::ThirdParty, Origin::Dependency { name, version }) => format!("third-party ({name} {version})"),
        (What::ThirdParty, Origin::Own) => "third-party".to_owned(),
    };
    let count = if finding.count == 1 {
        String::new()
    } else {
        format!("{} × ", finding.count)
    };
    let name = finding.spawned.first().map_or("a task", |place| &place.function);
    let _ = writeln!(text, "  {what}: {count}{name}\n    {}", finding.how);
    for (index, place) in finding.spawned.iter().take(SHOWN).enumerate() {
        let label = if index == 0 { "spawned at" } else { "        by" };
        let _ = writeln!(text, "    {label} {:<40} {}", location(place), place.function);
    }
    if finding.spawned.len() > SHOWN {
        let _ = writeln!(text, "               and {} more calls", finding.spawned.len() - SHOWN);
    }
    if let Some(awaits) = &finding.awaits {
        let _ = writeln!(text, "    last seen waiting at");
        for line in awaits.lines() {
            let _ = writeln!(text, "      {line}");
        }
    }
}

fn location(place: &Place) -> String {
    match (&place.file, place.line) {
        (Some(file), Some(line)) => format!("{file}:{line}"),
        (Some(file), None) => file.clone(),
        _ => String::new(),
    }
}

fn summary(verdict: &ObservedVerdict) -> String {
    let count = |what| -> u64 {
        let of_it = verdict.findings.iter().filter(|finding| finding.what == what);
        of_it.map(|finding| finding.count).sum()
    };
    let conclusion = match verdict.conclusion() {
        Conclusion::Clean => "clean",
        Conclusion::Leaked => "leaks",
        _ => "cannot judge",
    };
    let command = match verdict.command {
        Some(0) => String::new(),
        Some(code) => format!("; the command ended with {code}"),
        None => "; the command was killed by a signal".to_owned(),
    };
    format!(
        "{conclusion}: {} tasks seen in {} processes, {} leaked, {} blocked, {} third-party, {} unsure{command}",
        verdict.tasks,
        verdict.processes,
        count(What::Leaked),
        count(What::Blocked),
        count(What::ThirdParty),
        count(What::Unsure),
    )
}

/// As JSON: the fields of [`ObservedVerdict`], and its conclusion.
#[must_use]
pub fn json(verdict: &ObservedVerdict) -> String {
    let mut value = serde_json::json!(verdict);
    value["schema"] = 1.into();
    value["conclusion"] = match verdict.conclusion() {
        Conclusion::Clean => "clean",
        Conclusion::Leaked => "leaks",
        _ => "cannot-judge",
    }
    .into();
    format!("{value:#}\n")
}
