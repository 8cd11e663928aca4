//! One report out of those of several shards.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::identity::identify;
use crate::join;
use crate::render::document::{self, DocumentError};
use crate::report::{Finding, Report, SCHEMA};

/// Why reports cannot be put together.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MergeError {
    /// A file cannot be read.
    #[error("cannot read the report {}: {source}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A file is no report.
    #[error("{}: {source}", path.display())]
    Malformed {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: DocumentError,
    },
    /// A report is of all tests, and there are others.
    #[error("{} is of no shard, and so of all that was asked for: merge puts shards together", path.display())]
    Whole {
        /// Which.
        path: PathBuf,
    },
    /// The shards are of different divisions.
    #[error("{} is one of {found} shards, another report one of {expected}", path.display())]
    Mixed {
        /// Which.
        path: PathBuf,
        /// Its number of shards.
        found: u32,
        /// The others'.
        expected: u32,
    },
    /// A shard is there twice.
    #[error("{}: shard {index}/{count} is there already", path.display())]
    Duplicate {
        /// Which report.
        path: PathBuf,
        /// Which shard.
        index: u32,
        /// How many there are.
        count: u32,
    },
    /// A shard is not there.
    #[error("shards are missing: {} of {count}", listed(missing))]
    Missing {
        /// Which: the first of them, as a report may claim to be one of four billion.
        missing: Vec<u32>,
        /// How many there are.
        count: u32,
    },
}

/// The most shards that are named where some are missing.
const MISSING: usize = 100;

fn listed(missing: &[u32]) -> String {
    let mut all: Vec<_> = missing.iter().map(u32::to_string).collect();
    if all.len() == MISSING {
        all.push("…".to_owned());
    }
    all.join(", ")
}

/// Reads reports and puts them together.
///
/// # Errors
///
/// See [`MergeError`].
pub fn merge(paths: &[PathBuf]) -> Result<Report, MergeError> {
    let mut reports = Vec::new();
    for path in paths {
        let text = std::fs::read_to_string(path).map_err(|source| MergeError::Unreadable {
            path: path.clone(),
            source,
        })?;
        let report = document::parse(&text).map_err(|source| MergeError::Malformed {
            path: path.clone(),
            source,
        })?;
        reports.push((path.clone(), report));
    }
    union(reports)
}

fn union(mut reports: Vec<(PathBuf, Report)>) -> Result<Report, MergeError> {
    // What spawns alike was counted in each shard by itself.
    let mut findings: Vec<_> = reports.iter_mut().map(|(_, report)| &mut *report.findings).collect();
    identify(&mut findings);
    let alone = reports.len() == 1;
    let mut seen = BTreeSet::new();
    let mut count = None;
    let mut all = Report {
        schema: SCHEMA,
        complete: true,
        ..Report::default()
    };
    for (path, report) in reports {
        if report.shards.is_empty() && !alone {
            return Err(MergeError::Whole { path });
        }
        for shard in &report.shards {
            let expected = *count.get_or_insert(shard.count);
            if shard.count != expected {
                let found = shard.count;
                return Err(MergeError::Mixed { path, found, expected });
            }
            if !seen.insert(shard.index) {
                return Err(MergeError::Duplicate {
                    path,
                    index: shard.index,
                    count: shard.count,
                });
            }
        }
        add(&mut all, report);
    }
    if let Some(count) = count {
        let missing = (1..=count).filter(|index| !seen.contains(index));
        let missing: Vec<_> = missing.take(MISSING).collect();
        if !missing.is_empty() {
            return Err(MergeError::Missing { missing, count });
        }
    }
    join::sort(&mut all);
    Ok(all)
}

