//! What is known of where the audit runs: the terminal that its text goes to, and the repository that the workspace lies in.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cargo::Cargo;

/// The columns of the terminal that this process belongs to. `None` where it has none, and where nobody says.
pub(crate) fn columns() -> Option<usize> {
    // POSIX' stty tells it of its input: https://pubs.opengroup.org/onlinepubs/9799919799/utilities/stty.html has `size` since Issue 8.
    let terminal = File::open("/dev/tty").ok()?;
    let output = Command::new("stty")
        .arg("size")
        .stdin(terminal)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    columns_of(&String::from_utf8_lossy(&output.stdout))
}

/// `24 80`: rows and columns. A terminal that does not know its size says 0.
fn columns_of(size: &str) -> Option<usize> {
    let columns = size.split_whitespace().nth(1)?.parse().ok()?;
    (columns > 0).then_some(columns)
}

/// Where the workspace of a manifest lies in its repository, with `/` at its end: empty where it is its root, or in none.
pub(crate) fn prefix(manifest: &Path) -> String {
    let mut locate = Cargo::of(manifest.to_owned()).plain("locate-project");
    let output = locate.args(["--workspace", "--message-format", "plain"]).output().ok();
    let located = output.filter(|output| output.status.success());
    let located = located.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let root = located.as_deref().map(Path::new).and_then(Path::parent);
    root.and_then(in_repository).unwrap_or_default()
}

fn in_repository(root: &Path) -> Option<String> {
    let repository = root.ancestors().find(|directory| directory.join(".git").exists())?;
    let inside = root.strip_prefix(repository).ok()?;
    let parts: Vec<_> = inside
        .components()
        .map(|part| part.as_os_str().to_string_lossy())
        .collect();
    Some(parts.iter().map(|part| format!("{part}/")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_second_number() {
        assert_eq!(columns_of("24 80\n"), Some(80));
        for nothing in ["", "0 0\n", "24", "a b"] {
            assert_eq!(columns_of(nothing), None, "{nothing:?}");
        }
    }

    #[test]
    fn a_workspace_below_its_repository_s_root_has_a_prefix() {
        let directory = tempfile::tempdir().expect("a directory");
        let inside = directory.path().join("a/b");
        std::fs::create_dir_all(&inside).expect("a directory");
        std::fs::create_dir(directory.path().join(".git")).expect("a directory");

        assert_eq!(in_repository(&inside).as_deref(), Some("a/b/"));
        assert_eq!(in_repository(directory.path()).as_deref(), Some(""));
    }
}
