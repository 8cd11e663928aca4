//! The verdict: data in, data out.
//!
//! A leak that leakcheck wrote down counts, however its test ended. A test that takes a report as data, to judge it by
//! itself, has none written: see `leakcheck::Check::run`.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::baseline::{Baseline, Known};
use crate::records::{Body, CheckVerdict, Ends, Leak, Place, Record, RecordError, Stopping};
use crate::transcript::{BinaryOutcome, BinaryResult};

/// Everything that an audit saw.
#[derive(Debug, Default)]
pub struct Evidence {
    /// How each test binary ended.
    pub outcomes: Vec<BinaryOutcome>,
    /// What leakcheck wrote.
    pub records: Vec<Record>,
    /// What of that cannot be read.
    pub broken: Vec<RecordError>,
    /// The leaks that are known.
    pub baseline: Baseline,
    /// Whether every test of the workspace was to run, so that a known leak which does not show is gone.
    pub complete: bool,
}

/// What an audit says in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// No task outlived its test.
    Clean,
    /// A task, a thread or a file descriptor outlived its test, whatever else went wrong.
    Leaked,
    /// No task did, but one panicked and nobody awaited it, whatever else went wrong.
    Panicked,
    /// No leak was seen, but one may have been missed: a test failed, or a record is missing or broken.
    CannotJudge,
    /// No new leak, and a known one is gone: the baseline must not tolerate it any longer.
    BaselineOutdated,
}

impl Conclusion {
    /// The exit code that stands for it: 0; 1 for a leak, a panic and an outdated baseline; 2.
    #[must_use]
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Clean => 0,
            Self::Leaked | Self::Panicked | Self::BaselineOutdated => 1,
            Self::CannotJudge => 2,
        }
    }
}

/// What an audit found.
#[derive(Debug)]
pub struct Verdict {
    /// Every guarded test, in the order of package, binary and name.
    pub tests: Vec<Record>,
    /// The spawn sites of all tests together.
    pub sites: Vec<SiteTotals>,
    /// The leaks that count.
    pub leaks: Vec<TestLeak>,
    /// The leaks that the baseline tolerates.
    pub known: Vec<KnownLeak>,
    /// The entries of the baseline that match no leak any more. Empty unless every test ran, and passed or leaked.
    pub fixed: Vec<Known>,
    /// Why a leak may have been missed.
    pub problems: Vec<Problem>,
}

/// The tasks that one line spawned in all tests.
#[derive(Debug, Clone, PartialEq)]
pub struct SiteTotals {
    /// The line.
    pub spawned_at: Place,
    /// The groups of its tasks.
    pub groups: BTreeSet<String>,
    /// The names of its tasks.
    pub names: BTreeSet<String>,
    /// How many tests had such tasks.
    pub tests: usize,
    /// How many tasks there were, and how they ended.
    pub ends: Ends,
    /// How long those of all tests took to end that were told to stop.
    pub stopping: Option<Stopping>,
}

impl SiteTotals {
    /// Whether its tasks were ended by force or not at all, and none of them by being told to: no test has shut them
    /// down. Tasks that always return by themselves need no shutdown.
    #[must_use]
    pub fn was_never_shut_down(&self) -> bool {
        self.ends.cancelled == 0 && (self.ends.aborted > 0 || self.ends.dropped > 0 || self.ends.leaked > 0)
    }

    /// Whether all of its tasks returned by themselves.
    #[must_use]
    pub fn always_returned(&self) -> bool {
        self.ends.seen == self.ends.returned
    }
}

/// A task that outlived its test.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TestLeak {
    /// The test, as its record names it.
    pub test: String,
    /// The package that it was run for.
    pub package: Option<String>,
    /// The test binary's file name without its hash.
    pub binary: String,
    /// How many rounds the check settled before it looked.
    pub rounds: u64,
    /// How long it settled, in milliseconds of the test's clock.
    pub settled_ms: f64,
    /// The task.
    pub leak: Leak,
}

/// A leak that the baseline tolerates.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KnownLeak {
    /// Why.
    pub reason: String,
    /// The leak.
    #[serde(flatten)]
    pub leak: TestLeak,
}

