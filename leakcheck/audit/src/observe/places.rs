//! What stacks and programs are called by: the calls that people care about, their test, their program.

use std::path::{Path, PathBuf};

use super::paths;
use super::records::Process;
use super::symbols::Frame;
use crate::owners::Owners;
use crate::report::{Origin, Place};

/// The calls of a stack that are not tokio's, std's or the test harness', and whose they are.
pub(super) fn spawned(frames: &[Frame], owners: &Owners, workspace: &Path) -> Vec<(Place, Origin)> {
    let named = frames
        .iter()
        .filter(|frame| !frame.path.is_empty() && !is_below(&frame.path));
    let placed = named.filter_map(|frame| {
        let (file, line) = frame.source.as_ref()?;
        // A line of a macro of tokio's is not where the user's function is.
        let origin = owners.origin(file).filter(|origin| !is_runtime(origin))?;
        let file = Path::new(file);
        let place = Place {
            function: readable(&frame.name),
            file: Some(file.strip_prefix(workspace).unwrap_or(file).display().to_string()),
            line: Some(*line),
        };
        Some((place, origin))
    });
    let mut places: Vec<(Place, Origin)> = placed.collect();
    places.dedup();
    places.truncate(24);
    places
}

/// Functions that lead to a spawn, but are not why it happened.
pub(super) fn is_below(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or_default();
    // The harness' own functions are known by their files: a project's crate may be named `test` too.
    ["tokio", "tokio_util", "leakcheck", "std", "core", "alloc"].contains(&first)
        || path.starts_with("__rust")
        || path == "main"
        || path.ends_with("::main")
}

/// Whether leakcheck has spawned it for itself: a task by which it asks whether a runtime still takes any, aborted at once.
pub(super) fn is_question(frames: &[Frame]) -> bool {
    let mut below = frames
        .iter()
        .take_while(|frame| is_below(&frame.path) || frame.path.is_empty());
    below.any(|frame| frame.path.starts_with("leakcheck::ending::"))
}

/// Whether it is std's, or what debug info does not name: a library without any, as libc.
pub(super) fn is_std(path: &str) -> bool {
    let first = path.split("::").next().unwrap_or_default();
    ["std", "core", "alloc"].contains(&first) || path.starts_with("__rust") || !path.contains("::")
}

/// Whether it is a function of tokio's whose type is not known, as in optimised code with line tables alone.
pub(super) fn is_short(frame: &Frame) -> bool {
    frame.is_short && frame.path.starts_with("tokio::")
}

/// Whether it is the runtime that a task was spawned through.
pub(super) fn is_runtime(origin: &Origin) -> bool {
    matches!(origin, Origin::Dependency { name, .. } if name == "tokio" || name == "tokio-util")
}

/// The test whose stack this is: what libtest's `__rust_begin_short_backtrace` calls, without the crate's name.
pub(super) fn test_of(frames: &[Frame]) -> Option<String> {
    let harness = frames
        .iter()
        .position(|frame| frame.path == "test::__rust_begin_short_backtrace")?;
    let below = frames[..harness].iter().rev();
    let test = below
        .map(|frame| &frame.path)
        .find(|path| !path.ends_with("::call_once"))?;
    // What closures are called depends on the mangling: `{{closure}}`, or `{closure#0}`.
    let mut test = test.as_str();
    while let Some((outer, last)) = test.rsplit_once("::")
        && last.starts_with('{')
    {
        test = outer;
    }
    test.split_once("::").map(|(_, name)| name.to_owned())
}

/// A function's name as its author thinks of it.
pub(super) fn readable(name: &str) -> String {
    // What is synthetic is the body of an async closure that was moved.
    let name = paths::plain(name)
        .replace("{{closure}}", "{closure}")
        .replace("{{synthetic}}", "{closure}");
    // The newer mangling counts closures: the line tells them apart, and the number changes with what stands before.
    let mut readable = String::with_capacity(name.len());
    let mut rest = name.as_str();
    while let Some((before, behind)) = rest.split_once("{closure#") {
        let Some((_, behind)) = behind.split_once('}') else {
            break;
        };
        readable.push_str(before);
        readable.push_str("{closure}");
        rest = behind;
    }
    readable + rest
}

