//! Starting and ending what is compared. Each is ended when it is dropped.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use anyhow::{Context, anyhow, bail, ensure};
use kfake_differential::side::{Side, Steering, own_loopback};
use kfake_differential::text::scenario::Setup;

use crate::workspace_root;

/// A running cluster.
pub struct Running {
    /// Where it is.
    pub side: Side,
    ends: Ends,
}

impl Running {
    /// Whether its process has ended by itself.
    pub fn has_died(&mut self) -> bool {
        match &mut self.ends {
            Ends::Process(child) => !matches!(child.try_wait(), Ok(None)),
            Ends::Kafka(_) => false,
        }
    }
}

/// How a cluster is ended.
enum Ends {
    Process(Child),
    Kafka(PathBuf),
}

impl Drop for Ends {
    fn drop(&mut self) {
        // It is being thrown away: there is nobody to tell of an error.
        match self {
            Self::Process(child) => {
                let _ = child.kill();
                let _ = child.wait();
            }
            Self::Kafka(directory) => {
                let stop = workspace_root().join("tests/oracle/stop-kafka.sh");
                let _ = Command::new("bash").arg(stop).arg(&*directory).arg("KILL").status();
            }
        }
    }
}

/// Whether a program answers to an argument.
fn runs(program: &str, argument: &str) -> bool {
    let mut command = Command::new(program);
    command
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// What Apache Kafka needs and this machine does not have.
pub fn missing_for_kafka() -> Vec<&'static str> {
    [("java", "-version"), ("mvn", "-version")]
        .into_iter()
        .filter(|(program, argument)| !runs(program, argument))
        .map(|(program, _)| program)
        .collect()
}

/// The version of Apache Kafka that is started.
pub fn kafka_version() -> anyhow::Result<String> {
    if let Ok(version) = std::env::var("KAFKA_VERSION") {
        return Ok(version);
    }
    let pom = std::fs::read_to_string(workspace_root().join("tests/oracle/pom.xml"))?;
    let version = pom
        .split_once("<kafka.version>")
        .and_then(|(_, rest)| rest.split_once('<'));
    Ok(version.context("pom.xml names no kafka.version")?.0.to_owned())
}

/// At most one Apache Kafka that is being started while others are asked. What nobody takes is waited for, and ended.
#[derive(Default)]
pub struct Ahead(Option<JoinHandle<anyhow::Result<Running>>>);

impl Ahead {
    /// Begins to start the one that is taken next.
    pub fn begin(&mut self, setup: &Setup) {
        let setup = setup.clone();
        self.0 = Some(thread::spawn(move || kafka(&setup)));
    }

    /// The one that was begun, once it is ready; else one that is started now.
    pub fn take(&mut self, setup: &Setup) -> anyhow::Result<Running> {
        match self.0.take() {
            Some(begun) => begun.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)),
            None => kafka(setup),
        }
    }
}

impl Drop for Ahead {
    fn drop(&mut self) {
        if let Some(begun) = self.0.take() {
            // It is ended as it is dropped; why it did not start concerns nobody any more.
            let _ = begun.join();
        }
    }
}

/// Starts Apache Kafka in a directory below `target/`. At most two run at a time.
pub fn kafka(setup: &Setup) -> anyhow::Result<Running> {
    static STARTED: AtomicUsize = AtomicUsize::new(0);
    let turn = STARTED.fetch_add(1, Ordering::Relaxed) % 2;
    let directory = target_directory().join(format!("differential/kafka-{}-{turn}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let properties = directory.with_extension("properties");
    let lines: String = setup
        .all_configs()
        .map(|(key, value)| format!("{key}={value}\n"))
        .collect();
    std::fs::write(&properties, lines)?;
    let port = free_ports(setup.brokers, turn)?;
    // From here on, whatever happens, what was started is ended.
    let ends = Ends::Kafka(directory.clone());
    let output = Command::new("bash")
        .arg(workspace_root().join("tests/oracle/start-kafka.sh"))
        .arg(&directory)
        .arg(port.to_string())
        .arg(setup.brokers.to_string())
        .env("EXTRA_PROPS", &properties)
        .stderr(Stdio::inherit())
        .output()?;
    ensure!(
        output.status.success(),
        "Apache Kafka does not start; see {}",
        directory.display()
    );
    let line = String::from_utf8_lossy(&output.stdout).into_owned();
    let side = Side::ready(addresses(&line)?).map_err(|error| anyhow!("Apache Kafka: {error}"))?;
    Ok(Running {
        side: Side {
            shows_brokers: setup.shows_brokers,
            steering: Some(Arc::new(Nodes(directory))),
            ..side
        },
        ends,
    })
}

/// The processes of one Apache Kafka.
#[derive(Debug)]
struct Nodes(PathBuf);

impl Nodes {
    fn told(&self, verb: &str, place: usize) -> Result<(), String> {
        let mut command = Command::new("bash");
        command.arg(workspace_root().join("tests/oracle/node.sh"));
        command.arg(&self.0).arg(place.to_string()).arg(verb);
        match command.stdin(Stdio::null()).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("cannot {verb} node {place}: {status}")),
            Err(error) => Err(format!("cannot {verb} node {place}: {error}")),
        }
    }
}

