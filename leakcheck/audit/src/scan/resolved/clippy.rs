//! Runs `cargo clippy` with a configuration of its own.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::calls::Calls;
use super::messages::{self, REASON, Said};
use super::spawning::SPAWNING;
use crate::cargo::Cargo;
use crate::scan::error::ScanError;

/// What clippy is to look at.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asked {
    pub manifest: PathBuf,
    /// The workspace's root, from which file names in messages are told.
    pub root: PathBuf,
    /// cargo's own target directory: ours is below it.
    pub target: PathBuf,
    /// Packages by name and version. None: the whole workspace.
    pub packages: Vec<String>,
    /// Which of their targets, in cargo's words.
    pub targets: Vec<&'static str>,
    /// Further arguments of cargo's: features.
    pub more: Vec<String>,
}

/// How many of a build's errors are repeated.
const ERRORS: usize = 3;

/// Asks clippy which calls are calls of what spawns, or of these functions of the workspace's.
///
/// # Errors
///
/// Where there is no clippy, its configuration cannot be written, or it does not come to its end: what it looks at has to
/// compile.
pub(crate) fn ask(asked: &Asked, wrappers: &[String]) -> Result<Calls, ScanError> {
    let mut cargo = Cargo::of(asked.manifest.clone());
    installed(&cargo)?;
    // Not the project's own: other lints and another configuration would take turns in what cargo remembers of a build.
    let room = asked.target.join("leak-audit");
    let configuration = room.join("clippy.toml.d");
    written(&configuration.join("clippy.toml"), &text(wrappers)).map_err(|source| ScanError::ClippyConfiguration {
        path: configuration.clone(),
        source,
    })?;
    cargo.target_dir = Some(room.join("clippy"));
    let mut command = cargo.command("clippy");
    command.args(["--message-format", "json"]);
    if asked.packages.is_empty() {
        command.arg("--workspace");
    }
    for package in &asked.packages {
        command.arg("--package").arg(package);
    }
    command.args(&asked.targets).args(&asked.more);
    // What the project denies must not end the build, and what it allows is asked for all the same.
    command.args(["--", "--cap-lints", "warn", "-A", "warnings"]);
    command.args([
        "--force-warn",
        "clippy::disallowed_methods",
        "--force-warn",
        "clippy::too_many_lines",
    ]);
    let output = command
        .env("CLIPPY_CONF_DIR", &configuration)
        .env_remove("LD_PRELOAD")
        .stdin(Stdio::null())
        // cargo's progress.
        .stderr(Stdio::inherit())
        .output()
        .map_err(ScanError::CargoUnavailable)?;
    let Said { calls, errors } = messages::read(&String::from_utf8_lossy(&output.stdout), &asked.root, wrappers);
    if output.status.success() {
        return Ok(calls);
    }
    let mut said = errors
        .iter()
        .take(ERRORS)
        .map(|error| error.trim_end())
        .collect::<Vec<_>>()
        .join("\n\n");
    match errors.len() {
        0 => said = "cargo said above why".to_owned(),
        many if many > ERRORS => said.push_str(&format!("\n\nand {} more", many - ERRORS)),
        _ => {}
    }
    Err(ScanError::ClippyFailed(said))
}

fn installed(cargo: &Cargo) -> Result<(), ScanError> {
    let output = cargo
        .subcommand("clippy")
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .map_err(ScanError::CargoUnavailable)?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ScanError::NoClippy(said))
}

/// The configuration: each function that spawns, and its number. Every function has too many lines.
fn text(wrappers: &[String]) -> String {
    let mut text =
        "# Made by leak-audit scan --clippy.\ntoo-many-lines-threshold = 0\ndisallowed-methods = [\n".to_owned();
    let paths = SPAWNING.iter().map(|spawning| spawning.path);
    for (number, path) in paths.chain(wrappers.iter().map(String::as_str)).enumerate() {
        text.push_str(&format!(
            "    {{ path = \"{path}\", reason = \"{REASON}{number}\" }},\n"
        ));
    }
    text + "]\n"
}

/// Writes a file, unless it is as it is to be: cargo looks at when it was changed.
fn written(path: &Path, text: &str) -> io::Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    if let Some(directory) = path.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(path, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_numbers_what_spawns_and_then_the_wrappers() {
        let text = text(&["shop::start".to_owned()]);
        let table: toml::Table = text.parse().unwrap();
        let methods = table["disallowed-methods"].as_array().unwrap();
        assert_eq!(methods.len(), SPAWNING.len() + 1);
        for (number, method) in methods.iter().enumerate() {
            assert_eq!(method["reason"].as_str().unwrap(), format!("{REASON}{number}"));
        }
        assert_eq!(methods.last().unwrap()["path"].as_str(), Some("shop::start"));
    }
}
