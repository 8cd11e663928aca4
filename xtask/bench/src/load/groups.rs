//! Many live groups with a member each: what one keeps in memory. Then a thousand connections besides, and the end of it all.

use anyhow::ensure;

use crate::client::Conn;
use crate::load::life;
use crate::results::Row;
use crate::server::Server;
use crate::wire;

pub fn run(server: Server, groups: usize, connections: usize) -> anyhow::Result<Vec<(Row, f64)>> {
    let mut conn = server.connect()?;
    life::await_coordinator(&mut conn)?;
    let before = server.meter.memory()?;
    for nth in 0..groups {
        life::join_and_sync(&mut conn, &format!("group-{nth}"))?;
    }
    let kept = server.meter.memory()?.saturating_sub(before);
    let mut rows = vec![(Row::PerGroup, kept as f64 / 1024.0 / groups as f64)];
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
    rows.push((Row::Stop, took.as_secs_f64() * 1e3));
    drop(opened);
    Ok(rows)
}
