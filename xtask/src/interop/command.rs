//! Running the clients.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};

use super::client::{self, Client, Version};
use super::cluster::{Cluster, Kfake, wait};
use super::outcome::{Line, Outcomes, line};
use super::table::{self, Case};
use crate::flags::Interop;

/// So long may a client be silent. None of its cases waits as long for one thing.
const LIMIT: Duration = Duration::from_secs(120);
/// A group's first rebalance waits for so long, in milliseconds, and not for Kafka's three seconds.
const REBALANCE_DELAY: &str = "group.initial.rebalance.delay.ms=100";
/// So often the log cleaner looks, in milliseconds, and not every fifteen seconds.
const CLEANER_BACKOFF: &str = "log.cleaner.backoff.ms=100";
/// No log is rid of old records meanwhile: cases write some of 1970, and Kafka looks for them first when it is half a minute old.
const RETENTION_DELAY: &str = "log.initial.task.delay.ms=86400000";

/// Runs it, and gives the exit code: 0 where no case failed, 1 where one did.
pub fn run(options: Interop) -> anyhow::Result<u8> {
    if options.suites {
        return super::suites::run(&options);
    }
    ensure!(!options.oracle, "--oracle is for --suites");
    let root = crate::workspace_root();
    let source = root.join("tests/interop");
    let target = options.target_dir.unwrap_or_else(|| root.join("target"));
    let clients = client::read(&source)?;
    let lists = read_cases(&source, &clients)?;
    let cases: Vec<Case> = lists.values().flatten().cloned().collect();
    let chosen = choose(&clients, &options.names, options.selection)?;
    if let Some(stray) = options
        .cases
        .iter()
        .find(|name| cases.iter().all(|case| case.name != **name))
    {
        bail!("no case is named {stray:?}: {}", names(&cases).join(", "));
    }
    let binary = build(root, &target)?;

    let mut versions = Vec::new();
    for (client, version) in chosen {
        let version = client.version(&version, &source, &target.join("interop"));
        let missing = version.missing();
        if missing.is_empty() || options.require {
            versions.push(version);
        } else {
            let missing = missing.join(" and no ");
            eprintln!("{}: left out, as there is no {missing}", version.label());
        }
    }
    let work = |version: &Version| {
        let kfake = Kfake {
            binary: binary.clone(),
            arguments: arguments(&version.client),
        };
        let began = Instant::now();
        let known = names(&lists[&version.client.cases]);
        let is_wanted = |name: &&String| options.cases.is_empty() || options.cases.contains(name);
        let wanted: Vec<String> = known.iter().filter(is_wanted).cloned().collect();
        let outcomes = one(version, &kfake, &options.cases, &known, &wanted);
        let (label, counts) = (version.label(), outcomes.counts());
        let mut text = format!("{label}: {counts} ({} s)\n", began.elapsed().as_secs());
        for failure in outcomes.failures() {
            text += &format!("  {failure}\n");
        }
        print!("{text}");
        outcomes
    };
    let outcomes = in_parallel(&versions, options.jobs, &work);
    let runs: Vec<_> = versions
        .into_iter()
        .zip(outcomes)
        .map(|(version, outcomes)| (version.client, version.version, outcomes))
        .collect();
    ensure!(!runs.is_empty(), "no client was run");
    let mut all = super::outcome::Counts::default();
    for (.., outcomes) in &runs {
        all += outcomes.counts();
    }
    println!("{all}");
    if options.write_docs {
        write_docs(root, &clients, &lists, &runs)?;
    }
    Ok(u8::from(all.failed > 0))
}

/// The lists of cases that the clients name, by the file's name.
fn read_cases(source: &Path, clients: &[Client]) -> anyhow::Result<BTreeMap<String, Vec<Case>>> {
    let mut lists = BTreeMap::new();
    for file in clients.iter().map(|client| &client.cases) {
        let text = fs::read_to_string(source.join(file)).with_context(|| format!("cannot read the cases in {file}"))?;
        lists.insert(file.clone(), table::cases(&text));
    }
    Ok(lists)
}

fn names(cases: &[Case]) -> Vec<String> {
    cases.iter().map(|case| case.name.clone()).collect()
}

/// Does so many at a time, and gives what came of each in their order. Clients wait more than they work.
fn in_parallel<T: Sync, R: Send>(items: &[T], jobs: usize, work: &(dyn Fn(&T) -> R + Sync)) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take = || {
        let mut done = Vec::new();
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(index) else { return done };
            done.push((index, work(item)));
        }
    };
    let mut done: Vec<(usize, R)> = thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(take)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined
            .flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

