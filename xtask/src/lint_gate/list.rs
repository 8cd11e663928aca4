//! The paths that a `clippy.toml` disallows.

use std::path::Path;

use anyhow::Context;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Configuration {
    disallowed_methods: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Entry {
    Path(String),
    WithReason { path: String },
}

/// The disallowed methods of this file, in its order.
pub fn read(path: &Path) -> anyhow::Result<Vec<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("cannot read the list in {}", path.display()))
}

fn parse(text: &str) -> Result<Vec<String>, toml::de::Error> {
    let configuration: Configuration = toml::from_str(text)?;
    let path = |entry| match entry {
        Entry::Path(path) | Entry::WithReason { path } => path,
    };
    Ok(configuration.disallowed_methods.into_iter().map(path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_stand_alone_or_with_its_reason() {
        let list = parse(r#"disallowed-methods = ["a::b", { path = "c::d", reason = "why" }]"#);

        assert_eq!(list, Ok(vec!["a::b".to_owned(), "c::d".to_owned()]));
    }

    #[test]
    fn a_file_without_the_list_is_an_error() {
        assert!(parse("disallowed-types = []").is_err());
    }
}
