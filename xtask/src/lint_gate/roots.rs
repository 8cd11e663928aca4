//! The crates that the lint is for deny it, and make no exceptions but those that are listed here.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;

use super::code;

/// The crate roots that must deny `clippy::disallowed_methods`, from the workspace's root.
pub const ROOTS: [&str; 3] = ["leakcheck/src/lib.rs", "kfake/src/lib.rs", "kfake/src/main.rs"];

/// What a crate root must say.
pub const LINE: &str = "#![deny(clippy::disallowed_methods)]";

/// The sources in which exceptions are looked for.
const SOURCES: [&str; 2] = ["kfake/src", "leakcheck/src"];

/// The files that may name the lint, or a group of lints that has it, and how often: each is an exception. What denies the
/// lint does not count.
pub const EXCEPTIONS: [(&str, usize); 10] = [
    // The tracker spawns.
    ("leakcheck/src/lib.rs", 1),
    // Asks a runtime whether it still takes tasks.
    ("leakcheck/src/ending.rs", 1),
    // Learn what tasks look like, from tasks that are gone at once.
    ("leakcheck/src/cell.rs", 2),
    ("leakcheck/src/untracked/hooks.rs", 1),
    ("leakcheck/src/untracked/named.rs", 1),
    // Threads for the wall clock, which end with their owners.
    ("leakcheck/src/settle.rs", 1),
    ("leakcheck/src/watchdog.rs", 1),
    // A thread for signals, which are not to wait for a runtime.
    ("leakcheck/src/signal.rs", 1),
    // Threads that pass on what another process prints, and end with it.
    ("leakcheck/src/check/alone.rs", 1),
    // Reads the wall clock once.
    ("kfake/src/cluster/state.rs", 1),
];

/// What turns the lint off or on: its own name, and those of the groups that it is in.
const NAMES: [&str; 3] = ["clippy::disallowed_methods", "clippy::style", "clippy::all"];

/// The files whose number of exceptions is not the one that is listed: each with a sentence.
pub fn other_exceptions(workspace: &Path) -> anyhow::Result<Vec<String>> {
    let mut found = BTreeMap::new();
    for sources in SOURCES {
        count_exceptions(workspace, sources, &mut found)?;
    }
    for (file, _) in EXCEPTIONS {
        found.entry(file.to_owned()).or_insert(0);
    }
    let listed = |file: &str| {
        EXCEPTIONS
            .iter()
            .find(|(other, _)| *other == file)
            .map_or(0, |(_, count)| *count)
    };
    Ok(found
        .iter()
        .map(|(file, count)| (file, *count, listed(file)))
        .filter(|(_, count, listed)| count != listed)
        .map(|(file, count, listed)| {
            format!("{file}: makes {count} exceptions from the lint, and the gate's list has {listed}")
        })
        .collect())
}

/// Adds the exceptions in each file of that directory, and of those below it.
fn count_exceptions(workspace: &Path, directory: &str, found: &mut BTreeMap<String, usize>) -> anyhow::Result<()> {
    let path = workspace.join(directory);
    let entries = std::fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
    for entry in entries {
        let entry = entry.with_context(|| format!("cannot read {}", path.display()))?;
        let file = format!("{directory}/{}", entry.file_name().to_string_lossy());
        if entry.path().is_dir() {
            count_exceptions(workspace, &file, found)?;
        } else if file.ends_with(".rs") {
            let source = std::fs::read_to_string(entry.path()).with_context(|| format!("cannot read {file}"))?;
            let exceptions = exceptions(&source);
            if exceptions > 0 {
                found.insert(file, exceptions);
            }
        }
    }
    Ok(())
}

/// How often the source names the lint, but to deny it.
fn exceptions(source: &str) -> usize {
    let code = code::of(source);
    let named = |code: &str| {
        let words = code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
        words.filter(|word| NAMES.contains(word)).count()
    };
    let denied = DENYING.iter().flat_map(|level| code.split(level).skip(1));
    named(&code) - denied.map(|rest| named(attribute(rest))).sum::<usize>()
}

/// The roots that do not say it.
pub fn without_the_lint(workspace: &Path) -> anyhow::Result<Vec<&'static str>> {
    let mut without = Vec::new();
    for root in ROOTS {
        let path = workspace.join(root);
        let source = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        if !denies(&source) {
            without.push(root);
        }
    }
    Ok(without)
}

/// Whether an inner attribute of the crate denies the lint, or forbids it. A `cfg_attr` would not always.
fn denies(source: &str) -> bool {
    let code = code::of(source);
    let denied = |level: &&str| {
        code.split(level).skip(1).any(|rest| {
            attribute(rest)
                .split(',')
                .any(|lint| lint.trim() == "clippy::disallowed_methods")
        })
    };
    DENYING.iter().any(denied)
}

/// What an inner attribute begins with that denies lints.
const DENYING: [&str; 2] = ["#![deny(", "#![forbid("];

/// The lints of an attribute that began before.
fn attribute(rest: &str) -> &str {
    rest.split(")]").next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crate_denies_the_lint_in_any_list() {
        assert!(denies(&format!("//! A crate.\n{LINE}\nmod a;")));
        assert!(denies("#![forbid(clippy::disallowed_methods)]"));
        assert!(denies(
            "#![deny(\n    missing_docs,\n    clippy::disallowed_methods,\n    reason = \"why\"\n)]"
        ));
    }

    #[test]
    fn whatever_turns_the_lint_off_is_an_exception() {
        for source in [
            "#[expect(clippy::disallowed_methods, reason = \"why\")]",
            "#[allow(\n    clippy::disallowed_methods,\n)]",
            "#![allow(clippy::disallowed_methods)]",
            "#[cfg_attr(not(test), allow(clippy::disallowed_methods))]",
            "#[allow(clippy::style)]",
            "#[warn(clippy::all)]",
            "#![deny(clippy::disallowed_methods)]\n#![allow(clippy::disallowed_methods)]",
        ] {
            assert_eq!(exceptions(source), 1, "{source}");
        }
    }

    #[test]
    fn denying_the_lint_and_talking_of_it_are_no_exceptions() {
        for source in [
            LINE,
            "#![forbid(missing_docs, clippy::disallowed_methods)]",
            "// #[allow(clippy::disallowed_methods)]",
            "#[expect(clippy::disallowed_types, reason = \"not clippy::disallowed_methods\")]",
        ] {
            assert_eq!(exceptions(source), 0, "{source}");
        }
    }

    #[test]
    fn anything_less_is_not_enough() {
        for source in [
            "mod a;",
            "// #![deny(clippy::disallowed_methods)]",
            "//! #![deny(clippy::disallowed_methods)]",
            "/* #![deny(clippy::disallowed_methods)] */",
            "const LINE: &str = \"#![deny(clippy::disallowed_methods)]\";",
            "#![warn(clippy::disallowed_methods)]",
            "#![deny(missing_docs)] // clippy::disallowed_methods",
            "#[deny(clippy::disallowed_methods)]\nmod a;",
            "#![cfg_attr(test, deny(clippy::disallowed_methods))]",
            "#![deny(clippy::disallowed_methods_of_another_name)]",
        ] {
            assert!(!denies(source), "{source}");
        }
    }
}
