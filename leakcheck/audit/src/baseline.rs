//! What is accepted, each with its reason: a project that has leaks can gate on new ones at once.
//!
//! It is a TOML file, `leak-audit.toml`, kept beside the code. No entry names a line, so that it survives edits:
//!
//! ```toml
//! # A leak, by its identity. `--update-baseline` writes these. One that no longer occurs must go.
//! [[accept]]
//! id = "0123456789abcdef"
//! about = "src/server.rs shop::server::run"
//! reason = "the listener is rewritten next month"
//!
//! # Leaks by a rule: whatever is given must match. * stands for any text.
//! [[ignore]]
//! function = "shop::metrics::*"
//! file = "src/metrics.rs"
//! crate = "hyper-util"
//! program = "shop"
//! test = "leaks_*"
//! reason = "these tests leak on purpose, and judge the report as data"
//!
//! # A program whose tasks cannot be observed.
//! [[unobserved]]
//! program = "jemalloc_*"
//! reason = "it has an allocator of its own, and leakcheck looks at its tests"
//!
//! # A leak that leakcheck reports.
//! [[known]]
//! file = "shop/src/orders.rs"
//! group = "connection"
//! name = "127.0.0.1:*"
//! reason = "the listener is rewritten next month"
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::records::Leak;
use crate::report::{self, Finding, Origin};

/// What is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Leaks that leakcheck reports, in the file's order.
    #[serde(default)]
    pub known: Vec<Known>,
    /// Leaks by their identity. Each must still occur.
    #[serde(default)]
    pub accept: Vec<report::Entry>,
    /// Leaks by rules.
    #[serde(default)]
    pub ignore: Vec<Ignore>,
    /// Programs that cannot be observed.
    #[serde(default)]
    pub unobserved: Vec<Unobserved>,
    /// Where it was read.
    #[serde(skip)]
    pub path: Option<PathBuf>,
}

/// A leak that is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// The file that spawns the task, as the report names it.
    pub file: String,
    /// The path of the task's groups, outermost first. A `*` stands for any text.
    pub group: String,
    /// The task's own name. A `*` stands for any text.
    pub name: String,
    /// Why it is tolerated.
    pub reason: String,
}

/// A rule: what is given must match. A `*` stands for any text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Ignore {
    /// A function among the calls that led to the spawn.
    pub function: Option<String>,
    /// The file of such a function.
    pub file: Option<String>,
    /// The dependency whose code spawned it.
    #[serde(rename = "crate")]
    pub package: Option<String>,
    /// The program.
    pub program: Option<String>,
    /// The test, as libtest prints it.
    pub test: Option<String>,
    /// Why.
    pub reason: String,
}

/// A program that cannot be observed, which is accepted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unobserved {
    /// Its name without cargo's hash. A `*` stands for any text.
    pub program: String,
    /// Why.
    pub reason: String,
}

impl Ignore {
    /// Whether the rule is about that finding. One that gives nothing is about none.
    #[must_use]
    pub fn matches(&self, finding: &Finding) -> bool {
        let given = |pattern: &Option<String>, fits_it: &dyn Fn(&str) -> bool| pattern.as_deref().is_none_or(fits_it);
        let all = [&self.function, &self.file, &self.package, &self.program, &self.test];
        all.iter().any(|pattern| pattern.is_some())
            // Where both a function and a file are given, they are of one call.
            && (self.function.is_none() && self.file.is_none()
                || finding.spawned.iter().any(|place| {
                    given(&self.function, &|pattern| fits(pattern, &place.function))
                        && given(&self.file, &|pattern| fits(pattern, place.file.as_deref().unwrap_or_default()))
                }))
            && given(&self.package, &|pattern| {
                matches!(&finding.origin, Origin::Dependency { name, .. } if fits(pattern, name))
            })
            && given(&self.program, &|pattern| fits(pattern, &finding.program))
            && given(&self.test, &|pattern| fits(pattern, finding.test.as_deref().unwrap_or_default()))
    }

