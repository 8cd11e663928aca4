//! One record of 100 bytes at a time, on one connection: the next is sent when the last has been answered.

use super::payload::{PARTITIONS, TOPIC};
use super::{Given, Load, Samples, now_ms};
use crate::results::{Anchor, CPU, Spec};
use crate::server::Kind;
use crate::wire;

pub const LOAD: Load = Load {
    rows: &[Spec {
        id: "single",
        title: "CPU µs a one-record synchronous produce",
        target: 15.0,
        tolerance: CPU,
        anchor: Anchor::Loopback,
    }],
    not_for: |kind| (kind == Kind::Keeper).then_some("is there for the payload alone"),
    one_core: true,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let (times, now_ms) = (given.size(20_000, 1_000), now_ms());
    let server = given.server()?;
    let mut conn = server.connect()?;
    let mut frame = wire::produce(&[TOPIC], PARTITIONS - 1..PARTITIONS, &wire::batch(1, 100, now_ms));
    conn.ask_until(&frame, wire::check_produced)?;
    conn.pump(&mut frame, times / 10, 1, wire::check_produced)?;
    let before = server.meter.cpu()?;
    conn.pump(&mut frame, times, 1, wire::check_produced)?;
    let spent = server.meter.cpu()? - before;
    Ok(vec![("single", spent.as_secs_f64() * 1e6 / times as f64)])
}
