//! What `cargo leak-audit`'s preloaded library costs the programs that it observes: one that does little but spawn tasks, and
//! a small test suite. Each alone and observed in turn, optimised and not.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::cores::OneCore;
use crate::flags::Options;
use crate::meter;
use crate::results::{Measured, Observed};

/// Where `cargo xtask bench` says that the library is.
const LIBRARY: &str = "XTASK_BENCH_PRELOAD";
/// Where the library is told to write.
const RECORDS: &str = "LEAK_AUDIT_OBSERVE";
/// Runs of each in a round, alone and observed.
const TURNS: usize = 5;
/// Tasks that live at the same time.
const BATCH: usize = 1_000;

/// Runs all of it; says why it did not where it cannot.
pub fn run(options: &Options, root: &Path) -> anyhow::Result<Result<Vec<Observed>, String>> {
    let Some(library) = std::env::var_os(LIBRARY) else {
        return Ok(Err(format!(
            "there is no library to preload, or {LIBRARY} does not name it"
        )));
    };
    let observer = Observer {
        library: library.into(),
        records: root.join("target/bench/observed"),
        all_cores: options.all_cores,
    };
    let (tasks, turns) = if options.quick {
        (5_000, 1)
    } else {
        (100_000, TURNS * options.rounds)
    };
    let mut all = Vec::new();
    for (profile, release) in [("release", true), ("dev", false)] {
        let spawns = if release {
            std::env::current_exe()?
        } else {
            build(root, &[])?
        };
        all.push(observer.compare(
            &format!("{BATCH} tasks at a time, {profile}"),
            Some(tasks),
            turns,
            || {
                let mut command = Command::new(&spawns);
                command.args(["spawns", &tasks.to_string()]);
                command
            },
        )?);
        let flags: &[&str] = if release {
            &["--test", "suite", "--release"]
        } else {
            &["--test", "suite"]
        };
        let suite = build(root, flags)?;
        all.push(observer.compare(&format!("a test suite, {profile}"), None, turns, || {
            Command::new(&suite)
        })?);
    }
    Ok(Ok(all))
}

/// Builds this package's program, or its test suite, and says where it is.
fn build(root: &Path, flags: &[&str]) -> anyhow::Result<PathBuf> {
    let mut command = Command::new("cargo");
    if flags.is_empty() {
        command.arg("build");
    } else {
        command.args(["test", "--no-run"]);
    }
    let target = root.join("target");
    command.args(["--package", "xtask-bench", "--message-format", "json", "--target-dir"]);
    command
        .arg(target)
        .args(flags)
        .current_dir(root)
        .stderr(Stdio::inherit());
    let out = command.output().context("cannot run cargo")?;
    ensure!(out.status.success(), "the build failed");
    named(&String::from_utf8(out.stdout)?, !flags.is_empty()).context("cargo named no program")
}

/// The program that cargo's messages name: the test suite, or the other. A test suite's program is built along with it, and run
/// in its place it would measure everything again, and itself.
fn named(messages: &str, is_test: bool) -> Option<PathBuf> {
    let messages = messages.lines();
    let mut messages = messages.filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    messages.find_map(|message| {
        let path = message["executable"].as_str().map(PathBuf::from);
        path.filter(|_| message["profile"]["test"] == is_test)
    })
}

struct Observer {
    library: PathBuf,
    records: PathBuf,
    all_cores: bool,
}

impl Observer {
    fn compare(
        &self,
        program: &str,
        tasks: Option<usize>,
        turns: usize,
        command: impl Fn() -> Command,
    ) -> anyhow::Result<Observed> {
        eprintln!("under the audit's observer: {program}");
        // As servers are measured. Where that cannot be done, the run's other rows say so.
        let _one_core = (!self.all_cores).then(|| OneCore::take().ok());
        let (mut alone, mut observed) = (Vec::new(), Vec::new());
        let us = |time: Duration| time.as_secs_f64() * 1e6;
        for turn in 0..turns {
            for nth in 0..2 {
                if (turn + nth) % 2 == 0 {
                    alone.push(us(spent(command())?));
                } else {
                    observed.push(us(self.observe(command())?));
                }
            }
        }
        Ok(Observed {
            program: program.to_owned(),
            tasks,
            alone: Measured::of(alone),
            observed: Measured::of(observed),
        })
    }

