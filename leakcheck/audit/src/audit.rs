//! The audit from its arguments to its verdict.

use std::io::Write;
use std::path::PathBuf;

use crate::accept;
use crate::baseline::Baseline;
use crate::build::{self, TestBinary};
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::join;
use crate::judge::{self, Evidence, Verdict};
use crate::nextest::NextestRun;
use crate::observe::preload::CAUTION;
use crate::observe::{ObserveError, Observer};
use crate::owners::Owners;
use crate::plant::{Plant, PlantError};
use crate::records::{self, Records};
use crate::report::{Report, SCHEMA, Shard};
use crate::run::{Run, tell};
use crate::runner;
use crate::transcript::BinaryOutcome;

/// What starts the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runner {
    /// `cargo test`: a process a test binary.
    #[default]
    Libtest,
    /// `cargo nextest run`: a process a test, and some more than once.
    Nextest,
}

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
    targets: Vec<String>,
    more: Vec<String>,
    plant: Plant,
    baseline: Baseline,
    observe: bool,
    shard: Option<Shard>,
    chooser: Option<PathBuf>,
    runner: Runner,
}

impl Runner {
    fn command(self) -> &'static str {
        match self {
            Self::Libtest => "cargo test",
            Self::Nextest => "cargo nextest run",
        }
    }
}

