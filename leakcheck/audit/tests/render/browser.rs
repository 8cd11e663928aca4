//! The page in a real browser, driven by `tests/browser/page.mjs`.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use leakcheck_audit::render::{Options, document, html};

use crate::sample;

/// Renders the pages into the directory that `LEAK_AUDIT_BROWSER` names, where node finds its packages, and lets node open them.
#[test]
#[ignore = "needs node with playwright-core, and Chromium: `bash .ci/run browser` installs and runs them"]
fn the_page_works_in_a_browser() {
    let installed = PathBuf::from(env::var_os("LEAK_AUDIT_BROWSER").expect("the directory with playwright-core"));
    let pages = installed.join("pages");
    fs::create_dir_all(&pages).expect("the directory");
    let write = |name: &str, text: String| fs::write(pages.join(name), text).expect("the page");
    for (name, text) in sample::ALL {
        write(
            &format!("{name}.html"),
            html::render(&sample::report(text), &Options::default()),
        );
    }
    write(
        "rich.json",
        document::render(&sample::report(sample::RICH), &Options::default()),
    );
    write("many.html", html::render(&sample::many(100_000), &Options::default()));

    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser/page.mjs");
    let status = Command::new("node")
        .arg(script)
        .arg(&pages)
        .current_dir(&installed)
        .status()
        .expect("node");
    assert!(status.success(), "see above");
}
