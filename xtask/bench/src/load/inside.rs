//! kfake in the process of its user: `xtask-bench inside` is that process, and prints what it measured.

use std::net::SocketAddr;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::load::groups::{CONNECTIONS, GROUPS};
use crate::load::{Given, Load, Samples};
use crate::loopback::{self, Answers};
use crate::results::{Anchor, Spec, WALL, median};
use crate::server::Kind;
use crate::wire;

/// How long a task may be counted after the close.
const PATIENCE: Duration = Duration::from_secs(5);

pub const LOAD: Load = Load {
    rows: &[
        Spec {
            id: "start-inside",
            title: "µs from the start to the first answer, in-process",
            target: 300.0,
            tolerance: WALL,
            anchor: Anchor::Loopback,
        },
        Spec {
            id: "stop-inside",
            title: "ms to close, 10,000 groups, 1,000 connections, in-process",
            target: 50.0,
            tolerance: WALL,
            anchor: Anchor::LoopbackIn("start-inside"),
        },
    ],
    not_for: |kind| match kind {
        Kind::Keeper => Some("is there for the payload alone"),
        Kind::KfakeGo | Kind::MockRdkafka | Kind::Kafka => Some("is not written in Rust"),
        Kind::Kfake | Kind::Loopback => None,
    },
    one_core: false,
    run,
};

/// Runs the measurements in a process of their own.
fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let kind = given.program.kind;
    let [groups, connections] = [GROUPS, CONNECTIONS].map(|[whole, quick]| given.size(whole, quick));
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["inside", kind.name(), &groups.to_string(), &connections.to_string()]);
    let out = command.output()?;
    let said = String::from_utf8_lossy(&out.stderr);
    ensure!(out.status.success(), "the measurement failed: {said}");
    let text = String::from_utf8(out.stdout)?;
    let mut numbers = text.split_whitespace().map(str::parse::<f64>);
    let mut next = || numbers.next().context("a number is missing")?.context("not a number");
    let mut rows = vec![("start-inside", next()?)];
    if kind == Kind::Kfake {
        rows.push(("stop-inside", next()?));
    }
    Ok(rows)
}

/// The process: prints microseconds of a start, and for kfake milliseconds of a stop.
pub fn main(kind: Kind, groups: usize, connections: usize) -> anyhow::Result<()> {
    const STARTS: usize = 31;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let mut starts = Vec::new();
        for _ in 0..STARTS {
            starts.push(match kind {
                Kind::Kfake => start().await?,
                _ => start_loopback().await?,
            });
        }
        println!("{}", median(&mut starts) * 1e6);
        if kind == Kind::Kfake {
            println!("{}", stop(groups, connections).await? * 1e3);
        }
        Ok(())
    })
}

async fn start() -> anyhow::Result<f64> {
    let begun = Instant::now();
    let cluster = kfake::Cluster::builder().brokers(1).topic("payload", 6).start().await?;
    let mut stream = TcpStream::connect(cluster.bootstrap_servers()).await?;
    ask(&mut stream, wire::api_versions()).await?;
    let took = begun.elapsed().as_secs_f64();
    cluster.close().await;
    Ok(took)
}

async fn start_loopback() -> anyhow::Result<f64> {
    let begun = Instant::now();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    let address = listener.local_addr()?;
    let server = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        loopback::serve(stream, Arc::new(Answers::new(1)), false).await
    });
    let mut stream = TcpStream::connect(address).await?;
    ask(&mut stream, wire::api_versions()).await?;
    let took = begun.elapsed().as_secs_f64();
    drop(stream);
    server.await??;
    Ok(took)
}

/// Closes a cluster with many groups and connections, and looks that no task of the runtime is left.
async fn stop(groups: usize, connections: usize) -> anyhow::Result<f64> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let others = metrics.num_alive_tasks();
    let builder = kfake::Cluster::builder().brokers(1).topic("payload", 6);
    let cluster = builder
        .broker_config("group.initial.rebalance.delay.ms", "0")
        .start()
        .await?;
    let address: SocketAddr = cluster.bootstrap_servers().parse()?;
    let mut stream = TcpStream::connect(address).await?;
    for nth in 0..groups {
        let group = format!("group-{nth}");
        let joined = wire::joined(&ask(&mut stream, wire::join(&group, "")).await?)?;
        wire::check_throttled(&ask(&mut stream, wire::sync(&group, &joined, &[&joined.member])).await?)?;
    }
    let mut open = Vec::with_capacity(connections);
    for _ in 0..connections {
        let mut stream = TcpStream::connect(address).await?;
        ask(&mut stream, wire::api_versions()).await?;
        open.push(stream);
    }
    let alive = metrics.num_alive_tasks() - others;
    ensure!(
        alive > groups + connections,
        "{alive} tasks are fewer than groups and connections"
    );
    let begun = Instant::now();
    cluster.close().await;
    // Each future has been dropped by now. tokio counts a task until the worker that dropped it has put the rest away.
    while metrics.num_alive_tasks() > others {
        ensure!(
            begun.elapsed() < PATIENCE,
            "{} tasks were left",
            metrics.num_alive_tasks() - others
        );
        tokio::task::yield_now().await;
    }
    Ok(begun.elapsed().as_secs_f64())
}

async fn ask(stream: &mut TcpStream, frame: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    stream.write_all(&frame).await?;
    let size = stream.read_u32().await?;
    let mut answer = vec![0; size as usize];
    stream.read_exact(&mut answer).await?;
    answer.drain(..4);
    Ok(answer)
}