/// Why a leak may have been missed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// Tests failed, and not because they leaked.
    #[error("{} failed in {binary}, and not because of a leak: {}", count(tests.len(), "test"), tests.join(", "))]
    TestsFailed {
        /// Their test binary.
        binary: String,
        /// Their names.
        tests: Vec<String>,
    },
    /// A test binary failed without saying which tests did.
    #[error("the tests of {binary} ended early: {how}")]
    BinaryDied {
        /// Which.
        binary: String,
        /// How.
        how: String,
    },
    /// Some of what leakcheck wrote cannot be read.
    #[error(transparent)]
    BrokenRecord(RecordError),
    /// Tests did not end in time.
    #[error("{} of {binary} did not end in time: {}", count(tests.len(), "test"), tests.join(", "))]
    Hung {
        /// The binary, as the records name it.
        binary: String,
        /// The tests, as the records name them.
        tests: Vec<String>,
    },
    /// Tests left threads or file descriptors behind.
    #[error("{test} of {binary} left behind: {}", resources.join(", "))]
    Resources {
        /// The binary, as the records name it.
        binary: String,
        /// The test, as the records name it.
        test: String,
        /// What, in words.
        resources: Vec<String>,
    },
    /// leakcheck knew of no task at all.
    #[error("{} of {binary} ran and looked at nothing, as leakcheck was built without its feature `track`: {}", count(tests.len(), "check"), tests.join(", "))]
    Unchecked {
        /// The binary, as the records name it.
        binary: String,
        /// The tests, as the records name them.
        tests: Vec<String>,
    },
    /// leakcheck wrote nothing.
    #[error(
        "no guarded test ran: leakcheck wrote no record. Is a test marked #[leakcheck], and does the filter match it?"
    )]
    NoRecords,
}

/// Judges what an audit saw.
///
/// ```
/// use leakcheck_audit::judge::{Conclusion, Evidence, judge};
///
/// // Nothing seen is nothing proved.
/// assert_eq!(judge(Evidence::default()).conclusion(), Conclusion::CannotJudge);
/// ```
#[must_use]
pub fn judge(evidence: Evidence) -> Verdict {
    let Evidence {
        outcomes,
        mut records,
        broken,
        baseline,
        complete,
    } = evidence;
    records.sort_by(|a, b| (&a.package, &a.binary, &a.test).cmp(&(&b.package, &b.binary, &b.test)));

    let mut problems: Vec<_> = outcomes
        .iter()
        .filter_map(|outcome| problem(outcome, &records))
        .collect();
    problems.extend(broken.into_iter().map(Problem::BrokenRecord));
    problems.extend(unchecked(&records));
    problems.extend(hung(&records));
    problems.extend(resources(&records));
    if records.is_empty() {
        problems.push(Problem::NoRecords);
    }

    let leaks = records
        .iter()
        .flat_map(|record| record.leaks.iter().map(|leak| TestLeak::of(record, leak)))
        .collect();
    let (leaks, known, unmatched) = against(&baseline, leaks);
    let fixed = if complete && problems.is_empty() {
        unmatched
    } else {
        Vec::new()
    };
    Verdict {
        sites: sites(&records),
        tests: records,
        leaks,
        known,
        fixed,
        problems,
    }
}

/// The checks that looked at nothing, by their binary.
fn unchecked(records: &[Record]) -> impl Iterator<Item = Problem> {
    with_verdict(records, CheckVerdict::Unchecked).map(|(binary, tests)| Problem::Unchecked { binary, tests })
}

/// The tests that did not end, by their binary.
fn hung(records: &[Record]) -> impl Iterator<Item = Problem> {
    with_verdict(records, CheckVerdict::Hung).map(|(binary, tests)| Problem::Hung { binary, tests })
}

/// The tests with that verdict, by their binary. The records are in its order.
fn with_verdict(records: &[Record], verdict: CheckVerdict) -> impl Iterator<Item = (String, Vec<String>)> {
    records
        .chunk_by(|a, b| (&a.package, &a.binary) == (&b.package, &b.binary))
        .filter_map(move |of_one_binary| {
            let tests: Vec<_> = of_one_binary
                .iter()
                .filter(|record| record.verdict == verdict)
                .map(|record| record.test.clone())
                .collect();
            (!tests.is_empty()).then(|| (of_one_binary[0].binary.clone(), tests))
        })
}

/// What the tests left behind that is no task.
fn resources(records: &[Record]) -> impl Iterator<Item = Problem> {
    records
        .iter()
        .filter(|record| !record.resources.is_empty())
        .map(|record| Problem::Resources {
            binary: record.binary.clone(),
            test: record.test.clone(),
            resources: record
                .resources
                .iter()
                .map(|resource| resource.description.clone())
                .collect(),
        })
}

