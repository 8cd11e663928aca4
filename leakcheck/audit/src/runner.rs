//! Standing between cargo and a test binary: it runs a shard's tests alone, and keeps a doc test's program.
//!
//! cargo starts test binaries through a target's `runner`, where one is configured, and rustdoc does so with the programs of doc
//! tests (<https://doc.rust-lang.org/cargo/reference/config.html#targettriplerunner>). That gives each binary its own arguments,
//! with cargo's own variables and directory, and builds nothing a second time.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cargo::stem;
use crate::command::say;
use crate::identity::stable_hash;
use crate::report::Shard;

/// The subcommand that is this. It is no part of the command line that people use.
pub(crate) const SUBCOMMAND: &str = "run-for-cargo";
/// The part of the tests to run: `2/8`.
pub(crate) const SHARD: &str = "LEAK_AUDIT_SHARD";
/// Where doc tests' programs are kept.
pub(crate) const KEEP: &str = "LEAK_AUDIT_KEEP";

/// The argument of cargo's that makes it start tests through this program.
pub(crate) fn configuration(program: &Path, host: &str) -> [OsString; 2] {
    let quoted = |text: &str| format!("{text:?}");
    let value = format!(
        "target.{}.runner=[{}, \"leak-audit\", {}]",
        quoted(host),
        toml_edit::Value::from(program.display().to_string()),
        quoted(SUBCOMMAND)
    );
    ["--config".into(), value.into()]
}

/// Runs a program as cargo asks, and gives its exit code. On Unix this process becomes the program, so that signals, its number
/// and how it ends are its own.
pub(crate) fn run(mut arguments: impl Iterator<Item = OsString>) -> u8 {
    let Some(program) = arguments.next().map(PathBuf::from) else {
        say(&"no program to run");
        return 2;
    };
    let given: Vec<OsString> = arguments.collect();
    let shard = std::env::var(SHARD).ok().and_then(|shard| {
        let (index, count) = shard.split_once('/')?;
        Some(Shard {
            index: index.parse().ok()?,
            count: count.parse().ok()?,
        })
    });
    let given = match shard.map(|shard| choose(&program, &given, shard)) {
        None => given,
        Some(Some(chosen)) => chosen,
        Some(None) => {
            println!(
                "\nrunning 0 tests\n\ntest result: ok. 0 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out\n"
            );
            return 0;
        }
    };
    let kept = std::env::var_os(KEEP).and_then(|directory| keep(&program, Path::new(&directory)));
    let mut command = Command::new(kept.as_deref().unwrap_or(&program));
    command.args(given).env_remove(SHARD).env_remove(KEEP);
    become_it(command)
}

#[cfg(unix)]
fn become_it(mut command: Command) -> u8 {
    let error = std::os::unix::process::CommandExt::exec(&mut command);
    say(&format_args!(
        "cannot start {}: {error}",
        command.get_program().display()
    ));
    2
}

#[cfg(not(unix))]
fn become_it(mut command: Command) -> u8 {
    match command.status() {
        Ok(status) => status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(2),
        Err(error) => {
            say(&format_args!(
                "cannot start {}: {error}",
                command.get_program().display()
            ));
            2
        }
    }
}

/// The program of a doc test where it stays: rustdoc deletes its own file, and the debug info with it.
fn keep(program: &Path, directory: &Path) -> Option<PathBuf> {
    let package = std::env::var("CARGO_PKG_NAME").unwrap_or_else(|_| "package".to_owned());
    let kept = directory.join(format!("{package}_doctests-{:016x}", std::process::id()));
    std::fs::hard_link(program, &kept)
        .or_else(|_| std::fs::copy(program, &kept).map(|_| ()))
        .ok()?;
    Some(kept)
}

/// The arguments that make a test binary run a shard's tests alone; `None` where it has none of them.
///
/// A binary that does not list its tests, as one with a harness of its own, is in one shard as a whole.
fn choose(program: &Path, given: &[OsString], shard: Shard) -> Option<Vec<OsString>> {
    let listed = Command::new(program)
        .args(given)
        .arg("--list")
        .env_remove(crate::observe::preload::VARIABLE)
        .output()
        .ok()
        .filter(|output| output.status.success());
    let listed = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
    let tests: Vec<&str> = listed
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(|line| line.strip_suffix(": test"))
        .collect();
    let name = stem(program);
    if tests.is_empty() {
        return is_in(&[&name], shard).then(|| given.to_vec());
    }
    let (chosen, others): (Vec<&str>, Vec<&str>) = tests.iter().partition(|test| is_in(&[&name, test], shard));
    if chosen.is_empty() {
        return None;
    }
    // A filter that is another shard's test in full would run that, too.
    let other = |argument: &&OsString| !others.iter().any(|test| OsStr::new(test) == argument.as_os_str());
    let options = given.iter().filter(other).cloned();
    let exact = std::iter::once(OsString::from("--exact"));
    Some(
        options
            .chain(exact)
            .chain(chosen.into_iter().map(OsString::from))
            .collect(),
    )
}

fn is_in(name: &[&str], shard: Shard) -> bool {
    stable_hash(name.iter().copied()) % u64::from(shard.count.max(1)) == u64::from(shard.index.saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_is_in_one_shard() {
        let tests: Vec<String> = (0..1_000).map(|number| format!("module::test_{number}")).collect();
        let mut sizes = [0; 8];
        for test in &tests {
            let shards = (1..=8).filter(|index| {
                is_in(
                    &["shop", test],
                    Shard {
                        index: *index,
                        count: 8,
                    },
                )
            });
            let shards: Vec<u32> = shards.collect();
            assert_eq!(shards.len(), 1, "{test}");
            sizes[shards[0] as usize - 1] += 1;
        }
        assert!(sizes.iter().all(|size| (60..200).contains(size)), "{sizes:?}");
    }

    #[test]
    fn a_path_with_spaces_and_quotes_is_one_word() {
        let [_, value] = configuration(Path::new("/a b/\"c"), "x86_64-unknown-linux-gnu");
        let value = value.into_string().expect("text");
        let parsed: toml::Table = value.parse().expect("TOML");

        let runner = parsed["target"]["x86_64-unknown-linux-gnu"]["runner"]
            .as_array()
            .expect("an array");
        assert_eq!(runner[0].as_str(), Some("/a b/\"c"));
        assert_eq!(runner.len(), 3);
    }
}
