//! The command line, declared here and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  bench         measure kfake beside its peers, and compare with the committed results
  leak-audit    run the workspace's tests, and judge what they leave behind
  lint-gate     prove that no task can be spawned outside a tracker unnoticed

cargo xtask COMMAND --help tells a command's options.
";

const LEAK_AUDIT_HELP: &str = "\
Runs the workspace's tests (not its doc tests), and judges what they leave behind. Before that it plants a leak on
purpose, and refuses to judge when that is not caught.

Usage: cargo xtask leak-audit [OPTIONS] [-- TEST FILTERS AND ARGUMENTS]
       cargo xtask leak-audit exec [OPTIONS] -- ANY COMMAND (see leak-audit exec --help)

Options:
  --package NAME          audit this package alone; may be given several times
  --format text|json      text: tables, leaks, one summary line; json: one document  [text]
  --by-test               a row for every test, not for those with a leak alone
  --baseline FILE         tolerate the leaks that this file knows
  --manifest-path FILE    audit the workspace of this Cargo.toml  [this one]
  --target-dir DIR        build in this directory
  -h, --help

The findings go to stdout, what cargo and the tests print to stderr.

Exit code: 0 when no task outlived its test; 1 on a leak, whatever else went wrong, or when a leak that
the baseline knows is gone; 2 when it could not judge: the planted
leak was not caught, the tests do not build, a test failed for another reason, a record is missing or broken.
A baseline is a TOML file of entries like this one; * stands for any text:

  [[known]]
  file = \"shop/src/orders.rs\"
  group = \"connection\"
  name = \"127.0.0.1:*\"
  reason = \"the listener is rewritten next month\"

A leak counts however the test that found it ended. Tests that plant a leak and look at the report as data write none.
";

const LINT_GATE_HELP: &str = "\
Proves that the lint which keeps tasks inside trackers can fail: clippy must report a call of every path that a clippy.toml
disallows, once, and the crates that the lint is for must deny it, with no exceptions but those that the gate lists.

Usage: cargo xtask lint-gate [OPTIONS]

Options:
  --root DIR              check the workspace in this directory  [this one]
  --target-dir DIR        build in this directory  [target/lint-gate/target of the workspace]
  -h, --help

Exit code: 0 when the gate holds; 1 when it does not; 2 when that could not be checked.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print this.
    Help(&'static str),
    /// `bench`, with arguments that its own program reads.
    Bench(Vec<OsString>),
    /// `leak-audit exec`, with arguments of its own.
    Observe(Vec<OsString>),
    /// `leak-audit`.
    LeakAudit(LeakAudit),
    /// `lint-gate`.
    LintGate(LintGate),
}

/// The options of `leak-audit`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LeakAudit {
    /// None: the whole workspace.
    pub packages: Vec<String>,
    /// How the findings are printed.
    pub format: Format,
    /// Whether every test has a row.
    pub by_test: bool,
    /// The file of known leaks.
    pub baseline: Option<PathBuf>,
    /// The workspace's manifest, where it is not this one.
    pub manifest_path: Option<PathBuf>,
    /// Where to build, where not in the workspace's own place.
    pub target_dir: Option<PathBuf>,
    /// Test filters and arguments for the tests: what follows `--`.
    pub test_arguments: Vec<String>,
}

/// How findings are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Tables, leaks and a summary line.
    #[default]
    Text,
    /// One JSON document.
    Json,
}

/// The options of `lint-gate`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LintGate {
    /// The workspace's directory, where it is not this one.
    pub root: Option<PathBuf>,
    /// Where to build, where not in the workspace's own place.
    pub target_dir: Option<PathBuf>,
}

impl Command {
    /// Reads the arguments, without the program's own name.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut parser = Parser::from_args(arguments);
        let Some(first) = parser.next()? else {
            bail!("no command given\n\n{HELP}")
        };
        match first {
            Arg::Value(name) if name == "bench" => Ok(Self::Bench(parser.raw_args()?.collect())),
            Arg::Value(name) if name == "leak-audit" => leak_audit(&mut parser).context(help_hint("leak-audit")),
            Arg::Value(name) if name == "lint-gate" => lint_gate(&mut parser).context(help_hint("lint-gate")),
            Arg::Short('h') | Arg::Long("help") => Ok(Self::Help(HELP)),
            Arg::Value(name) => bail!("no command is named {name:?}\n\n{HELP}"),
            option => Err(option.unexpected()).context(help_hint("COMMAND")),
        }
    }
}

