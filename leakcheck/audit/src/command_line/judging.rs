//! The options that every form has: what is accepted, and what is printed.

use std::path::PathBuf;

use lexopt::{Parser, ValueExt};

use super::error::{ArgumentError, wrong};

/// How findings are judged and printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judging {
    /// The file of what is accepted.
    pub baseline: Option<PathBuf>,
    /// Write it.
    pub update_baseline: bool,
    /// The reason of new entries.
    pub reason: Option<String>,
    /// Dependencies' leaks count.
    pub deny_third_party: bool,
    /// What is printed, and where to.
    pub outputs: Vec<(Format, Option<PathBuf>)>,
    /// A row for every test.
    pub by_test: bool,
    /// A row for every line that spawned.
    pub by_site: bool,
    /// Whether there are colours. None: where stdout is a terminal.
    pub colour: Option<bool>,
    /// Show nothing of what cargo and the tests print.
    pub quiet: bool,
}

/// A form of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The whole report.
    Json,
    /// Test results.
    Junit,
    /// For code scanners.
    Sarif,
    /// GitHub's workflow commands.
    Github,
    /// For a summary or a comment.
    Markdown,
    /// A page.
    Html,
}

/// The options that every form has, while they are read.
#[derive(Default)]
pub(super) struct Reading {
    pub(super) judging: Judging,
    output: Option<PathBuf>,
}

impl Reading {
    /// Reads one option by its name, and its value.
    pub(super) fn option(&mut self, name: &str, parser: &mut Parser) -> Result<(), ArgumentError> {
        let judging = &mut self.judging;
        match name {
            "baseline" => judging.baseline = Some(parser.value()?.into()),
            "update-baseline" => judging.update_baseline = true,
            "reason" => judging.reason = Some(parser.value()?.string()?),
            "deny-third-party" => judging.deny_third_party = true,
            "format" => {
                let value = parser.value()?.string()?;
                let (format, file) = match value.split_once('=') {
                    Some((format, file)) => (format, Some(file.into())),
                    None => (value.as_str(), None),
                };
                judging.outputs.push((format_named(format)?, file));
            }
            "output" => self.output = Some(parser.value()?.into()),
            "html" => judging.outputs.push((Format::Html, Some(parser.value()?.into()))),
            "by-test" => judging.by_test = true,
            "by-site" => judging.by_site = true,
            "quiet" => judging.quiet = true,
            "color" | "colour" => {
                judging.colour = match parser.value()?.string()?.as_str() {
                    "auto" => None,
                    "always" => Some(true),
                    "never" => Some(false),
                    other => return wrong(&format!("--color is auto, always or never, not {other:?}")),
                }
            }
            other => return wrong(&format!("invalid option '--{other}'")),
        }
        Ok(())
    }

    /// What they come to, where they fit together.
    pub(super) fn finish(mut self) -> Result<Judging, ArgumentError> {
        let outputs = &mut self.judging.outputs;
        if outputs.iter().all(|(_, file)| file.is_some()) && (outputs.is_empty() || self.output.is_some()) {
            outputs.push((Format::Text, None));
        }
        // A page beside it does not take the text's place.
        if outputs.iter().all(|(format, _)| *format == Format::Html) {
            outputs.push((Format::Text, None));
        }
        let mut to_stdout = outputs.iter_mut().filter(|(_, file)| file.is_none());
        if let Some((_, file)) = to_stdout.next() {
            *file = self.output;
        }
        if to_stdout.next().is_some() {
            return wrong("one format goes to stdout: give the others a file, --format json=report.json");
        }
        if self.judging.reason.is_some() && !self.judging.update_baseline {
            return wrong("--reason is for --update-baseline");
        }
        Ok(self.judging)
    }
}

fn format_named(name: &str) -> Result<Format, ArgumentError> {
    Ok(match name {
        "text" => Format::Text,
        "json" => Format::Json,
        "junit" => Format::Junit,
        "sarif" => Format::Sarif,
        "github" => Format::Github,
        "markdown" => Format::Markdown,
        "html" => Format::Html,
        other => {
            return wrong(&format!(
                "--format is text, json, junit, sarif, github, markdown or html, not {other:?}"
            ));
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::request::tests::audit;
    use super::*;

    #[test]
    fn one_format_goes_to_stdout_and_any_number_to_files() {
        let outputs = |line: &str| audit(line).judging.outputs;
        let file = |name: &str| Some(PathBuf::from(name));

        assert_eq!(outputs(""), [(Format::Text, None)]);
        assert_eq!(outputs("--format json=a.json"), [(Format::Json, file("a.json"))]);
        assert_eq!(
            outputs("--html a.html"),
            [(Format::Html, file("a.html")), (Format::Text, None)]
        );
        assert_eq!(outputs("--format sarif --output a"), [(Format::Sarif, file("a"))]);
        assert_eq!(
            outputs("--format text --format junit=b"),
            [(Format::Text, None), (Format::Junit, file("b"))]
        );
    }
}
