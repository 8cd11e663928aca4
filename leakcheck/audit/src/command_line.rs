//! The command line of `leak-audit`, declared here and nowhere else: `cargo leak-audit` and `cargo xtask leak-audit` are the same.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::{Arg, Parser, ValueExt};

use crate::audit::Runner;
use crate::report::Shard;

/// What `--help` prints.
pub const HELP: &str = "\
Finds every tokio task that a project's tests leave behind, with no change to its code.

Usage: cargo leak-audit [OPTIONS] [-- TEST FILTERS AND ARGUMENTS]
       cargo leak-audit --bin NAME [--for 10s | --until TEXT] [-- ARGUMENTS]
       cargo leak-audit exec [OPTIONS] -- ANY COMMAND
       cargo leak-audit merge [OPTIONS] REPORT.json…
       cargo leak-audit scan --help

Builds the tests, runs them with a library preloaded that sees tasks come and go, and reads what leakcheck reports, where
they use it. Before that it looks at a program that leaks on purpose, and refuses to judge where that is not seen. Linux on
x86_64 and aarch64; elsewhere it says so, and judges by what leakcheck reports alone.

What is run, as cargo takes it:
  -p, --package NAME      this package alone; may be given several times  [the whole workspace]
  --exclude NAME          not this package
  --lib, --bins, --examples, --test NAME, --doc
                          these tests alone  [all but doc tests]
  --features LIST, --all-features, --no-default-features
  --profile NAME, --release
  --manifest-path FILE    the workspace of this Cargo.toml  [the current directory's]
  --target-dir DIR        build in this directory
  --bin NAME              run this program instead, stop it by SIGINT, and judge it
  --for DURATION          how long it runs: 500ms, 10s, 2m  [10s]
  --until TEXT            until a line that it prints contains this, and no longer than --for
  --shard INDEX/COUNT     a part of the tests, from 1/COUNT: always the same tests. merge judges all parts as one
  --runner libtest|nextest
                          nextest: by cargo nextest run, a process a test. What follows -- is then nextest's  [libtest]
  --no-observe            preload nothing: judge by what leakcheck reports alone
  --scan                  read the source too, as leak-audit scan does, and tell which leaks confirm what it suspects

What is accepted:
  --baseline FILE         what this file lists, each with its reason  [leak-audit.toml beside the workspace's Cargo.toml]
  --update-baseline       write what is new into it, and take out what no longer occurs; comments stay
  --reason TEXT           the reason of what is new. Without it an entry has none, and is refused until somebody writes one
  --deny-third-party      what dependencies left behind counts as a leak too

What is printed:
  --format FORMAT[=FILE]  text, json, junit, sarif, github, markdown; may be given several times  [text]
  --output FILE           write it there instead of to stdout
  --html FILE             one page with a flame graph and a timeline
  --by-test, --by-site    a row for every test, and for every line that spawned
  --color auto|always|never
  -q, --quiet             nothing of what cargo and the tests print, which otherwise goes to stderr
  -h, --help

Exit codes:
  0  clean: no task outlived its test, or each that did is accepted
  1  a leak, whatever else went wrong; a tracked task that panicked unseen; an entry of the baseline that no longer occurs
     (told only where everything was run)
  2  could not judge: the tests do not build or did not run, a test failed (what it would have left behind is not known), a
     program could not be observed, the program that leaks on purpose was not seen, wrong arguments, an interruption
     (Ctrl-C or SIGTERM ends what was started, a second one kills it)

A leak counts however its test ended. Debug info with types shows where tasks wait: cargo's dev profile has it unless
Cargo.toml says otherwise.
";

/// What was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Request {
    /// Print [`HELP`].
    Help,
    /// Run the tests, or one program.
    Audit(AuditRequest),
    /// Run any command.
    Exec {
        /// The program and its arguments.
        command: Vec<OsString>,
        /// How it is judged and printed.
        judging: Judging,
    },
    /// Put reports together.
    Merge {
        /// Their files.
        reports: Vec<PathBuf>,
        /// How they are judged and printed.
        judging: Judging,
    },
}

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

/// How findings are judged and printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judging {
    /// The file of what is accepted.
    pub baseline: Option<PathBuf>,
    /// Write it.
    pub update_baseline: bool,
    /// The reason of new entries.
    pub reason: Option<String>,
    /// Dependencies' leaks count.
    pub deny_third_party: bool,
    /// What is printed, and where to.
    pub outputs: Vec<(Format, Option<PathBuf>)>,
    /// A row for every test.
    pub by_test: bool,
    /// A row for every line that spawned.
    pub by_site: bool,
    /// Whether there are colours. None: where stdout is a terminal.
    pub colour: Option<bool>,
    /// Show nothing of what cargo and the tests print.
    pub quiet: bool,
}

