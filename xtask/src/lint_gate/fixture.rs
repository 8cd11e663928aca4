//! The generated workspace: a member for each `clippy.toml`, whose every call clippy must report.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, ensure};
use serde::Deserialize;

use super::calls::{ALLOWED, CALLS, Call};

/// A member: a copy of one `clippy.toml`, and calls of the paths that it lists.
#[derive(Debug)]
pub struct Member {
    name: String,
    source: String,
    /// The call on each line, where one is.
    lines: Vec<Option<Call>>,
}

impl Member {
    /// The member for this list. A listed path without a call in the table is a problem that [`check`](super::check) finds.
    pub fn of(name: &str, list: &[String]) -> Self {
        let mut member = Self {
            name: name.to_owned(),
            source: String::new(),
            lines: Vec::new(),
        };
        member.line("#![deny(clippy::disallowed_methods)]", None);
        member.line(
            "#![allow(clippy::let_underscore_future, clippy::let_unit_value, reason = \"only calls\")]",
            None,
        );
        for (number, call) in CALLS
            .iter()
            .filter(|call| list.iter().any(|path| path == call.path))
            .enumerate()
        {
            member.line(&format!("pub fn call_{number}({}) {{", call.given), None);
            member.line(&format!("    let _ = {};", call.code), Some(*call));
            member.line("}", None);
        }
        for (number, code) in ALLOWED.iter().enumerate() {
            member.line(&format!("pub fn allowed_{number}() {{ let _ = {code}; }}"), None);
        }
        member
    }

    fn line(&mut self, text: &str, call: Option<Call>) {
        self.source.push_str(text);
        self.source.push('\n');
        self.lines.push(call);
    }

    /// The calls, in the order of their lines.
    pub fn calls(&self) -> impl Iterator<Item = (usize, Call)> {
        self.lines
            .iter()
            .enumerate()
            .filter_map(|(index, call)| Some((index + 1, (*call)?)))
    }
}

/// One thing that clippy said.
#[derive(Debug, PartialEq, Eq)]
pub struct Said {
    /// The line, counted from 1; 0 where it has none.
    pub line: usize,
    /// The path that the lint names, or the message of anything else.
    pub what: What,
}

/// What clippy said.
#[derive(Debug, PartialEq, Eq)]
pub enum What {
    /// This path is disallowed, as an error.
    Disallowed(String),
    /// Something else.
    Other(String),
}

/// Writes the workspace to `directory`, and runs clippy on it. What clippy says of each member, in their order.
pub fn clippy(
    root: &Path,
    directory: &Path,
    target_dir: &Path,
    members: &[(Member, PathBuf)],
) -> anyhow::Result<Vec<Vec<Said>>> {
    write(root, directory, members).with_context(|| format!("cannot write {}", directory.display()))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["clippy", "--keep-going", "--message-format", "json", "--manifest-path"])
        .arg(directory.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(target_dir)
        // From outside it could name another list.
        .env_remove("CLIPPY_CONF_DIR")
        .stdin(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .context("cannot start cargo clippy")?;
    let messages = messages(&output.stdout);
    // It fails: every call is an error. But it must have got as far as that.
    ensure!(
        !messages.is_empty(),
        "clippy says nothing of the generated crates ({}):\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    let of = |member: &Member| {
        let own = messages.iter().filter(|message| message.target.name == member.name);
        own.filter_map(Message::said).collect()
    };
    Ok(members.iter().map(|(member, _)| of(member)).collect())
}

fn write(root: &Path, directory: &Path, members: &[(Member, PathBuf)]) -> std::io::Result<()> {
    fs::create_dir_all(directory)?;
    let names: Vec<_> = members.iter().map(|(member, _)| &member.name).collect();
    // As in the workspace, the lint is off until a crate turns it on.
    let workspace = format!(
        "[workspace]\nresolver = \"3\"\nmembers = {names:?}\n\n[workspace.lints.clippy]\ndisallowed_methods = \"allow\"\n"
    );
    fs::write(directory.join("Cargo.toml"), workspace)?;
    // The versions that this workspace uses, and nothing to resolve over the network.
    fs::copy(root.join("Cargo.lock"), directory.join("Cargo.lock"))?;
    for (member, configuration) in members {
        let package = directory.join(&member.name);
        fs::create_dir_all(package.join("src"))?;
        let manifest = format!(
            "[package]\nname = {:?}\nedition = \"2024\"\n\n[dependencies]\n\
             tokio = {{ version = \"1\", features = [\"rt-multi-thread\"] }}\n\
             tokio-util = {{ version = \"0.7\", features = [\"rt\"] }}\n\n[lints]\nworkspace = true\n",
            member.name
        );
        fs::write(package.join("Cargo.toml"), manifest)?;
        fs::copy(configuration, package.join("clippy.toml"))?;
        fs::write(package.join("src/lib.rs"), &member.source)?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Message {
    target: Target,
    message: Diagnostic,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Diagnostic {
    message: String,
    level: String,
    code: Option<Code>,
    spans: Vec<Span>,
}

#[derive(Deserialize)]
struct Code {
    code: String,
}

#[derive(Deserialize)]
struct Span {
    line_start: usize,
    is_primary: bool,
}

/// The diagnostics among cargo's messages.
fn messages(stdout: &[u8]) -> Vec<Message> {
    stdout
        .split(|byte| *byte == b'\n')
        .filter_map(|line| serde_json::from_slice(line).ok())
        .collect()
}

impl Message {
    fn said(&self) -> Option<Said> {
        let Diagnostic {
            message,
            level,
            code,
            spans,
        } = &self.message;
        // "aborting due to …": the sum of the others.
        if spans.is_empty() && code.is_none() && message.starts_with("aborting due to") {
            return None;
        }
        let line = spans
            .iter()
            .find(|span| span.is_primary)
            .map_or(0, |span| span.line_start);
        let is_the_lint = code
            .as_ref()
            .is_some_and(|code| code.code == "clippy::disallowed_methods");
        let path = message.split('`').nth(1);
        let what = match path {
            Some(path) if is_the_lint && level == "error" => What::Disallowed(path.to_owned()),
            _ => What::Other(format!("{level}: {message}")),
        };
        Some(Said { line, what })
    }
}
