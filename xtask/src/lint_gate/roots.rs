//! The crates that the lint is for deny it.

use std::path::Path;

use anyhow::Context;

/// The crate roots that must deny `clippy::disallowed_methods`, from the workspace's root.
pub const ROOTS: [&str; 3] = ["leakcheck/src/lib.rs", "kfake/src/lib.rs", "kfake/src/main.rs"];

/// What a crate root must say.
pub const LINE: &str = "#![deny(clippy::disallowed_methods)]";

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
    let code: String = source
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect();
    let denied = |level: &str| {
        code.split(level).skip(1).any(|rest| {
            let attribute = rest.split(")]").next().unwrap_or_default();
            attribute
                .split(',')
                .any(|lint| lint.trim() == "clippy::disallowed_methods")
        })
    };
    denied("#![deny(") || denied("#![forbid(")
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
    fn anything_less_is_not_enough() {
        for source in [
            "mod a;",
            "// #![deny(clippy::disallowed_methods)]",
            "//! #![deny(clippy::disallowed_methods)]",
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