    /// Runs a command observed. That it was is seen by its records.
    fn observe(&self, mut command: Command) -> anyhow::Result<Duration> {
        if self.records.exists() {
            std::fs::remove_dir_all(&self.records)?;
        }
        std::fs::create_dir_all(&self.records)?;
        command.env("LD_PRELOAD", &self.library).env(RECORDS, &self.records);
        let spent = spent(command)?;
        let mut written = 0;
        for entry in std::fs::read_dir(&self.records)? {
            written += entry?.metadata()?.len();
        }
        ensure!(written > 0, "nothing was recorded: the program was not observed");
        std::fs::remove_dir_all(&self.records)?;
        Ok(spent)
    }
}

/// The processor time of a command and what it starts.
fn spent(mut command: Command) -> anyhow::Result<Duration> {
    let before = meter::of_children()?;
    let out = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&out.stdout);
    ensure!(out.status.success(), "{command:?} ended with {}: {said}", out.status);
    Ok(meter::of_children()? - before)
}

/// The program: spawns so many tasks. Half of them end at once, half wait until the runtime has been idle for once.
pub fn spawns(tasks: usize) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let (gate, open) = tokio::sync::watch::channel(0);
        let mut left = tasks;
        while left > 0 {
            let batch = left.min(BATCH);
            let handles: Vec<_> = (0..batch)
                .map(|nth| {
                    let mut open = open.clone();
                    open.mark_unchanged();
                    tokio::spawn(async move { nth % 2 == 0 || open.changed().await.is_ok() })
                })
                .collect();
            tokio::time::sleep(Duration::from_millis(1)).await;
            gate.send_modify(|opened| *opened += 1);
            for handle in handles {
                ensure!(handle.await?, "the gate is gone");
            }
            left -= batch;
        }
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_is_not_observed_is_not_taken_for_one_that_is() {
        let observer = Observer {
            library: "/dev/null".into(),
            records: std::env::temp_dir().join(format!("xtask-bench-{}", std::process::id())),
            all_cores: true,
        };
        let refused = observer.observe(Command::new("true")).unwrap_err();
        assert!(refused.to_string().contains("nothing was recorded"), "{refused}");
        std::fs::remove_dir_all(&observer.records).unwrap();
    }

    #[test]
    fn the_suite_and_its_program_are_told_apart_whichever_is_named_first() {
        let program = r#"{"profile":{"test":false},"executable":"/t/xtask-bench"}"#;
        let suite = r#"{"profile":{"test":true},"executable":"/t/deps/suite-1"}"#;
        let library = r#"{"profile":{"test":false},"executable":null}"#;
        for messages in [[library, program, suite], [library, suite, program]] {
            let messages = messages.join("\n");
            assert_eq!(named(&messages, true), Some("/t/deps/suite-1".into()));
            assert_eq!(named(&messages, false), Some("/t/xtask-bench".into()));
        }
        assert_eq!(named(library, false), None);
    }

    #[test]
    fn the_costs_are_told_by_the_task_or_by_the_program() {
        let observed = |tasks| Observed {
            program: "program".to_owned(),
            tasks,
            alone: Measured::of(vec![1_000.0]),
            observed: Measured::of(vec![1_200.0]),
        };
        assert_eq!(observed(Some(100)).cost(), 2.0);
        assert!((observed(None).cost() - 0.2).abs() < 1e-9);
        assert!(observed(None).cost() > observed(None).target());
    }

    #[test]
    fn every_task_of_the_program_ends() {
        spawns(2_500).unwrap();
    }
}
