//! A program that runs for a while, is told to stop, and is judged by what it left behind.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::build;
use crate::cargo::{Cargo, Selection};
use crate::error::AuditError;
use crate::interrupt;
use crate::join;
use crate::observe::Observer;
use crate::observe::preload::CAUTION;
use crate::owners::Owners;
use crate::report::{Program, Report, SCHEMA};
use crate::run::tell;

/// How long a program runs that nothing else ends.
const DEFAULT: Duration = Duration::from_secs(10);
/// How long a program may take to stop before it is killed.
const GRACE: Duration = Duration::from_secs(10);
/// How often it is looked whether a program has ended. Its output may end earlier than it, or (its children have it too) later.
const LOOK: Duration = Duration::from_millis(20);

/// What to run.
#[derive(Debug)]
pub(crate) struct Running<'a> {
    pub(crate) cargo: &'a Cargo,
    pub(crate) selection: &'a Selection,
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a [String],
    pub(crate) run_for: Option<Duration>,
    pub(crate) until: Option<&'a str>,
}

impl Running<'_> {
    /// Builds it, runs it observed, stops it, and judges what it left behind.
    pub(crate) fn report(&self, live: &mut dyn Write) -> Result<Report, AuditError> {
        let begun = Instant::now();
        let observer = Observer::ready()?;
        tell(live, &format!("building {}", self.name));
        let executable = self.build(live)?;
        let owners = Owners::of(self.cargo);
        let mut command = Command::new(&executable);
        command
            .args(self.arguments)
            .envs(observer.environment())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = command.spawn().map_err(AuditError::CargoUnavailable)?;
        let (lines, printed) = channel();
        if let Some(stdout) = child.stdout.take() {
            // It ends with the program's output, and holds nothing that anybody waits for.
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
                    if lines.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                        break;
                    }
                }
            });
        }
        let run_for = self.run_for.unwrap_or(DEFAULT);
        tell(
            live,
            &format!("running {} for {} s at most", self.name, run_for.as_secs_f32()),
        );
        let deadline = Instant::now() + run_for;
        let mut ended = wait(&mut child, &printed, live, self.until, deadline)?;
        if ended.is_none() {
            interrupt::send("INT", &[child.id()]);
            ended = wait(&mut child, &printed, live, None, Instant::now() + GRACE)?;
        }
        let stopped = ended.is_some();
        let status = match ended {
            Some(status) => status,
            None => {
                child.kill().map_err(AuditError::CargoOutput)?;
                child.wait().map_err(AuditError::CargoOutput)?
            }
        };
        let shown = if stopped {
            status.to_string()
        } else {
            format!("went on for {} s after SIGINT, and was killed", GRACE.as_secs())
        };
        let mut report = Report {
            schema: SCHEMA,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            command: format!("{} {}", self.name, self.arguments.join(" ")).trim().to_owned(),
            notes: CAUTION.map(str::to_owned).into_iter().collect(),
            ..Report::default()
        };
        report.programs.push(Program {
            name: crate::cargo::stem(&executable),
            target: "bin".to_owned(),
            ended: (!status.success()).then(|| shown.clone()),
            ..Program::default()
        });
        // What it would have left behind had it ended by itself, nobody knows.
        if status.code().is_none() {
            let name = &report.programs[0].name;
            let why = if stopped {
                format!("{name} did not end by itself ({status}): one that handles SIGINT can be judged")
            } else {
                format!("{name} {shown}")
            };
            report.unjudged.push(why);
        }
        tell(live, "reading what it left behind");
        let workspace = owners.root.clone().unwrap_or_default();
        join::observed(&mut report, observer.judge(&workspace, &owners, Some(&executable))?);
        join::sort(&mut report);
        report.totals.took_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(report)
    }

    fn build(&self, live: &mut dyn Write) -> Result<std::path::PathBuf, AuditError> {
        #[derive(Deserialize)]
        struct Artifact {
            target: Target,
            executable: std::path::PathBuf,
        }
        #[derive(Deserialize)]
        struct Target {
            name: String,
        }
        let mut command = self.cargo.command("build");
        command.args(["--bin", self.name]).args(&self.selection.more);
        for package in &self.selection.packages {
            command.arg("--package").arg(package);
        }
        let messages = build::messages(command, live).map_err(|error| match error {
            AuditError::DoesNotBuild { status } => AuditError::ProgramDoesNotBuild {
                name: self.name.to_owned(),
                status,
            },
            other => other,
        })?;
        let artifacts = messages
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice::<Artifact>(line).ok());
        artifacts
            .filter(|artifact| artifact.target.name == self.name)
            .map(|artifact| artifact.executable)
            .next_back()
            .ok_or_else(|| AuditError::NoProgram(self.name.to_owned()))
    }
}

/// Shows what it prints until it has ended, until a line contains the text, or until the deadline. How it ended, where it did.
fn wait(
    child: &mut Child,
    printed: &Receiver<String>,
    live: &mut dyn Write,
    until: Option<&str>,
    deadline: Instant,
) -> Result<Option<ExitStatus>, AuditError> {
    loop {
        let now = Instant::now();
        match printed.recv_timeout(deadline.saturating_duration_since(now).min(LOOK)) {
            Ok(line) => {
                // A closed terminal does not stop the program.
                let _ = writeln!(live, "{line}");
                if until.is_some_and(|text| line.contains(text)) {
                    return Ok(None);
                }
                // What it has printed is shown whole; one that never stops to print has its deadline all the same.
                if now < deadline {
                    continue;
                }
            }
            Err(RecvTimeoutError::Timeout) => (),
            Err(RecvTimeoutError::Disconnected) => std::thread::sleep(LOOK),
        }
        let ended = child.try_wait().map_err(AuditError::CargoOutput)?;
        if ended.is_some() || now >= deadline {
            return Ok(ended);
        }
    }
}
