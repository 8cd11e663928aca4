//! The one helper of the rules' tests.

use std::path::Path;

use crate::scan::scan_source;

/// Scans source in which each expected finding is marked `//~ rule-name` on its own line, and sees that exactly those are
/// found.
#[track_caller]
pub(super) fn check(source: &str) {
    let outcome = scan_source(Path::new("src/lib.rs"), source);
    assert_eq!(outcome.unparsed, [], "the example parses");
    let expected: Vec<(u32, String)> = source
        .lines()
        .enumerate()
        .filter_map(|(index, line)| Some((index as u32 + 1, line.split_once("//~ ")?.1.trim().to_owned())))
        .collect();
    let found: Vec<(u32, String)> = outcome
        .suspects
        .iter()
        .map(|suspect| (suspect.at.line.unwrap_or(0), suspect.rule.clone()))
        .collect();
    assert_eq!(found, expected, "{:#?}", outcome.suspects);
}