    /// The rule in a line.
    #[must_use]
    pub fn about(&self) -> String {
        let parts = [
            ("function", &self.function),
            ("file", &self.file),
            ("crate", &self.package),
            ("program", &self.program),
            ("test", &self.test),
        ];
        let given = parts
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name} = {:?}", value.as_ref()?)));
        given.collect::<Vec<_>>().join(", ")
    }
}

impl Known {
    /// Whether this entry is about that finding, where leakcheck saw it.
    #[must_use]
    pub fn is_about(&self, finding: &Finding) -> bool {
        let Some(tracked) = &finding.tracked else { return false };
        finding
            .spawned
            .iter()
            .any(|place| place.file.as_deref() == Some(&self.file))
            && fits(&self.group, &tracked.group)
            && fits(&self.name, &tracked.name)
    }
}

impl Unobserved {
    /// Whether this entry is about that program.
    #[must_use]
    pub fn is_about(&self, program: &str) -> bool {
        fits(&self.program, program)
    }
}

/// Why a baseline cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BaselineError {
    /// The file cannot be read.
    #[error("cannot read the baseline {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The file is not a baseline.
    #[error("{} is not a baseline: {source}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What the parser says.
        source: toml::de::Error,
    },
    /// An entry says nothing about why it is there.
    #[error("{}: {about} has no reason: say why it is accepted", path.display())]
    NoReason {
        /// The file.
        path: PathBuf,
        /// The entry.
        about: String,
    },
    /// A rule that would be about everything.
    #[error("{}: an [[ignore]] needs a function, a file, a crate, a program or a test", path.display())]
    Everything {
        /// The file.
        path: PathBuf,
    },
    /// The file cannot be written.
    #[error("cannot write the baseline {}: {source}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Baseline {
    /// Reads a baseline.
    ///
    /// # Errors
    ///
    /// When the file cannot be read, is not a baseline, or an entry has no reason.
    pub fn read(path: &Path) -> Result<Self, BaselineError> {
        let text = std::fs::read_to_string(path).map_err(|source| BaselineError::Unreadable {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path)
    }

    /// Reads a baseline's text. `path` is what errors name.
    ///
    /// # Errors
    ///
    /// When it is not a baseline, or an entry has no reason.
    pub fn parse(text: &str, path: &Path) -> Result<Self, BaselineError> {
        let mut baseline: Self = toml::from_str(text).map_err(|source| BaselineError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        baseline.path = Some(path.to_owned());
        if baseline.ignore.iter().any(|rule| rule.about().is_empty()) {
            return Err(BaselineError::Everything { path: path.to_owned() });
        }
        match baseline.without_reason() {
            Some(about) => Err(BaselineError::NoReason {
                path: path.to_owned(),
                about,
            }),
            None => Ok(baseline),
        }
    }

    /// The first entry that does not say why.
    fn without_reason(&self) -> Option<String> {
        let known = self.known.iter();
        let known = known.map(|entry| (&entry.reason, format!("the entry of {} › {}", entry.group, entry.name)));
        let accept = self.accept.iter();
        let accept = accept.map(|entry| (&entry.reason, format!("the entry {} ({})", entry.id, entry.about)));
        let ignore = self
            .ignore
            .iter()
            .map(|rule| (&rule.reason, format!("the rule {}", rule.about())));
        let unobserved = self.unobserved.iter();
        let unobserved = unobserved.map(|entry| (&entry.reason, format!("the program {}", entry.program)));
        let mut all = known.chain(accept).chain(ignore).chain(unobserved);
        all.find(|(reason, _)| reason.trim().is_empty()).map(|(_, about)| about)
    }
}

impl Known {
    /// Whether this entry is about that task.
    #[must_use]
    pub fn matches(&self, leak: &Leak) -> bool {
        self.file == leak.spawned_at.file && fits(&self.group, &leak.group) && fits(&self.name, &leak.name)
    }
}

/// Whether a text is the pattern, each `*` in that standing for any text.
fn fits(pattern: &str, text: &str) -> bool {
    let Some((head, mut patterns)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(head) else {
        return false;
    };
    // Each middle part where it first comes; what follows the last `*` at the end.
    while let Some((part, rest)) = patterns.split_once('*') {
        let Some(position) = text.find(part) else {
            return false;
        };
        text = &text[position + part.len()..];
        patterns = rest;
    }
    text.ends_with(patterns)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Baseline, BaselineError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("it can be written");
        Baseline::read(file.path())
    }

    #[test]
    fn a_star_stands_for_any_text() {
        for (pattern, text) in [
            ("orders", "orders"),
            ("*", ""),
            ("127.*:*", "127.0.0.1:80"),
            ("*a*a", "aa"),
            ("group:*", "group:"),
            ("a**b", "ab"),
        ] {
            assert!(fits(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("orders", "orders2"),
            ("", "a"),
            ("127.*:*", "127.0.0.1"),
            ("a*a", "a"),
            ("*x", "xy"),
            ("*a*b*", "ba"),
        ] {
            assert!(!fits(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn an_entry_has_a_reason() {
        let entry = |reason: &str| format!("[[known]]\nfile = \"a.rs\"\ngroup = \"g\"\nname = \"n\"\n{reason}");

        assert!(read(&entry("reason = \"why\"")).is_ok_and(|baseline| baseline.known.len() == 1));
        assert!(matches!(
            read(&entry("reason = \" \"")),
            Err(BaselineError::NoReason { .. })
        ));
        assert!(matches!(read(&entry("")), Err(BaselineError::Malformed { .. })));
    }

    #[test]
    fn every_kind_of_entry_has_a_reason() {
        for entry in [
            "[[accept]]\nid = \"1\"\nabout = \"\"\n",
            "[[ignore]]\ntest = \"a\"\n",
            "[[unobserved]]\nprogram = \"a\"\n",
        ] {
            assert!(read(&format!("{entry}reason = \"why\"")).is_ok(), "{entry}");
            assert!(
                matches!(
                    read(&format!("{entry}reason = \"\"")),
                    Err(BaselineError::NoReason { .. })
                ),
                "{entry}"
            );
        }
        assert!(matches!(
            read("[[ignore]]\nreason = \"all\""),
            Err(BaselineError::Everything { .. })
        ));
    }

    #[test]
    fn a_rule_is_about_what_matches_all_of_it() {
        let place = |function: &str, file: &str| report::Place {
            function: function.to_owned(),
            file: Some(file.to_owned()),
            line: Some(1),
        };
        let finding = Finding {
            program: "shop".to_owned(),
            test: Some("m::leaks".to_owned()),
            spawned: vec![place("shop::run", "src/a.rs"), place("shop::main", "src/b.rs")],
            ..Finding::default()
        };
        let rule = |text: &str| {
            let text = format!("[[ignore]]\n{text}\nreason = \"why\"");
            read(&text).expect("a rule").ignore.remove(0)
        };
        for text in [
            "function = \"shop::m*\"",
            "file = \"src/b.rs\"\ntest = \"*leaks\"",
            "program = \"shop\"",
        ] {
            assert!(rule(text).matches(&finding), "{text}");
        }
        for text in [
            "function = \"shop::main\"\nfile = \"src/a.rs\"",
            "test = \"leaks\"",
            "crate = \"shop\"",
            "program = \"shop\"\ntest = \"x\"",
        ] {
            assert!(!rule(text).matches(&finding), "{text}");
        }
    }

    #[test]
    fn a_misspelt_field_is_not_overlooked() {
        assert!(matches!(
            read("[[knwon]]\nfile = \"a.rs\""),
            Err(BaselineError::Malformed { .. })
        ));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error() {
        assert!(matches!(
            Baseline::read(Path::new("no such file")),
            Err(BaselineError::Unreadable { .. })
        ));
    }
}