/// The leaks that a baseline does not know, those that it knows, and the entries that match none.
fn against(baseline: &Baseline, leaks: Vec<TestLeak>) -> (Vec<TestLeak>, Vec<KnownLeak>, Vec<Known>) {
    let mut unmatched = baseline.known.clone();
    let (mut new, mut known) = (Vec::new(), Vec::new());
    for leak in leaks {
        unmatched.retain(|entry| !entry.matches(&leak.leak));
        match baseline.known.iter().find(|entry| entry.matches(&leak.leak)) {
            Some(entry) => known.push(KnownLeak {
                reason: entry.reason.clone(),
                leak,
            }),
            None => new.push(leak),
        }
    }
    (new, known, unmatched)
}

/// What is wrong with a test binary that no leak explains.
fn problem(outcome: &BinaryOutcome, records: &[Record]) -> Option<Problem> {
    let binary = outcome.binary.to_string();
    match &outcome.result {
        BinaryResult::Passed => None,
        BinaryResult::Died(how) => Some(Problem::BinaryDied {
            binary,
            how: how.clone(),
        }),
        BinaryResult::Failed(tests) => {
            let explained = |test: &String| {
                records.iter().any(|record| {
                    (matches!(record.verdict, CheckVerdict::Leaked | CheckVerdict::Panicked)
                        && record.body == Body::Passed
                        || record.verdict == CheckVerdict::Hung)
                        && is_of(outcome, record)
                        && is_test(record, test)
                })
            };
            let tests: Vec<_> = tests.iter().filter(|test| !explained(test)).cloned().collect();
            (!tests.is_empty()).then_some(Problem::TestsFailed { binary, tests })
        }
    }
}

/// Whether a record was written by this binary, as far as a record tells: a package's library and binary may share a name.
fn is_of(outcome: &BinaryOutcome, record: &Record) -> bool {
    record.binary == outcome.binary.name
        && record
            .package
            .as_ref()
            .is_none_or(|package| *package == outcome.binary.package)
}

/// Records name a test with its crate in front, libtest without.
fn is_test(record: &Record, name: &str) -> bool {
    record.test == name || record.test.split_once("::").is_some_and(|(_crate, path)| path == name)
}

fn sites(records: &[Record]) -> Vec<SiteTotals> {
    let mut sites = BTreeMap::<&Place, SiteTotals>::new();
    for record in records {
        let mut of_this_test = BTreeSet::new();
        for site in &record.sites {
            let totals = sites.entry(&site.spawned_at).or_insert_with(|| SiteTotals {
                spawned_at: site.spawned_at.clone(),
                groups: BTreeSet::new(),
                names: BTreeSet::new(),
                tests: 0,
                ends: Ends::default(),
                stopping: None,
            });
            totals.groups.insert(site.group.clone());
            totals.names.insert(site.name.clone());
            totals.tests += usize::from(of_this_test.insert(&site.spawned_at));
            totals.ends += site.ends;
            if let Some(stopping) = &site.stopping {
                *totals.stopping.get_or_insert_default() += stopping;
            }
        }
    }
    sites.into_values().collect()
}

impl TestLeak {
    fn of(record: &Record, leak: &Leak) -> Self {
        Self {
            test: record.test.clone(),
            package: record.package.clone(),
            binary: record.binary.clone(),
            rounds: record.rounds,
            settled_ms: record.settled_ms,
            leak: leak.clone(),
        }
    }
}

impl Verdict {
    /// The verdict in one word. A leak is a leak, whatever else went wrong.
    #[must_use]
    pub fn conclusion(&self) -> Conclusion {
        let left_behind = |problem: &Problem| matches!(problem, Problem::Resources { .. });
        if !self.leaks.is_empty()
            || self.problems.iter().any(left_behind)
            || self.tests.iter().any(Record::denies_untracked)
        {
            Conclusion::Leaked
        } else if self.tests.iter().any(|record| record.denied_panics().next().is_some()) {
            Conclusion::Panicked
        } else if !self.problems.is_empty() {
            Conclusion::CannotJudge
        } else if !self.fixed.is_empty() {
            Conclusion::BaselineOutdated
        } else {
            Conclusion::Clean
        }
    }

    /// The number of test binaries with a guarded test.
    #[must_use]
    pub fn binaries(&self) -> usize {
        self.tests
            .iter()
            .map(|record| (&record.package, &record.binary))
            .collect::<BTreeSet<_>>()
            .len()
    }

    /// All tasks of all tests.
    #[must_use]
    pub fn totals(&self) -> Ends {
        let mut totals = Ends::default();
        self.sites.iter().for_each(|site| totals += site.ends);
        totals
    }
}

/// `1 test`, `2 tests`, `12,345 tests`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{} {noun}{}", grouped(number), if number == 1 { "" } else { "s" })
}

/// `12345` as `12,345`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
