//! The command line, declared here and nowhere else.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

const HELP: &str = "\
Usage: cargo xtask COMMAND

Commands:
  bench         measure kfake beside its peers, and compare with the committed results
  configs       write Apache Kafka's own definitions of its configurations into kfake
  differential  send the same requests to Apache Kafka and to kfake, and compare the answers
  leak-audit    run the workspace's tests, and judge what they leave behind: cargo leak-audit itself
  messages      write the messages that kafka-protocol lacks, from Apache Kafka's definitions
  releases      write what each release of Apache Kafka offers, from its artifacts
  lint-gate     prove that no task can be spawned outside a tracker unnoticed
  interop       run the clients that people use against the kfake binary

cargo xtask COMMAND --help tells a command's options.
";

const CONFIGS_HELP: &str = "\
Writes Apache Kafka's own definitions of its configurations, by tests/oracle/Configs.java, into kfake/src/cluster/configs.
It needs java and mvn.

Usage: cargo xtask configs [OPTIONS]

Options:
  --check                 write nothing; fail where the files are other than what Apache Kafka defines
  -h, --help

Exit code: 0 when the files are as they should be, 1 when --check found another, 2 when that could not be found out.
";

const DIFFERENTIAL_HELP: &str = "\
Sends the scenarios in tests/differential/corpus to Apache Kafka and to kfake, and compares the answers.

Usage: cargo xtask differential [OPTIONS] [FILE...]    FILE: a corpus file's name without .scn; none: all of them

Options:
  --live                  compare with a running Apache Kafka  [where there are java and mvn]
  --golden                compare with the answers that Apache Kafka gave before  [elsewhere]
  --refresh               write Apache Kafka's answers into tests/differential/golden
  --itself                compare Apache Kafka with itself: what differs is noise
  --peer PROGRAM          compare PROGRAM, started as kfake is, in place of kfake
  --random SECONDS        random sequences of requests, in place of the scenarios; what differs is shrunk
  --seed N                where the random sequences begin  [the time]
  --filter TEXT           scenarios whose title contains TEXT alone
  -h, --help

The differences go to stdout, side by side; the last line is `N identical, M different`.

Exit code: 0 when every scenario is identical, or differs as tests/differential/wanted.toml lists; 1 when not, or when a listed
difference is gone, or when Apache Kafka's answers, asked for three times, are not the golden ones any more; 2 when that could not be
found out.
";

const MESSAGES_HELP: &str = "\
Writes kfake/src/messages: the messages that kafka-protocol lacks the newest version of.

Usage: cargo xtask messages [OPTIONS]

Options:
  --check                 write nothing; fail where something would be written
  -h, --help

They are made from tests/differential/schemas.jsonl, which tests/oracle/schemas.py makes from Apache Kafka's clients jar.

Exit code: 0; 1 when --check finds a stale file; 2 when nothing could be written.
";

const RELEASES_HELP: &str = "\
Writes kfake/src/cluster/releases.txt: which versions of which API each release of Apache Kafka offers. Needs java and mvn, and
fetches about 100 MB of artifacts that are not there yet.

Usage: cargo xtask releases [OPTIONS]

Options:
  --check                 write nothing; fail where something would be written
  -h, --help

Exit code: 0; 1 when --check finds the file stale; 2 when nothing could be written.
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

const INTEROP_HELP: &str = "\
Runs clients of several languages against the kfake binary. Each is installed from its language's registry, below target/interop.

Usage: cargo xtask interop [OPTIONS] [NAME...]

Options:
  --case CASE             run this case alone; may be given several times
  --selection             the clients and versions that CI runs
  --jobs N                so many clients at a time: they wait more than they work  [4]
  --require               fail where a program that a client needs is missing, instead of leaving the client out
  --write-docs            write kfake/docs/clients.md, from a run of everything; with --suites, suites.md
  --suites                run the integration tests that clients publish with their sources; NAME is a suite's then. What a
                          suite's file lists and came out so counts as skipped, whatever came out otherwise as failed
  --oracle                run the suites against Apache Kafka too; needs java and mvn
  --target-dir DIR        build and install in this directory  [target of the workspace]
  -h, --help

The last line counts all cases. Exit code: 0 when no case failed, 1 when one did, 2 when nothing could be run.
";

/// What was asked for.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Print this.
    Help(&'static str),
    /// `bench`, with arguments that its own program reads.
    Bench(Vec<OsString>),
    /// `configs`.
    Configs(Generate),
    /// `leak-audit`, with arguments of its own.
    LeakAudit(Vec<OsString>),
    /// `lint-gate`.
    LintGate(LintGate),
    /// `interop`.
    Interop(Interop),
    /// `differential`.
    Differential(Differential),
    /// `messages`.
    Messages(Generate),
    /// `releases`.
    Releases(Generate),
}

/// The options of commands that generate source.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Generate {
    /// Whether nothing is written, and what would be is an error.
    pub check: bool,
}

/// The options of `differential`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Differential {
    /// None: whichever this machine can.
    pub against: Option<Against>,
    /// A program in place of kfake.
    pub peer: Option<PathBuf>,
    /// For how many seconds random sequences are sent.
    pub random: Option<u64>,
    /// The first random sequence's seed.
    pub seed: Option<u64>,
    /// A part of the titles of the scenarios that are wanted.
    pub filter: Option<String>,
    /// Corpus files by name; empty: all.
    pub files: Vec<String>,
}

/// What kfake's answers are held against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Against {
    /// A running Apache Kafka.
    Live,
    /// Its answers of before.
    Golden,
    /// None: they are written.
    Refresh,
    /// None: Apache Kafka's are held against its own.
    Itself,
}