impl Audit {
    /// An audit of every test in the workspace that this manifest belongs to.
    #[must_use]
    pub fn of(manifest_path: impl Into<PathBuf>) -> Self {
        Self {
            cargo: Cargo::of(manifest_path.into()),
            packages: Vec::new(),
            arguments: Vec::new(),
            targets: Vec::new(),
            more: Vec::new(),
            plant: Plant::default(),
            baseline: Baseline::default(),
            observe: true,
            shard: None,
            chooser: None,
            runner: Runner::Libtest,
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

    /// Which tests, in cargo's words (`--lib`, `--test NAME`, `--doc`), instead of all but doc tests.
    #[must_use]
    pub fn targets(mut self, targets: impl IntoIterator<Item = String>) -> Self {
        self.targets.extend(targets);
        self
    }

    /// Further arguments of cargo's: features, the profile, packages to leave out.
    #[must_use]
    pub fn cargo_arguments(mut self, arguments: impl IntoIterator<Item = String>) -> Self {
        self.more.extend(arguments);
        self
    }

    /// Preloads nothing: [`Audit::report`] then judges by what leakcheck reports alone.
    #[must_use]
    pub fn without_observation(mut self) -> Self {
        self.observe = false;
        self
    }

    /// Runs a part of the tests: always the same ones. Needs [`Audit::chooser`].
    #[must_use]
    pub fn shard(mut self, shard: Shard) -> Self {
        self.shard = Some(shard);
        self
    }

    /// The program `cargo-leak-audit`, which cargo starts the tests of a shard and doc tests through. Without it, this program.
    #[must_use]
    pub fn chooser(mut self, program: impl Into<PathBuf>) -> Self {
        self.chooser = Some(program.into());
        self
    }

    /// What starts the tests. nextest is for [`Audit::report`], and has no doc tests.
    #[must_use]
    pub fn runner(mut self, runner: Runner) -> Self {
        self.runner = runner;
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
        tell(live, "checking that a planted leak is found");
        self.plant.check(&self.cargo, &self.packages, &self.more, live)?;
        let selection = self.selection();
        let binaries = self.build(&selection, live)?;
        let (outcomes, records) = self.tests(&selection, &binaries, &[], &[], live)?;
        Ok(judge::judge(Evidence {
            outcomes,
            records: records.records,
            broken: records.errors,
            baseline: self.baseline.clone(),
            complete: self.is_complete(),
        }))
    }

    /// Like [`Audit::run`], with a library preloaded that sees every task, and both sources joined in one report. Where the
    /// system has no such library, a note in the report says so, and leakcheck's own reports are all there is.
    ///
    /// # Errors
    ///
    /// When it cannot come to a verdict: see [`AuditError`].
    pub fn report(&self, live: &mut dyn Write) -> Result<Report, AuditError> {
        if !self.cargo.manifest_path.is_file() {
            return Err(AuditError::NoManifest(self.cargo.manifest_path.clone()));
        }
        let begun = std::time::Instant::now();
        let mut report = self.blank();
        let observer = self.observer(&mut report)?;
        let selection = self.selection();
        let binaries = self.build(&selection, live)?;
        // That most workspaces have no such test is nothing to be told.
        let mut said = Vec::new();
        let planted = self.plant.check(&self.cargo, &self.packages, &self.more, &mut said);
        match planted {
            // The canary stands for it.
            Err(AuditError::Plant(PlantError::Missing { .. }) | AuditError::DoesNotBuild { .. })
                if observer.is_some() => {}
            checked => {
                live.write_all(&said).map_err(AuditError::CargoOutput)?;
                checked?;
            }
        }
        // What was built does not ask for a network any more.
        let owners = Owners::of(&self.cargo);
        let kept = tempfile::Builder::new().prefix("leak-audit-kept-").tempdir();
        let kept = kept.map_err(AuditError::ReportDirectory)?;
        let mut environment = observer
            .as_ref()
            .map(|observer| observer.environment().to_vec())
            .unwrap_or_default();
        match binaries.len() {
            0 => tell(live, "running the doc tests"),
            1 => tell(live, "running the tests: one program"),
            count => tell(live, &format!("running the tests: {count} programs")),
        }
        let (outcomes, records) = match self.runner {
            Runner::Nextest => self.nextest(&selection, &binaries, &environment, &owners, live)?,
            Runner::Libtest => {
                let mut started_by = Vec::new();
                if self.shard.is_some() || selection.is_doc() && observer.is_some() {
                    started_by = runner::configuration(&self.choosing_program()?, &crate::cargo::host()?).to_vec();
                    environment.push((runner::KEEP, kept.path().as_os_str().to_owned()));
                }
                if let Some(shard) = self.shard {
                    environment.push((runner::SHARD, format!("{}/{}", shard.index, shard.count).into()));
                }
                self.tests(&selection, &binaries, &environment, &started_by, live)?
            }
        };
        join::outcomes(&mut report, &outcomes);
        // A shard may have none. A binary that ended without a summary has told why it is not judged.
        if report.totals.tests == 0 && self.shard.is_none() && outcomes.iter().all(BinaryOutcome::passed) {
            report.unjudged.push(AuditError::NoTestRan.to_string());
        }
        if let Some(observer) = &observer {
            tell(live, "reading what they left behind");
            let workspace = owners.root.clone().unwrap_or_default();
            join::observed(&mut report, observer.judge(&workspace, &owners, None)?);
        }
        let verdict = judge::judge(Evidence {
            outcomes,
            records: records.records,
            broken: records.errors,
            baseline: Baseline::default(),
            complete: false,
        });
        join::tracked(&mut report, verdict, observer.is_some());
        accept::apply_where_given(&mut report, &self.baseline);
        join::sort(&mut report);
        report.totals.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    fn nextest(
        &self,
        selection: &Selection,
        binaries: &[TestBinary],
        environment: &[(&'static str, std::ffi::OsString)],
        owners: &Owners,
        live: &mut dyn Write,
    ) -> Result<(Vec<BinaryOutcome>, Records), AuditError> {
        let reports = tempfile::tempdir().map_err(AuditError::ReportDirectory)?;
        let beside = self.cargo.manifest_path.parent().map(std::path::Path::to_owned);
        let outcomes = NextestRun {
            cargo: &self.cargo,
            selection,
            binaries,
            arguments: &self.arguments,
            environment,
            removed: &[&self.plant.variable],
            shard: self.shard,
            root: &owners.root.clone().or(beside).unwrap_or_default(),
            report_dir: reports.path(),
        }
        .run(live)?;
        Ok((outcomes, records::read(reports.path())))
    }

    fn blank(&self) -> Report {
        Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: [self.runner.command()]
                .into_iter()
                .chain(self.packages.iter().flat_map(|package| ["-p", package]))
                .chain(self.targets.iter().chain(&self.more).map(String::as_str))
                .chain((!self.arguments.is_empty() && self.runner == Runner::Libtest).then_some("--"))
                .chain(self.arguments.iter().map(String::as_str))
                .collect::<Vec<_>>()
                .join(" "),
            shards: self.shard.into_iter().collect(),
            complete: self.is_complete(),
            ..Report::default()
        }
    }

    /// The library, or why there is none.
    fn observer(&self, report: &mut Report) -> Result<Option<Observer>, AuditError> {
        if !self.observe {
            report
                .notes
                .push("nothing was observed, as was asked: this is what leakcheck reports alone".to_owned());
            return Ok(None);
        }
        let observer = or_told(Observer::ready(), report)?;
        if observer.is_some() {
            report.notes.extend(CAUTION.map(str::to_owned));
        }
        Ok(observer)
    }

    fn choosing_program(&self) -> Result<PathBuf, AuditError> {
        match &self.chooser {
            Some(program) => Ok(program.clone()),
            None => std::env::current_exe().map_err(AuditError::NoChooser),
        }
    }

    fn selection(&self) -> Selection {
        Selection {
            packages: self.packages.clone(),
            test_target: None,
            targets: self.targets.clone(),
            more: self.more.clone(),
        }
    }

    fn is_complete(&self) -> bool {
        self.packages.is_empty()
            && self.arguments.is_empty()
            && self.targets.is_empty()
            && !self.more.iter().any(|argument| argument == "--exclude")
    }

    fn build(&self, selection: &Selection, live: &mut dyn Write) -> Result<Vec<TestBinary>, AuditError> {
        if selection.is_doc() {
            return Ok(Vec::new());
        }
        tell(live, "building the tests");
        let binaries = build::build(&self.cargo, selection, live)?;
        if binaries.is_empty() {
            return Err(AuditError::NoTests);
        }
        Ok(binaries)
    }

    fn tests(
        &self,
        selection: &Selection,
        binaries: &[TestBinary],
        observed: &[(&'static str, std::ffi::OsString)],
        runner: &[std::ffi::OsString],
        live: &mut dyn Write,
    ) -> Result<(Vec<BinaryOutcome>, Records), AuditError> {
        let reports = tempfile::tempdir().map_err(AuditError::ReportDirectory)?;
        let outcomes = Run {
            cargo: &self.cargo,
            selection,
            binaries,
            arguments: &self.arguments,
            // The planted test runs with the others, as one that leaks nothing.
            environment: &[(&self.plant.variable, None)],
            observed,
            runner,
            report_dir: reports.path(),
        }
        .run(live)?;
        if outcomes.is_empty() {
            return Err(AuditError::NoTests);
        }
        Ok((outcomes, records::read(reports.path())))
    }
}

/// What observes, or a note that nothing does on this system, where leakcheck's own reports are what is left to judge by.
fn or_told<T>(ready: Result<T, ObserveError>, report: &mut Report) -> Result<Option<T>, AuditError> {
    match ready {
        Ok(observer) => Ok(Some(observer)),
        Err(error @ ObserveError::Unsupported { .. }) => {
            report
                .notes
                .push(format!("{error}: this is what leakcheck reports alone"));
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_nothing_can_be_observed_leakchecks_reports_are_judged_and_that_is_said() {
        let mut report = Report::default();
        let system = "freebsd x86_64".to_owned();
        let ready = Err::<(), _>(ObserveError::Unsupported { system });
        assert_eq!(or_told(ready, &mut report).expect("no error"), None);
        assert_eq!(
            report.notes,
            [
                "tasks can be observed on Linux and macOS alone, on x86_64 and aarch64, and this is freebsd x86_64: this is what \
                 leakcheck reports alone"
            ]
        );
        let failed = Err::<(), _>(ObserveError::DoesNotBuild {
            what: "the library to preload",
            version: String::new(),
            output: String::new(),
        });
        assert!(or_told(failed, &mut report).is_err(), "it is not taken for clean");
    }
}
