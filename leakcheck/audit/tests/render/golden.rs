//! The outputs of the samples, to the letter. `UPDATE_GOLDEN=1 cargo test -p leakcheck-audit --test render` writes them anew.

use std::fs;
use std::path::Path;

use leakcheck_audit::render::{Options, document, github, html, junit, markdown, people, sarif};
use leakcheck_audit::report::Report;

use crate::sample;

type Render = fn(&Report, &Options) -> String;

/// The samples in one format, each as its file has it.
fn samples_are(render: Render, options: &Options, ending: &str) {
    for (name, text) in sample::ALL {
        let rendered = without_assets(render(&sample::report(text), options));
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/render/golden")
            .join(format!("{name}.{ending}"));
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::write(&path, &rendered).expect("the golden file can be written");
        }
        let golden = fs::read_to_string(&path).unwrap_or_default();
        let differs = golden.lines().zip(rendered.lines()).position(|(a, b)| a != b);
        let line = differs.unwrap_or_else(|| golden.lines().count().min(rendered.lines().count()));
        assert!(
            golden == rendered,
            "{} differs at line {}:\n  {}\nis now\n  {}",
            path.display(),
            line + 1,
            golden.lines().nth(line).unwrap_or("(nothing)"),
            rendered.lines().nth(line).unwrap_or("(nothing)"),
        );
    }
}

/// What the page holds of its own is no part of what it says of a report.
fn without_assets(text: String) -> String {
    [html::STYLE, html::SCRIPT]
        .iter()
        .fold(text, |text, asset| text.replace(asset, "…"))
}

#[test]
fn text_for_people() {
    samples_are(people::render, &Options::default(), "txt");
}

#[test]
fn text_for_people_in_colour_on_a_narrow_terminal_with_every_table() {
    let mut options = Options::default();
    options.colour = true;
    options.width = Some(80);
    options.by_test = true;
    options.by_site = true;
    options.limit = 6;
    options.calls = 3;
    samples_are(people::render, &options, "ansi");
}

#[test]
fn the_document() {
    samples_are(document::render, &Options::default(), "json");
}

#[test]
fn junit_xml() {
    samples_are(junit::render, &Options::default(), "xml");
}

#[test]
fn sarif_of_a_workspace_below_its_repository() {
    let mut options = Options::default();
    options.prefix = "back end/".to_owned();
    samples_are(sarif::render, &options, "sarif");
}

#[test]
fn workflow_commands() {
    samples_are(github::render, &Options::default(), "github");
}

#[test]
fn markdown_for_a_summary() {
    samples_are(markdown::render, &Options::default(), "md");
}

#[test]
fn the_page() {
    samples_are(html::render, &Options::default(), "html");
}
