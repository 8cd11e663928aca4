//! The canary: a small program with one task that outlives its runtime, one that ends, and one that is alive at exit.
//!
//! It goes through all that a real program does: built by the user's `rustc`, run with the library, resolved and judged. Its
//! tasks are no tokio tasks, but blocks of memory in functions that have tokio's names, so that it builds in a moment.

use std::path::Path;
use std::process::Command;

use super::error::ObserveError;
use super::exec::observe;
use super::judge::What;
use super::preload::Rustc;
use crate::owners::Owners;

const TOKIO: &str = include_str!("../../preload/canary_tokio.rs");
const PROGRAM: &str = include_str!("../../preload/canary.rs");

/// Runs it, and compares.
///
/// # Errors
///
/// Where it does not build or run, or is not seen as it is.
pub fn check(library: &Path) -> Result<(), ObserveError> {
    let program = Rustc::find()?.build(
        "the canary",
        &[("tokio.rs", TOKIO), ("canary.rs", PROGRAM)],
        &[
            (
                "tokio.rs",
                &[
                    "--crate-type",
                    "rlib",
                    "--crate-name",
                    "tokio",
                    "-g",
                    "-o",
                    "libtokio.rlib",
                ],
            ),
            (
                "canary.rs",
                &[
                    "--crate-name",
                    "canary",
                    "-g",
                    "--extern",
                    "tokio=libtokio.rlib",
                    "-o",
                    "canary",
                ],
            ),
        ],
        "canary",
    )?;
    let verdict = observe(Command::new(&program), library, Path::new("/"), &Owners::default())?;
    let mut seen: Vec<(What, &str, u64)> = verdict
        .findings
        .iter()
        .map(|finding| {
            (
                finding.what,
                finding.spawned.first().map_or("", |place| &place.function),
                finding.count,
            )
        })
        .collect();
    seen.sort();
    let expected = [
        (What::Leaked, "canary::leaks_at_exit", 1),
        (What::Leaked, "canary::outlives_its_runtime", 1),
    ];
    if seen == expected && verdict.tasks == 3 && verdict.unjudged.is_empty() {
        return Ok(());
    }
    Err(ObserveError::Canary {
        found: format!("{} tasks, of them {seen:?} {:?}", verdict.tasks, verdict.unjudged),
    })
}
