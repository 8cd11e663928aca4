//! Running a command observed.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ObserveError;
use super::judge::{Evidence, ObservedVerdict, judge};
use super::program::Program as ProgramFile;
use super::records::Process;
use super::{canary, preload};

/// A command to run observed.
#[derive(Debug)]
pub struct Observation {
    command: Command,
    workspace: Option<PathBuf>,
    deny_third_party: bool,
}

impl Observation {
    /// Observes this command and all that it starts. Its input and output are its own.
    #[must_use]
    pub fn of(command: Command) -> Self {
        Self {
            command,
            workspace: None,
            deny_third_party: false,
        }
    }

    /// The root of the user's own code, from which files are named. The default is the cargo workspace of the current
    /// directory, or the current directory.
    #[must_use]
    pub fn workspace(mut self, root: impl Into<PathBuf>) -> Self {
        self.workspace = Some(root.into());
        self
    }

    /// Lets what a dependency spawned and left behind count as a leak.
    #[must_use]
    pub fn deny_third_party(mut self) -> Self {
        self.deny_third_party = true;
        self
    }

    /// Sees the canary, runs the command to its end, however long that takes, and judges what it left behind.
    ///
    /// # Errors
    ///
    /// When it comes to no verdict: see [`ObserveError`]. A command that fails is no error: the verdict says how it ended.
    pub fn run(self) -> Result<ObservedVerdict, ObserveError> {
        let library = preload::library()?;
        canary::check(&library)?;
        let workspace = self.workspace.unwrap_or_else(current_workspace);
        let deny_third_party = self.deny_third_party;
        let mut verdict = observe(self.command, &library, &workspace)?;
        verdict.deny_third_party = deny_third_party;
        Ok(verdict)
    }
}

/// Runs a command with the library, and judges its records.
pub(super) fn observe(mut command: Command, library: &Path, workspace: &Path) -> Result<ObservedVerdict, ObserveError> {
    let records = tempfile::Builder::new()
        .prefix("leak-audit-")
        .tempdir()
        .map_err(|source| ObserveError::Files {
            path: std::env::temp_dir(),
            source,
        })?;
    let mut preloaded = library.as_os_str().to_owned();
    if let Some(others) = std::env::var_os("LD_PRELOAD").filter(|others| !others.is_empty()) {
        preloaded.push(":");
        preloaded.push(others);
    }
    command
        .env("LD_PRELOAD", preloaded)
        .env("LEAK_AUDIT_OBSERVE", records.path());
    let program = command.get_program().to_owned();
    let status = command.status().map_err(|source| ObserveError::Start {
        program: program.to_string_lossy().into_owned(),
        source,
    })?;

    let failed = |source| ObserveError::Files {
        path: records.path().to_owned(),
        source,
    };
    let mut processes = Vec::new();
    let mut broken = Vec::new();
    for entry in std::fs::read_dir(records.path()).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with("static."))
        {
            broken.extend(unobserved(&path));
            continue;
        }
        match Process::read(&path) {
            Ok(process) => processes.push(process),
            Err(error) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                broken.push(format!("the records of process {name} cannot be read: {error}"));
            }
        }
    }
    processes.sort_by_key(|process| process.pid);
    let command = executable(Path::new(&program));
    let mut verdict = judge(Evidence {
        processes: &processes,
        workspace,
        command: command.as_deref(),
    });
    verdict.unjudged.extend(broken);
    verdict.command = status.code();
    Ok(verdict)
}

/// Why a program that was started, and that nothing can be preloaded into, may have had tasks. `note` has its path.
fn unobserved(note: &Path) -> Option<String> {
    let path = PathBuf::from(String::from_utf8_lossy(&std::fs::read(note).ok()?).into_owned());
    let name = path.display();
    match ProgramFile::inspect(&path) {
        Some(program) if !program.has_tokio() => None,
        Some(_) => Some(format!("{name} is linked statically: its tasks could not be observed")),
        None => Some(format!(
            "{name} is linked statically and can no longer be looked at: whether it had tasks could not be observed"
        )),
    }
}

/// The file that a command's name stands for.
fn executable(program: &Path) -> Option<PathBuf> {
    let found = if program.components().count() > 1 {
        Some(program.to_owned())
    } else {
        let directories = std::env::var_os("PATH")?;
        std::env::split_paths(&directories)
            .map(|directory| directory.join(program))
            .find(|path| path.is_file())
    };
    found?.canonicalize().ok()
}

/// The cargo workspace of the current directory, or that directory.
fn current_workspace() -> PathBuf {
    let located = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
        .args(["locate-project", "--workspace", "--message-format", "plain"])
        .output();
    let manifest = located.ok().filter(|output| output.status.success());
    let manifest = manifest.map(|output| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()));
    manifest
        .and_then(|manifest| manifest.parent().map(Path::to_owned))
        .or_else(|| std::env::current_dir().ok())
        .unwrap_or_default()
}
