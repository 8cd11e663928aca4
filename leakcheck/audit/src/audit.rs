//! The audit from its arguments to its verdict.

use std::io::Write;
use std::path::PathBuf;

use crate::baseline::Baseline;
use crate::build;
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::judge::{self, Evidence, Verdict};
use crate::plant::Plant;
use crate::records;
use crate::run::Run;

/// What to audit, and how.
///
/// ```no_run
/// let verdict = leakcheck_audit::Audit::of("Cargo.toml").run(&mut std::io::stderr())?;
/// assert_eq!(verdict.conclusion().exit_code(), 0);
/// # Ok::<(), leakcheck_audit::AuditError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Audit {
    cargo: Cargo,
    packages: Vec<String>,
    arguments: Vec<String>,
    plant: Plant,
    baseline: Baseline,
}

impl Audit {
    /// An audit of every test in the workspace that this manifest belongs to.
    #[must_use]
    pub fn of(manifest_path: impl Into<PathBuf>) -> Self {
        Self {
            cargo: Cargo::of(manifest_path.into()),
            packages: Vec::new(),
            arguments: Vec::new(),
            plant: Plant::default(),
            baseline: Baseline::default(),
        }
    }

    /// Audits this package, and others named so, instead of the whole workspace.
    #[must_use]
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.packages.push(name.into());
        self
    }

    /// One more test filter or argument for the test binaries: what follows `--` in `cargo test`.
    #[must_use]
    pub fn argument(mut self, argument: impl Into<String>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Builds in this directory instead of the workspace's own.
    #[must_use]
    pub fn target_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.cargo.target_dir = Some(directory.into());
        self
    }

    /// Checks the detector by this planted leak instead of leakcheck's own. There is no way to check it by none.
    #[must_use]
    pub fn plant(mut self, plant: Plant) -> Self {
        self.plant = plant;
        self
    }

    /// Tolerates these leaks. In an audit of the whole workspace without arguments each entry must still match a leak.
    #[must_use]
    pub fn baseline(mut self, baseline: Baseline) -> Self {
        self.baseline = baseline;
        self
    }

    /// Checks the detector, builds and runs the tests, and judges what they left behind.
    ///
    /// Waits for the tests, however long they take. What cargo and the tests print goes to `live` as it comes.
    ///
    /// # Errors
    ///
    /// When it cannot come to a verdict: see [`AuditError`]. A test that failed is not an error: the verdict says so.
    pub fn run(&self, live: &mut dyn Write) -> Result<Verdict, AuditError> {
        self.plant.check(&self.cargo, &self.packages, live)?;

        let selection = Selection {
            packages: self.packages.clone(),
            test_target: None,
        };
        let binaries = build::build(&self.cargo, &selection, live)?;
        if binaries.is_empty() {
            return Err(AuditError::NoTests);
        }
        let reports = tempfile::tempdir().map_err(AuditError::ReportDirectory)?;
        let outcomes = Run {
            cargo: &self.cargo,
            selection: &selection,
            binaries: &binaries,
            arguments: &self.arguments,
            // The planted test runs with the others, as one that leaks nothing.
            environment: &[(&self.plant.variable, None)],
            report_dir: reports.path(),
        }
        .run(live)?;
        let records = records::read(reports.path());
        Ok(judge::judge(Evidence {
            outcomes,
            records: records.records,
            broken: records.errors,
            baseline: self.baseline.clone(),
            complete: self.packages.is_empty() && self.arguments.is_empty(),
        }))
    }
}
