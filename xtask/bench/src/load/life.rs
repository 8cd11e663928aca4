//! A classic group's life: join, sync, five heartbeats, commit, leave. One member, one connection, one life after another.

use crate::client::Conn;
use crate::load::payload::TOPIC;
use crate::load::{Given, Load, Samples};
use crate::results::{Anchor, CPU, Spec};
use crate::server::Kind;
use crate::wire;

const HEARTBEATS: usize = 5;

pub const LOAD: Load = Load {
    rows: &[Spec {
        id: "life",
        title: "CPU µs a classic group's life",
        target: 90.0,
        tolerance: CPU,
        anchor: Anchor::Loopback,
    }],
    not_for: |kind| match kind {
        Kind::Keeper => Some("is there for the payload alone"),
        Kind::MockRdkafka => Some("waits three seconds in each group's first join"),
        _ => None,
    },
    one_core: true,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let (lives, round) = (given.size(2_000, 100), given.round);
    let server = given.server()?;
    let mut conn = server.connect()?;
    await_coordinator(&mut conn)?;
    let warm_up = lives / 10;
    for nth in 0..warm_up {
        live(&mut conn, &format!("warm-{round}-{nth}"))?;
    }
    let before = server.meter.cpu()?;
    for nth in 0..lives {
        live(&mut conn, &format!("life-{round}-{nth}"))?;
    }
    let spent = server.meter.cpu()? - before;
    Ok(vec![("life", spent.as_secs_f64() * 1e6 / lives as f64)])
}

/// Apache Kafka makes its coordinators when the first group asks.
pub fn await_coordinator(conn: &mut Conn) -> anyhow::Result<()> {
    conn.ask_until(&wire::find_coordinator("warm"), wire::check_throttled)?;
    let mut member = None;
    conn.ask_until(&wire::join("warm", ""), |body| {
        member = Some(wire::joined(body)?);
        Ok(())
    })?;
    // The next round's first member must not have to wait for this one.
    match member {
        Some(member) => wire::check_throttled(conn.ask(wire::leave("warm", &member))?),
        None => Ok(()),
    }
}

fn live(conn: &mut Conn, group: &str) -> anyhow::Result<()> {
    let joined = join_and_sync(conn, group)?;
    let mut heartbeat = wire::heartbeat(group, &joined);
    conn.pump(&mut heartbeat, HEARTBEATS, 1, wire::check_throttled)?;
    wire::check_committed(conn.ask(wire::commit(group, &joined, TOPIC))?)?;
    wire::check_throttled(conn.ask(wire::leave(group, &joined))?)
}

/// Makes a group with a member.
pub fn join_and_sync(conn: &mut Conn, group: &str) -> anyhow::Result<wire::Joined> {
    let joined = wire::joined(conn.ask(wire::join(group, ""))?)?;
    wire::check_throttled(conn.ask(wire::sync(group, &joined, &[&joined.member]))?)?;
    Ok(joined)
}
