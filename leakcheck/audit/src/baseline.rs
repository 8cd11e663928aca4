//! The leaks that are known: a workspace that has some can gate on new ones at once.
//!
//! A baseline is a TOML file, kept beside the code. An entry names no line, so that it survives edits:
//!
//! ```toml
//! [[known]]
//! file = "shop/src/orders.rs"
//! group = "connection"
//! name = "127.0.0.1:*"
//! reason = "the listener is rewritten next month"
//! ```

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::records::Leak;

/// The leaks that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Baseline {
    /// Its entries, in the file's order.
    #[serde(default)]
    pub known: Vec<Known>,
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
    #[error("{}: the entry of {} › {} has no reason", path.display(), entry.group, entry.name)]
    NoReason {
        /// The file.
        path: PathBuf,
        /// The entry.
        entry: Known,
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
        let baseline: Self = toml::from_str(&text).map_err(|source| BaselineError::Malformed {
            path: path.to_owned(),
            source,
        })?;
        match baseline.known.iter().find(|entry| entry.reason.trim().is_empty()) {
            Some(entry) => Err(BaselineError::NoReason {
                path: path.to_owned(),
                entry: entry.clone(),
            }),
            None => Ok(baseline),
        }
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
