//! The files of a directory, and going through all of them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use thiserror::Error;

use crate::run;
use crate::side::Side;
use crate::text::scenario::{File, Scenario, Setup};
use crate::text::{ParseError, parse_file};
use crate::transcript::{Golden, GoldenError, Transcript};

/// Why files cannot be read.
#[derive(Debug, Error)]
pub enum CorpusError {
    /// The operating system says so.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is none of the format.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// A golden file is broken.
    #[error("{path}: {source}")]
    Golden {
        /// Which.
        path: PathBuf,
        /// Why.
        source: GoldenError,
    },
}

/// The directory of this repository's scenarios; `golden/` beside it has Apache Kafka's answers.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus")
}

/// Where a file's golden answers are.
pub fn golden_path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("golden")
        .join(format!("{name}.txt"))
}

/// Every file `*.scn` of a directory, by its name.
///
/// # Errors
///
/// See [`CorpusError`].
pub fn read(directory: &Path) -> Result<Vec<File>, CorpusError> {
    let failed = |source| CorpusError::Read {
        path: directory.to_owned(),
        source,
    };
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "scn") {
            paths.push(path);
        }
    }
    paths.sort();
    paths.into_iter().map(|path| read_file(&path)).collect()
}

fn read_file(path: &Path) -> Result<File, CorpusError> {
    let text = std::fs::read_to_string(path).map_err(|source| CorpusError::Read {
        path: path.to_owned(),
        source,
    })?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(parse_file(&name, &text)?)
}

/// A file's golden answers.
///
/// # Errors
///
/// See [`CorpusError`].
pub fn read_golden(name: &str) -> Result<Golden, CorpusError> {
    let path = golden_path(name);
    let text = std::fs::read_to_string(&path).map_err(|source| CorpusError::Read {
        path: path.clone(),
        source,
    })?;
    Golden::read(&text).map_err(|source| CorpusError::Golden { path, source })
}

/// Files by what they are run on.
pub fn by_setup(files: &[File]) -> BTreeMap<Setup, Vec<&File>> {
    let mut setups: BTreeMap<Setup, Vec<&File>> = BTreeMap::new();
    for file in files {
        setups.entry(file.setup.clone()).or_default().push(file);
    }
    setups
}

/// Goes through scenarios, `at_once` of them at a time but for those that have to be alone: they share nothing but the cluster.
/// `run` tells the names of one run from those of another on the same cluster.
pub fn go(side: &Side, scenarios: &[&Scenario], run: u16, at_once: usize) -> Vec<Transcript> {
    let (alone, together): (Vec<usize>, Vec<usize>) = (0..scenarios.len()).partition(|index| scenarios[*index].alone);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(BTreeMap::new());
    let run_one = |index: usize| {
        let transcript = run::run(side, scenarios[index], &run::prefix(run, index));
        if let Ok(mut done) = done.lock() {
            done.insert(index, transcript);
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..at_once.max(1) {
            scope.spawn(|| {
                while let Some(index) = together.get(next.fetch_add(1, Ordering::Relaxed)) {
                    run_one(*index);
                }
            });
        }
    });
    alone.into_iter().for_each(run_one);
    done.into_inner().unwrap_or_default().into_values().collect()
}
