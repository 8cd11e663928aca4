//! The `kfake` binary as a client meets it: a process that is started, stopped, and started again on its ports.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, bail, ensure};

/// So long that a hang is a failure. Nothing takes as long as this when all is well.
pub const LIMIT: Duration = Duration::from_secs(30);

/// How clusters are started.
#[derive(Debug, Clone)]
pub struct Kfake {
    /// The binary.
    pub binary: PathBuf,
    /// Its arguments, but for the ports.
    pub arguments: Vec<String>,
}

/// A running cluster. It is killed when it is dropped.
#[derive(Debug)]
pub struct Cluster {
    process: Child,
    /// The brokers' addresses, with commas.
    pub addresses: String,
}

impl Kfake {
    /// Starts a cluster, and waits until it accepts. `ports` are numbers with commas.
    pub fn start(&self, ports: &str) -> anyhow::Result<Cluster> {
        let process = Command::new(&self.binary)
            .args(["--ports", ports])
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.binary.display()))?;
        let mut cluster = Cluster {
            process,
            addresses: String::new(),
        };
        let output = cluster.process.stdout.take().context("kfake has no output")?;
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let read = BufReader::new(output).read_line(&mut line);
            // Nobody receives any more where it came too late.
            let _ = sender.send(read.map(|_| line));
        });
        let line = receiver.recv_timeout(LIMIT).context("kfake said nothing")??;
        let Some(addresses) = line.trim_end().strip_prefix("ready ") else {
            bail!("kfake did not start: its first line is {line:?}");
        };
        addresses.clone_into(&mut cluster.addresses);
        Ok(cluster)
    }
}

impl Cluster {
    /// The ports, with commas.
    pub fn ports(&self) -> String {
        let addresses = self.addresses.split(',');
        let ports: Vec<&str> = addresses.filter_map(|address| address.rsplit(':').next()).collect();
        ports.join(",")
    }

    /// Ends it as a person would, by SIGTERM. Whatever it leaves behind is an error.
    pub fn stop(mut self) -> anyhow::Result<()> {
        // A process that has ended is not known any more, and its exit code is what matters.
        let _ = Command::new("kill").arg(self.process.id().to_string()).status();
        let status = wait(&mut self.process, LIMIT)?.context("kfake did not end")?;
        ensure!(
            status.success(),
            "kfake ended with {status}: 3 means that tasks remained"
        );
        Ok(())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Both fail where it has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// How a process ended, or `None` where it did not within the limit.
pub fn wait(process: &mut Child, limit: Duration) -> anyhow::Result<Option<std::process::ExitStatus>> {
    let end = std::time::Instant::now() + limit;
    loop {
        if let Some(status) = process.try_wait()? {
            return Ok(Some(status));
        }
        if std::time::Instant::now() > end {
            return Ok(None);
        }
        // std has no wait with a limit.
        thread::sleep(Duration::from_millis(5));
    }
}
