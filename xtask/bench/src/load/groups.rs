//! Many live groups with a member each: what one keeps in memory. Then a thousand connections besides, and the end of it all.

use anyhow::ensure;

use crate::client::Conn;
use crate::load::{Given, Load, Samples, life, payload};
use crate::results::{Anchor, MEMORY, Spec, WALL};
use crate::server::Kind;
use crate::wire;

pub const LOAD: Load = Load {
    rows: &[
        Spec {
            id: "per-group",
            title: "KiB of memory a live group with a member",
            target: 4.0,
            tolerance: MEMORY,
            anchor: Anchor::Nothing,
        },
        Spec {
            id: "stop",
            title: "ms to stop the process, 10,000 groups, 1,000 connections",
            target: 50.0,
            tolerance: WALL,
            anchor: Anchor::LoopbackIn("start"),
        },
    ],
    not_for: |kind| match kind {
        Kind::Keeper => Some("is there for the payload alone"),
        Kind::Loopback => Some("keeps no groups"),
        Kind::MockRdkafka => Some("waits three seconds in each group's first join"),
        Kind::Kafka => Some("keeps groups in a heap of fixed size"),
        Kind::Kfake | Kind::KfakeGo => None,
    },
    one_core: false,
    run,
};

/// How many, in a whole run and in a quick one.
pub const GROUPS: [usize; 2] = [10_000, 500];
pub const CONNECTIONS: [usize; 2] = [1_000, 50];

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let [groups, connections] = [GROUPS, CONNECTIONS].map(|[whole, quick]| given.size(whole, quick));
    let server = given.program.start(&[(payload::TOPIC, payload::PARTITIONS)])?;
    let mut conn = server.connect()?;
    life::await_coordinator(&mut conn)?;
    let before = server.meter.memory()?;
    for nth in 0..groups {
        life::join_and_sync(&mut conn, &format!("group-{nth}"))?;
    }
    let kept = server.meter.memory()?.saturating_sub(before);
    let mut rows = vec![("per-group", kept as f64 / 1024.0 / groups as f64)];
    let opened: Vec<Conn> = (0..connections)
        .map(|_| {
            let mut conn = server.connect()?;
            conn.ask(wire::api_versions())?;
            Ok(conn)
        })
        .collect::<anyhow::Result<_>>()?;
    let (took, status) = server.terminate()?;
    // kfake exits with another code when a task is left.
    ensure!(status.success(), "the server ended with {status}");
    rows.push(("stop", took.as_secs_f64() * 1e3));
    drop(opened);
    Ok(rows)
}
