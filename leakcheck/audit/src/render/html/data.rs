//! What the page embeds: the report, with each stack and each chain of awaits written once.
//!
//! ```text
//! { conclusion, report: …without findings and sites, shared: […], findings: […], sites: […] }
//! ```
//!
//! In `findings` and `sites`, `spawned` and `awaits` are places in `shared`: a suite leaves the same behind in test after test, and a page
//! of a hundred thousand findings must still open.

use std::collections::HashMap;

use serde::Serialize;
use serde_json::Value;

use super::super::document;
use crate::report::Report;

/// The data as JSON that may stand in a script element.
pub(super) fn json(report: &Report) -> String {
    let report = document::bounded(report);
    let mut shared = Shared::default();
    let findings = shared.rows(&report.findings);
    let sites = shared.rows(&report.sites);
    let mut json = format!("{{\"conclusion\":{},\n\"report\":", text(&report.conclusion()));
    json.push_str(&text(&without_rows(&report)));
    for (name, rows) in [("shared", shared.written), ("findings", findings), ("sites", sites)] {
        json.push_str(&format!(",\n\"{name}\":[\n{}\n]", rows.join(",\n")));
    }
    embeddable(&(json + "}"))
}

#[derive(Default)]
struct Shared {
    places: HashMap<String, usize>,
    written: Vec<String>,
}

impl Shared {
    fn rows<T: Serialize>(&mut self, rows: &[T]) -> Vec<String> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(&mut self, row: &impl Serialize) -> String {
        let mut row = serde_json::to_value(row).expect("plain data with string keys has a JSON form");
        for name in ["spawned", "awaits"] {
            if let Some(member) = row.get_mut(name).filter(|member| !member.is_null()) {
                let written = text(&*member);
                let place = *self.places.entry(written).or_insert_with_key(|written| {
                    self.written.push(written.clone());
                    self.written.len() - 1
                });
                *member = Value::from(place);
            }
        }
        text(&row)
    }
}

/// The report without what has rows. A field that is added must be taken along here.
fn without_rows(report: &Report) -> Report {
    let Report {
        schema,
        version,
        command,
        shards,
        programs,
        findings: _,
        sites: _,
        suspects,
        unjudged,
        baseline,
        totals,
        deny_third_party,
        complete,
        panics,
        notes,
    } = report;
    Report {
        schema: *schema,
        version: version.clone(),
        command: command.clone(),
        shards: shards.clone(),
        programs: programs.clone(),
        findings: Vec::new(),
        sites: Vec::new(),
        suspects: suspects.clone(),
        unjudged: unjudged.clone(),
        baseline: baseline.clone(),
        totals: *totals,
        deny_third_party: *deny_third_party,
        complete: *complete,
        panics: panics.clone(),
        notes: notes.clone(),
    }
}

fn text(value: &impl Serialize) -> String {
    serde_json::to_string(value).expect("plain data with string keys has a JSON form")
}

/// JSON that may stand in a script element: no `<`, with which one would end or turn into a comment, and no line separator that
/// older JavaScript takes for a line's end. In JSON these occur in strings alone, where an escape is the same character.
/// <https://html.spec.whatwg.org/multipage/scripting.html#restrictions-for-contents-of-script-elements>
fn embeddable(json: &str) -> String {
    json.replace('<', "\\u003c")
        .replace('\u{2028}', "\\u2028")
        .replace('\u{2029}', "\\u2029")
}
