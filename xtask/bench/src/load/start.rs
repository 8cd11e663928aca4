//! From the start of the process until its first answer, which is that of ApiVersions.

use super::{Given, Load, Samples, payload};
use crate::results::{Anchor, Spec, WALL, median};
use crate::server::Kind;

pub const LOAD: Load = Load {
    rows: &[Spec {
        id: "start",
        title: "ms from the process's start to the first answer",
        target: 2.0,
        tolerance: WALL,
        anchor: Anchor::Loopback,
    }],
    not_for: |kind| (kind == Kind::Keeper).then_some("is there for the payload alone"),
    one_core: false,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    // So many, since whatever else runs moves each of them: half of them have to be moved before the median is.
    let mut times = given.size(61, 3);
    if given.program.kind == Kind::Kafka {
        // The one that there is has its port. And it takes seconds, with those of the script that starts it: once is enough.
        *given.kafka = None;
        times = 1;
    }
    let mut took = Vec::new();
    for _ in 0..times {
        let server = given.program.start(&[(payload::TOPIC, payload::PARTITIONS)])?;
        took.push(server.started.as_secs_f64() * 1e3);
    }
    Ok(vec![("start", median(&mut took))])
}