impl Steering for Nodes {
    fn stop(&self, place: usize) -> Result<(), String> {
        self.told("stop", place)
    }

    fn start(&self, place: usize) -> Result<(), String> {
        self.told("start", place)
    }
}

/// A kfake that takes commands on its standard input.
#[derive(Debug)]
struct Steered(Mutex<(ChildStdin, BufReader<ChildStdout>)>);

impl Steered {
    fn told(&self, line: &str) -> Result<(), String> {
        let mut ends = self.0.lock().map_err(|error| error.to_string())?;
        let (input, output) = &mut *ends;
        writeln!(input, "{line}").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        output.read_line(&mut answer).map_err(|error| error.to_string())?;
        match answer.trim_end() {
            "ok" => Ok(()),
            other => Err(format!("{line}: {other:?}")),
        }
    }
}

// Its nodes' ids are their places.
impl Steering for Steered {
    fn stop(&self, place: usize) -> Result<(), String> {
        self.told(&format!("stop {place}"))
    }

    fn start(&self, place: usize) -> Result<(), String> {
        self.told(&format!("start {place}"))
    }
}

/// Builds the binary.
pub fn build_kfake() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--package", "kfake", "--bin", "kfake"])
        .current_dir(workspace_root())
        .status()?;
    ensure!(status.success(), "kfake does not build");
    Ok(target_directory().join("debug/kfake"))
}

/// Starts kfake, or a peer that takes its arguments and prints its first line.
pub fn kfake(program: &Path, setup: &Setup, peer: bool) -> anyhow::Result<Running> {
    let mut command = Command::new(program);
    command.args(["--brokers", &setup.brokers.to_string()]);
    for (key, value) in setup.all_configs() {
        command.args(["--broker-config", &format!("{key}={value}")]);
    }
    if !peer {
        for (key, value) in setup.internal_topics() {
            command.args(["--broker-config", &format!("{key}={value}")]);
        }
        command.args([
            "--log-level",
            "off",
            "--steered",
            "--listen",
            &own_loopback().to_string(),
        ]);
    }
    let input = match peer {
        true => Stdio::null(),
        false => Stdio::piped(),
    };
    let mut child = command
        .stdin(input)
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let ends = Ends::Process(child);
    let mut line = String::new();
    let mut stdout = BufReader::new(stdout.context("no stdout")?);
    stdout.read_line(&mut line)?;
    let steering = stdin.map(|stdin| -> Arc<dyn Steering> { Arc::new(Steered(Mutex::new((stdin, stdout)))) });
    let side = Side::ready(addresses(&line)?).map_err(|error| anyhow!("{}: {error}", program.display()))?;
    Ok(Running {
        side: Side {
            shows_brokers: setup.shows_brokers,
            steering,
            ..side
        },
        ends,
    })
}

/// `ready HOST:PORT,…`
fn addresses(text: &str) -> anyhow::Result<Vec<SocketAddr>> {
    let ready = text.lines().find_map(|line| line.strip_prefix("ready "));
    let Some(list) = ready else {
        bail!("expected ready HOST:PORT,… and got {text:?}")
    };
    let addresses = list.trim().split(',').map(str::parse);
    addresses
        .collect::<Result<_, _>>()
        .with_context(|| format!("no addresses: {list:?}"))
}

/// The first of some ports in a row, and one a hundred further, which nobody has now. Never those of the cluster started before: a
/// broker that is stopped does not have its own either.
fn free_ports(count: usize, turn: usize) -> anyhow::Result<u16> {
    let free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 20_000 + (std::process::id() % 100) as u16 * 100 + turn as u16 * 5_000;
    (start..start + 4_800)
        .step_by(7)
        .find(|first| (*first..first + count as u16).all(free) && free(first + 100))
        .context("no free ports")
}

/// Where this workspace builds.
pub fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => workspace_root().join(directory),
        None => workspace_root().join("target"),
    }
}
