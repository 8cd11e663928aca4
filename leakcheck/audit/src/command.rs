//! `leak-audit` from its arguments to its exit code, wherever it is called from.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::accept;
use crate::audit::Audit;
use crate::baseline::{Baseline, BaselineError};
use crate::cargo::{Cargo, Selection};
use crate::command_line::{ArgumentError, AuditRequest, Format, HELP, Judging, Request};
use crate::error::AuditError;
use crate::interrupt::Interrupts;
use crate::join;
use crate::judge::Conclusion;
use crate::merge::{self, MergeError};
use crate::observe::{self, Observation, ObserveError};
use crate::program::Running;
use crate::render;
use crate::report::{Report, SCHEMA};
use crate::runner;
use crate::scan::{self, Scan, ScanError};
use crate::surroundings;

/// The baseline's name, beside the workspace's manifest.
const BASELINE: &str = "leak-audit.toml";

/// What a caller knows better than the current directory.
#[derive(Debug, Clone, Default)]
pub struct Defaults {
    /// The manifest, where none is given.
    pub manifest_path: Option<PathBuf>,
}

/// Why there is no verdict. The exit code for each is 2.
#[derive(Debug, thiserror::Error)]
enum CommandError {
    #[error(transparent)]
    Arguments(#[from] ArgumentError),
    #[error(transparent)]
    Audit(#[from] AuditError),
    #[error(transparent)]
    Observe(#[from] ObserveError),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    #[error(transparent)]
    Merge(#[from] MergeError),
    #[error(transparent)]
    Scan(#[from] ScanError),
    #[error("{} is not TOML: {source}", path.display())]
    NoToml {
        path: PathBuf,
        source: toml_edit::TomlError,
    },
    #[error("cannot write {}: {source}", path.display())]
    Output { path: PathBuf, source: std::io::Error },
}

/// Runs `leak-audit` with the arguments that follow its name, and gives the exit code. Findings go to stdout or files, all else
/// to stderr.
///
/// Ctrl-C and SIGTERM end what was started, and then this with 2: temporary files are removed. A second one kills what goes on.
pub fn run_command_line(arguments: impl IntoIterator<Item = OsString>, defaults: &Defaults) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if arguments.first().is_some_and(|first| first == runner::SUBCOMMAND) {
        return runner::run(arguments.into_iter().skip(1));
    }
    match run(arguments, defaults) {
        Ok(code) => code,
        Err(error) => {
            say(&error);
            Conclusion::CannotJudge.exit_code()
        }
    }
}

/// Says something to whoever reads it. Nobody has to: the exit code says it, too.
pub(crate) fn say(text: &dyn std::fmt::Display) {
    let _ = writeln!(std::io::stderr(), "leak-audit: {text}");
}

fn run(arguments: Vec<OsString>, defaults: &Defaults) -> Result<u8, CommandError> {
    if arguments.first().is_some_and(|first| first == "scan") {
        return Ok(scan::run_command_line(arguments.into_iter().skip(1))?);
    }
    let interrupts = Interrupts::taken();
    let interrupted = || interrupts.as_ref().is_some_and(Interrupts::came);
    let (report, judging, beside) = match Request::from_arguments(arguments)? {
        Request::Help => {
            print(HELP)?;
            return Ok(0);
        }
        Request::Version => {
            print(concat!("leak-audit ", env!("CARGO_PKG_VERSION"), "\n"))?;
            return Ok(0);
        }
        Request::Audit(request) => {
            let manifest = manifest(&request, defaults)?;
            let report = audited(&request, &manifest).and_then(|report| scanned(report, &request, &manifest));
            let beside = manifest.parent().map(Path::to_owned).unwrap_or_default();
            match report {
                Ok(report) => (report, request.judging, beside),
                Err(error) if interrupted() => {
                    drop(error);
                    return Err(AuditError::Interrupted.into());
                }
                Err(error) => (refused(&error), request.judging, beside),
            }
        }
        Request::Exec { command, judging } => (observed(command)?, judging, PathBuf::new()),
        Request::Merge { reports, judging } => (merge::merge(&reports)?, judging, PathBuf::new()),
    };
    if interrupted() {
        return Err(AuditError::Interrupted.into());
    }
    concluded(report, &judging, &beside)
}

/// A report of an audit that came to no verdict, so that every form of output has one document.
fn refused(error: &CommandError) -> Report {
    Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        unjudged: vec![error.to_string()],
        ..Report::default()
    }
}

fn manifest(request: &AuditRequest, defaults: &Defaults) -> Result<PathBuf, AuditError> {
    let given = request.manifest_path.clone().or_else(|| defaults.manifest_path.clone());
    match given.or_else(observe::nearest_manifest) {
        Some(manifest) if manifest.is_dir() => Err(AuditError::ManifestIsDirectory(manifest)),
        Some(manifest) => Ok(manifest),
        None => Err(AuditError::NoProject),
    }
}

fn audited(request: &AuditRequest, manifest: &Path) -> Result<Report, CommandError> {
    let mut shown: Box<dyn Write> = if request.judging.quiet {
        Box::new(std::io::sink())
    } else {
        Box::new(std::io::stderr())
    };
    if let Some(name) = &request.bin {
        let mut cargo = Cargo::of(manifest.to_owned());
        cargo.target_dir.clone_from(&request.target_dir);
        let selection = Selection {
            packages: request.packages.clone(),
            more: request.cargo.clone(),
            ..Selection::default()
        };
        let running = Running {
            cargo: &cargo,
            selection: &selection,
            name,
            arguments: &request.arguments,
            run_for: request.run_for,
            until: request.until.as_deref(),
        };
        return Ok(running.report(&mut shown)?);
    }
    let mut audit = Audit::of(manifest)
        .runner(request.runner)
        .targets(request.targets.iter().cloned())
        .cargo_arguments(request.cargo.iter().cloned());
    for package in &request.packages {
        audit = audit.package(package);
    }
    for argument in &request.arguments {
        audit = audit.argument(argument);
    }
    if let Some(directory) = &request.target_dir {
        audit = audit.target_dir(directory);
    }
    if let Some(shard) = request.shard {
        audit = audit.shard(shard);
    }
    if request.no_observe {
        audit = audit.without_observation();
    }
    Ok(audit.report(&mut shown)?)
}

/// Adds what reading the source finds, where that was asked for. What could not be read is a note: the runs were judged.
fn scanned(mut report: Report, request: &AuditRequest, manifest: &Path) -> Result<Report, CommandError> {
    if !request.scan {
        return Ok(report);
    }
    let mut scan = Scan::workspace(manifest);
    for package in &request.packages {
        scan = scan.package(package);
    }
    let outcome = scan.run()?;
    report.suspects = outcome.suspects;
    report.notes.extend(
        outcome
            .unparsed
            .iter()
            .map(|unparsed| format!("{} was not scanned: {}", unparsed.path.display(), unparsed.why)),
    );
    scan::join(&mut report);
    Ok(report)
}

fn observed(mut command: Vec<OsString>) -> Result<Report, CommandError> {
    let name = command
        .join(OsString::from(" ").as_os_str())
        .to_string_lossy()
        .into_owned();
    let mut started = Command::new(command.remove(0));
    started.args(command);
    let begun = std::time::Instant::now();
    let verdict = Observation::of(started).run()?;
    let mut report = Report {
        schema: SCHEMA,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        command: name,
        ..Report::default()
    };
    match verdict.command {
        Some(0) => (),
        Some(code) => report.notes.push(format!("the command ended with {code}")),
        None => report.notes.push("the command was killed by a signal".to_owned()),
    }
    join::observed(&mut report, verdict);
    report.notes.extend(observe::preload::CAUTION.map(str::to_owned));
    join::sort(&mut report);
    report.totals.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    Ok(report)
}

/// Judges a report by the baseline, prints it, and gives the exit code.
fn concluded(mut report: Report, judging: &Judging, beside: &Path) -> Result<u8, CommandError> {
    report.deny_third_party |= judging.deny_third_party;
    let default = beside.join(BASELINE);
    let path = match &judging.baseline {
        Some(path) => Some(path.clone()),
        None => (default.is_file() || judging.update_baseline).then_some(default),
    };
    if let Some(path) = path {
        let is_new = judging.update_baseline && !path.exists();
        let text = if is_new { String::new() } else { read(&path)? };
        accept::apply(&mut report, &Baseline::parse(&text, &path)?);
        if judging.update_baseline && judged(&report) {
            let reason = judging.reason.as_deref().unwrap_or_default();
            let failed = |source| CommandError::NoToml {
                path: path.clone(),
                source,
            };
            let updated = accept::updated(&text, &report, reason).map_err(failed)?;
            accept::write(&path, &updated)?;
            if reason.trim().is_empty() && updated != text {
                say(&format_args!(
                    "give each new entry of {} a reason: without one it is refused",
                    path.display()
                ));
            }
        }
    }
    for (format, file) in &judging.outputs {
        let text = rendered(&report, *format, judging, file.is_none(), beside);
        match file {
            None => print(&text)?,
            Some(path) => std::fs::write(path, text).map_err(|source| CommandError::Output {
                path: path.clone(),
                source,
            })?,
        }
    }
    Ok(report.conclusion().exit_code())
}

/// What could not be judged is no ground to write down what is accepted.
fn judged(report: &Report) -> bool {
    let judged = report.unjudged.is_empty() && !report.programs.iter().any(crate::report::Program::is_unjudged);
    if !judged {
        say(&"the baseline stays as it is: not everything could be judged");
    }
    judged
}

fn read(path: &Path) -> Result<String, BaselineError> {
    std::fs::read_to_string(path).map_err(|source| BaselineError::Unreadable {
        path: path.to_owned(),
        source,
    })
}

fn rendered(report: &Report, format: Format, judging: &Judging, to_stdout: bool, beside: &Path) -> String {
    let terminal = to_stdout && std::io::stdout().is_terminal();
    let coloured = judging
        .colour
        .unwrap_or(terminal && std::env::var_os("NO_COLOR").is_none());
    // What is merged, or any command's, is taken for the workspace's that one is in.
    let manifest = || match beside.join("Cargo.toml") {
        manifest if manifest.is_file() => Some(manifest),
        _ => observe::nearest_manifest(),
    };
    let prefix = match format {
        Format::Github | Format::Sarif => manifest().map(|manifest| surroundings::prefix(&manifest)),
        _ => None,
    };
    let options = render::Options {
        colour: coloured && format == Format::Text,
        width: terminal.then(surroundings::columns).flatten(),
        prefix: prefix.unwrap_or_default(),
        by_test: judging.by_test,
        by_site: judging.by_site,
        ..render::Options::default()
    };
    match format {
        Format::Text => render::people::render(report, &options),
        Format::Json => render::document::render(report, &options),
        Format::Junit => render::junit::render(report, &options),
        Format::Sarif => render::sarif::render(report, &options),
        Format::Github => render::github::render(report, &options),
        Format::Markdown => render::markdown::render(report, &options),
        Format::Html => render::html::render(report, &options),
    }
}

/// A reader that has gone away has read enough. A report that is lost otherwise, as on a full disk, is an error.
fn print(text: &str) -> Result<(), CommandError> {
    let mut stdout = std::io::stdout();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(source) if source.kind() != std::io::ErrorKind::BrokenPipe => Err(CommandError::Output {
            path: "stdout".into(),
            source,
        }),
        _ => Ok(()),
    }
}
