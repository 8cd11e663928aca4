//! A suite as its file describes it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{bail, ensure};
use serde::Deserialize;

use crate::interop::client::{Client, Version, described};

/// A suite's file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Suite {
    /// The file's name.
    #[serde(skip)]
    pub name: String,
    /// What it is, for the page.
    pub about: String,
    /// The client's version, whose published source is fetched.
    pub version: String,
    /// Whether CI runs it.
    #[serde(default)]
    pub ci: bool,
    /// Programs without which it cannot be installed or run.
    pub needs: Vec<String>,
    /// How many brokers it wants.
    pub brokers: usize,
    /// The first broker's node id.
    #[serde(default = "one")]
    pub first_node: u16,
    /// The first broker's port, where the suite has written it down; each further broker's is one more.
    pub port: Option<u16>,
    /// Whether the brokers have not been asked for a coordinator before the suite begins.
    #[serde(default)]
    pub fresh: bool,
    /// Broker configurations.
    #[serde(default)]
    pub configs: BTreeMap<String, String>,
    /// Further ones for Apache Kafka alone: what kfake cannot do yet.
    #[serde(default)]
    pub kafka_configs: BTreeMap<String, String>,
    /// Commands that install it. `{source}` is `tests/interop`, `{install}` a directory of the version's own.
    pub install: Vec<Vec<String>>,
    /// The command that runs it.
    pub run: Vec<String>,
    /// Its environment. `{addresses}` are the brokers, with commas, and `{first}` is the first of them.
    pub env: BTreeMap<String, String>,
    /// How many tests it reports.
    pub tests: usize,
    /// The tests that are not simply to pass.
    #[serde(default)]
    pub listed: Vec<Listed>,
    /// The file's text.
    #[serde(skip)]
    text: String,
}

/// Tests that are not simply to pass, and why.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listed {
    /// Their names.
    pub tests: Vec<String>,
    /// What they do against kfake.
    pub kfake: Expected,
    /// What they do against Apache Kafka.
    pub kafka: Expected,
    /// Why.
    pub why: String,
}

/// What is expected of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Expected {
    /// It passes.
    Passed,
    /// It fails.
    Failed,
    /// The suite skips it, and says so.
    Skipped,
    /// It says that it passed, and did nothing: what it needs is not there.
    Unrun,
    /// It passes or fails by how long things take, on Apache Kafka as well: what varies on kfake alone is kfake's.
    Varies,
}

fn one() -> u16 {
    1
}

/// The suites in a directory, by name.
pub fn read(source: &Path) -> anyhow::Result<Vec<Suite>> {
    described(source, "suite", parse)
}

pub(super) fn parse(name: String, text: String) -> anyhow::Result<Suite> {
    let mut suite: Suite = toml::from_str(&text)?;
    ensure!(!suite.run.is_empty(), "it has no command to run");
    ensure!(suite.brokers > 0, "it has no brokers");
    let mut seen = BTreeSet::new();
    for listed in &suite.listed {
        ensure!(!listed.why.is_empty(), "{:?} are listed without a reason", listed.tests);
        if listed.kfake == Expected::Passed && listed.kafka == Expected::Passed {
            bail!("{:?} are listed, and are to pass", listed.tests);
        }
        if listed.kfake == Expected::Varies && listed.kafka != Expected::Varies {
            bail!("{:?} vary on kfake alone", listed.tests);
        }
        if let Some(twice) = listed.tests.iter().find(|test| !seen.insert((*test).clone())) {
            bail!("{twice} is listed twice");
        }
    }
    suite.name = name;
    suite.text = text;
    Ok(suite)
}

impl Suite {
    /// The name and the version.
    pub fn label(&self) -> String {
        format!("{} {}", self.name, self.version)
    }

    /// What is listed of a test.
    pub fn listed(&self, test: &str) -> Option<&Listed> {
        self.listed
            .iter()
            .find(|listed| listed.tests.iter().any(|name| name == test))
    }

    /// What installs and runs it.
    pub fn program(&self, source: &Path, installs: &Path) -> Version {
        let client = Client {
            name: self.name.clone(),
            about: self.about.clone(),
            cases: String::new(),
            versions: vec![self.version.clone()],
            ci: Vec::new(),
            needs: self.needs.clone(),
            install: self.install.clone(),
            run: self.run.clone(),
            kfake: Vec::new(),
            text: self.text.clone(),
        };
        client.version(&self.version, source, installs)
    }

    /// Its environment, with the brokers put in.
    pub fn environment(&self, addresses: &str) -> impl Iterator<Item = (&String, String)> {
        let first = addresses.split(',').next().unwrap_or_default();
        self.env.iter().map(move |(name, value)| {
            let value = value.replace("{addresses}", addresses).replace("{first}", first);
            (name, value)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "about = 'a suite'\nversion = '1'\nneeds = []\nbrokers = 1\ninstall = []\nrun = ['suite']\ntests = 3\n\
        [env]\nSERVERS = '{addresses}'\nURI = 'kafka://{first}'\n\
        [[listed]]\ntests = ['one', 'two']\nkfake = 'failed'\nkafka = 'passed'\nwhy = 'later'\n";

    #[test]
    fn the_brokers_are_put_into_the_environment() {
        let suite = parse("one".to_owned(), FILE.to_owned()).expect("a suite");

        let environment: Vec<_> = suite
            .environment("a:1,b:2")
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        assert_eq!(environment, ["SERVERS=a:1,b:2", "URI=kafka://a:1"]);
        assert_eq!(suite.first_node, 1);
    }

    #[test]
    fn a_test_is_found_in_the_list() {
        let suite = parse("one".to_owned(), FILE.to_owned()).expect("a suite");

        assert_eq!(suite.listed("two").expect("listed").why, "later");
        assert_eq!(suite.listed("three"), None);
    }

    #[test]
    fn a_file_that_makes_no_sense_says_why() {
        for (change, to, why) in [
            ("'two'", "'one'", "one is listed twice"),
            ("'failed'", "'passed'", "are to pass"),
            ("'failed'", "'crashed'", "unknown variant"),
            ("'failed'", "'varies'", "vary on kfake alone"),
            ("'later'", "''", "without a reason"),
            ("brokers = 1", "brokers = 0", "no brokers"),
            ("['suite']", "[]", "no command"),
            ("about", "abot", "unknown field"),
        ] {
            let error = parse("one".to_owned(), FILE.replacen(change, to, 1)).expect_err(why);
            assert!(format!("{error:#}").contains(why), "{error:#}");
        }
    }
}
