//! Calling cargo from within a program that cargo itself may have started.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What cargo tells a program that it runs about that program's own package. Passed on, it would describe the wrong
/// package to the build scripts of the inner cargo, and build again what is built.
const OF_THE_OUTER_PACKAGE: [&str; 5] = [
    "CARGO_PKG_",
    "CARGO_MANIFEST_",
    "CARGO_BIN_EXE_",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
];

/// Which cargo to call, and for which workspace.
#[derive(Debug, Clone)]
pub(crate) struct Cargo {
    program: OsString,
    pub(crate) manifest_path: PathBuf,
    pub(crate) target_dir: Option<PathBuf>,
}

impl Cargo {
    /// The cargo that started this program (it sets `CARGO`), else the one on the `PATH`.
    pub(crate) fn of(manifest_path: PathBuf) -> Self {
        let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        Self {
            program,
            manifest_path,
            target_dir: None,
        }
    }

    pub(crate) fn command(&self, subcommand: &str) -> Command {
        let mut command = self.plain(subcommand);
        if let Some(directory) = &self.target_dir {
            command.arg("--target-dir").arg(directory);
        }
        command
    }

    /// A command that builds nothing. `subcommand` may be more than one word.
    pub(crate) fn plain(&self, subcommand: &str) -> Command {
        let mut command = self.subcommand(subcommand);
        command.arg("--manifest-path").arg(&self.manifest_path);
        command
    }

    /// A command that is about no workspace.
    pub(crate) fn subcommand(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.program);
        for (name, _) in std::env::vars_os() {
            if OF_THE_OUTER_PACKAGE
                .iter()
                .any(|prefix| name.as_encoded_bytes().starts_with(prefix.as_bytes()))
            {
                command.env_remove(name);
            }
        }
        command.args(subcommand.split(' '));
        // Its "Running …" lines tell where one test binary's output ends; these settings would change them.
        command
            .env("CARGO_TERM_COLOR", "never")
            .env("CARGO_TERM_QUIET", "false")
            .env("CARGO_TERM_VERBOSE", "false");
        command
    }
}

/// The target that `rustc` builds for by itself.
pub(crate) fn host() -> Result<String, crate::error::AuditError> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let output = Command::new(rustc).arg("-vV").output();
    let output = output.map_err(crate::error::AuditError::CargoUnavailable)?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.unwrap_or_default().to_owned())
}

/// The tests that a call is about.
#[derive(Debug, Clone, Default)]
pub(crate) struct Selection {
    /// None: the whole workspace.
    pub(crate) packages: Vec<String>,
    /// None: every library, binary and integration test.
    pub(crate) test_target: Option<String>,
    /// Which tests, in cargo's words, where it is not one target.
    pub(crate) targets: Vec<String>,
    /// Further arguments of cargo's: features, the profile, packages to leave out.
    pub(crate) more: Vec<String>,
}

impl Selection {
    pub(crate) fn apply(&self, command: &mut Command) {
        if self.packages.is_empty() {
            command.arg("--workspace");
        }
        for package in &self.packages {
            command.arg("--package").arg(package);
        }
        match &self.test_target {
            // `--tests` includes the unit tests of libraries and binaries, and leaves out the doc tests.
            None if self.targets.is_empty() => command.arg("--tests"),
            None => command.args(&self.targets),
            Some(target) => command.arg("--test").arg(target),
        };
        command.args(&self.more);
    }

    /// Doc tests are built as they are run, by rustdoc.
    pub(crate) fn is_doc(&self) -> bool {
        self.targets.iter().any(|target| target == "--doc")
    }
}

/// A test binary's file name without the hash that cargo appends: `kfake-0123456789abcdef` is `kfake`.
pub(crate) fn stem(executable: &Path) -> String {
    let stem = executable.file_stem().unwrap_or_default().to_string_lossy();
    match stem.rsplit_once('-') {
        Some((name, hash)) if hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit()) => name.to_owned(),
        _ => stem.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hash_is_taken_off_a_binary_name() {
        assert_eq!(stem(Path::new("target/debug/deps/kfake-0123456789abcdef")), "kfake");
        assert_eq!(stem(Path::new("deps/two-words")), "two-words");
        assert_eq!(stem(Path::new("deps/plain")), "plain");
    }
}
