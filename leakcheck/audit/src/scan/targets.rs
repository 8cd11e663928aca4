//! Which crates there are: from `cargo metadata`, or plainly from files where there is no cargo.

use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde::Deserialize;

use super::error::ScanError;
use super::resolved::clippy::Asked;
use crate::cargo::Cargo;

/// A crate to scan.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// As its own code names it: `leakcheck_audit`.
    pub name: String,
    pub root: PathBuf,
}

/// The crates, and the directory that their paths are told from.
pub(crate) struct Targets {
    pub base: PathBuf,
    pub targets: Vec<Target>,
    /// What clippy has to look at for them; `None` where they are no cargo package's.
    pub asked: Option<Asked>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    targets: Vec<PackageTarget>,
}

#[derive(Deserialize)]
struct PackageTarget {
    name: String,
    kind: Vec<String>,
    src_path: PathBuf,
}

/// Whether a target is scanned: what ships. Tests and benchmarks end with their process, and examples are asked for.
fn ships(kinds: &[String], examples: bool) -> bool {
    kinds.iter().any(|kind| match kind.as_str() {
        "lib" | "rlib" | "dylib" | "cdylib" | "staticlib" | "proc-macro" | "bin" => true,
        "example" => examples,
        _ => false,
    })
}

/// The crates of a workspace: of its members, or of the named ones.
pub(crate) fn of_workspace(manifest: &Path, packages: &[String], examples: bool) -> Result<Targets, ScanError> {
    let output = Cargo::of(manifest.to_owned())
        .command("metadata")
        .args(["--format-version", "1", "--no-deps"])
        .stdin(Stdio::null())
        .output()
        .map_err(ScanError::CargoUnavailable)?;
    if !output.status.success() {
        return Err(ScanError::CargoMetadata {
            manifest: manifest.to_owned(),
            said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        });
    }
    let metadata: Metadata = serde_json::from_slice(&output.stdout).map_err(ScanError::CargoOutput)?;
    let is_member = |package: &&Package| metadata.workspace_members.contains(&package.id);
    for name in packages {
        if !metadata
            .packages
            .iter()
            .filter(is_member)
            .any(|package| package.name == *name)
        {
            return Err(ScanError::NoSuchPackage(name.clone()));
        }
    }
    let chosen: Vec<&Package> = metadata
        .packages
        .iter()
        .filter(is_member)
        .filter(|package| packages.is_empty() || packages.contains(&package.name))
        .collect();
    let shipped = || {
        chosen
            .iter()
            .flat_map(|package| &package.targets)
            .filter(|target| ships(&target.kind, examples))
    };
    let mut targets: Vec<Target> = shipped()
        .map(|target| Target {
            name: target.name.replace('-', "_"),
            root: target.src_path.clone(),
        })
        .collect();
    targets.sort();
    targets.dedup();
    let is_of = |kinds: &[&str]| shipped().any(|target| target.kind.iter().any(|kind| kinds.contains(&kind.as_str())));
    let mut of_clippy = Vec::new();
    // cargo objects where there is none of a kind, and takes libraries and binaries where nothing is said.
    if is_of(&["example"]) {
        of_clippy.push("--examples");
        if is_of(&["bin"]) {
            of_clippy.push("--bins");
        }
        if is_of(&["lib", "rlib", "dylib", "cdylib", "staticlib", "proc-macro"]) {
            of_clippy.push("--lib");
        }
    }
    let asked = Asked {
        manifest: manifest.to_owned(),
        root: metadata.workspace_root.clone(),
        target: metadata.target_directory.clone(),
        packages: if packages.is_empty() {
            Vec::new()
        } else {
            chosen.iter().map(|package| package.specified()).collect()
        },
        targets: of_clippy,
        more: Vec::new(),
    };
    Ok(Targets {
        base: metadata.workspace_root,
        targets,
        asked: Some(asked),
    })
}

impl Package {
    /// As cargo's `--package` takes it, and no other package is meant.
    fn specified(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }
}

/// The crates at a path. A file is a crate's root; a directory with a manifest is its package; another one has a crate in
/// `src/lib.rs` and `src/main.rs`, and where it has neither, each of its files stands for itself.
pub(crate) fn of_path(path: &Path, examples: bool) -> Result<Targets, ScanError> {
    let path = path.canonicalize().map_err(|source| ScanError::NoSuchPath {
        path: path.to_owned(),
        source,
    })?;
    if path.is_file() {
        let base = path.parent().unwrap_or(Path::new("/")).to_owned();
        let name = path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_");
        let target = Target { name, root: path };
        return Ok(Targets {
            base,
            targets: vec![target],
            asked: None,
        });
    }
    let manifest = path.join("Cargo.toml");
    if manifest.is_file() {
        let found = of_workspace(&manifest, &[], examples)?;
        let mut targets = found.targets;
        // Of a member's directory, the member; of the workspace's, everything.
        targets.retain(|target| target.root.starts_with(&path));
        return Ok(Targets {
            base: found.base,
            targets,
            asked: found.asked,
        });
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy().replace('-', "_");
    let mut targets: Vec<Target> = ["src/lib.rs", "src/main.rs", "lib.rs", "main.rs"]
        .iter()
        .map(|file| path.join(file))
        .filter(|root| root.is_file())
        .map(|root| Target {
            name: name.clone(),
            root,
        })
        .collect();
    if targets.is_empty() {
        let mut files = Vec::new();
        rust_files(&path, &mut files);
        targets = files
            .into_iter()
            .map(|root| Target {
                name: root.file_stem().unwrap_or_default().to_string_lossy().into_owned(),
                root,
            })
            .collect();
    }
    targets.sort();
    Ok(Targets {
        base: path,
        targets,
        asked: None,
    })
}

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let (path, Ok(kind)) = (entry.path(), entry.file_type()) else {
            continue;
        };
        // A link is not followed: it may lead back.
        if kind.is_dir() && !entry.file_name().to_string_lossy().starts_with('.') && entry.file_name() != "target" {
            rust_files(&path, found);
        } else if kind.is_file() && path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}
