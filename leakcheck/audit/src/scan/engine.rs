//! From files to findings.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use super::comments;
use super::context::{Context, Raw, scopes};
use super::error::ScanError;
use super::index::{Crate, FnId, line};
use super::listen::Listening;
use super::modules::{self, Files, Reader};
use super::nesting;
use super::outcome::{Outcome, Types, Unparsed};
use super::resolved::calls::Calls;
use super::resolved::clippy::{self, Asked};
use super::resolved::sites::Sites;
use super::rules;
use super::silence;
use super::spawned::{spawns, wrappers};
use super::targets::{self, Target, Targets};
use crate::report::{ByType, Place, Suspect};

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
    /// Features for clippy, where it is to be asked.
    clippy: Option<Vec<String>>,
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

    /// Asks clippy, too, which calls are calls of what spawns: the workspace is compiled. `features` are arguments of cargo's that
    /// say with which features, as `--all-features`; none for the default ones.
    #[must_use]
    pub fn by_type(mut self, features: Vec<String>) -> Self {
        self.clippy = Some(features);
        self
    }

    /// Scans. What could not be parsed is in the outcome.
    ///
    /// # Errors
    ///
    /// Where nothing could be scanned: no such path or package, cargo does not describe the workspace, no source. Where clippy is
    /// to be asked, also where there is none, there is no package, or it does not compile.
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
            let mut asked = found.asked;
            if let (Some(features), Some(asked)) = (&self.clippy, &mut asked) {
                asked.more.clone_from(features);
            }
            sets.push((found.base, found.targets, asked));
        }
        let asked = sets
            .iter()
            .map(|(base, ..)| base.display().to_string())
            .collect::<Vec<_>>()
            .join(", ");
        let by_type = self.clippy.is_some();
        let outcome = on_a_large_stack(move || {
            let mut outcome = Outcome {
                types: by_type.then(Types::default),
                ..Outcome::default()
            };
            for (base, targets, asked) in &sets {
                let calls = if by_type {
                    Some(calls(base, targets, asked.as_ref(), &reader)?)
                } else {
                    None
                };
                let mut seen = HashSet::new();
                for target in targets {
                    scan_target(target, base, &reader, calls.as_ref(), &mut seen, &mut outcome);
                }
            }
            Ok(finish(outcome))
        })
        .map_err(ScanError::Thread)??;
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
        scan_target(&target, Path::new(""), &reader, None, &mut HashSet::new(), &mut outcome);
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

/// Asks clippy of these targets' calls.
fn calls(base: &Path, targets: &[Target], asked: Option<&Asked>, reader: &Reader) -> Result<Calls, ScanError> {
    let Some(asked) = asked else {
        let why = format!("--clippy needs a package of cargo's, and {} is none", base.display());
        return Err(ScanError::Arguments(why));
    };
    let mut own = BTreeSet::new();
    for target in targets {
        let files = modules::read(&target.root, reader).files;
        let krate = Crate::of(&target.name, &files);
        own.extend(wrappers(&krate, &scopes(&krate)));
    }
    clippy::ask(asked, &Vec::from_iter(own))
}

type Key = (Option<String>, Option<u32>, String);

fn key(suspect: &Suspect) -> Key {
    (suspect.at.file.clone(), suspect.at.line, suspect.rule.clone())
}

fn finish(mut outcome: Outcome) -> Outcome {
    outcome.suspects.sort_by_key(key);
    // A file that two targets share is found in each.
    outcome.suspects.dedup_by_key(|suspect| key(suspect));
    if let Some(types) = &mut outcome.types {
        types.dropped.sort_by_key(key);
        types.dropped.dedup_by_key(|suspect| key(suspect));
        // What one target's code leaves out another's may have.
        let there: HashSet<Key> = outcome.suspects.iter().map(key).collect();
        types.dropped.retain(|suspect| !there.contains(&key(suspect)));
    }
    outcome.unparsed.sort();
    outcome.unparsed.dedup();
    outcome
}

fn scan_target(
    target: &Target,
    base: &Path,
    reader: &Reader,
    calls: Option<&Calls>,
    seen: &mut HashSet<PathBuf>,
    outcome: &mut Outcome,
) {
    let Files { files, unparsed } = modules::read(&target.root, reader);
    let told = |path: &Path| path.strip_prefix(base).unwrap_or(path).to_owned();
    outcome.unparsed.extend(unparsed.into_iter().map(|found| Unparsed {
        path: told(&found.path),
        ..found
    }));
    let krate = Crate::of(&target.name, &files);
    let scopes = scopes(&krate);
    let listening = Listening::of(&krate, &scopes);
    let place = |function: FnId, line: u32| Place {
        function: krate.path_of(function),
        file: Some(
            told(&files[krate.function_of(function).file].path)
                .to_string_lossy()
                .into_owned(),
        ),
        line: Some(line),
    };
    let check = |calls: Option<&Calls>| {
        let spawns = spawns(&krate, &scopes, calls);
        let context = Context::of(&krate, &scopes, &spawns, &listening);
        let mut suspects = Vec::new();
        for raw in rules::check(&context) {
            let Some(by_type) = by_type(&raw, &context, calls) else {
                continue;
            };
            suspects.push(Suspect {
                rule: raw.rule.to_owned(),
                at: place(raw.function, raw.line),
                why: raw.why,
                fix: raw.fix,
                spawned_at: raw.spawned_at.map(|(function, line)| place(function, line)),
                note: raw.note,
                by_type,
                ..Suspect::default()
            });
        }
        let confirmed = spawns
            .iter()
            .filter(|spawn| spawn.by_type == Some(ByType::Confirmed))
            .count();
        (suspects, spawns.len(), confirmed)
    };
    let (mut suspects, spawns, confirmed) = check(calls);
    outcome.functions += krate.functions.len();
    outcome.spawns += spawns;
    let mut dropped = HashSet::new();
    if let Some(types) = &mut outcome.types {
        types.confirmed += confirmed;
        types.not_resolved += spawns - confirmed;
        let there: HashSet<Key> = suspects.iter().map(key).collect();
        let (by_name, ..) = check(None);
        let named: HashSet<Key> = by_name.iter().map(key).collect();
        types.added += there.difference(&named).count();
        // They are left among the others until it is known which comments silence them: those are of use without clippy.
        suspects.extend(by_name.into_iter().filter(|suspect| !there.contains(&key(suspect))));
        dropped = named.difference(&there).cloned().collect();
    }
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
    let (gone, there): (Vec<Suspect>, Vec<Suspect>) = suspects
        .into_iter()
        .partition(|suspect| dropped.contains(&key(suspect)));
    outcome.suspects.extend(there);
    if let Some(types) = &mut outcome.types {
        types.dropped.extend(gone);
    }
}

/// Whether it was confirmed by type that what a finding is about is spawned: nothing where it is about no spawn, or clippy was not
/// asked. `None` where the call that it takes for a spawn was compiled, and is none.
#[expect(
    clippy::option_option,
    reason = "a finding may go, and may have nothing to be confirmed"
)]
fn by_type(raw: &Raw, context: &Context<'_, '_>, calls: Option<&Calls>) -> Option<Option<ByType>> {
    let (Some((function, at)), Some(_)) = (raw.spawned_at, calls) else {
        return Some(None);
    };
    let spawn = context
        .spawns
        .iter()
        .find(|spawn| spawn.function == function && line(spawn.span) == at);
    match spawn {
        Some(spawn) => Some(spawn.by_type),
        None if Sites::of(context.krate, function, calls).is_compiled() => None,
        None => Some(Some(ByType::NotResolved)),
    }
}
