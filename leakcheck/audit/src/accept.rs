//! What a baseline says of a report, and writing it.

use std::path::Path;

use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use crate::baseline::{Baseline, BaselineError};
use crate::observe::HELD;
use crate::report::{self, Entry, Origin, Report};

/// Like [`apply`], where there is a baseline.
pub(crate) fn apply_where_given(report: &mut Report, baseline: &Baseline) {
    if *baseline != Baseline::default() {
        apply(report, baseline);
    }
}

/// Accepts what the baseline lists, and tells which of its entries no longer occur.
///
/// An entry that nothing matches is gone where everything was run and could be judged. Otherwise nobody knows.
pub(crate) fn apply(report: &mut Report, baseline: &Baseline) {
    let everything = report.complete && report.unjudged.is_empty();
    for program in report
        .programs
        .iter_mut()
        .filter(|program| program.unobserved.is_some())
    {
        let rule = baseline.unobserved.iter().find(|rule| rule.is_about(&program.name));
        program.accepted = rule.map(|rule| rule.reason.clone());
    }
    let everything = everything && !report.programs.iter().any(report::Program::is_unjudged);

    let mut rules = vec![0_u64; baseline.ignore.len()];
    let mut entries: Vec<(Entry, bool)> = Vec::new();
    for entry in &baseline.accept {
        let matched = report.findings.iter().any(|finding| finding.id == entry.id);
        entries.push((entry.clone(), matched));
    }
    for known in &baseline.known {
        let entry = Entry {
            id: String::new(),
            about: format!("{} › {} spawned in {}", known.group, known.name, known.file),
            reason: known.reason.clone(),
        };
        entries.push((entry, report.findings.iter().any(|finding| known.is_about(finding))));
    }
    for finding in &mut report.findings {
        let listed = baseline
            .accept
            .iter()
            .find(|entry| entry.id == finding.id)
            .map(|entry| &entry.reason);
        let known = || {
            baseline
                .known
                .iter()
                .find(|known| known.is_about(finding))
                .map(|known| &known.reason)
        };
        let rule = baseline.ignore.iter().position(|rule| rule.matches(finding));
        if let Some(rule) = rule {
            rules[rule] += 1;
        }
        let rule = || rule.map(|rule| &baseline.ignore[rule].reason);
        if let Some(reason) = listed.or_else(known).or_else(rule) {
            finding.accepted.get_or_insert_with(|| reason.clone());
        }
    }
    if everything {
        for (rule, _) in baseline.ignore.iter().zip(rules).filter(|(_, matched)| *matched == 0) {
            report
                .notes
                .push(format!("the rule {} matched nothing: remove it", rule.about()));
        }
        for rule in &baseline.unobserved {
            if !report
                .programs
                .iter()
                .any(|program| program.accepted.is_some() && rule.is_about(&program.name))
            {
                report.notes.push(format!(
                    "{} was observed, or not run: remove it from the baseline",
                    rule.program
                ));
            }
        }
    }
    let matched = entries.iter().filter(|(_, matched)| *matched).count();
    let left: Vec<_> = entries
        .into_iter()
        .filter(|(_, matched)| !matched)
        .map(|(entry, _)| entry)
        .collect();
    let (gone, unseen) = if everything {
        (left, Vec::new())
    } else {
        (Vec::new(), left)
    };
    report.baseline = Some(report::Baseline {
        path: baseline
            .path
            .as_deref()
            .map(|path| path.display().to_string())
            .unwrap_or_default(),
        gone,
        matched,
        unseen,
    });
}

/// The baseline's text with what fails and is new, and without what is gone. Comments and order stay.
///
/// # Errors
///
/// Where the text is no TOML document.
pub(crate) fn updated(text: &str, report: &Report, reason: &str) -> Result<String, toml_edit::TomlError> {
    let mut document: DocumentMut = text.parse()?;
    let gone = report
        .baseline
        .as_ref()
        .map(|baseline| &baseline.gone[..])
        .unwrap_or_default();
    let field = |table: &Table, name: &str| table.get(name).and_then(Item::as_str).unwrap_or_default().to_owned();
    if let Some(known) = document.get_mut("known").and_then(Item::as_array_of_tables_mut) {
        known.retain(|table| {
            let about = format!(
                "{} › {} spawned in {}",
                field(table, "group"),
                field(table, "name"),
                field(table, "file")
            );
            !gone.iter().any(|entry| entry.id.is_empty() && entry.about == about)
        });
    }
    let accept = document
        .entry("accept")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    if let Some(accept) = accept.as_array_of_tables_mut() {
        accept.retain(|table| {
            !gone
                .iter()
                .any(|entry| !entry.id.is_empty() && entry.id == field(table, "id"))
        });
        let mut listed: Vec<String> = accept.iter().map(|table| field(table, "id")).collect();
        // Whether it was a leak is up to the order in which the runtime ended them: it may be one the next time.
        let may_fail = |finding: &report::Finding| {
            let is_judged = finding.origin == Origin::Own || report.deny_third_party;
            finding.accepted.is_none() && is_judged && finding.how == HELD
        };
        let failing = report.findings.iter();
        for finding in failing.filter(|finding| report.fails(finding) || may_fail(finding)) {
            if listed.contains(&finding.id) {
                continue;
            }
            listed.push(finding.id.clone());
            let mut table = Table::new();
            table["id"] = value(&finding.id);
            table["about"] = value(about(finding));
            table["reason"] = value(reason);
            accept.push(table);
        }
        if accept.is_empty() {
            document.remove("accept");
        }
    }
    Ok(document.to_string())
}

