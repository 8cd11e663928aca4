//! A consumer of many partitions into which nobody writes: one fetch session, polled again and again.

use anyhow::ensure;

use super::{Given, Load, Samples};
use crate::results::{Anchor, CPU, Spec};
use crate::server::Kind;
use crate::wire;

const TOPIC: &str = "idle";
const PARTITIONS: i32 = 1_000;

pub const LOAD: Load = Load {
    rows: &[Spec {
        id: "idle",
        title: "CPU µs a poll of a fetch session over 1,000 idle partitions",
        target: 20.0,
        tolerance: CPU,
        anchor: Anchor::LoopbackIn("single"),
    }],
    not_for: |kind| {
        matches!(kind, Kind::Keeper | Kind::Loopback | Kind::MockRdkafka).then_some("keeps no fetch sessions")
    },
    one_core: true,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let times = given.size(20_000, 1_000);
    let server = given.server()?;
    let mut conn = server.connect()?;
    // Apache Kafka is asked in each round again: the topic is there then.
    conn.ask(wire::create_topics(&[TOPIC], PARTITIONS))?;
    let mut session = 0;
    conn.ask_until(&wire::open_session(TOPIC, PARTITIONS), |body| {
        session = wire::opened_session(body)?;
        Ok(())
    })?;
    let mut poll = wire::poll_session(session);
    // The first polls are not measured: a server learns in them that the partitions are idle.
    let warm_up = times / 10;
    let mut before = server.meter.cpu()?;
    for nth in 0..warm_up + times {
        if nth == warm_up {
            before = server.meter.cpu()?;
        }
        wire::set_session_epoch(&mut poll, nth + 1);
        conn.send(&mut poll)?;
        ensure!(wire::polled(conn.receive()?)? == 0, "an idle partition is named");
    }
    let spent = server.meter.cpu()? - before;
    Ok(vec![("idle", spent.as_secs_f64() * 1e6 / times as f64)])
}