/// A form of output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// The whole report.
    Json,
    /// Test results.
    Junit,
    /// For code scanners.
    Sarif,
    /// GitHub's workflow commands.
    Github,
    /// For a summary or a comment.
    Markdown,
    /// A page.
    Html,
}

/// Why arguments make no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The parser does not take them.
    #[error("{0} (leak-audit --help tells the right arguments)")]
    Parse(#[from] lexopt::Error),
    /// They do not fit together.
    #[error("{0} (leak-audit --help tells the right arguments)")]
    Wrong(String),
}

impl Request {
    /// Reads the arguments that follow `leak-audit`.
    ///
    /// # Errors
    ///
    /// Where they make no sense.
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> Result<Self, ArgumentError> {
        let mut arguments = arguments.into_iter().peekable();
        let first = arguments.peek().and_then(|first| first.to_str()).map(str::to_owned);
        match first.as_deref() {
            Some("exec") => exec(&mut Parser::from_args(arguments.skip(1))),
            Some("merge") => merge(&mut Parser::from_args(arguments.skip(1))),
            _ => audit(&mut Parser::from_args(arguments)),
        }
    }
}

fn exec(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let mut reading = Reading::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Value(program) => {
                let command = std::iter::once(program).chain(parser.raw_args()?).collect();
                let judging = reading.finish()?;
                return Ok(Request::Exec { command, judging });
            }
            Arg::Long(name) => {
                let name = name.to_owned();
                reading.option(&name, parser)?;
            }
            Arg::Short('q') => reading.judging.quiet = true,
            other => return Err(other.unexpected().into()),
        }
    }
    wrong("which command? leak-audit exec -- cargo test")
}

fn merge(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let (mut reading, mut reports) = (Reading::default(), Vec::new());
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
            Arg::Value(path) => reports.push(path.into()),
            Arg::Long(name) => {
                let name = name.to_owned();
                reading.option(&name, parser)?;
            }
            Arg::Short('q') => reading.judging.quiet = true,
            other => return Err(other.unexpected().into()),
        }
    }
    if reports.is_empty() {
        return wrong("which reports? leak-audit merge a.json b.json");
    }
    let judging = reading.finish()?;
    Ok(Request::Merge { reports, judging })
}