fn add(all: &mut Report, report: Report) {
    all.version = report.version;
    if !all.command.is_empty() {
        all.command.push_str("; ");
    }
    all.command.push_str(&report.command);
    all.shards.extend(report.shards);
    all.complete &= report.complete;
    all.deny_third_party |= report.deny_third_party;
    for program in report.programs {
        let same = |other: &&mut crate::report::Program| {
            (&other.name, &other.package, &other.target) == (&program.name, &program.package, &program.target)
        };
        match all.programs.iter_mut().find(same) {
            Some(other) => {
                other.tests.extend(program.tests);
                other.unobserved = other.unobserved.take().or(program.unobserved);
                other.accepted = other.accepted.take().or(program.accepted);
                other.ended = other.ended.take().or(program.ended);
            }
            None => all.programs.push(program),
        }
    }
    for finding in report.findings {
        let same = |other: &&mut Finding| {
            other.test.is_none()
                && (&other.id, &other.program, &other.test, &other.how)
                    == (&finding.id, &finding.program, &finding.test, &finding.how)
        };
        match all.findings.iter_mut().find(same) {
            Some(other) => {
                other.count = other.count.saturating_add(finding.count);
                other.lifetimes.extend(finding.lifetimes);
            }
            None => all.findings.push(finding),
        }
    }
    all.sites.extend(report.sites);
    for suspect in report.suspects {
        if !all.suspects.contains(&suspect) {
            all.suspects.push(suspect);
        }
    }
    all.unjudged.extend(report.unjudged);
    all.panics.extend(report.panics);
    all.notes.extend(report.notes);
    // A baseline is judged again, over all of them.
    let (sums, more) = (&mut all.totals, report.totals);
    sums.tests = sums.tests.saturating_add(more.tests);
    sums.failed = sums.failed.saturating_add(more.failed);
    sums.tasks = sums.tasks.saturating_add(more.tasks);
    sums.threads = sums.threads.saturating_add(more.threads);
    sums.processes = sums.processes.saturating_add(more.processes);
    sums.took_ms = sums.took_ms.max(more.took_ms);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Shard;

    fn shard(index: u32, count: u32) -> (PathBuf, Report) {
        let finding = Finding {
            id: format!("{index:016x}"),
            count: 1,
            test: Some(format!("test {index}")),
            ..Finding::default()
        };
        let report = Report {
            schema: SCHEMA,
            complete: true,
            shards: vec![Shard { index, count }],
            findings: vec![finding],
            ..Report::default()
        };
        (format!("{index}.json").into(), report)
    }

    #[test]
    fn all_shards_are_one_report() {
        let all = union(vec![shard(2, 2), shard(1, 2)]).expect("a report");

        let ids: Vec<_> = all.findings.iter().map(|finding| finding.test.as_deref()).collect();
        assert_eq!(ids, [Some("test 1"), Some("test 2")]);
        assert!(all.complete);
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let error = |reports| union(reports).expect_err("refused").to_string();

        assert_eq!(error(vec![shard(1, 3), shard(3, 3)]), "shards are missing: 2 of 3");
        assert_eq!(
            error(vec![shard(1, 2), shard(1, 2)]),
            "1.json: shard 1/2 is there already"
        );
        assert!(error(vec![shard(1, 2), shard(2, 3)]).contains("2.json is one of 3 shards"));
        let whole = ("w.json".into(), Report::default());
        assert!(error(vec![shard(1, 2), whole]).contains("w.json is of no shard"));
    }

    #[test]
    fn what_reports_claim_is_neither_allocated_nor_too_much_to_add() {
        let said = union(vec![shard(1, u32::MAX)]).expect_err("refused").to_string();
        assert!(
            said.starts_with("shards are missing: 2, 3, ") && said.ends_with(", 101, … of 4294967295"),
            "{said}"
        );

        let most = |index| {
            let (path, mut report) = shard(index, 2);
            report.totals.tests = u64::MAX;
            report.findings[0].count = u64::MAX;
            (report.findings[0].id, report.findings[0].test) = ("one".to_owned(), None);
            (path, report)
        };
        let all = union(vec![most(1), most(2)]).expect("a report");
        assert_eq!((all.totals.tests, all.findings[0].count), (u64::MAX, u64::MAX));
    }

    #[test]
    fn a_file_that_is_no_report_is_named() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("a.json");
        for text in ["", "{", "[]", "{}", "{\"schema\": 99}"] {
            std::fs::write(&path, text).expect("a file");
            let error = merge(std::slice::from_ref(&path)).expect_err(text);
            assert!(matches!(error, MergeError::Malformed { .. }), "{text}: {error}");
        }
        std::fs::remove_file(&path).expect("it is there");
        assert!(matches!(merge(&[path]), Err(MergeError::Unreadable { .. })));
    }
}