/// The options of `lint-gate`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LintGate {
    /// The workspace's directory, where it is not this one.
    pub root: Option<PathBuf>,
    /// Where to build, where not in the workspace's own place.
    pub target_dir: Option<PathBuf>,
}

/// The options of `interop`.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Interop {
    /// The clients to run. None: all.
    pub names: Vec<String>,
    /// The cases to run. None: all.
    pub cases: Vec<String>,
    /// How many clients run at a time.
    pub jobs: usize,
    /// Only what CI runs.
    pub selection: bool,
    /// A client that cannot be run is a failure.
    pub require: bool,
    /// Clients' own test suites, in place of the clients.
    pub suites: bool,
    /// The suites are run against Apache Kafka as well.
    pub oracle: bool,
    /// Whether the documentation's table is written.
    pub write_docs: bool,
    /// Where to build and install, where not in the workspace's own place.
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
            Arg::Value(name) if name == "configs" => {
                let options = generate(&mut parser).context(help_hint("configs"))?;
                Ok(options.map_or(Self::Help(CONFIGS_HELP), Self::Configs))
            }
            Arg::Value(name) if name == "leak-audit" => Ok(Self::LeakAudit(parser.raw_args()?.collect())),
            Arg::Value(name) if name == "differential" => differential(&mut parser).context(help_hint("differential")),
            Arg::Value(name) if name == "lint-gate" => lint_gate(&mut parser).context(help_hint("lint-gate")),
            Arg::Value(name) if name == "interop" => interop(&mut parser).context(help_hint("interop")),
            Arg::Value(name) if name == "messages" => {
                let options = generate(&mut parser).context(help_hint("messages"))?;
                Ok(options.map_or(Self::Help(MESSAGES_HELP), Self::Messages))
            }
            Arg::Value(name) if name == "releases" => {
                let options = generate(&mut parser).context(help_hint("releases"))?;
                Ok(options.map_or(Self::Help(RELEASES_HELP), Self::Releases))
            }
            Arg::Short('h') | Arg::Long("help") => Ok(Self::Help(HELP)),
            Arg::Value(name) => bail!("no command is named {name:?}\n\n{HELP}"),
            option => Err(option.unexpected()).context(help_hint("COMMAND")),
        }
    }
}

fn help_hint(command: &str) -> String {
    format!("wrong arguments (cargo xtask {command} --help tells the right ones)")
}

/// The options of a command that generates source; none where help is asked for.
fn generate(parser: &mut Parser) -> anyhow::Result<Option<Generate>> {
    let mut options = Generate::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Long("check") => options.check = true,
            Arg::Short('h') | Arg::Long("help") => return Ok(None),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Some(options))
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

fn interop(parser: &mut Parser) -> anyhow::Result<Command> {
    let mut options = Interop {
        jobs: 4,
        ..Interop::default()
    };
    while let Some(argument) = parser.next()? {
        match argument {
            Arg::Value(name) => options.names.push(name.string()?),
            Arg::Long("case") => options.cases.push(parser.value()?.string()?),
            Arg::Long("jobs") => options.jobs = parser.value()?.parse()?,
            Arg::Long("selection") => options.selection = true,
            Arg::Long("suites") => options.suites = true,
            Arg::Long("oracle") => options.oracle = true,
            Arg::Long("require") => options.require = true,
            Arg::Long("write-docs") => options.write_docs = true,
            Arg::Long("target-dir") => options.target_dir = Some(parser.value()?.into()),
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(INTEROP_HELP)),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Interop(options))
}

fn differential(parser: &mut Parser) -> anyhow::Result<Command> {
    let mut options = Differential::default();
    while let Some(argument) = parser.next()? {
        let against = match argument {
            Arg::Long("live") => Against::Live,
            Arg::Long("golden") => Against::Golden,
            Arg::Long("refresh") => Against::Refresh,
            Arg::Long("itself") => Against::Itself,
            Arg::Long("peer") => {
                options.peer = Some(parser.value()?.into());
                continue;
            }
            Arg::Long("random") => {
                options.random = Some(parser.value()?.string()?.trim_end_matches('s').parse()?);
                continue;
            }
            Arg::Long("seed") => {
                options.seed = Some(parser.value()?.parse()?);
                continue;
            }
            Arg::Long("filter") => {
                options.filter = Some(parser.value()?.string()?);
                continue;
            }
            Arg::Short('h') | Arg::Long("help") => return Ok(Command::Help(DIFFERENTIAL_HELP)),
            Arg::Value(file) => {
                options.files.push(file.string()?);
                continue;
            }
            option => return Err(option.unexpected().into()),
        };
        if options.against.replace(against).is_some_and(|before| before != against) {
            bail!("--live, --golden, --refresh and --itself exclude each other");
        }
    }
    Ok(Command::Differential(options))
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
    fn the_audit_reads_its_own_arguments() {
        let expected = ["--package", "kfake", "--", "-h", "--", "x"].map(OsString::from);

        assert_eq!(
            parse("leak-audit --package kfake -- -h -- x"),
            Ok(Command::LeakAudit(expected.into()))
        );
    }

    #[test]
    fn wrong_arguments_say_what_is_right() {
        for (line, said) in [
            ("", "no command given"),
            ("leak-adit", "no command is named \"leak-adit\""),
            ("--loud", "invalid option '--loud'"),
            ("differential --live --golden", "exclude each other"),
            ("differential --random soon", "invalid digit"),
            ("interop --suites --orcale", "invalid option '--orcale'"),
            ("differential --peer", "missing argument for option '--peer'"),
            ("configs --chek", "invalid option '--chek'"),
            ("lint-gate extra", "unexpected argument \"extra\""),
        ] {
            let error = parse(line).expect_err(line);
            assert!(error.contains(said), "{line}: {error}");
            assert!(error.contains("--help"), "{line}: {error}");
        }
    }
}
