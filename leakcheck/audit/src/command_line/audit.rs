//! `leak-audit`: which tests to run, or which program.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use super::error::{ArgumentError, wrong};
use super::judging::{Judging, Reading};
use super::request::Request;
use crate::audit::Runner;
use crate::report::Shard;

/// What to build and run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditRequest {
    /// None: the whole workspace.
    pub packages: Vec<String>,
    /// Further arguments of cargo's: features, the profile.
    pub cargo: Vec<String>,
    /// Which tests, in cargo's words. None: all but doc tests.
    pub targets: Vec<String>,
    /// Where the manifest is.
    pub manifest_path: Option<PathBuf>,
    /// Where to build.
    pub target_dir: Option<PathBuf>,
    /// A program to run instead of tests.
    pub bin: Option<String>,
    /// How long it runs.
    pub run_for: Option<Duration>,
    /// What it prints when it has run long enough.
    pub until: Option<String>,
    /// The part of the tests to run.
    pub shard: Option<Shard>,
    /// What starts the tests.
    pub runner: Runner,
    /// Preload nothing.
    pub no_observe: bool,
    /// Read the source too.
    pub scan: bool,
    /// What follows `--`.
    pub arguments: Vec<String>,
    /// How it is judged and printed.
    pub judging: Judging,
}

/// Reads the arguments where no subcommand is named.
pub(super) fn audit(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let (mut reading, mut audit) = (Reading::default(), AuditRequest::default());
    loop {
        if let Some(arguments) = after_separator(parser)? {
            audit.arguments = arguments;
            break;
        }
        let Some(argument) = parser.next()? else { break };
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Short('V') | Arg::Long("version") => return Ok(Request::Version),
            Arg::Short('p') | Arg::Long("package") => audit.packages.push(parser.value()?.string()?),
            Arg::Long(name @ ("exclude" | "features" | "profile")) => {
                let name = format!("--{name}");
                audit.cargo.extend([name, parser.value()?.string()?]);
            }
            Arg::Long(name @ ("all-features" | "no-default-features" | "release")) => {
                audit.cargo.push(format!("--{name}"));
            }
            Arg::Long("test") => audit.targets.extend(["--test".to_owned(), parser.value()?.string()?]),
            Arg::Long(name @ ("lib" | "bins" | "examples" | "doc")) => audit.targets.push(format!("--{name}")),
            Arg::Long("manifest-path") => audit.manifest_path = Some(parser.value()?.into()),
            Arg::Long("target-dir") => audit.target_dir = Some(parser.value()?.into()),
            Arg::Long("bin") => audit.bin = Some(parser.value()?.string()?),
            Arg::Long("for") => audit.run_for = Some(duration(&parser.value()?.string()?)?),
            Arg::Long("until") => audit.until = Some(parser.value()?.string()?),
            Arg::Long("shard") => audit.shard = Some(shard(&parser.value()?.string()?)?),
            Arg::Long("runner") => {
                audit.runner = match parser.value()?.string()?.as_str() {
                    "libtest" => Runner::Libtest,
                    "nextest" => Runner::Nextest,
                    other => return wrong(&format!("--runner is libtest or nextest, not {other:?}")),
                }
            }
            Arg::Long("no-observe") => audit.no_observe = true,
            Arg::Long("scan") => audit.scan = true,
            Arg::Short('q') => reading.judging.quiet = true,
            Arg::Long(name) => {
                let name = name.to_owned();
                reading.option(&name, parser)?;
            }
            Arg::Value(value) => {
                return wrong(&format!("unexpected argument {value:?}: test filters go behind --"));
            }
            other @ Arg::Short(_) => return Err(other.unexpected().into()),
        }
    }
    if audit.targets.iter().any(|target| target == "--doc") && audit.targets.len() > 1 {
        return wrong("--doc runs doc tests alone, as cargo does");
    }
    if audit.runner == Runner::Nextest && audit.targets.iter().any(|target| target == "--doc") {
        return wrong("nextest has no doc tests: --runner libtest runs them");
    }
    if audit.bin.is_some()
        && (audit.runner == Runner::Nextest || audit.shard.is_some() || !audit.targets.is_empty() || audit.no_observe)
    {
        return wrong("--bin runs a program, observed and whole, and no tests");
    }
    if audit.bin.is_none() && (audit.run_for.is_some() || audit.until.is_some()) {
        return wrong("--for and --until are for a program: --bin NAME");
    }
    audit.judging = reading.finish()?;
    if audit.judging.update_baseline && audit.shard.is_some() {
        return wrong("a baseline is updated from all shards: leak-audit merge --update-baseline");
    }
    Ok(Request::Audit(audit))
}

fn shard(text: &str) -> Result<Shard, ArgumentError> {
    let parsed = text
        .split_once('/')
        .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
    match parsed {
        Some((index, count)) if 1 <= index && index <= count => Ok(Shard { index, count }),
        _ => wrong(&format!(
            "--shard is INDEX/COUNT, from 1/COUNT to COUNT/COUNT, not {text:?}"
        )),
    }
}

/// `500ms`, `10s`, `2m`.
fn duration(text: &str) -> Result<Duration, ArgumentError> {
    let (number, unit) = text.split_at(text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len()));
    let milliseconds = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        _ => None,
    };
    let parsed = number.parse::<u64>().ok().zip(milliseconds);
    parsed.and_then(|(number, unit)| number.checked_mul(unit)).map_or_else(
        || wrong(&format!("a duration is 500ms, 10s or 2m, not {text:?}")),
        |ms| Ok(Duration::from_millis(ms)),
    )
}

/// Everything behind `--`, where that comes next.
fn after_separator(parser: &mut Parser) -> Result<Option<Vec<String>>, ArgumentError> {
    let Some(rest) = parser.try_raw_args() else {
        return Ok(None);
    };
    if rest.peek().is_none_or(|argument| argument != "--") {
        return Ok(None);
    }
    let strings = rest.skip(1).map(|argument| argument.string());
    Ok(Some(strings.collect::<Result<_, _>>()?))
}

#[cfg(test)]
mod tests {
    use super::super::judging::Format;
    use super::super::request::tests::audit;
    use super::*;

    #[test]
    fn everything_behind_the_separator_is_for_the_tests() {
        let parsed = audit("--package kfake -p leakcheck --format=json --by-test -- closing --format pretty -- x");

        assert_eq!(parsed.packages, ["kfake", "leakcheck"]);
        assert_eq!(parsed.judging.outputs, [(Format::Json, None)]);
        assert!(parsed.judging.by_test);
        assert_eq!(parsed.arguments, ["closing", "--format", "pretty", "--", "x"]);
        assert_eq!(audit("-- closing").arguments, ["closing"]);
    }

    #[test]
    fn cargos_own_options_are_cargos() {
        let parsed = audit("--features a,b --release --test one --lib --exclude x --shard 2/8");

        assert_eq!(parsed.cargo, ["--features", "a,b", "--release", "--exclude", "x"]);
        assert_eq!(parsed.targets, ["--test", "one", "--lib"]);
        assert_eq!(parsed.shard, Some(Shard { index: 2, count: 8 }));
        assert!(!parsed.scan && audit("--scan").scan);
        let nextest = audit("--runner nextest -- -E test(a) --retries 2 -- --skip b");
        assert_eq!((nextest.runner, nextest.arguments.len()), (Runner::Nextest, 7));
    }
}
