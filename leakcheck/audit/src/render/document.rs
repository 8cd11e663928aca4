//! The report as a JSON document, and back.
//!
//! It is the [`Report`] itself, in the words of `schema/audit.schema.json`, with `conclusion` and `exit_code` beside its fields for
//! whoever does not want to work them out. Each finding, site and suspect is a line of its own, so that two documents can be
//! compared, and one searched, line by line.

use std::borrow::Cow;
use std::io;

use serde::Serialize;
use serde_json::ser::Serializer;
use thiserror::Error;

use super::Options;
use super::lines::Lines;
use crate::judge::Conclusion;
use crate::report::{Await, Report, SCHEMA};

/// How many futures deep a chain of awaits is written. What is deeper is left out, and said: readers of JSON limit how deep it may
/// be nested (serde_json to 128 arrays and objects, two of which are a future), and `merge` must be able to read this.
pub const DEEPEST: usize = 48;

/// Why a document is no report.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DocumentError {
    /// It is no JSON, or not of a report's shape.
    #[error("this is no report of leak-audit: {0}")]
    Shape(#[from] serde_json::Error),
    /// It says no schema, or zero.
    #[error("this is no report of leak-audit: it names no schema")]
    NoSchema,
    /// A newer audit wrote it.
    #[error("a newer leak-audit wrote this report: its schema is {found}, and this one reads up to {SCHEMA}")]
    Newer {
        /// The document's schema.
        found: u32,
    },
}

#[derive(Serialize)]
struct Document<'a> {
    conclusion: Conclusion,
    exit_code: u8,
    #[serde(flatten)]
    report: &'a Report,
}

/// The document, ended with a line break. Nothing in `options` concerns it.
#[must_use]
pub fn render(report: &Report, _options: &Options) -> String {
    let mut bytes = Vec::new();
    write(report, &mut bytes).expect("a vector takes every byte, and plain data with string keys has a JSON form");
    String::from_utf8(bytes).expect("JSON is text")
}

/// Writes the document, one finding after the other, so that it need not be in memory at once.
///
/// # Errors
///
/// What `to` answers.
pub fn write(report: &Report, mut to: impl io::Write) -> io::Result<()> {
    let report = bounded(report);
    let document = Document {
        conclusion: report.conclusion(),
        exit_code: report.conclusion().exit_code(),
        report: &report,
    };
    document.serialize(&mut Serializer::with_formatter(&mut to, Lines::until(2)))?;
    to.write_all(b"\n")
}

/// The report that a document holds.
///
/// # Errors
///
/// [`DocumentError`], where it holds none, or one of a newer schema.
pub fn parse(document: &str) -> Result<Report, DocumentError> {
    let report: Report = serde_json::from_str(document)?;
    match report.schema {
        0 => Err(DocumentError::NoSchema),
        SCHEMA => Ok(report),
        found => Err(DocumentError::Newer { found }),
    }
}

/// The report with every chain of awaits at most [`DEEPEST`] deep.
pub(super) fn bounded(report: &Report) -> Cow<'_, Report> {
    let deep = |awaits: &Option<Await>| awaits.as_ref().is_some_and(|awaits| is_deep(awaits, DEEPEST));
    if !report.findings.iter().any(|finding| deep(&finding.awaits)) {
        return Cow::Borrowed(report);
    }
    let mut report = report.clone();
    for awaits in report.findings.iter_mut().filter_map(|finding| finding.awaits.as_mut()) {
        cut(awaits, DEEPEST);
    }
    Cow::Owned(report)
}

fn is_deep(awaits: &Await, left: usize) -> bool {
    match left.checked_sub(1) {
        None => true,
        Some(left) => awaits.awaits.iter().any(|next| is_deep(next, left)),
    }
}

fn cut(awaits: &mut Await, left: usize) {
    if left > 2 {
        for next in &mut awaits.awaits {
            cut(next, left - 1);
        }
    } else if awaits.awaits.iter().any(|next| !next.awaits.is_empty()) {
        awaits.awaits = vec![Await {
            future: "…".to_owned(),
            state: "what it awaits is too deep to be written".to_owned(),
            ..Await::default()
        }];
    }
}