/// The named clients (all where none is named) with their versions, or those that CI runs.
fn choose<'c>(clients: &'c [Client], names: &[String], selection: bool) -> anyhow::Result<Vec<(&'c Client, String)>> {
    if let Some(stray) = names
        .iter()
        .find(|name| clients.iter().all(|client| client.name != **name))
    {
        let known: Vec<&str> = clients.iter().map(|client| &*client.name).collect();
        bail!("no client is named {stray:?}: {}", known.join(", "));
    }
    let named = clients
        .iter()
        .filter(|client| names.is_empty() || names.contains(&client.name));
    let versions = |client: &'c Client| {
        let versions = if selection { &client.ci } else { &client.versions };
        versions.iter().map(move |version| (client, version.clone()))
    };
    Ok(named.flat_map(versions).collect())
}

fn arguments(client: &Client) -> Vec<String> {
    let all = [
        "--topic",
        "returning:1",
        "--log-level",
        "error",
        "--broker-config",
        REBALANCE_DELAY,
        "--broker-config",
        CLEANER_BACKOFF,
        "--broker-config",
        RETENTION_DELAY,
    ];
    all.into_iter()
        .map(str::to_owned)
        .chain(client.kfake.iter().cloned())
        .collect()
}

pub(super) fn build(root: &Path, target: &Path) -> anyhow::Result<std::path::PathBuf> {
    let status = Command::new(env!("CARGO"))
        .args(["build", "--package", "kfake", "--bin", "kfake", "--target-dir"])
        .arg(target)
        .current_dir(root)
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "kfake does not build");
    Ok(target.join("debug/kfake"))
}

/// Installs and runs one client.
fn one(version: &Version, kfake: &Kfake, cases: &[String], known: &[String], wanted: &[String]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    let ran = version
        .install()
        .context("it could not be installed")
        .and_then(|()| observe(&version.label(), version.program(cases)?, kfake, known, &mut outcomes));
    if let Err(error) = ran {
        outcomes.trouble.push(format!("{error:#}"));
    }
    outcomes.complete(wanted);
    outcomes
}

/// Runs a client's program against a cluster, and notes what it reports.
fn observe(
    label: &str,
    mut program: Command,
    kfake: &Kfake,
    known: &[String],
    outcomes: &mut Outcomes,
) -> anyhow::Result<()> {
    let cluster = kfake.start("0,0,0")?;
    let mut process = program
        .env("KFAKE_BOOTSTRAP", &cluster.addresses)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.get_program().display()))?;
    let (input, output) = (process.stdin.take(), process.stdout.take());
    let talked = input
        .zip(output)
        .context("it has no pipes")
        .and_then(|(input, output)| talk(input, output, label, kfake, cluster, known, outcomes));
    if talked.is_err() {
        // It fails where the program has ended.
        let _ = process.kill();
    }
    let status = wait(&mut process, super::cluster::LIMIT)?;
    talked?;
    let status = status.context("it printed its last line and did not end")?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}

fn talk(
    mut input: ChildStdin,
    output: ChildStdout,
    label: &str,
    kfake: &Kfake,
    cluster: Cluster,
    known: &[String],
    outcomes: &mut Outcomes,
) -> anyhow::Result<()> {
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let ports = cluster.ports();
    let mut cluster = Some(cluster);
    let mut last = Instant::now();
    loop {
        let text = match lines.recv_timeout(LIMIT) {
            Ok(text) => text,
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => bail!("it said nothing for {} s", LIMIT.as_secs()),
        };
        eprintln!("{label}: {text} ({:.1} s)", last.elapsed().as_secs_f64());
        last = Instant::now();
        let answer = match line(&text) {
            Line::Case(case, outcome) => {
                outcomes.report(case, outcome, known);
                continue;
            }
            Line::Other => continue,
            Line::Stop => {
                cluster.take().context("it stopped the cluster twice")?.stop()?;
                "stopped"
            }
            Line::Start => {
                ensure!(cluster.is_none(), "it started a cluster that runs");
                cluster = Some(kfake.start(&ports)?);
                "started"
            }
            Line::Move(topic) => {
                let cluster = cluster.as_ref().context("it moved leaders of a cluster that is gone")?;
                super::leaders::move_all(&cluster.addresses, &topic)?;
                "moved"
            }
        };
        writeln!(input, "{answer}").context("it does not read the answer")?;
    }
    match cluster {
        Some(cluster) => cluster.stop(),
        None => Ok(()),
    }
}

