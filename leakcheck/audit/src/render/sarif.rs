//! The report as SARIF 2.1.0, for code scanning.
//!
//! <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>, and what GitHub takes of it:
//! <https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning>

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::ser::Serializer;
use serde_json::{Map, Value, json};

use super::lines::Lines;
use super::words::{self, plain};
use super::{Options, frames, waits};
use crate::report::{Finding, Place, Report, Suspect, Verdict};

/// How many results GitHub takes of one run; it refuses a file with more.
const RESULTS: usize = 25_000;

/// One run: a result for each finding and suspect, the most important first.
///
/// A result's location is the workspace's own line that led to the spawn; `stacks` has the whole stack, `codeFlows` and
/// `relatedLocations` the chain of awaits. `partialFingerprints` has the finding's id, which does not move with its line. What a
/// baseline, a rule or a comment accepts is suppressed with its reason. `invocations` says whether everything could be
/// judged, and why not. GitHub refuses more than 25,000 results: what is beyond is left out, and said there.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let scan = Scan { report, options };
    let findings = words::by_importance(report);
    let all = findings.len() + report.suspects.len();
    let results: Vec<Value> = findings
        .into_iter()
        .map(|finding| scan.finding(finding))
        .chain(report.suspects.iter().map(|suspect| scan.suspect(suspect)))
        .take(RESULTS)
        .collect();
    let mut notes: Vec<Value> = words::panics(report)
        .iter()
        .chain(&words::unjudged(report))
        .map(|reason| note("error", reason))
        .collect();
    if let Some(baseline) = &report.baseline {
        for entry in &baseline.gone {
            let said = format!(
                "{} accepts {} {}, which no longer occurs: remove it",
                baseline.path, entry.id, entry.about
            );
            notes.push(note("warning", &said));
        }
    }
    if let Some(rest) = all.checked_sub(RESULTS).filter(|rest| *rest > 0) {
        notes.push(note(
            "warning",
            &format!("{rest} more results are left out: the JSON report has them"),
        ));
    }
    let is_judged = words::unjudged(report).is_empty();
    let log = json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "leak-audit",
                "semanticVersion": if report.version.is_empty() { env!("CARGO_PKG_VERSION") } else { &report.version },
                "rules": scan.rules(),
            }},
            "columnKind": "unicodeCodePoints",
            "originalUriBaseIds": { "SRCROOT": { "description": { "text": "The root of the repository." } } },
            "invocations": [{
                "executionSuccessful": is_judged,
                "exitCode": report.conclusion().exit_code(),
                "exitCodeDescription": words::conclusion(report.conclusion()),
                "commandLine": report.command,
                "toolExecutionNotifications": notes,
            }],
            "results": results,
            "properties": { "summary": words::summary(report) },
        }],
    });
    let mut text = Vec::new();
    // A result is a line.
    let written = log.serialize(&mut Serializer::with_formatter(&mut text, Lines::until(4)));
    written.expect("a vector takes every byte, and plain data with string keys has a JSON form");
    text.push(b'\n');
    String::from_utf8(text).expect("JSON is text")
}

fn note(level: &str, text: &str) -> Value {
    json!({ "level": level, "message": { "text": plain(text) } })
}

struct Scan<'a> {
    report: &'a Report,
    options: &'a Options,
}

