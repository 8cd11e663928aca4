//! Debug info that was left in object files, gathered.
//!
//! On macOS a linker copies no debug info: it notes which object files have it. cargo's dev profile leaves it there. Lines are read
//! from those files one by one; types refer to one another across them, and `dsymutil`, which comes with the linker, puts them together.

use std::path::Path;
use std::process::Command;

/// Puts a program's debug info into a bundle in a directory, where it is found by the program's UUID.
pub(super) fn gather(program: &Path, directory: &Path) -> Result<(), String> {
    let mut bundle = program.file_name().unwrap_or_default().to_owned();
    bundle.push(".dSYM");
    let output = Command::new("dsymutil")
        .arg("-o")
        .arg(directory.join(bundle))
        .arg(program)
        .output()
        .map_err(|error| format!("dsymutil, which gathers it, does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().next().unwrap_or_default();
    Err(format!(
        "dsymutil, which gathers it, failed with {}: {said}",
        output.status
    ))
}
