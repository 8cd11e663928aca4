//! The report as one page: everything in one file, opened from wherever it lies.
//!
//! The report is embedded as JSON, and `html/*.js` draws it. The page's content security
//! policy allows its own style and script, by their hashes, and nothing else: no request leaves it. Where scripts are off, it
//! shows the text for people.

mod data;

use std::fmt::Write as _;

use super::{Options, people, words};
use crate::report::Report;

/// The page's style.
pub const STYLE: &str = include_str!("html/page.css");

/// The page's script.
pub const SCRIPT: &str = concat!(
    include_str!("html/base.js"),
    include_str!("html/findings.js"),
    include_str!("html/flame.js"),
    include_str!("html/timeline.js"),
    include_str!("html/tables.js"),
    include_str!("html/page.js"),
);

/// The SHA-256 of [`STYLE`] and [`SCRIPT`] in base64, as a content security policy names them. A test of `tests/render` checks
/// them, and says what they should be.
pub const HASHES: [&str; 2] = [
    "0TeuY7DCebg4oQ/kl7wx6gHrR7OOaP9nB7NgvQTSkPI=",
    "o7yGTU8OVpDWnvm6u6XAZnqhm2+LLjVPkRIJwiE5KE4=",
];

/// The page: header and sums, findings with spawn stacks and trees of awaits, all spawn stacks as a flame graph, a timeline
/// of lifetimes, tests, suspects, and a box that filters all of it.
#[must_use]
pub fn render(report: &Report, options: &Options) -> String {
    let text = people::render(
        report,
        &Options {
            colour: false,
            width: None,
            ..options.clone()
        },
    );
    let [style, script] = HASHES;
    let mut page = String::from("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    let _ = writeln!(
        page,
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{style}'; script-src \
         'sha256-{script}'; base-uri 'none'; form-action 'none'\">"
    );
    page.push_str("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
    page.push_str(
        "<meta name=\"color-scheme\" content=\"light dark\">\n<meta name=\"referrer\" content=\"no-referrer\">\n",
    );
    let _ = writeln!(
        page,
        "<title>leak-audit: {}</title>",
        words::conclusion(report.conclusion())
    );
    let _ = writeln!(page, "<style>{STYLE}</style>\n</head>\n<body>");
    let _ = writeln!(page, "<noscript><pre>{}</pre></noscript>", escaped(&text));
    page.push_str("<div id=\"page\"></div>\n");
    let json = data::json(report);
    let _ = writeln!(page, "<script type=\"application/json\" id=\"report\">{json}</script>");
    let _ = writeln!(page, "<script>{SCRIPT}</script>\n</body>\n</html>");
    page
}

/// Text as HTML.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
