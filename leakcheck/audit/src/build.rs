//! Building the tests, apart from running them: what does not compile is no test result.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Stdio;

use serde::{Deserialize, Serialize};

use crate::cargo::{self, Cargo, Selection};
use crate::error::AuditError;
use crate::run::tee;

/// A test binary that cargo built.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TestBinary {
    /// The package it tests.
    pub package: String,
    /// Its target in that package: the library's, the binary's or the integration test's name.
    pub target: String,
    /// Its file name without the hash, as leakcheck's records name it.
    pub name: String,
    /// `lib`, `bin`, `test`, `example` or `doc`.
    #[serde(skip)]
    pub kind: String,
    /// The file.
    #[serde(skip)]
    pub executable: PathBuf,
}

/// Builds the selected tests. What the compiler says goes to `live`.
pub(crate) fn build(cargo: &Cargo, selection: &Selection, live: &mut dyn Write) -> Result<Vec<TestBinary>, AuditError> {
    let mut command = cargo.command("test");
    selection.apply(&mut command);
    command.arg("--no-run");
    Ok(test_binaries(&messages(command, live)?))
}

/// Runs a building command, and gives cargo's messages. What the compiler says goes to `live`.
pub(crate) fn messages(mut command: std::process::Command, live: &mut dyn Write) -> Result<Vec<u8>, AuditError> {
    command.args(["--message-format", "json-render-diagnostics"]);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(AuditError::CargoUnavailable)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (messages, shown) = std::thread::scope(|scope| {
        // Both pipes are read at once: a full one would stop cargo.
        let messages = scope.spawn(move || {
            let mut messages = Vec::new();
            stdout
                .map_or(Ok(0), |mut pipe| pipe.read_to_end(&mut messages))
                .map(|_| messages)
        });
        let shown = stderr.map_or(Ok(()), |mut pipe| tee(&mut pipe, live, None, &mut |_, _| ()));
        (messages.join(), shown)
    });
    let status = child.wait().map_err(AuditError::CargoOutput)?;
    shown.map_err(AuditError::CargoOutput)?;
    if !status.success() {
        return Err(AuditError::DoesNotBuild { status });
    }
    match messages {
        Ok(messages) => messages.map_err(AuditError::CargoOutput),
        Err(panic) => std::panic::resume_unwind(panic),
    }
}

/// The test binaries among cargo's messages.
fn test_binaries(messages: &[u8]) -> Vec<TestBinary> {
    #[derive(Deserialize)]
    struct Artifact {
        package_id: String,
        target: Target,
        profile: Profile,
        executable: PathBuf,
    }
    #[derive(Deserialize)]
    struct Target {
        name: String,
        #[serde(default)]
        kind: Vec<String>,
    }
    #[derive(Deserialize)]
    struct Profile {
        test: bool,
    }

    messages
        .split(|byte| *byte == b'\n')
        // Other messages, and artifacts without an executable, do not have these fields.
        .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok())
        .filter(|artifact| artifact.profile.test)
        .map(|artifact| TestBinary {
            package: package_name(&artifact.package_id).to_owned(),
            target: artifact.target.name,
            kind: artifact.target.kind.into_iter().next().unwrap_or_default(),
            name: cargo::stem(&artifact.executable),
            executable: artifact.executable,
        })
        .collect()
}

/// The name in a package id: `path+file:///w/kfake#0.1.0`, or `path+file:///w/dir#kfake@0.1.0` where they differ
/// (<https://doc.rust-lang.org/cargo/reference/pkgid-spec.html>).
fn package_name(id: &str) -> &str {
    let (url, fragment) = id.rsplit_once('#').unwrap_or((id, ""));
    match fragment.split_once('@') {
        Some((name, _version)) => name,
        None => url.rsplit('/').next().unwrap_or(url),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_package_is_named_by_either_form_of_its_id() {
        assert_eq!(package_name("path+file:///w/kfake#0.1.0"), "kfake");
        assert_eq!(package_name("path+file:///w/tests#kfake-tests@0.1.0"), "kfake-tests");
    }

    #[test]
    fn only_executables_of_the_test_profile_are_test_binaries() {
        let message = |executable: &str, test: bool| {
            format!(
                r#"{{"reason":"compiler-artifact","package_id":"path+file:///w/a#0.1.0","target":{{"name":"a"}},"profile":{{"test":{test}}},"executable":{executable}}}"#
            )
        };
        let messages = [
            message("null", false),
            message(r#""/t/debug/a""#, false),
            message(r#""/t/debug/deps/a-0123456789abcdef""#, true),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];

        let binaries = test_binaries(messages.join("\n").as_bytes());

        assert_eq!(binaries.len(), 1, "{binaries:?}");
        assert_eq!((binaries[0].package.as_str(), binaries[0].name.as_str()), ("a", "a"));
    }
}