fn write_docs(
    root: &Path,
    clients: &[Client],
    lists: &BTreeMap<String, Vec<Case>>,
    runs: &[(Client, String, Outcomes)],
) -> anyhow::Result<()> {
    let versions = clients.iter().map(|client| client.versions.len()).sum::<usize>();
    ensure!(
        runs.len() == versions,
        "the table is written from a run of all clients alone"
    );
    let is_complete = |client: &Client, outcomes: &Outcomes| {
        let cases = &lists[&client.cases];
        cases.iter().all(|case| outcomes.of(&case.name).is_some())
    };
    ensure!(
        runs.iter().all(|(client, _, outcomes)| is_complete(client, outcomes)),
        "the table is written from a run of all cases alone"
    );
    let path = root.join("kfake/docs/clients.md");
    fs::create_dir_all(root.join("kfake/docs"))?;
    let cases: Vec<Case> = lists.values().flatten().cloned().collect();
    fs::write(&path, table::page(&cases, runs)).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Runs a script as a client, against a script that stands for the binary: it is ready at once, and ends well.
    fn shell(script: &str) -> (Outcomes, anyhow::Result<()>) {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("kfake");
        let text =
            "#!/bin/sh\ntrap 'exit 0' TERM\necho \"ready 127.0.0.1:1,127.0.0.1:2\"\nwhile :; do sleep 0.01; done\n";
        fs::write(&path, text).expect("written");
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("executable");
        let kfake = Kfake {
            binary: path,
            arguments: Vec::new(),
        };
        let known = ["one", "two"].map(str::to_owned);
        let mut outcomes = Outcomes::default();
        let mut program = Command::new("sh");
        program.args(["-c", script]);
        let ran = observe("a script", program, &kfake, &known, &mut outcomes);
        (outcomes, ran)
    }

    #[test]
    fn what_is_done_in_parallel_keeps_its_order() {
        let items: Vec<u32> = (0..100).collect();

        assert_eq!(
            in_parallel(&items, 7, &|item| item * 2),
            items.iter().map(|item| item * 2).collect::<Vec<_>>()
        );
        assert!(in_parallel(&[] as &[u32], 0, &|item| *item).is_empty());
    }

    #[test]
    fn a_client_reports_and_has_its_cluster_stopped_and_started() {
        let (outcomes, ran) = shell(
            "echo ok one; echo cluster stop; read a; echo cluster start; read b; \
             [ \"$a $b $KFAKE_BOOTSTRAP\" = 'stopped started 127.0.0.1:1,127.0.0.1:2' ] && echo skip two: why",
        );

        assert!(ran.is_ok(), "{ran:?}");
        assert_eq!(outcomes.counts().to_string(), "1 passed, 0 failed, 1 skipped");
    }

    #[test]
    fn a_client_that_crashes_has_failed() {
        let (outcomes, ran) = shell("echo ok one; kill -9 $$");

        assert!(ran.is_err_and(|error| error.to_string().contains("signal: 9")));
        assert_eq!(outcomes.counts().passed, 1);
    }

    #[test]
    fn a_cluster_cannot_be_started_twice() {
        let (_, ran) = shell("echo cluster start; read a; echo ok one");

        assert!(ran.is_err_and(|error| error.to_string().contains("started a cluster that runs")));
    }

    #[test]
    fn leaders_of_a_cluster_that_is_gone_cannot_be_moved() {
        let (_, ran) = shell("echo cluster stop; read a; echo cluster move orders");

        assert!(ran.is_err_and(|error| error.to_string().contains("a cluster that is gone")));
    }

    #[test]
    fn the_documentation_has_every_client_and_every_case() {
        let root = crate::workspace_root();
        let page = fs::read_to_string(root.join("kfake/docs/clients.md")).expect("the page");
        let source = root.join("tests/interop");
        let clients = client::read(&source).expect("clients");
        let lists = read_cases(&source, &clients).expect("the cases");
        for case in lists.values().flatten() {
            let row = format!("| {} | {} |", case.name, case.about);
            assert!(
                page.contains(&row),
                "run `cargo xtask interop --write-docs`: no row {row}"
            );
        }
        for client in clients {
            for version in &client.versions {
                let row = format!("| {} | {version} |", client.name);
                assert!(
                    page.contains(&row),
                    "run `cargo xtask interop --write-docs`: no row {row}"
                );
            }
        }
    }
}
