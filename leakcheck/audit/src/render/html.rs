//! The report as one page.

use super::{Options, people};
use crate::report::Report;

/// One self-contained page.
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
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>leak-audit</title><pre>{text}</pre></html>\n"
    )
}
