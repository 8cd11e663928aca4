//! From files to findings.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::comments;
use super::context::{Context, Raw, scopes};
use super::error::ScanError;
use super::index::{Crate, FnId, line};
use super::listen::Listening;
use super::modules::{self, Files, Reader};
use super::nesting;
use super::outcome::{Outcome, Unparsed};
use super::rules;
use super::silence;
use super::spawned::spawns;
use super::targets::{self, Target, Targets};
use crate::report::{Place, Suspect};

/// A static audit.
///
/// ```no_run
/// let outcome = leakcheck_audit::scan::Scan::workspace("Cargo.toml").package("shop").run()?;
/// for suspect in outcome.open() {
///     println!("{}: {}", suspect.at.location(), suspect.why);
/// }
/// # Ok::<(), leakcheck_audit::scan::ScanError>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Scan {
    manifest: Option<PathBuf>,
    packages: Vec<String>,
    paths: Vec<PathBuf>,
    examples: bool,
    reader: Reader,
}

impl Scan {
    /// Scans the workspace of this manifest: its libraries and binaries.
    #[must_use]
    pub fn workspace(manifest: impl Into<PathBuf>) -> Self {
        Self {
            manifest: Some(manifest.into()),
            ..Self::default()
        }
    }

    /// Scans what is at this path: a package's or workspace's directory, a crate's root file, or a directory of source without
    /// cargo, where each file that no other names stands for itself.
    #[must_use]
    pub fn path(path: impl Into<PathBuf>) -> Self {
        Self::default().and_path(path)
    }

    /// Scans this too.
    #[must_use]
    pub fn and_path(mut self, path: impl Into<PathBuf>) -> Self {
        self.paths.push(path.into());
        self
    }

    /// Scans this package of the workspace; without it, every member.
    #[must_use]
    pub fn package(mut self, name: impl Into<String>) -> Self {
        self.packages.push(name.into());
        self
    }

    /// Scans examples too. Tests and benchmarks are never scanned: they end with their process.
    #[must_use]
    pub fn examples(mut self) -> Self {
        self.examples = true;
        self
    }

    /// Takes this text for the file instead of what is on the disk.
    #[must_use]
    pub fn instead_of(mut self, file: impl Into<PathBuf>, text: impl Into<String>) -> Self {
        self.reader.instead.insert(file.into(), text.into());
        self
    }

    /// Scans. What could not be parsed is in the outcome.
    ///
    /// # Errors
    ///
    /// Where nothing could be scanned: no such path or package, cargo does not describe the workspace, no source.
    pub fn run(&self) -> Result<Outcome, ScanError> {
        let mut all: Vec<Targets> = Vec::new();
        if let Some(manifest) = &self.manifest {
            all.push(targets::of_workspace(manifest, &self.packages, self.examples)?);
        }
        for path in &self.paths {
            all.push(targets::of_path(path, self.examples)?);
        }
        let (reader, mut sets) = (self.reader.clone(), Vec::new());
        for found in all {
            sets.push((found.base, found.targets));
        }
        let asked = sets
            .iter()
            .map(|(base, _)| base.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let outcome = on_a_large_stack(move || {
            let mut outcome = Outcome::default();
            for (base, targets) in &sets {
                let mut seen = HashSet::new();
                for target in targets {
                    scan_target(target, base, &reader, &mut seen, &mut outcome);
                }
            }
            finish(outcome)
        })
        .map_err(ScanError::Thread)?;
        if outcome.files == 0 && outcome.unparsed.is_empty() {
            return Err(ScanError::NothingToScan(asked));
        }
        Ok(outcome)
    }
}

/// Scans one file's text, as a crate of its own.
#[must_use]
pub fn scan_source(path: &Path, text: &str) -> Outcome {
    let reader = Reader {
        instead: BTreeMap::from([(path.to_owned(), text.to_owned())]),
    };
    let target = Target {
        name: "crate".to_owned(),
        root: path.to_owned(),
    };
    let done = on_a_large_stack(move || {
        let mut outcome = Outcome::default();
        scan_target(&target, Path::new(""), &reader, &mut HashSet::new(), &mut outcome);
        finish(outcome)
    });
    done.unwrap_or_else(|error| Outcome {
        unparsed: vec![Unparsed {
            path: path.to_owned(),
            line: None,
            why: error.to_string(),
        }],
        ..Outcome::default()
    })
}

/// What is parsed is walked and dropped by recursion: all of it happens on a thread whose stack is deep enough.
fn on_a_large_stack<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> std::io::Result<T> {
    let thread = std::thread::Builder::new()
        .name("leak-audit scan".to_owned())
        .stack_size(nesting::STACK)
        .spawn(work)?;
    match thread.join() {
        Ok(done) => Ok(done),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

fn finish(mut outcome: Outcome) -> Outcome {
    let key = |suspect: &Suspect| (suspect.at.file.clone(), suspect.at.line, suspect.rule.clone());
    outcome.suspects.sort_by_key(key);
    // A file that two targets share is found in each.
    outcome.suspects.dedup_by_key(|suspect| key(suspect));
    outcome.unparsed.sort();
    outcome.unparsed.dedup();
    outcome
}

fn scan_target(target: &Target, base: &Path, reader: &Reader, seen: &mut HashSet<PathBuf>, outcome: &mut Outcome) {
    let Files { files, unparsed } = modules::read(&target.root, reader);
    let told = |path: &Path| path.strip_prefix(base).unwrap_or(path).to_owned();
    outcome.unparsed.extend(unparsed.into_iter().map(|found| Unparsed {
        path: told(&found.path),
        ..found
    }));
    let krate = Crate::of(&target.name, &files);
    let scopes = scopes(&krate);
    let spawns = spawns(&krate, &scopes);
    let listening = Listening::of(&krate, &scopes);
    let context = Context::of(&krate, &scopes, &spawns, &listening);
    outcome.functions += krate.functions.len();
    outcome.spawns += spawns.len();
    let place = |function: FnId, line: u32| Place {
        function: krate.path_of(function),
        file: Some(
            told(&files[krate.function_of(function).file].path)
                .to_string_lossy()
                .into_owned(),
        ),
        line: Some(line),
    };
    let mut suspects: Vec<Suspect> = rules::check(&context)
        .into_iter()
        .map(|raw: Raw| Suspect {
            rule: raw.rule.to_owned(),
            at: place(raw.function, raw.line),
            why: raw.why,
            fix: raw.fix,
            spawned_at: raw.spawned_at.map(|(function, line)| place(function, line)),
            note: raw.note,
            ..Suspect::default()
        })
        .collect();
    for (number, file) in files.iter().enumerate() {
        if !seen.insert(file.path.clone()) {
            // Its comments have been looked at with another target, and so have its findings.
            let path = told(&file.path).to_string_lossy().into_owned();
            suspects.retain(|suspect| suspect.at.file.as_deref() != Some(&path));
            continue;
        }
        outcome.files += 1;
        let extents = krate
            .functions
            .iter()
            .filter(|function| function.file == number)
            .map(|function| {
                let first = line(function.signature.fn_token.span);
                (first, line(function.body.brace_token.span.close()))
            })
            .collect();
        let path = told(&file.path).to_string_lossy().into_owned();
        silence::apply(&path, &comments::allows(&file.text), &extents, &mut suspects);
    }
    outcome.suspects.extend(suspects);
}