fn help_hint(command: &str) -> String {
    format!("wrong arguments (cargo xtask {command} --help tells the right ones)")
}

fn leak_audit(parser: &mut Parser) -> anyhow::Result<Command> {
    if let Some(arguments) = parser.try_raw_args()
        && arguments.peek().is_some_and(|first| first == "exec")
    {
        return Ok(Command::Observe(arguments.skip(1).collect()));
    }
    let mut options = LeakAudit::default();
    loop {
        if let Some(arguments) = after_separator(parser)? {
            options.test_arguments = arguments;
            return Ok(Command::LeakAudit(options));
        }
        match parser.next()? {
            Some(Arg::Short('p') | Arg::Long("package")) => {
                options.packages.push(parser.value()?.string()?);
            }
            Some(Arg::Long("format")) => {
                options.format = match parser.value()?.string()?.as_str() {
                    "text" => Format::Text,
                    "json" => Format::Json,
                    other => bail!("--format is text or json, not {other:?}"),
                }
            }
            Some(Arg::Long("by-test")) => options.by_test = true,
            Some(Arg::Long("baseline")) => options.baseline = Some(parser.value()?.into()),
            Some(Arg::Long("manifest-path")) => {
                options.manifest_path = Some(parser.value()?.into());
            }
            Some(Arg::Long("target-dir")) => options.target_dir = Some(parser.value()?.into()),
            Some(Arg::Short('h') | Arg::Long("help")) => return Ok(Command::Help(LEAK_AUDIT_HELP)),
            Some(Arg::Value(value)) => {
                bail!("unexpected argument {value:?}: test filters go behind --")
            }
            Some(option) => return Err(option.unexpected().into()),
            None => return Ok(Command::LeakAudit(options)),
        }
    }
}

/// Everything behind `--`, where that comes next.
fn after_separator(parser: &mut Parser) -> anyhow::Result<Option<Vec<String>>> {
    let Some(rest) = parser.try_raw_args() else {
        return Ok(None);
    };
    if rest.peek().is_none_or(|argument| argument != "--") {
        return Ok(None);
    }
    let arguments = rest
        .skip(1)
        .map(|argument| argument.string())
        .collect::<Result<_, _>>()?;
    Ok(Some(arguments))
}

fn lint_gate(parser: &mut Parser) -> anyhow::Result<Command> {
    let mut options = LintGate::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("root") => options.root = Some(parser.value()?.into()),
            Arg::Long("target-dir") => options.target_dir = Some(parser.value()?.into()),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(LINT_GATE_HELP)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::LintGate(options))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Command, String> {
        Command::from_arguments(line.split_whitespace().map(OsString::from)).map_err(|error| format!("{error:#}"))
    }

    #[test]
    fn what_follows_bench_is_for_its_own_program() {
        let expected = ["--only", "produce", "--help"].map(OsString::from).to_vec();
        assert_eq!(parse("bench --only produce --help"), Ok(Command::Bench(expected)));
    }

    #[test]
    fn everything_behind_the_separator_is_for_the_tests() {
        let parsed =
            parse("leak-audit --package kfake -p leakcheck --format=json --by-test -- closing --format pretty -- x");

        let expected = LeakAudit {
            packages: vec!["kfake".to_owned(), "leakcheck".to_owned()],
            format: Format::Json,
            by_test: true,
            test_arguments: ["closing", "--format", "pretty", "--", "x"].map(str::to_owned).into(),
            ..LeakAudit::default()
        };
        assert_eq!(parsed, Ok(Command::LeakAudit(expected)));
    }

    #[test]
    fn a_separator_may_follow_nothing() {
        let expected = LeakAudit {
            test_arguments: vec!["closing".to_owned()],
            ..LeakAudit::default()
        };
        assert_eq!(parse("leak-audit -- closing"), Ok(Command::LeakAudit(expected)));
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for (line, said) in [
            ("", "no command given"),
            ("leak-adit", "no command is named \"leak-adit\""),
            ("--loud", "invalid option '--loud'"),
            ("leak-audit closing", "test filters go behind --"),
            ("leak-audit --format xml", "--format is text or json, not \"xml\""),
            ("leak-audit --no-plant", "invalid option '--no-plant'"),
            ("leak-audit --package", "missing argument for option '--package'"),
            ("lint-gate extra", "unexpected argument \"extra\""),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
