//! Source paths as a person would write them.

use std::collections::BTreeSet;
use std::env;
use std::fs::read_to_string;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use once_cell::sync::Lazy;

use crate::sync::lock;

/// Stands for the directory that cargo unpacks crates into.
pub(crate) const DEPENDENCY: &str = "~crate/";

static PLACES: Lazy<Places> = Lazy::new(Places::of_this_process);

/// The directories that source paths are relative to.
pub(crate) struct Places {
    current: PathBuf,
    workspace: PathBuf,
    /// Those that a path was in.
    registries: Mutex<BTreeSet<PathBuf>>,
}

impl Places {
    /// Cargo runs a test in its package's directory, and compiles it in the workspace's, which is where the lock file is.
    fn of_this_process() -> Self {
        let current = env::current_dir().unwrap_or_default();
        let package = env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| current.clone(), PathBuf::from);
        let workspace = package
            .ancestors()
            .find(|dir| dir.join("Cargo.lock").is_file())
            .unwrap_or(&package);
        Self {
            workspace: workspace.to_path_buf(),
            current,
            registries: Mutex::default(),
        }
    }

    /// Where the file is that a backtrace (relative to the current directory) or a `Location` (relative to the
    /// workspace) names.
    fn absolute(&self, file: &str) -> PathBuf {
        match file.strip_prefix("./") {
            Some(below) => self.current.join(below),
            None => self.workspace.join(file),
        }
    }

    fn shorten(&self, file: &str) -> String {
        let path = self.absolute(file);
        if let Some((registry, crate_path)) = in_registry(&path) {
            lock(&self.registries).insert(registry.to_owned());
            return format!("{DEPENDENCY}{crate_path}");
        }
        let short = path
            .strip_prefix(&self.workspace)
            .or_else(|_| path.strip_prefix(&self.current))
            .unwrap_or(&path);
        short.display().to_string()
    }

    /// The text of a source file that `shorten` has shortened, when it is there to be read.
    pub(crate) fn read(file: &str) -> Option<String> {
        let Self {
            current,
            workspace,
            registries,
        } = &*PLACES;
        match file.strip_prefix(DEPENDENCY) {
            Some(file) => lock(registries)
                .iter()
                .find_map(|registry| read_to_string(registry.join(file)).ok()),
            None => [workspace, current]
                .iter()
                .find_map(|directory| read_to_string(directory.join(file)).ok()),
        }
    }
}

/// `file`, relative to the workspace where it lies in that.
pub(crate) fn shorten(file: &str) -> String {
    PLACES.shorten(file)
}

/// Whether `shorten` found the file in a crate that was downloaded.
pub(crate) fn is_of_a_dependency(file: &str) -> bool {
    file.starts_with(DEPENDENCY)
}

/// `…/registry/src/index.crates.io-0123` and `tokio-1.47.0/src/lib.rs`
fn in_registry(path: &Path) -> Option<(&Path, &str)> {
    let path = path.to_str()?;
    let (_, below) = path.split_once("/registry/src/")?;
    let (_, crate_path) = below.split_once('/')?;
    Some((Path::new(path.strip_suffix(crate_path)?), crate_path))
}

#[cfg(test)]
mod tests {
    use super::Places;

    fn places() -> Places {
        Places {
            current: "/home/me/kfake/leakcheck".into(),
            workspace: "/home/me/kfake".into(),
            registries: Default::default(),
        }
    }

    #[test]
    fn a_path_is_shown_as_seen_from_the_workspace() {
        for (file, shown) in [
            ("leakcheck/src/task.rs", "leakcheck/src/task.rs"),
            ("./src/task.rs", "leakcheck/src/task.rs"),
            ("/home/me/kfake/tests/a.rs", "tests/a.rs"),
            ("/home/me/other/a.rs", "/home/me/other/a.rs"),
            (
                "/home/me/.cargo/registry/src/index.crates.io-1949/hyper-1.0.0/src/lib.rs",
                "~crate/hyper-1.0.0/src/lib.rs",
            ),
        ] {
            assert_eq!(places().shorten(file), shown, "{file}");
        }
    }
}