fn audit(parser: &mut Parser) -> Result<Request, ArgumentError> {
    let (mut reading, mut audit) = (Reading::default(), AuditRequest::default());
    loop {
        if let Some(arguments) = after_separator(parser)? {
            audit.arguments = arguments;
            break;
        }
        let Some(argument) = parser.next()? else { break };
        match argument {
            Arg::Short('h') | Arg::Long("help") => return Ok(Request::Help),
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

/// The options that every form has, while they are read.
#[derive(Default)]
struct Reading {
    judging: Judging,
    output: Option<PathBuf>,
}

impl Reading {
    fn option(&mut self, name: &str, parser: &mut Parser) -> Result<(), ArgumentError> {
        let judging = &mut self.judging;
        match name {
            "baseline" => judging.baseline = Some(parser.value()?.into()),
            "update-baseline" => judging.update_baseline = true,
            "reason" => judging.reason = Some(parser.value()?.string()?),
            "deny-third-party" => judging.deny_third_party = true,
            "format" => {
                let value = parser.value()?.string()?;
                let (format, file) = match value.split_once('=') {
                    Some((format, file)) => (format, Some(file.into())),
                    None => (value.as_str(), None),
                };
                judging.outputs.push((format_named(format)?, file));
            }
            "output" => self.output = Some(parser.value()?.into()),
            "html" => judging.outputs.push((Format::Html, Some(parser.value()?.into()))),
            "by-test" => judging.by_test = true,
            "by-site" => judging.by_site = true,
            "quiet" => judging.quiet = true,
            "color" | "colour" => {
                judging.colour = match parser.value()?.string()?.as_str() {
                    "auto" => None,
                    "always" => Some(true),
                    "never" => Some(false),
                    other => return wrong(&format!("--color is auto, always or never, not {other:?}")),
                }
            }
            other => return wrong(&format!("invalid option '--{other}'")),
        }
        Ok(())
    }

    fn finish(mut self) -> Result<Judging, ArgumentError> {
        let outputs = &mut self.judging.outputs;
        if outputs.iter().all(|(_, file)| file.is_some()) && (outputs.is_empty() || self.output.is_some()) {
            outputs.push((Format::Text, None));
        }
        // A page beside it does not take the text's place.
        if outputs.iter().all(|(format, _)| *format == Format::Html) {
            outputs.push((Format::Text, None));
        }
        let mut to_stdout = outputs.iter_mut().filter(|(_, file)| file.is_none());
        if let Some((_, file)) = to_stdout.next() {
            *file = self.output;
        }
        if to_stdout.next().is_some() {
            return wrong("one format goes to stdout: give the others a file, --format json=report.json");
        }
        if self.judging.reason.is_some() && !self.judging.update_baseline {
            return wrong("--reason is for --update-baseline");
        }
        Ok(self.judging)
    }
}

fn format_named(name: &str) -> Result<Format, ArgumentError> {
    Ok(match name {
        "text" => Format::Text,
        "json" => Format::Json,
        "junit" => Format::Junit,
        "sarif" => Format::Sarif,
        "github" => Format::Github,
        "markdown" => Format::Markdown,
        "html" => Format::Html,
        other => {
            return wrong(&format!(
                "--format is text, json, junit, sarif, github, markdown or html, not {other:?}"
            ));
        }
    })
}

fn wrong<T>(why: &str) -> Result<T, ArgumentError> {
    Err(ArgumentError::Wrong(why.to_owned()))
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
    use super::*;

    fn parse(line: &str) -> Result<Request, String> {
        Request::from_arguments(line.split_whitespace().map(OsString::from)).map_err(|error| error.to_string())
    }

    fn audit(line: &str) -> AuditRequest {
        match parse(line) {
            Ok(Request::Audit(audit)) => audit,
            other => panic!("{line}: {other:?}"),
        }
    }

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

    #[test]
    fn one_format_goes_to_stdout_and_any_number_to_files() {
        let outputs = |line: &str| audit(line).judging.outputs;
        let file = |name: &str| Some(PathBuf::from(name));

        assert_eq!(outputs(""), [(Format::Text, None)]);
        assert_eq!(outputs("--format json=a.json"), [(Format::Json, file("a.json"))]);
        assert_eq!(
            outputs("--html a.html"),
            [(Format::Html, file("a.html")), (Format::Text, None)]
        );
        assert_eq!(outputs("--format sarif --output a"), [(Format::Sarif, file("a"))]);
        assert_eq!(
            outputs("--format text --format junit=b"),
            [(Format::Text, None), (Format::Junit, file("b"))]
        );
    }

    #[test]
    fn exec_and_merge_have_what_they_work_on() {
        assert!(matches!(
            parse("exec --format json -- cargo test --format x"),
            Ok(Request::Exec { command, .. }) if command == ["cargo", "test", "--format", "x"]
        ));
        assert!(matches!(
            parse("merge a.json --baseline b.toml c.json"),
            Ok(Request::Merge { reports, judging }) if reports.len() == 2 && judging.baseline.is_some()
        ));
        assert_eq!(audit("--bin shop --for 2m").run_for, Some(Duration::from_secs(120)));
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for (line, said) in [
            ("closing", "test filters go behind --"),
            ("--format xml", "--format is text, json"),
            ("--no-plant", "invalid option '--no-plant'"),
            ("--package", "missing argument for option '--package'"),
            ("--shard 0/4", "--shard is INDEX/COUNT"),
            ("--shard 5/4", "--shard is INDEX/COUNT"),
            ("--bin a --shard 1/2", "--bin runs a program"),
            ("--for 1s", "--for and --until are for a program"),
            ("--bin a --for 1h", "a duration is"),
            ("--doc --lib", "--doc runs doc tests alone"),
            ("--format text --format json", "one format goes to stdout"),
            ("--reason x", "--reason is for --update-baseline"),
            ("--shard 1/2 --update-baseline", "from all shards"),
            ("--runner cargo", "--runner is libtest or nextest"),
            ("--runner nextest --doc", "nextest has no doc tests"),
            ("--runner nextest --bin a", "--bin runs a program"),
            ("exec", "which command?"),
            ("merge", "which reports?"),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
