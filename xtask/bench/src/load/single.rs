//! One record of 100 bytes at a time, on one connection: the next is sent when the last has been answered.

use super::payload::{PARTITIONS, TOPIC};
use crate::results::Row;
use crate::server::Server;
use crate::wire;

pub fn run(server: &Server, times: usize, now_ms: i64) -> anyhow::Result<Vec<(Row, f64)>> {
    let mut conn = server.connect()?;
    let mut frame = wire::produce(&[TOPIC], PARTITIONS - 1..PARTITIONS, &wire::batch(1, 100, now_ms));
    conn.ask_until(&frame, wire::check_produced)?;
    conn.pump(&mut frame, times / 10, 1, wire::check_produced)?;
    let before = server.meter.cpu()?;
    conn.pump(&mut frame, times, 1, wire::check_produced)?;
    let spent = server.meter.cpu()? - before;
    Ok(vec![(Row::Single, spent.as_secs_f64() * 1e6 / times as f64)])
}
