//! Whose a source file is: the workspace's own, a dependency's, or the standard library's.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cargo::{Cargo, host};
use crate::report::Origin;

/// The packages that cargo knows, and whose each file is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owners {
    /// The directories of packages, the longest first, so that a vendored package inside of another is met before it.
    packages: Vec<(PathBuf, Origin)>,
    /// The workspace's root, where cargo said it.
    pub(crate) root: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_members: Vec<String>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    id: String,
    manifest_path: PathBuf,
}

impl Owners {
    /// What `cargo metadata` says. Without an answer, files are told by cargo's own directories alone.
    pub(crate) fn of(cargo: &Cargo) -> Self {
        let ask = |more: &[&str]| {
            let mut command = cargo.plain("metadata");
            command.args(["--format-version", "1"]).args(more);
            let output = command.output().ok().filter(|output| output.status.success())?;
            serde_json::from_slice(&output.stdout).ok()
        };
        // Dependencies are known once the tests were built: those that other platforms need may never have been downloaded, and cargo
        // does not answer without them unless it is told which platform is asked about. Before, the workspace's members are better
        // than nothing.
        ask(&["--offline"])
            .or_else(|| ask(&["--offline", "--filter-platform", &host().ok()?]))
            .or_else(|| ask(&["--no-deps"]))
            .map_or_else(Self::default, Self::from_metadata)
    }

    fn from_metadata(metadata: Metadata) -> Self {
        let mut packages: Vec<_> = metadata
            .packages
            .into_iter()
            .filter_map(|package| {
                let origin = if metadata.workspace_members.contains(&package.id) {
                    Origin::Own
                } else {
                    Origin::Dependency {
                        name: package.name,
                        version: package.version,
                    }
                };
                Some((package.manifest_path.parent()?.to_owned(), origin))
            })
            .collect();
        packages.sort_by_key(|(directory, _)| std::cmp::Reverse(directory.as_os_str().len()));
        Self {
            packages,
            root: Some(metadata.workspace_root),
        }
    }

    /// Whose a source file is. `None` for the standard library's.
    pub(crate) fn origin(&self, file: &str) -> Option<Origin> {
        let path = Path::new(file);
        let package = self.packages.iter().find(|(directory, _)| path.starts_with(directory));
        package.map_or_else(|| by_path(file), |(_, origin)| Some(origin.clone()))
    }
}

/// Whose a file is, by the directories that cargo and rustup use.
pub(crate) fn by_path(file: &str) -> Option<Origin> {
    if file.starts_with("/rustc/") || file.contains("/lib/rustlib/src/rust/") || file.contains("/rustc-") {
        return None;
    }
    // The index comes first, and then the crate: `/registry/src/index.crates.io-…/hyper-1.7.0/src/…`.
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        let named = rest.split('/').nth(1).and_then(name_and_version);
        return Some(named.map_or(Origin::Own, |(name, version)| Origin::Dependency {
            name: name.to_owned(),
            version: version.to_owned(),
        }));
    }
    if let Some((_, rest)) = file.split_once("/git/checkouts/") {
        let mut parts = rest.split('/');
        let directory = parts.next().and_then(|directory| directory.rsplit_once('-'));
        return Some(Origin::Dependency {
            name: directory.map_or("git", |(name, _)| name).to_owned(),
            version: parts.next().unwrap_or_default().to_owned(),
        });
    }
    Some(Origin::Own)
}

/// A file by its package and its path in that, where it is a dependency's: neither the machine nor the version is in it.
pub(crate) fn portable(file: &str) -> String {
    if let Some((_, rest)) = file.split_once("/registry/src/") {
        let mut parts = rest.splitn(3, '/').skip(1);
        if let (Some(directory), Some(inside)) = (parts.next(), parts.next()) {
            let name = name_and_version(directory).map_or(directory, |(name, _)| name);
            return format!("{name}/{inside}");
        }
    }
    if let Some((_, rest)) = file.split_once("/git/checkouts/") {
        let mut parts = rest.splitn(3, '/');
        if let (Some(directory), Some(_), Some(inside)) = (parts.next(), parts.next(), parts.next()) {
            let name = directory.rsplit_once('-').map_or(directory, |(name, _)| name);
            return format!("{name}/{inside}");
        }
    }
    file.to_owned()
}

/// `("tokio-util", "0.7.16")` of `tokio-util-0.7.16`: a version begins with a digit and has a dot.
fn name_and_version(directory: &str) -> Option<(&str, &str)> {
    let starts = directory.match_indices('-').map(|(at, _)| at);
    starts
        .map(|at| (&directory[..at], &directory[at + 1..]))
        .find(|(_, version)| version.starts_with(|first: char| first.is_ascii_digit()) && version.contains('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(name: &str, version: &str) -> Option<Origin> {
        Some(Origin::Dependency {
            name: name.to_owned(),
            version: version.to_owned(),
        })
    }

    #[test]
    fn a_dependency_is_named_by_its_directory() {
        let index = "/home/u/.cargo/registry/src/index.crates.io-6f17d22bba15001f";
        let owners = Owners::default();
        for (file, expected) in [
            (
                format!("{index}/hyper-util-0.1.16/src/a.rs"),
                dependency("hyper-util", "0.1.16"),
            ),
            (format!("{index}/a-1.0.0-rc.1/src/a.rs"), dependency("a", "1.0.0-rc.1")),
            (
                "/c/git/checkouts/axum-2f0d/1a2b3c4/src/lib.rs".to_owned(),
                dependency("axum", "1a2b3c4"),
            ),
            ("/w/src/lib.rs".to_owned(), Some(Origin::Own)),
            ("/rustc/0123/library/core/src/lib.rs".to_owned(), None),
        ] {
            assert_eq!(owners.origin(&file), expected, "{file}");
        }
    }

    #[test]
    fn own_code_is_what_the_workspace_contains_and_no_directory_more() {
        let package = |name: &str, directory: &str| Package {
            name: name.to_owned(),
            version: "1.2.0".to_owned(),
            id: name.to_owned(),
            manifest_path: Path::new(directory).join("Cargo.toml"),
        };
        let owners = Owners::from_metadata(Metadata {
            packages: vec![
                package("shop", "/w"),
                package("vendored", "/w/vendor/vendored"),
                package("beside", "/beside"),
            ],
            workspace_members: vec!["shop".to_owned()],
            workspace_root: "/w".into(),
        });

        assert_eq!(owners.origin("/w/src/lib.rs"), Some(Origin::Own));
        assert_eq!(
            owners.origin("/w/vendor/vendored/src/lib.rs"),
            dependency("vendored", "1.2.0")
        );
        assert_eq!(owners.origin("/beside/src/lib.rs"), dependency("beside", "1.2.0"));
        assert_eq!(owners.origin("/besides/src/lib.rs"), Some(Origin::Own));
    }

    #[test]
    fn a_dependencys_file_is_the_same_on_every_machine_and_in_every_version() {
        for version in ["1.7.0", "1.8.1"] {
            let file = format!("/home/u/.cargo/registry/src/index-1/hyper-{version}/src/a/b.rs");
            assert_eq!(portable(&file), "hyper/src/a/b.rs");
        }
        assert_eq!(
            portable("/c/git/checkouts/axum-2f0d/1a2b3c4/src/lib.rs"),
            "axum/src/lib.rs"
        );
        assert_eq!(portable("src/lib.rs"), "src/lib.rs");
    }
}
