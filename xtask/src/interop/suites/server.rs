//! What a suite is run against: kfake, or Apache Kafka by `tests/oracle`. Each is ended when it is dropped.

use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, anyhow, ensure};
use kfake_differential::side::Side;

use super::suite::Suite;
use super::verdict::Against;
use crate::interop::cluster::{Cluster, Kfake};

/// The controller's port is so much beyond the first broker's, as `start-kafka.sh` has it.
const CONTROLLER: u16 = 100;

/// A running cluster.
pub struct Server {
    /// The brokers' addresses, with commas.
    pub addresses: String,
    running: Running,
}

enum Running {
    Kfake(Cluster),
    Kafka(Kafka),
}

/// Apache Kafka's directory. It is killed when this is dropped.
struct Kafka(PathBuf);

impl Drop for Kafka {
    fn drop(&mut self) {
        let stop = crate::workspace_root().join("tests/oracle/stop-kafka.sh");
        // There is nobody to tell of an error.
        let _ = Command::new("bash").arg(stop).arg(&self.0).arg("KILL").status();
    }
}

impl Server {
    /// Starts what the suite wants, and waits until groups and transactions have coordinators, unless it wants it fresh. `directory`
    /// is for Apache Kafka.
    pub fn start(suite: &Suite, against: Against, kfake: &Path, directory: &Path) -> anyhow::Result<Self> {
        let server = match against {
            Against::Kfake => start_kfake(suite, kfake)?,
            Against::Kafka => start_kafka(suite, directory)?,
        };
        if suite.fresh {
            return Ok(server);
        }
        let addresses = server.addresses.split(',').map(str::parse);
        let addresses: Vec<SocketAddr> = addresses.collect::<Result<_, _>>().context("no addresses")?;
        Side::ready(addresses).map_err(|error| anyhow!("{}: {error}", against.name()))?;
        Ok(server)
    }

    /// Ends it. What kfake leaves behind is an error.
    pub fn stop(self) -> anyhow::Result<()> {
        match self.running {
            Running::Kfake(cluster) => cluster.stop(),
            Running::Kafka(kafka) => {
                drop(kafka);
                Ok(())
            }
        }
    }
}

fn start_kfake(suite: &Suite, binary: &Path) -> anyhow::Result<Server> {
    let mut arguments = ["--log-level", "error", "--brokers"].map(str::to_owned).to_vec();
    arguments.push(suite.brokers.to_string());
    arguments.extend(["--first-node".to_owned(), suite.first_node.to_string()]);
    for (key, value) in &suite.configs {
        arguments.extend(["--broker-config".to_owned(), format!("{key}={value}")]);
    }
    let ports = match suite.port {
        Some(first) => (first..).take(suite.brokers).map(|port| port.to_string()).collect(),
        None => vec!["0".to_owned(); suite.brokers],
    };
    let kfake = Kfake {
        binary: binary.to_owned(),
        arguments,
    };
    let cluster = kfake.start(&ports.join(","))?;
    Ok(Server {
        addresses: cluster.addresses.clone(),
        running: Running::Kfake(cluster),
    })
}

fn start_kafka(suite: &Suite, directory: &Path) -> anyhow::Result<Server> {
    std::fs::create_dir_all(directory)?;
    let properties = directory.with_extension("properties");
    let configs = suite.configs.iter().chain(&suite.kafka_configs);
    let lines: String = configs.map(|(key, value)| format!("{key}={value}\n")).collect();
    std::fs::write(&properties, lines)?;
    let port = match suite.port {
        Some(port) => port,
        None => free_ports(suite.brokers as u16)?,
    };
    // From here on, whatever happens, what was started is ended.
    let running = Kafka(directory.to_owned());
    let output = Command::new("bash")
        .arg(crate::workspace_root().join("tests/oracle/start-kafka.sh"))
        .arg(directory)
        .args([port.to_string(), suite.brokers.to_string()])
        .env("EXTRA_PROPS", &properties)
        .env("FIRST_NODE", suite.first_node.to_string())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start bash")?;
    ensure!(
        output.status.success(),
        "Apache Kafka does not start; see {}",
        directory.display()
    );
    let text = String::from_utf8_lossy(&output.stdout);
    let addresses = text.lines().find_map(|line| line.strip_prefix("ready "));
    Ok(Server {
        addresses: addresses.context("Apache Kafka is not ready")?.to_owned(),
        running: Running::Kafka(running),
    })
}

/// The first of so many ports in a row, and one for the controller, which nobody has now.
fn free_ports(count: u16) -> anyhow::Result<u16> {
    let is_free = |port: u16| TcpListener::bind(("127.0.0.1", port)).is_ok();
    let start = 30_000 + (std::process::id() % 100) as u16 * 10;
    (start..start + 10_000)
        .step_by(7)
        .find(|first| (*first..first + count).all(is_free) && is_free(first + CONTROLLER))
        .context("no free ports")
}
