//! Running the suites.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::output::Report;
use super::page;
use super::server::Server;
use super::suite::{self, Suite};
use super::verdict::Against;
use crate::flags::Interop;
use crate::interop::client::Version;
use crate::interop::cluster::wait;
use crate::interop::command::build;
use crate::interop::outcome::Counts;

/// So long may one suite take with all its tests.
const LIMIT: Duration = Duration::from_secs(900);

/// Runs them one after the other, since some of their tests measure times, and gives the exit code: 0 where everything came out as
/// listed.
pub fn run(options: &Interop) -> anyhow::Result<u8> {
    ensure!(options.cases.is_empty(), "--case is for clients, and not for suites");
    ensure!(
        !options.write_docs || options.oracle,
        "the page is written from a run against Apache Kafka as well: --oracle"
    );
    let root = crate::workspace_root();
    let source = root.join("tests/interop");
    let target = options.target_dir.clone().unwrap_or_else(|| root.join("target"));
    let suites = suite::read(&source.join("suites"))?;
    let chosen = choose(&suites, &options.names, options.selection)?;
    let place = Place {
        kfake: build(root, &target)?,
        directory: target.join("interop/suites"),
    };
    let mut all = Counts::default();
    let mut runs: Vec<(&Suite, Report)> = Vec::new();
    for suite in chosen {
        let program = suite.program(&source, &place.directory);
        let missing = program.missing();
        if !missing.is_empty() && !options.require {
            let missing = missing.join(" and no ");
            eprintln!("{}: left out, as there is no {missing}", suite.label());
            continue;
        }
        let installed = program.install().context("it could not be installed");
        let sides: &[Against] = match options.oracle {
            true => &[Against::Kfake, Against::Kafka],
            false => &[Against::Kfake],
        };
        for against in sides {
            let began = Instant::now();
            let mut report = Report::default();
            let ran = match &installed {
                Ok(()) => place.one(suite, &program, *against, &mut report),
                Err(error) => Err(anyhow::anyhow!("{error:#}")),
            };
            if let Err(error) = ran {
                report.trouble.push(format!("{error:#}"));
            }
            let verdict = suite.judge(*against, &report);
            let (label, name, seconds) = (suite.label(), against.name(), began.elapsed().as_secs());
            println!("{label} on {name}: {} ({seconds} s)", verdict.counts);
            for failure in &verdict.failures {
                println!("  {failure}");
            }
            if !verdict.failures.is_empty() {
                println!("  its output is in {}", place.log(suite, *against).display());
            }
            all += verdict.counts;
            if *against == Against::Kfake {
                runs.push((suite, report));
            }
        }
    }
    ensure!(!runs.is_empty(), "no suite was run");
    println!("{all}");
    if options.write_docs {
        ensure!(
            all.failed == 0,
            "the page is written where everything came out as listed"
        );
        ensure!(
            runs.len() == suites.len(),
            "the page is written from a run of all suites"
        );
        let path = root.join(page::PATH);
        std::fs::write(&path, page::page(&runs)).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(u8::from(all.failed > 0))
}

/// The named suites, or all, or those that CI runs.
fn choose<'s>(suites: &'s [Suite], names: &[String], selection: bool) -> anyhow::Result<Vec<&'s Suite>> {
    if let Some(stray) = names
        .iter()
        .find(|name| suites.iter().all(|suite| suite.name != **name))
    {
        let known: Vec<&str> = suites.iter().map(|suite| &*suite.name).collect();
        bail!("no suite is named {stray:?}: {}", known.join(", "));
    }
    let is_chosen = |suite: &&Suite| (names.is_empty() || names.contains(&suite.name)) && (suite.ci || !selection);
    Ok(suites.iter().filter(is_chosen).collect())
}

/// Where things are.
struct Place {
    /// The binary.
    kfake: PathBuf,
    /// Where suites are installed and write.
    directory: PathBuf,
}

impl Place {
    /// Where all that a suite printed is kept.
    fn log(&self, suite: &Suite, against: Against) -> PathBuf {
        let against = match against {
            Against::Kfake => "kfake",
            Against::Kafka => "kafka",
        };
        self.directory
            .join(format!("{}-{}-{against}.log", suite.name, suite.version))
    }

    /// Runs a suite against a cluster of its own.
    fn one(&self, suite: &Suite, program: &Version, against: Against, report: &mut Report) -> anyhow::Result<()> {
        let server = Server::start(suite, against, &self.kfake, &self.directory.join("kafka"))?;
        let mut command = program.program(&[])?;
        command.envs(suite.environment(&server.addresses));
        observe(command, &self.log(suite, against), LIMIT, report)?;
        server.stop()
    }
}

/// Runs a suite's program and reads what it reports. Its exit code says only that a test failed, which its lines say too.
fn observe(mut command: Command, log: &Path, limit: Duration, report: &mut Report) -> anyhow::Result<()> {
    let mut log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(log.try_clone()?)
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let output = process.stdout.take().context("it has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let end = Instant::now() + limit;
    let read = loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let line = String::from_utf8_lossy(&line);
                writeln!(log, "{line}")?;
                report.line(&line);
            }
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                // It fails where the program has ended.
                let _ = process.kill();
                break Err(anyhow::anyhow!("it did not end within {} s", limit.as_secs()));
            }
        }
    };
    let status = wait(&mut process, crate::interop::cluster::LIMIT)?;
    read?;
    let status = status.context("it printed its last line and did not end")?;
    ensure!(status.code().is_some(), "it ended with {status}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str, limit: Duration) -> (Report, anyhow::Result<()>, String) {
        let directory = tempfile::tempdir().expect("a directory");
        let log = directory.path().join("log");
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        let mut report = Report::default();
        let ran = observe(command, &log, limit, &mut report);
        (report, ran, std::fs::read_to_string(log).expect("a log"))
    }

    #[test]
    fn what_a_suite_prints_is_read_and_kept() {
        let (report, ran, log) = shell(
            "echo test a ... ok; echo noise; echo test b ... FAILED; exit 101",
            LIMIT,
        );

        assert!(ran.is_ok(), "{ran:?}");
        assert_eq!(report.tests.len(), 2);
        assert!(log.contains("noise\ntest b"), "{log}");
    }

    #[test]
    fn a_suite_that_crashes_or_hangs_is_an_error() {
        let (_, ran, _) = shell("kill -9 $$", LIMIT);
        assert!(ran.is_err_and(|error| error.to_string().contains("signal: 9")));

        let (report, ran, _) = shell("echo test a ... ok; exec sleep 60", Duration::from_millis(200));
        assert!(ran.is_err_and(|error| error.to_string().contains("did not end")));
        assert_eq!(report.tests.len(), 1);
    }
}
