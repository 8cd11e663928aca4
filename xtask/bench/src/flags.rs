//! The command line of `cargo xtask bench`.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::{Context, bail};
use lexopt::{Arg, Parser, ValueExt};

use crate::load::curve;
use crate::results::{Anchor, Row};
use crate::server::Kind;
use crate::table;

pub const HELP: &str = "\
Measures kfake beside its peers: the same client, the same load, one run, the servers in turn. Processor time and memory are
those of the server's process, read from outside.

Usage: cargo xtask bench [OPTIONS]

Options:
  --only ROW,...     these rows or curves alone: produce, consume, kept, single, idle, life, transaction, per-group, stop,
                     start, start-inside, stop-inside, wide-create, wide-metadata; curves, or partitions, topics, groups,
                     connections, members; observer
  --peers NAME,...   these servers beside kfake: loopback, loopback-keeps, franz-go, librdkafka-mock, kafka; or none  [all that are installed]
  --rounds N         how often each is measured  [3]
  --quick            small loads, one round, curves up to 100: shows that it works within a minute
  --json FILE        write the results there
  --from FILE        show these results instead of measuring
  --write            write the results, the plots and the table of the docs into the repository
  --check            compare with the committed results, as ratios to the loopback
  --all-cores        measure processor time with client and server on all cores, not on one: what each then wakes is the other's core
  -h, --help

What is not installed is left out by name. Exit code: 0; 1 when --check finds something worse; 2 when it could not measure.
";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    pub rows: Vec<Row>,
    pub curves: Vec<String>,
    /// Programs under the audit's observer.
    pub observer: bool,
    pub peers: Vec<Kind>,
    pub rounds: usize,
    pub quick: bool,
    pub json: Option<PathBuf>,
    /// Results to show instead of measuring.
    pub from: Option<PathBuf>,
    pub write: bool,
    pub check: bool,
    /// Client and server run on all cores everywhere.
    pub all_cores: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            rows: Row::all().collect(),
            curves: curve::NAMES.map(str::to_owned).to_vec(),
            observer: true,
            peers: Kind::ALL.to_vec(),
            rounds: 3,
            quick: false,
            json: None,
            from: None,
            write: false,
            check: false,
            all_cores: false,
        }
    }
}

/// A command.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    Help,
    Run(Options),
    /// The process of the bare loopback: how many partitions its answers have, and whether it keeps what it receives.
    Loopback(i32, bool),
    /// The program that spawns so many tasks.
    Spawns(usize),
    /// The process of what is measured inside of one: whose, how many groups, how many connections.
    Inside(Kind, usize, usize),
}

impl Command {
    pub fn from_arguments(arguments: impl IntoIterator<Item = OsString>) -> anyhow::Result<Self> {
        let mut parser = Parser::from_args(arguments);
        let mut options = Options::default();
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Value(name) if name == "loopback" => return Ok(Self::Loopback(parser.value()?.parse()?, false)),
                Arg::Value(name) if name == "loopback-keeps" => {
                    return Ok(Self::Loopback(parser.value()?.parse()?, true));
                }
                Arg::Value(name) if name == "spawns" => return Ok(Self::Spawns(parser.value()?.parse()?)),
                Arg::Value(name) if name == "inside" => {
                    let kind = parser.value()?.string()?;
                    let kind = Kind::of(&kind).with_context(|| format!("no server is named {kind}"))?;
                    return Ok(Self::Inside(kind, parser.value()?.parse()?, parser.value()?.parse()?));
                }
                Arg::Long("only") => {
                    (options.rows, options.curves, options.observer) = only(&parser.value()?.string()?)?;
                }
                Arg::Long("peers") => options.peers = peers(&parser.value()?.string()?)?,
                Arg::Long("rounds") => options.rounds = parser.value()?.parse_with(str::parse::<usize>)?.max(1),
                Arg::Long("quick") => options.quick = true,
                Arg::Long("json") => options.json = Some(parser.value()?.into()),
                Arg::Long("from") => options.from = Some(parser.value()?.into()),
                Arg::Long("write") => options.write = true,
                Arg::Long("check") => options.check = true,
                Arg::Long("all-cores") => options.all_cores = true,
                Arg::Short('h') | Arg::Long("help") => return Ok(Self::Help),
                other => return Err(other.unexpected().into()),
            }
        }
        if options.check {
            let keeper = options.rows.iter().any(|row| matches!(row.anchor, Anchor::Keeper));
            for kind in [Kind::Loopback].into_iter().chain(keeper.then_some(Kind::Keeper)) {
                if !options.peers.contains(&kind) {
                    bail!("--check compares with {}: name it among the peers", kind.name());
                }
            }
            if options.all_cores {
                bail!("--check compares with results of one core");
            }
        }
        if options.write && (options.quick || options.all_cores || options.rows.len() < Row::all().count()) {
            bail!("--write is for whole runs alone");
        }
        if options.quick {
            options.rounds = 1;
        }
        Ok(Self::Run(options))
    }
}

fn only(list: &str) -> anyhow::Result<(Vec<Row>, Vec<String>, bool)> {
    let (mut rows, mut curves, mut observer) = (Vec::new(), Vec::new(), false);
    for name in list.split(',') {
        match (Row::of(name), name) {
            (Some(row), _) => rows.push(row),
            (None, "observer") => observer = true,
            (None, "curves") => curves.extend(curve::NAMES.map(str::to_owned)),
            (None, name) if curve::NAMES.contains(&name) => curves.push(name.to_owned()),
            (None, name) => bail!(
                "no row is named {name}: {}, curves, {}, observer",
                table::ids(),
                curve::NAMES.join(", ")
            ),
        }
    }
    Ok((rows, curves, observer))
}

fn peers(list: &str) -> anyhow::Result<Vec<Kind>> {
    let mut kinds = vec![Kind::Kfake];
    for name in list.split(',').filter(|name| *name != "none") {
        kinds.push(Kind::of(name).with_context(|| format!("no server is named {name}"))?);
    }
    kinds.sort_unstable();
    kinds.dedup();
    Ok(kinds)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> anyhow::Result<Command> {
        Command::from_arguments(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn rows_curves_and_peers_are_chosen_by_name() {
        let Command::Run(options) = parse("--only produce,members --peers loopback --rounds 5").unwrap() else {
            panic!("not a run");
        };
        assert_eq!(
            (options.rows, options.curves),
            (vec![Row::of("produce").unwrap()], vec!["members".to_owned()])
        );
        assert_eq!((options.peers, options.rounds), (vec![Kind::Loopback, Kind::Kfake], 5));
    }

    #[test]
    fn the_help_names_every_row() {
        let names = HELP.split_once("--only").unwrap().1.split_once("--peers").unwrap().0;
        let names: Vec<_> = names.split(|c: char| c != '-' && !c.is_alphanumeric()).collect();
        for row in Row::all() {
            assert!(names.contains(&row.id), "{row:?}");
        }
    }

    #[test]
    fn a_check_needs_the_loopbacks_of_its_rows_alone() {
        for line in [
            "--check",
            "--check --only single --peers loopback",
            "--check --only produce --peers loopback,loopback-keeps",
        ] {
            assert!(parse(line).is_ok(), "{line}");
        }
    }

    #[test]
    fn what_does_not_exist_or_compares_with_nothing_is_refused() {
        for line in [
            "--only speed",
            "--peers redpanda",
            "--check --peers none",
            "--check --peers loopback",
            "--check --all-cores",
            "--write --all-cores",
            "--write --quick",
            "fast",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