/// The name of a process' program, without the hash that cargo appends.
pub(super) fn name(process: &Process) -> String {
    crate::cargo::stem(Path::new(&process.executable))
}

/// Whether a program is part of the system or of Rust, and so none that a project's tasks run in.
pub(super) fn is_tool(executable: &Path, command: Option<&Path>) -> bool {
    let file = executable
        .file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default();
    if ["cargo", "rustc", "rustup", "rustdoc", "clippy-driver"].contains(&&*file) || file.starts_with("cargo-") {
        return true;
    }
    if command == Some(executable) {
        return false;
    }
    let homes = ["CARGO_HOME", "RUSTUP_HOME"]
        .into_iter()
        .filter_map(std::env::var_os)
        .map(PathBuf::from);
    let user = std::env::var_os("HOME").map(PathBuf::from).into_iter();
    let user = user.flat_map(|home| [home.join(".cargo/bin"), home.join(".rustup")]);
    let macos: &[&str] = if cfg!(target_os = "macos") {
        &["/System", "/Library/Developer", "/Applications", "/opt/homebrew"]
    } else {
        &[]
    };
    let system = ["/usr", "/bin", "/sbin", "/lib", "/nix/store"]
        .iter()
        .chain(macos)
        .map(PathBuf::from);
    let mut directories = homes.map(|home| {
        if home.ends_with(".cargo") {
            home.join("bin")
        } else {
            home
        }
    });
    directories.any(|directory| executable.starts_with(directory))
        || user.chain(system).any(|directory| executable.starts_with(directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(path: &str) -> Frame {
        Frame {
            path: path.to_owned(),
            ..Frame::default()
        }
    }

    #[test]
    fn both_manglings_are_read_alike() {
        for name in [
            "a::B::run::{{closure}}::{{closure}}",
            "<a::B>::run::<u8>::{closure#2}::{closure#10}",
        ] {
            assert_eq!(readable(name), "a::B::run::{closure}::{closure}");
        }
        assert_eq!(
            readable("a::run::{{closure}}::{{synthetic}}"),
            "a::run::{closure}::{closure}"
        );
        assert_eq!(readable("a::{closure#"), "a::{closure#");
    }

    #[test]
    fn what_leakcheck_asks_with_is_no_task_of_the_users() {
        let asks = [
            "tokio::spawn",
            "leakcheck::ending::takes",
            "leakcheck::task::Record::drop",
            "a::b",
        ];
        assert!(is_question(&asks.map(frame)));
        let asked_before = [
            "tokio::spawn",
            "leakcheck::tracker::spawn",
            "a::b",
            "leakcheck::ending::takes",
        ];
        assert!(!is_question(&asked_before.map(frame)));
    }

    #[test]
    fn a_test_is_what_the_harness_calls() {
        let frames = [
            "tokio::task::spawn::spawn",
            "suite::module::leaks::{{closure}}",
            "suite::module::leaks",
            "suite::module::leaks::{{closure}}",
            "core::ops::function::FnOnce::call_once",
            "test::__rust_begin_short_backtrace",
        ];
        assert_eq!(test_of(&frames.map(frame)).as_deref(), Some("module::leaks"));
        let newer = [
            "suite::module::leaks::{closure#0}::{closure#1}",
            "<suite::module::leaks::{closure#0} as core::ops::function::FnOnce>::call_once",
            "test::__rust_begin_short_backtrace",
        ];
        assert_eq!(test_of(&newer.map(frame)).as_deref(), Some("module::leaks"));
        assert_eq!(test_of(&[frame("suite::main")]), None);
    }
}