fn about(finding: &report::Finding) -> String {
    match finding.spawned.first() {
        Some(place) => {
            let file = place.file.as_deref().unwrap_or_default();
            let spawns = finding.future.as_ref().map(|future| format!(" spawns {future}"));
            format!("{file} {}{}", place.function, spawns.unwrap_or_default())
                .trim()
                .to_owned()
        }
        None => finding.how.clone(),
    }
}

/// Writes a file at once: whoever reads it meanwhile sees the old one or the new one.
///
/// # Errors
///
/// Where it cannot be written.
pub(crate) fn write(path: &Path, text: &str) -> Result<(), BaselineError> {
    let failed = |source| BaselineError::Unwritable {
        path: path.to_owned(),
        source,
    };
    let beside = path
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let file = tempfile::NamedTempFile::new_in(beside).map_err(failed)?;
    std::fs::write(file.path(), text).map_err(failed)?;
    file.persist(path).map_err(|error| failed(error.error))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Conclusion;
    use crate::report::{Finding, Place, Verdict};

    fn report(ids: &[&str]) -> Report {
        let finding = |id: &&str| Finding {
            id: (*id).to_owned(),
            count: 1,
            program: "shop".to_owned(),
            test: Some("a".to_owned()),
            spawned: vec![Place {
                function: format!("shop::{id}"),
                file: Some("src/a.rs".to_owned()),
                line: Some(3),
            }],
            ..Finding::default()
        };
        Report {
            complete: true,
            findings: ids.iter().map(finding).collect(),
            ..Report::default()
        }
    }

    fn judged(text: &str, ids: &[&str]) -> Report {
        let mut report = report(ids);
        apply(
            &mut report,
            &Baseline::parse(text, Path::new("b.toml")).expect("a baseline"),
        );
        report
    }

    const ONE: &str = "# why we are here\n[[accept]]\nid = \"one\" # the first\nabout = \"\"\nreason = \"known\"\n";

    #[test]
    fn what_is_listed_is_accepted_and_what_is_new_is_not() {
        let report = judged(ONE, &["one"]);
        assert_eq!(report.findings[0].accepted.as_deref(), Some("known"));
        assert_eq!(report.conclusion(), Conclusion::Clean);

        assert_eq!(judged(ONE, &["one", "two"]).conclusion(), Conclusion::Leaked);
    }

    #[test]
    fn what_no_longer_occurs_must_go_if_everything_was_run() {
        assert_eq!(judged(ONE, &[]).conclusion(), Conclusion::BaselineOutdated);

        let mut part = report(&[]);
        part.complete = false;
        apply(
            &mut part,
            &Baseline::parse(ONE, Path::new("b.toml")).expect("a baseline"),
        );
        assert_eq!(part.conclusion(), Conclusion::Clean);
        assert_eq!(part.baseline.expect("it was judged").unseen.len(), 1);
    }

    #[test]
    fn a_rule_that_nothing_matches_is_told_and_fails_nothing() {
        let report = judged("[[ignore]]\ntest = \"b\"\nreason = \"why\"\n", &[]);

        assert_eq!(report.conclusion(), Conclusion::Clean);
        assert!(
            report.notes[0].contains("test = \"b\" matched nothing"),
            "{:?}",
            report.notes
        );
    }

    #[test]
    fn a_program_that_cannot_be_observed_needs_a_reason() {
        let mut report = report(&[]);
        report.programs.push(report::Program {
            name: "je".to_owned(),
            unobserved: Some("has an allocator of its own".to_owned()),
            ..report::Program::default()
        });
        assert_eq!(report.conclusion(), Conclusion::CannotJudge);

        let baseline = "[[unobserved]]\nprogram = \"j*\"\nreason = \"why\"";
        apply(
            &mut report,
            &Baseline::parse(baseline, Path::new("b")).expect("a baseline"),
        );
        assert_eq!(report.conclusion(), Conclusion::Clean);
    }

    #[test]
    fn an_update_keeps_what_people_wrote() {
        let text = updated(ONE, &judged(ONE, &["one", "two"]), "for now").expect("TOML");

        assert!(
            text.contains("# why we are here") && text.contains("# the first"),
            "{text}"
        );
        assert_eq!(judged(&text, &["one", "two"]).conclusion(), Conclusion::Clean);
        assert!(text.contains("about = \"src/a.rs shop::two\""), "{text}");

        let text = updated(&text, &judged(&text, &["two"]), "").expect("TOML");
        assert!(!text.contains("\"one\"") && text.contains("\"two\""), "{text}");
    }

    #[test]
    fn an_update_lists_what_may_be_a_leak_the_next_time() {
        let mut before = report(&["one", "two", "three", "four"]);
        for finding in &mut before.findings {
            finding.verdict = Verdict::Unsure;
        }
        HELD.clone_into(&mut before.findings[0].how);
        HELD.clone_into(&mut before.findings[1].how);
        before.findings[1].accepted = Some("by a rule".to_owned());
        HELD.clone_into(&mut before.findings[3].how);
        before.findings[3].origin = Origin::Dependency {
            name: "wrapper".to_owned(),
            version: "1.0.0".to_owned(),
        };

        let text = updated("", &before, "for now").expect("TOML");

        let ids: Vec<_> = text.lines().filter(|line| line.starts_with("id")).collect();
        assert_eq!(ids, ["id = \"one\""]);
        assert_eq!(judged(&text, &["one"]).conclusion(), Conclusion::Clean);
    }

    #[test]
    fn a_new_entry_without_a_reason_is_refused_next_time() {
        let text = updated("", &judged("", &["one"]), "").expect("TOML");

        assert!(matches!(
            Baseline::parse(&text, Path::new("b.toml")),
            Err(BaselineError::NoReason { .. })
        ));
    }
}
