//! One topic of 10,000 partitions: how long until it is there, and until a client knows all of them.

use std::time::Instant;

use anyhow::ensure;

use super::{Given, Load, Samples};
use crate::results::{Anchor, Spec, WALL, median};
use crate::server::Kind;
use crate::wire;

const TOPIC: &str = "wide";
const PARTITIONS: i32 = 10_000;

pub const LOAD: Load = Load {
    rows: &[
        Spec {
            id: "wide-create",
            title: "ms to create a topic of 10,000 partitions",
            target: 100.0,
            tolerance: WALL,
            anchor: Anchor::LoopbackIn("start"),
        },
        Spec {
            id: "wide-metadata",
            title: "ms of a Metadata of 10,000 partitions",
            target: 10.0,
            tolerance: WALL,
            anchor: Anchor::LoopbackIn("start"),
        },
    ],
    not_for: |kind| match kind {
        Kind::Kfake | Kind::KfakeGo => None,
        Kind::Kafka => Some("has a directory for each partition"),
        Kind::MockRdkafka => Some("creates no topics when asked"),
        Kind::Loopback | Kind::Keeper => Some("knows no topics"),
    },
    one_core: false,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let (mut created, mut described) = (Vec::new(), Vec::new());
    for _ in 0..given.size(10, 2) {
        let server = given.program.start(&[])?;
        let mut conn = server.connect()?;
        conn.ask(wire::api_versions())?;
        let begun = Instant::now();
        wire::check_created(conn.ask(wire::create_topics(&[TOPIC], PARTITIONS))?)?;
        created.push(begun.elapsed().as_secs_f64() * 1e3);
        let begun = Instant::now();
        let answer = conn.ask(wire::metadata())?;
        described.push(begun.elapsed().as_secs_f64() * 1e3);
        let partitions = wire::described(answer)?;
        ensure!(
            partitions == PARTITIONS as usize,
            "{partitions} of {PARTITIONS} partitions are named"
        );
    }
    Ok(vec![
        ("wide-create", median(&mut created)),
        ("wide-metadata", median(&mut described)),
    ])
}
