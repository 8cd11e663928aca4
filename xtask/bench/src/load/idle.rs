//! A consumer of many partitions into which nobody writes: one fetch session, polled again and again.

use anyhow::ensure;

use crate::results::Row;
use crate::server::Server;
use crate::wire;

const TOPIC: &str = "idle";

pub fn run(server: &Server, partitions: i32, times: usize) -> anyhow::Result<Vec<(Row, f64)>> {
    let mut conn = server.connect()?;
    // Apache Kafka is asked in each round again: the topic is there then.
    conn.ask(wire::create_topics(&[TOPIC], partitions))?;
    let mut session = 0;
    conn.ask_until(&wire::open_session(TOPIC, partitions), |body| {
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
        wire::set_session_epoch(&mut poll, i32::try_from(nth)? + 1);
        conn.send(&mut poll)?;
        ensure!(wire::polled(conn.receive()?)? == 0, "an idle partition is named");
    }
    let spent = server.meter.cpu()? - before;
    Ok(vec![(Row::Idle, spent.as_secs_f64() * 1e6 / times as f64)])
}
