//! The servers: how each is found, started, asked where it listens, and stopped.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};

use crate::client::Conn;
use crate::meter::Meter;
use crate::wire;

/// A kind of server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Loopback,
    /// The loopback, which keeps what it receives.
    Keeper,
    Kfake,
    KfakeGo,
    MockRdkafka,
    Kafka,
}

impl Kind {
    pub const ALL: [Self; 6] = [
        Self::Loopback,
        Self::Keeper,
        Self::Kfake,
        Self::KfakeGo,
        Self::MockRdkafka,
        Self::Kafka,
    ];

    /// As options, tables and results call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Keeper => "loopback-keeps",
            Self::Kfake => "kfake",
            Self::KfakeGo => "franz-go",
            Self::MockRdkafka => "librdkafka-mock",
            Self::Kafka => "kafka",
        }
    }

    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

/// A server that is there, and can be started.
#[derive(Debug, Clone)]
pub struct Program {
    pub kind: Kind,
    path: PathBuf,
    root: PathBuf,
}

/// How a group's first rebalance is made to wait for nobody.
const NO_DELAY: &str = "group.initial.rebalance.delay.ms=0";

impl Program {
    /// Finds a server, or builds it out of `tests/peers`. The error says why it is left out.
    pub fn find(kind: Kind, root: &Path) -> anyhow::Result<Self> {
        let peers = root.join("tests/peers");
        let built = root.join("target/bench");
        std::fs::create_dir_all(&built)?;
        let path = match kind {
            Kind::Loopback | Kind::Keeper => std::env::current_exe()?,
            Kind::Kfake => root.join("target/release/kfake"),
            Kind::KfakeGo => {
                let path = built.join("kfake-go");
                let mut build = Command::new("go");
                build
                    .arg("build")
                    .arg("-o")
                    .arg(&path)
                    .arg(".")
                    .current_dir(peers.join("kfake-go"));
                succeed(&mut build)?;
                path
            }
            Kind::MockRdkafka => {
                let path = built.join("mock-rdkafka");
                let flags = Command::new("pkg-config")
                    .args(["--cflags", "--libs", "rdkafka"])
                    .output();
                let flags = flags.ok().filter(|found| found.status.success());
                let flags = String::from_utf8(flags.context("no librdkafka-dev is installed")?.stdout)?;
                let mut build = Command::new("cc");
                build
                    .args(["-O2", "-o"])
                    .arg(&path)
                    .arg(peers.join("mock-rdkafka/main.c"));
                succeed(build.args(flags.split_whitespace()))?;
                path
            }
            Kind::Kafka => {
                for tool in ["java", "mvn"] {
                    succeed(Command::new(tool).arg("-version"))?;
                }
                root.join("tests/oracle/start-kafka.sh")
            }
        };
        ensure!(path.exists(), "{} is not there", path.display());
        let root = root.to_owned();
        Ok(Self { kind, path, root })
    }

    /// Starts a server with these topics, and waits until it answers.
    pub fn start(&self, topics: &[(&str, i32)]) -> anyhow::Result<Server> {
        self.start_with(topics, &[NO_DELAY])
    }

    /// The same with broker configurations, where the server takes some.
    pub fn start_with(&self, topics: &[(&str, i32)], configs: &[&str]) -> anyhow::Result<Server> {
        if self.kind == Kind::Kafka {
            return self.start_kafka(topics, configs);
        }
        let mut command = Command::new(&self.path);
        match self.kind {
            Kind::Loopback | Kind::Keeper => {
                command.arg(self.kind.name());
                command.arg(topics.first().map_or(1, |topic| topic.1).to_string());
            }
            Kind::MockRdkafka => {
                command.args(topics.iter().map(|(name, partitions)| format!("{name}:{partitions}")));
            }
            _ => {
                command.args(["--brokers", "1"]);
                if self.kind == Kind::Kfake {
                    command.args(["--log-level", "error"]);
                }
                for config in configs {
                    command.args(["--broker-config", config]);
                }
                for (name, partitions) in topics {
                    command.args(["--topic", &format!("{name}:{partitions}")]);
                }
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let begun = Instant::now();
        let mut child = command
            .spawn()
            .with_context(|| format!("starting {}", self.path.display()))?;
        let out = child.stdout.take().context("no standard output")?;
        let mut line = String::new();
        BufReader::new(out).read_line(&mut line)?;
        let address = line
            .trim()
            .strip_prefix("ready ")
            .and_then(|list| list.split(',').next());
        let address = address.with_context(|| format!("{} said {line:?} instead of ready", self.path.display()))?;
        let address: SocketAddr = address.replace("localhost", "127.0.0.1").parse()?;
        Conn::open(address)?.ask(wire::api_versions())?;
        let started = begun.elapsed();
        let meter = Meter::of(child.id());
        Ok(Server {
            kind: self.kind,
            address,
            meter,
            started,
            child: Some(child),
            stop: None,
        })
    }

    fn start_kafka(&self, topics: &[(&str, i32)], configs: &[&str]) -> anyhow::Result<Server> {
        let dir = self.root.join("target/bench/kafka");
        std::fs::create_dir_all(&dir)?;
        let properties = dir.with_extension("properties");
        std::fs::write(&properties, configs.join("\n") + "\n")?;
        let begun = Instant::now();
        let out = Command::new(&self.path)
            .arg(&dir)
            .arg("19392")
            .env("EXTRA_PROPS", &properties)
            .stdin(Stdio::null())
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8(out.stdout)?;
        let address = text.lines().find_map(|line| line.strip_prefix("ready "));
        let address: SocketAddr = address
            .with_context(|| format!("Apache Kafka did not start: {text}"))?
            .parse()?;
        Conn::open(address)?.ask(wire::api_versions())?;
        let started = begun.elapsed();
        let pid = std::fs::read_to_string(dir.join("pid1"))?;
        let server = Server {
            kind: self.kind,
            address,
            meter: Meter::of(pid.trim().parse()?),
            started,
            child: None,
            stop: Some((self.path.with_file_name("stop-kafka.sh"), dir)),
        };
        let mut conn = Conn::open(server.address)?;
        for (name, partitions) in topics {
            conn.ask_until(&wire::create_topics(&[name], *partitions), wire::check_created)?;
        }
        Ok(server)
    }
}

fn succeed(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().to_owned();
    let out = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("{} is not installed", program.display()))?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "{} failed: {}", program.display(), said.trim());
    Ok(())
}

/// A running server. Dropping it kills it.
#[derive(Debug)]
pub struct Server {
    pub kind: Kind,
    pub address: SocketAddr,
    pub meter: Meter,
    /// From the start of the process until its first answer.
    pub started: Duration,
    child: Option<Child>,
    /// The script that stops a server which a script has started, and its directory.
    stop: Option<(PathBuf, PathBuf)>,
}

impl Server {
    pub fn connect(&self) -> anyhow::Result<Conn> {
        Conn::open(self.address)
    }

    /// Tells the process to stop, and waits until it has ended: how long that took, and how it ended.
    pub fn terminate(mut self) -> anyhow::Result<(Duration, ExitStatus)> {
        let mut child = self.child.take().context("not a child of this process")?;
        let pid = libc::pid_t::try_from(child.id())?;
        let begun = Instant::now();
        // SAFETY: a signal to a child that has not been waited for, so its id is its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
        let status = child.wait()?;
        Ok((begun.elapsed(), status))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some((script, dir)) = &self.stop {
            let _ = Command::new(script).arg(dir).arg("KILL").stdout(Stdio::null()).status();
        }
    }
}