impl Scan<'_> {
    /// The rules of the verdicts, and of the suspects that there are.
    fn rules(&self) -> Vec<Value> {
        let rule = |id: &str, name: &str, text: &str, level: &str| {
            json!({
                "id": id,
                "name": name,
                "shortDescription": { "text": text },
                "defaultConfiguration": { "level": level },
                "properties": { "tags": ["reliability", "tokio"] },
            })
        };
        let mut rules = vec![
            rule(
                "leaked",
                "LeakedTask",
                "A task outlived the test that spawned it.",
                "error",
            ),
            rule(
                "blocked",
                "BlockedTask",
                "A blocking task or a thread never ended.",
                "error",
            ),
            rule(
                "third-party",
                "ThirdPartyTask",
                "A task that a dependency spawned outlived its test.",
                "warning",
            ),
            rule("unsure", "UnsureTask", "A task may have outlived its test.", "note"),
        ];
        let suspects: BTreeMap<&str, &Suspect> = self
            .report
            .suspects
            .iter()
            .map(|suspect| (suspect.rule.as_str(), suspect))
            .collect();
        for id in suspects.into_keys() {
            let name: String = id
                .split(|char: char| !char.is_alphanumeric())
                .map(capitalized)
                .collect();
            rules.push(rule(
                &format!("suspected/{id}"),
                &format!("Suspected{name}"),
                &format!("Suspected by its source: {id}."),
                "warning",
            ));
        }
        rules
    }

    fn finding(&self, finding: &Finding) -> Value {
        let rule = words::verdict(finding.verdict);
        let level = match (self.report.fails(finding), &finding.accepted, finding.verdict) {
            (true, ..) => "error",
            (false, Some(_), Verdict::Leaked | Verdict::Blocked) => "error",
            (false, _, Verdict::Unsure) => "note",
            (false, ..) => "warning",
        };
        let mut result = json!({
            "ruleId": rule,
            "level": level,
            "message": { "text": self.message(finding) },
            "locations": [self.location(frames::own(finding).unwrap_or(&Place::default()), None)],
            "occurrenceCount": finding.count.clamp(1, i32::MAX as u64),
            "properties": {
                "program": finding.program,
                "test": finding.test,
                "kind": finding.kind,
                "count": finding.count,
                "how": finding.how,
                "why": finding.why,
            },
        });
        if !finding.id.is_empty() {
            result["partialFingerprints"] = json!({ "leakAudit/v1": fingerprint(finding) });
        }
        if !finding.spawned.is_empty() {
            let frames: Vec<_> = finding
                .spawned
                .iter()
                .map(|place| json!({ "location": self.location(place, None) }))
                .collect();
            result["stacks"] = json!([{ "message": { "text": "Spawned by" }, "frames": frames }]);
        }
        if let Some(awaits) = &finding.awaits {
            self.awaits(&mut result, awaits);
        }
        if let Some(reason) = &finding.accepted {
            result["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": reason }]);
        }
        result
    }

    fn message(&self, finding: &Finding) -> String {
        let mut text = plain(&words::sentence(finding)).into_owned();
        for why in finding.why.iter().skip(1) {
            text.push_str(&format!("\n{}", plain(why)));
        }
        if let Some(root) = &finding.root {
            text.push_str(&format!("\nIt waits for {}: mend that one.", plain(root)));
        }
        if let Some(help) = finding.tracked.as_ref().and_then(|tracked| tracked.help.as_ref()) {
            text.push_str(&format!("\n{}", plain(help)));
        }
        text
    }

    /// The chain of awaits: a thread flow in the order of its lines, whose nesting is the tree's, and related locations.
    fn awaits(&self, result: &mut Value, awaits: &crate::report::Await) {
        let mut steps = Vec::new();
        let mut related = Vec::new();
        for (index, line) in waits::lines(awaits).into_iter().enumerate() {
            let state = words::state(line.awaits);
            let said = format!(
                "{}{}{state}",
                words::future(line.awaits),
                if state.is_empty() { "" } else { ": " }
            );
            let place = line.at.cloned().unwrap_or_else(|| Place {
                function: line.awaits.future.clone(),
                ..Place::default()
            });
            steps.push(json!({
                "location": self.location(&place, Some(&said)),
                "nestingLevel": line.depth,
                "executionOrder": index + 1,
            }));
            if place.file.is_some() {
                let mut location = self.location(&place, Some(&said));
                location["id"] = json!(related.len() + 1);
                related.push(location);
            }
        }
        result["codeFlows"] = json!([{
            "message": { "text": "Where it waited" },
            "threadFlows": [{ "locations": steps }],
        }]);
        result["relatedLocations"] = related.into();
    }

    fn suspect(&self, suspect: &Suspect) -> Value {
        let mut text = suspect.why.clone();
        if !suspect.fix.is_empty() {
            text.push_str(&format!("\n{}", suspect.fix));
        }
        match (suspect.confirmed_by.as_slice(), suspect.reached) {
            ([], Some(true)) => text.push_str("\nA test reached it, and left nothing behind there."),
            ([], Some(false)) => text.push_str("\nNo test reached it."),
            ([], None) => (),
            (findings, _) => text.push_str(&format!("\nConfirmed by {}.", findings.join(", "))),
        }
        let mut result = json!({
            "ruleId": format!("suspected/{}", suspect.rule),
            "level": "warning",
            "message": { "text": text },
            "locations": [self.location(&suspect.at, None)],
            "properties": { "confirmedBy": suspect.confirmed_by, "reached": suspect.reached },
        });
        if let Some(reason) = &suspect.silenced {
            result["suppressions"] = json!([{ "kind": "inSource", "status": "accepted", "justification": reason }]);
        }
        result
    }

    /// A place as a location. Without a file it has its function alone.
    fn location(&self, place: &Place, said: Option<&str>) -> Value {
        let mut location = Map::new();
        if let Some(file) = &place.file {
            let mut physical = json!({ "artifactLocation": self.artifact(file) });
            // Lines are counted from one; what the compiler made has none.
            if let Some(line) = place.line.filter(|line| *line > 0) {
                physical["region"] = json!({ "startLine": line });
            }
            location.insert("physicalLocation".to_owned(), physical);
        }
        if !place.function.is_empty() {
            let function = json!([{ "fullyQualifiedName": place.function, "kind": "function" }]);
            location.insert("logicalLocations".to_owned(), function);
        }
        if let Some(said) = said.filter(|said| !said.is_empty()) {
            location.insert("message".to_owned(), json!({ "text": said }));
        }
        location.into()
    }

    /// A file's URI: below the repository's root, or from the file system's.
    fn artifact(&self, file: &str) -> Value {
        let file = file.replace('\\', "/");
        let is_drive = file.get(1..3) == Some(":/");
        if is_drive {
            json!({ "uri": format!("file:///{}", encoded(&file)) })
        } else if file.starts_with('/') {
            json!({ "uri": format!("file://{}", encoded(&file)) })
        } else {
            json!({ "uri": encoded(&format!("{}{file}", self.options.prefix)), "uriBaseId": "SRCROOT" })
        }
    }
}

/// What it is known by across runs. The same line may leave tasks behind in several tests, which are several results.
fn fingerprint(finding: &Finding) -> String {
    match &finding.test {
        Some(test) => format!("{}:{}:{test}", finding.id, finding.program),
        None => format!("{}:{}", finding.id, finding.program),
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    chars
        .next()
        .map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}

/// A path as a URI's, by RFC 3986: everything but what is unreserved, `/`, and what a drive has, is percent-encoded.
fn encoded(path: &str) -> String {
    let mut uri = String::with_capacity(path.len());
    for byte in path.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(byte.into()),
            // Not in a relative reference's first segment, where it would end a scheme; a drive's follows a slash.
            b':' if path.as_bytes().get(1..3) == Some(b":/") => uri.push(':'),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_valid_uri() {
        assert_eq!(encoded("src/a b/größe%:x.rs"), "src/a%20b/gr%C3%B6%C3%9Fe%25%3Ax.rs");
        assert_eq!(encoded("C:/a b.rs"), "C:/a%20b.rs");
        assert_eq!(capitalized("select"), "Select");
    }
}
