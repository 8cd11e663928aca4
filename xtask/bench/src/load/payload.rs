//! A gibibyte in and out: records of 1 KiB in batches of 64, one batch for each of 6 partitions a request, acks=all, five
//! requests in flight, one connection. Fetches have the Java client's limits, one at a time.

use std::time::Duration;

use super::{Given, Load, Samples, now_ms};
use crate::results::{Anchor, CPU, MEMORY, Spec};
use crate::server::{Kind, Server};
use crate::wire;

pub const LOAD: Load = Load {
    rows: &[
        Spec {
            id: "produce",
            title: "CPU s a GiB produced",
            target: 0.35,
            tolerance: CPU,
            anchor: Anchor::Keeper,
        },
        Spec {
            id: "consume",
            title: "CPU s a GiB consumed",
            target: 0.30,
            tolerance: CPU,
            anchor: Anchor::Loopback,
        },
        Spec {
            id: "kept",
            title: "GiB of memory kept a GiB of payload",
            target: 1.05,
            tolerance: MEMORY,
            anchor: Anchor::Nothing,
        },
    ],
    not_for: |_| None,
    one_core: true,
    run,
};

pub const TOPIC: &str = "payload";
pub const PARTITIONS: i32 = 6;
const RECORD: usize = 1024;
const RECORDS: usize = 64;
const IN_FLIGHT: usize = 5;

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let (bytes, now_ms) = (given.size(1_u64 << 30, 64 << 20), now_ms());
    let server = &*given.server()?;
    let mut conn = server.connect()?;
    let warm = wire::produce(&[TOPIC], 0..PARTITIONS, &wire::batch(1, RECORD, now_ms));
    conn.ask_until(&warm, wire::check_produced)?;

    let mut frame = wire::produce(&[TOPIC], 0..PARTITIONS, &wire::batch(RECORDS, RECORD, now_ms));
    let payload = (RECORD * RECORDS) as u64 * PARTITIONS.unsigned_abs() as u64;
    let times = bytes.div_ceil(payload);
    let gib = (times * payload) as f64 / (1_u64 << 30) as f64;
    let (before, memory) = (server.meter.cpu()?, server.meter.memory()?);
    conn.pump(&mut frame, usize::try_from(times)?, IN_FLIGHT, wire::check_produced)?;
    let produced = server.meter.cpu()? - before;
    let kept = server.meter.memory()?.saturating_sub(memory);

    let consumed = consume(server, bytes)?;
    let mut rows = vec![
        ("produce", produced.as_secs_f64() / gib),
        (
            "consume",
            consumed.as_secs_f64() / (bytes as f64 / (1_u64 << 30) as f64),
        ),
    ];
    // Neither keeps the payload in its memory.
    if !matches!(server.kind, Kind::Loopback | Kind::Kafka | Kind::MockRdkafka) {
        rows.push(("kept", kept as f64 / (1_u64 << 30) as f64 / gib));
    }
    Ok(rows)
}

/// Reads so many bytes, from the beginning again where there are not as many.
fn consume(server: &Server, bytes: u64) -> anyhow::Result<Duration> {
    let mut conn = server.connect()?;
    let earliest = wire::listed(conn.ask(wire::earliest(TOPIC, PARTITIONS))?)?;
    let before = server.meter.cpu()?;
    let (mut offsets, mut read) = (earliest.clone(), 0);
    while read < bytes {
        let got = wire::fetched(conn.ask(wire::fetch(TOPIC, &offsets))?, &mut offsets)?;
        if got == 0 {
            anyhow::ensure!(offsets != earliest, "there is nothing to consume");
            offsets.clone_from(&earliest);
        }
        read += got;
    }
    // The last answer may have brought more than was wanted; it is a part of a percent.
    Ok((server.meter.cpu()? - before).mul_f64(bytes as f64 / read as f64))
}
