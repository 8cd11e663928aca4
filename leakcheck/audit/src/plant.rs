//! The self-check: a leak planted on purpose, which must be caught before anything else is judged.

use std::io::Write;

use crate::build;
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::records::{self, CheckVerdict, Record, RecordError, Records};
use crate::run::Run;
use crate::transcript::{BinaryOutcome, BinaryResult};

/// A test that leaves a task behind when it is asked to, and none when it is not.
///
/// ```
/// let plant = leakcheck_audit::Plant::default();
/// assert_eq!(plant.spawn_file, "leakcheck/tests/planted.rs");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plant {
    /// The package that has the test.
    pub package: String,
    /// The integration test target in it.
    pub target: String,
    /// The test's name in that target.
    pub test: String,
    /// The file that spawns the task, from the workspace's root.
    pub spawn_file: String,
    /// The environment variable that asks for the leak when it is `1`.
    pub variable: String,
}

impl Default for Plant {
    /// leakcheck's own.
    fn default() -> Self {
        Self {
            package: "leakcheck".to_owned(),
            target: "planted".to_owned(),
            test: "a_planted_leak_is_caught_when_asked_for".to_owned(),
            spawn_file: "leakcheck/tests/planted.rs".to_owned(),
            variable: "LEAKCHECK_PLANT".to_owned(),
        }
    }
}

/// How the detector failed its own test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlantError {
    /// There is nothing planted to catch.
    #[error("there is no planted leak to catch: cargo built no test target {target:?} of the package {package:?}")]
    Missing {
        /// The package that should have it.
        package: String,
        /// The target that should be there.
        target: String,
    },
    /// The leak was there, and the test passed.
    #[error("the planted leak was not caught: the test {test} passes although a task outlives it")]
    NotCaught {
        /// The planted test.
        test: String,
    },
    /// The leak was there, and the record says something else.
    #[error(
        "the planted leak was not reported: {test} should leave one record of one leaked task that {spawn_file} spawned, but {found}"
    )]
    NotReported {
        /// The planted test.
        test: String,
        /// The file that spawns the task.
        spawn_file: String,
        /// What there was instead.
        found: String,
    },
    /// There was no leak, and the test failed.
    #[error("a leak is seen where none is: the test {test} fails although nothing was planted")]
    FalseAlarm {
        /// The planted test.
        test: String,
    },
    /// There was no leak, and the record does not say so.
    #[error(
        "the planted test without its leak was not reported: {test} should leave one clean record of at least one task, but {found}"
    )]
    CleanNotReported {
        /// The planted test.
        test: String,
        /// What there was instead.
        found: String,
    },
    /// The planted test's records cannot be read.
    #[error("the planted test left a record that cannot be read: {0}")]
    Record(#[from] RecordError),
}

impl Plant {
    /// Runs the planted test with its leak and without.
    ///
    /// `packages` is the audit's own selection: where it is the whole workspace, the plant is built as a part of that, so
    /// that cargo finds the same features and builds nothing twice.
    pub(crate) fn check(
        &self,
        cargo: &Cargo,
        packages: &[String],
        more: &[String],
        live: &mut dyn Write,
    ) -> Result<(), AuditError> {
        let packages = if packages.is_empty() {
            Vec::new()
        } else {
            vec![self.package.clone()]
        };
        let selection = Selection {
            packages,
            test_target: Some(self.target.clone()),
            more: more.to_vec(),
            ..Selection::default()
        };
        let binaries = build::build(cargo, &selection, live)?;
        if !binaries
            .iter()
            .any(|binary| binary.package == self.package && binary.target == self.target)
        {
            return Err(PlantError::Missing {
                package: self.package.clone(),
                target: self.target.clone(),
            }
            .into());
        }
        let mut run = |value| {
            let reports = tempfile::tempdir().map_err(AuditError::ReportDirectory)?;
            let outcomes = Run {
                cargo,
                selection: &selection,
                binaries: &binaries,
                arguments: &[self.test.clone(), "--exact".to_owned()],
                environment: &[(&self.variable, value)],
                observed: &[],
                runner: &[],
                report_dir: reports.path(),
            }
            .run(live)?;
            Ok::<_, AuditError>((self.result(outcomes), records::read(reports.path())))
        };

        let (result, records) = run(Some("1"))?;
        self.judge_planted(&result, records)?;
        let (result, records) = run(None)?;
        self.judge_unplanted(&result, records)?;
        Ok(())
    }

    /// How the planted test's binary ended. Another package may have a target of the same name.
    fn result(&self, outcomes: Vec<BinaryOutcome>) -> BinaryResult {
        let own =
            |outcome: &BinaryOutcome| outcome.binary.package == self.package && outcome.binary.target == self.target;
        outcomes.into_iter().find(own).map_or_else(
            || BinaryResult::Died("it did not run".to_owned()),
            |outcome| outcome.result,
        )
    }

    fn judge_planted(&self, result: &BinaryResult, records: Records) -> Result<(), PlantError> {
        let found = match result {
            BinaryResult::Passed => {
                return Err(PlantError::NotCaught {
                    test: self.test.clone(),
                });
            }
            BinaryResult::Died(how) => Some(format!("its binary died: {how}")),
            BinaryResult::Failed(_) => None,
        };
        let records = readable(records)?;
        let found = found.or_else(|| match records.as_slice() {
            [record] => self.misreported(record),
            records => Some(format!("there are {} records", records.len())),
        });
        found.map_or(Ok(()), |found| {
            Err(PlantError::NotReported {
                test: self.test.clone(),
                spawn_file: self.spawn_file.clone(),
                found,
            })
        })
    }

    fn judge_unplanted(&self, result: &BinaryResult, records: Records) -> Result<(), PlantError> {
        if *result != BinaryResult::Passed {
            return Err(PlantError::FalseAlarm {
                test: self.test.clone(),
            });
        }
        let found = match readable(records)?.as_slice() {
            [record] if record.verdict == CheckVerdict::Leaked => "its record says that it leaked".to_owned(),
            [record] if record.verdict == CheckVerdict::Unchecked => "its record says that nobody looked".to_owned(),
            [record] if record.sites.iter().all(|site| site.ends.seen == 0) => "its record saw no task".to_owned(),
            [record] if !self.is_test(record) => format!("its record is of {}", record.test),
            [_] => return Ok(()),
            records => format!("there are {} records", records.len()),
        };
        Err(PlantError::CleanNotReported {
            test: self.test.clone(),
            found,
        })
    }

    /// What is wrong with the planted leak's record.
    fn misreported(&self, record: &Record) -> Option<String> {
        match record.leaks.as_slice() {
            _ if !self.is_test(record) => Some(format!("its record is of {}", record.test)),
            [] => Some("its record is clean".to_owned()),
            [leak] if leak.spawned_at.file != self.spawn_file => {
                Some(format!("its record names {}", leak.spawned_at.file))
            }
            [_] => None,
            leaks => Some(format!("its record has {} leaked tasks", leaks.len())),
        }
    }

    fn is_test(&self, record: &Record) -> bool {
        record.test == format!("{}::{}", self.target, self.test)
    }
}

fn readable(records: Records) -> Result<Vec<Record>, PlantError> {
    match records.errors.into_iter().next() {
        Some(error) => Err(error.into()),
        None => Ok(records.records),
    }
}
