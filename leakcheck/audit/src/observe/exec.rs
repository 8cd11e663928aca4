//! Running a command observed.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::ObserveError;
use super::judge::{Evidence, ObservedVerdict, judge};
use super::program::Program as ProgramFile;
use super::records::Process;
use super::{canary, preload, protected};
use crate::cargo::Cargo;
use crate::owners::Owners;

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
        let manifest = match &self.workspace {
            Some(root) => Some(root.join("Cargo.toml")),
            None => nearest_manifest(),
        };
        let owners = manifest
            .map(|manifest| Owners::of(&Cargo::of(manifest)))
            .unwrap_or_default();
        let root = self.workspace.or_else(|| owners.root.clone());
        let workspace = root.or_else(|| std::env::current_dir().ok()).unwrap_or_default();
        let deny_third_party = self.deny_third_party;
        let mut verdict = observe(self.command, &library, &workspace, &owners)?;
        verdict.deny_third_party = deny_third_party;
        Ok(verdict)
    }
}

/// The library, and a directory for what it records. The directory is gone when this is dropped.
#[derive(Debug)]
pub(crate) struct Observer {
    library: PathBuf,
    records: tempfile::TempDir,
}

impl Observer {
    /// Builds the library where the cache has none, and sees the canary.
    pub(crate) fn ready() -> Result<Self, ObserveError> {
        let library = preload::library()?;
        canary::check(&library)?;
        Self::with(library)
    }

    fn with(library: PathBuf) -> Result<Self, ObserveError> {
        let records = tempfile::Builder::new().prefix("leak-audit-").tempdir();
        let records = records.map_err(|source| ObserveError::Files {
            path: std::env::temp_dir(),
            source,
        })?;
        Ok(Self { library, records })
    }

    /// What makes a command and all that it starts observed: variables and their values.
    pub(crate) fn environment(&self) -> [(&'static str, OsString); 2] {
        let mut preloaded = self.library.as_os_str().to_owned();
        if let Some(others) = std::env::var_os(preload::VARIABLE).filter(|others| !others.is_empty()) {
            preloaded.push(":");
            preloaded.push(others);
        }
        [
            (preload::VARIABLE, preloaded),
            ("LEAK_AUDIT_OBSERVE", self.records.path().as_os_str().to_owned()),
        ]
    }

    /// Judges what was recorded. One process' records are in memory at a time.
    pub(crate) fn judge(
        &self,
        workspace: &Path,
        owners: &Owners,
        command: Option<&Path>,
    ) -> Result<ObservedVerdict, ObserveError> {
        let failed = |source| ObserveError::Files {
            path: self.records.path().to_owned(),
            source,
        };
        let (mut files, mut broken) = (Vec::new(), Vec::new());
        for entry in std::fs::read_dir(self.records.path()).map_err(failed)? {
            let path = entry.map_err(failed)?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("static.") {
                broken.extend(unobserved(&path));
            } else if name.starts_with("started.") {
                broken.extend(protected::started(&std::fs::read(&path).map_err(failed)?));
            } else {
                files.push((Process::pid(&path), path));
            }
        }
        if cfg!(target_os = "macos") {
            broken.extend(command.and_then(protected::command));
        }
        files.sort();
        let pids: Vec<_> = files.iter().map(|(pid, _)| *pid).collect();
        let mut processes = files.iter().enumerate().filter_map(|(at, (pid, path))| {
            let same = |other: Option<&Option<u64>>| pid.is_some() && other == Some(pid);
            let before = at.checked_sub(1).and_then(|at| pids.get(at));
            let replaced = same(pids.get(at + 1)) || same(before);
            match Process::read(path) {
                Ok(process) => Some((process, replaced)),
                Err(error) => {
                    let name = path.file_name().unwrap_or_default().to_string_lossy();
                    broken.push(format!("the records of process {name} cannot be read: {error}"));
                    None
                }
            }
        });
        let mut verdict = judge(Evidence {
            processes: &mut processes,
            workspace,
            owners,
            command,
        });
        broken.sort();
        broken.dedup();
        verdict.unjudged.extend(broken);
        Ok(verdict)
    }
}

/// Runs a command with the library, and judges its records.
pub(super) fn observe(
    mut command: Command,
    library: &Path,
    workspace: &Path,
    owners: &Owners,
) -> Result<ObservedVerdict, ObserveError> {
    let observer = Observer::with(library.to_owned())?;
    command.envs(observer.environment());
    let program = command.get_program().to_owned();
    let status = command.status().map_err(|source| ObserveError::Start {
        program: program.to_string_lossy().into_owned(),
        source,
    })?;
    let executable = executable(Path::new(&program));
    let mut verdict = observer.judge(workspace, owners, executable.as_deref())?;
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

/// The nearest manifest, upwards from the current directory.
pub(crate) fn nearest_manifest() -> Option<PathBuf> {
    let current = std::env::current_dir().ok()?;
    let mut manifests = current.ancestors().map(|directory| directory.join("Cargo.toml"));
    manifests.find(|manifest| manifest.is_file())
}
