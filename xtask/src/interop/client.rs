//! A client as its file describes it, and installing what it needs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

/// A client's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What it is, for the table.
    pub about: String,
    /// The file that lists its cases, where they are not those that all clients share.
    #[serde(default = "shared_cases")]
    pub cases: String,
    /// The versions that are run, each installed by itself.
    pub versions: Vec<String>,
    /// Those of them that CI runs.
    pub ci: Vec<String>,
    /// Programs without which it cannot be installed or run.
    pub needs: Vec<String>,
    /// Commands that install it. `{source}` is `tests/interop`, `{install}` a directory of the version's own.
    pub install: Vec<Vec<String>>,
    /// The command that runs it. It takes names of cases as arguments, to run them alone.
    pub run: Vec<String>,
    /// Further arguments for kfake.
    #[serde(default)]
    pub kfake: Vec<String>,
    /// The file's text.
    #[serde(skip)]
    pub(super) text: String,
}

fn shared_cases() -> String {
    "cases.txt".to_owned()
}

/// One version of a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version {
    /// The client.
    pub client: Client,
    /// Its version.
    pub version: String,
    source: PathBuf,
    install: PathBuf,
}

/// The clients in a directory, by name.
pub fn read(source: &Path) -> anyhow::Result<Vec<Client>> {
    described(source, "client", parse)
}

/// What the files of a directory describe, each by its name, in the order of the names.
pub fn described<T>(
    source: &Path,
    what: &str,
    parse: fn(String, String) -> anyhow::Result<T>,
) -> anyhow::Result<Vec<T>> {
    let mut files = BTreeMap::new();
    let entries = fs::read_dir(source).with_context(|| format!("cannot read {}", source.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            files.insert(name, path);
        }
    }
    let described = files.into_iter().map(|(name, path)| {
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        parse(name, text).with_context(|| format!("{} describes no {what}", path.display()))
    });
    described.collect()
}

fn parse(name: String, text: String) -> anyhow::Result<Client> {
    let mut client: Client = toml::from_str(&text)?;
    ensure!(!client.versions.is_empty(), "it has no versions");
    ensure!(!client.run.is_empty(), "it has no command to run");
    if let Some(stray) = client.ci.iter().find(|version| !client.versions.contains(version)) {
        bail!("ci names {stray}, which is none of its versions");
    }
    client.name = name;
    client.text = text;
    Ok(client)
}

impl Client {
    /// One of its versions.
    pub fn version(&self, version: &str, source: &Path, installs: &Path) -> Version {
        Version {
            client: self.clone(),
            version: version.to_owned(),
            source: source.to_owned(),
            install: installs.join(format!("{}-{version}", self.name)),
        }
    }
}

impl Version {
    /// The name and the version.
    pub fn label(&self) -> String {
        format!("{} {}", self.client.name, self.version)
    }

    /// The programs that it needs and that are not on the path.
    pub fn missing(&self) -> Vec<String> {
        let found = |program: &str| {
            let path = std::env::var_os("PATH").unwrap_or_default();
            std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
        };
        let needs = self.client.needs.iter();
        needs.filter(|program| !found(program)).cloned().collect()
    }

    /// Installs it, unless that was done before from the same file.
    pub fn install(&self) -> anyhow::Result<()> {
        let done = self.install.join(".installed");
        // A program that is built from source is built again: its own tool knows whether that is necessary.
        let builds = self
            .client
            .install
            .iter()
            .flatten()
            .any(|word| word.contains("{source}"));
        if !builds && fs::read_to_string(&done).is_ok_and(|text| text == self.client.text) {
            return Ok(());
        }
        fs::create_dir_all(&self.install).with_context(|| format!("cannot make {}", self.install.display()))?;
        for command in &self.client.install {
            let status = self
                .command(command)?
                .stdin(Stdio::null())
                .stdout(std::io::stderr())
                .status()
                .with_context(|| format!("cannot start {}", command.join(" ")))?;
            ensure!(status.success(), "{} failed: {status}", command.join(" "));
        }
        fs::write(&done, &self.client.text).with_context(|| format!("cannot write {}", done.display()))
    }

    /// The command that runs these cases, or all.
    pub fn program(&self, cases: &[String]) -> anyhow::Result<Command> {
        let mut command = self.command(&self.client.run)?;
        command.args(cases);
        Ok(command)
    }

    fn command(&self, words: &[String]) -> anyhow::Result<Command> {
        let fill = |word: &String| {
            word.replace("{source}", &self.source.display().to_string())
                .replace("{install}", &self.install.display().to_string())
                .replace("{version}", &self.version)
        };
        let mut words = words.iter().map(fill);
        let mut command = Command::new(words.next().context("an empty command")?);
        command.args(words);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "about = 'a client'\nversions = ['1', '2']\nci = ['2']\nneeds = ['no-such-program', 'sh']\n\
        install = [['sh', '-c', 'echo installed >> {install}/log']]\nrun = ['{install}/client', '{version}']\n";

    fn version(directory: &Path) -> Version {
        let client = parse("one".to_owned(), FILE.to_owned()).expect("a client");
        client.version("2", Path::new("/source"), directory)
    }

    #[test]
    fn what_is_missing_is_named() {
        assert_eq!(version(Path::new("/tmp")).missing(), ["no-such-program"]);
    }

    #[test]
    fn it_is_installed_once_for_each_text_of_its_file() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut version = version(directory.path());
        let log = directory.path().join("one-2/log");
        let installed = || fs::read_to_string(&log).map(|log| log.lines().count()).expect("a log");

        version.install().expect("installed");
        version.install().expect("installed before");
        assert_eq!(installed(), 1);

        version.client.text.push_str("# changed\n");
        version.install().expect("installed again");
        assert_eq!(installed(), 2);
    }

    #[test]
    fn a_failed_installation_says_which_command() {
        let directory = tempfile::tempdir().expect("a directory");
        let mut version = version(directory.path());
        version.client.install = vec![vec!["false".to_owned(), "{version}".to_owned()]];

        let error = version.install().expect_err("false fails");
        assert!(format!("{error:#}").contains("false {version} failed"), "{error:#}");
    }

    #[test]
    fn a_file_that_makes_no_sense_says_why() {
        for (change, to, why) in [
            ("ci = ['2']", "ci = ['3']", "ci names 3"),
            ("versions = ['1', '2']", "versions = []", "no versions"),
            ("about", "abot", "unknown field"),
        ] {
            let error = parse("one".to_owned(), FILE.replace(change, to)).expect_err(why);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
