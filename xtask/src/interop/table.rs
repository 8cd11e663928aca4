//! The table of the documentation.

use std::fmt::Write;

use super::client::Client;
use super::outcome::{Counts, Outcome, Outcomes};

/// A case's name and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Case {
    /// Its name.
    pub name: String,
    /// What it is.
    pub about: String,
}

/// Reads `cases.txt`: a name and what it is, a line each.
pub fn cases(text: &str) -> Vec<Case> {
    let lines = text.lines().filter_map(|line| line.split_once(' '));
    lines
        .map(|(name, about)| Case {
            name: name.to_owned(),
            about: about.trim().to_owned(),
        })
        .collect()
}

const HEAD: &str = "\
# Clients

`cargo xtask interop` runs each of these against the `kfake` binary, and writes this page with `--write-docs`. What a client
cannot do by itself is left out by name. To add a client, add a file to `tests/interop`, and a program that it names. rskafka and
rust-rdkafka are in the ordinary tests. The tests that clients publish themselves are on [another page](suites.md).

Every client has a cluster of three brokers of its own, which must end by SIGTERM with no task left.

";

/// The page, of whole runs.
pub fn page(cases: &[Case], runs: &[(Client, String, Outcomes)]) -> String {
    let mut page = HEAD.to_owned();
    let _ = writeln!(
        page,
        "| client | version | passed | failed | left out |\n| --- | --- | --- | --- | --- |"
    );
    let mut all = Counts::default();
    for (client, version, outcomes) in runs {
        let counts = outcomes.counts();
        all += counts;
        let Counts {
            passed,
            failed,
            skipped,
        } = counts;
        let name = &client.name;
        let _ = writeln!(page, "| {name} | {version} | {passed} | {failed} | {skipped} |");
    }
    let Counts {
        passed,
        failed,
        skipped,
    } = all;
    let _ = writeln!(page, "| all | | {passed} | {failed} | {skipped} |\n\n## Cases\n");
    let _ = writeln!(page, "| case | what it is | left out by |\n| --- | --- | --- |");
    for case in cases {
        let mut left_out: Vec<String> = Vec::new();
        for (client, version, outcomes) in runs {
            match outcomes.of(&case.name) {
                Some(Outcome::Skipped(why)) => left_out.push(format!("{} {version}: {why}", client.name)),
                Some(Outcome::Failed(why)) => left_out.push(format!("**fails** with {} {version}: {why}", client.name)),
                Some(Outcome::Passed) | None => (),
            }
        }
        let left_out = left_out.join("; ").replace('|', "\\|");
        let _ = writeln!(page, "| {} | {} | {left_out} |", case.name, case.about);
    }
    let _ = writeln!(page, "\n## Clients\n");
    for (index, (client, ..)) in runs.iter().enumerate() {
        if index == 0 || runs[index - 1].0.name != client.name {
            let _ = writeln!(page, "- {}: {}.", client.name, client.about);
        }
    }
    page
}
