//! Scaling curves: the same load for 1, 10, 100, 1,000 and 10,000 of something, each against a fresh kfake.

use anyhow::ensure;

use crate::client::Conn;
use crate::load::life;
use crate::results::{Curve, Point};
use crate::server::{Program, Server};
use crate::wire;

/// The things that are counted.
pub const NAMES: [&str; 5] = ["partitions", "topics", "groups", "connections", "members"];

/// Long enough for everybody's join to come within it: the first generation then has every member.
const JOIN_PHASE: &str = "group.initial.rebalance.delay.ms=300";
const AT_ONCE: &str = "group.initial.rebalance.delay.ms=0";

pub fn run(program: &Program, name: &str, counts: &[usize], now_ms: i64) -> anyhow::Result<Curve> {
    let mut points = Vec::new();
    for &n in counts {
        let delay = if name == "members" { JOIN_PHASE } else { AT_ONCE };
        let server = program.start_with(&[], &[delay])?;
        server.connect()?.ask(wire::api_versions())?;
        let (cpu, memory) = (server.meter.cpu()?, server.meter.memory()?);
        let kept = match name {
            "partitions" => partitions(&server, n, now_ms)?,
            "topics" => topics(&server, n, now_ms)?,
            "groups" => groups(&server, n)?,
            "connections" => connections(&server, n)?,
            _ => members(&server, n)?,
        };
        points.push(Point {
            n,
            cpu_us: (server.meter.cpu()? - cpu).as_secs_f64() * 1e6,
            memory_kib: server.meter.memory()?.saturating_sub(memory) as f64 / 1024.0,
        });
        drop(kept);
    }
    let name = name.to_owned();
    Ok(Curve { name, points })
}

/// Creates a topic of n partitions, asks for it, writes a record to each and reads it again.
fn partitions(server: &Server, n: usize, now_ms: i64) -> anyhow::Result<Vec<Conn>> {
    let mut conn = server.connect()?;
    let count = i32::try_from(n)?;
    wire::check_created(conn.ask(wire::create_topics(&["wide"], count))?)?;
    conn.ask(wire::metadata())?;
    let batch = wire::batch(1, 100, now_ms);
    wire::check_produced(conn.ask(wire::produce(&["wide"], 0..count, &batch))?)?;
    let mut offsets = vec![0; n];
    let read = wire::fetched(conn.ask(wire::fetch("wide", &offsets))?, &mut offsets)?;
    ensure!(
        read == (n * batch.len()) as u64,
        "{read} bytes are not what was written"
    );
    Ok(vec![conn])
}

/// Creates n topics with a dot in their names, asks for all, and writes a record to each.
fn topics(server: &Server, n: usize, now_ms: i64) -> anyhow::Result<Vec<Conn>> {
    let mut conn = server.connect()?;
    let names: Vec<_> = (0..n).map(|nth| format!("topic.{nth}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    wire::check_created(conn.ask(wire::create_topics(&names, 1))?)?;
    conn.ask(wire::metadata())?;
    wire::check_produced(conn.ask(wire::produce(&names, 0..1, &wire::batch(1, 100, now_ms)))?)?;
    Ok(vec![conn])
}

/// A member for each of n groups, and a heartbeat.
fn groups(server: &Server, n: usize) -> anyhow::Result<Vec<Conn>> {
    let mut conn = server.connect()?;
    for nth in 0..n {
        let group = format!("group-{nth}");
        let joined = life::join_and_sync(&mut conn, &group)?;
        wire::check_throttled(conn.ask(wire::heartbeat(&group, &joined))?)?;
    }
    Ok(vec![conn])
}

/// n connections that stay open, with a request each.
fn connections(server: &Server, n: usize) -> anyhow::Result<Vec<Conn>> {
    let mut open = Vec::with_capacity(n);
    for _ in 0..n {
        let mut conn = server.connect()?;
        conn.ask(wire::api_versions())?;
        open.push(conn);
    }
    Ok(open)
}

/// n members of one group: all join, sync, send a heartbeat, and leave one by one.
fn members(server: &Server, n: usize) -> anyhow::Result<Vec<Conn>> {
    let mut open = Vec::with_capacity(n);
    for _ in 0..n {
        open.push(server.connect()?);
    }
    for conn in &mut open {
        conn.send(&mut wire::join("crowd", ""))?;
    }
    let mut joined = Vec::with_capacity(n);
    for conn in &mut open {
        joined.push(wire::joined(conn.receive()?)?);
    }
    let generation = joined[0].generation;
    ensure!(
        joined.iter().all(|member| member.generation == generation),
        "they are not of one generation"
    );
    let ids: Vec<_> = joined.iter().map(|member| member.member.as_str()).collect();
    for (conn, member) in open.iter_mut().zip(&joined) {
        let named: &[&str] = if member.leads { &ids } else { &[] };
        conn.send(&mut wire::sync("crowd", member, named))?;
    }
    for conn in &mut open {
        wire::check_throttled(conn.receive()?)?;
    }
    for (conn, member) in open.iter_mut().zip(&joined) {
        wire::check_throttled(conn.ask(wire::heartbeat("crowd", member))?)?;
    }
    for (conn, member) in open.iter_mut().zip(&joined) {
        wire::check_throttled(conn.ask(wire::leave("crowd", member))?)?;
    }
    Ok(open)
}
