//! Transactions of one record of 100 bytes: its partition is added, the record is produced, and the transaction is committed.
//! One producer, one connection, one request at a time.

use std::time::{Duration, Instant};

use crate::client::{Conn, PATIENCE};
use crate::load::payload::TOPIC;
use crate::load::{Given, Load, Samples, now_ms};
use crate::results::{Anchor, CPU, Spec};
use crate::server::Kind;
use crate::wire;

/// CONCURRENT_TRANSACTIONS
const NOT_YET: &str = "the answer is the error code 51";

pub const LOAD: Load = Load {
    rows: &[Spec {
        id: "transaction",
        title: "CPU µs a transaction of one record, begin to commit",
        target: 60.0,
        tolerance: CPU,
        anchor: Anchor::Loopback,
    }],
    not_for: |kind| match kind {
        Kind::Keeper => Some("is there for the payload alone"),
        _ => None,
    },
    one_core: true,
    run,
};

fn run(given: &mut Given<'_>) -> anyhow::Result<Samples> {
    let (transactions, round) = (given.size(5_000, 200), given.round);
    let server = given.server()?;
    let mut conn = server.connect()?;
    let id = format!("bench-{round}");
    conn.ask_until(&wire::find_transactions(&id), wire::check_throttled)?;
    let mut producer = (0, 0);
    conn.ask_until(&wire::init_producer_id(&id), |body| {
        producer = wire::initialized(body)?;
        Ok(())
    })?;
    let mut batch = wire::batch(1, 100, now_ms());
    let mut sequences = 0..;
    let warm_up = transactions / 10;
    for sequence in sequences.by_ref().take(warm_up) {
        transact(&mut conn, &id, producer, &mut batch, sequence)?;
    }
    let before = server.meter.cpu()?;
    for sequence in sequences.by_ref().take(transactions) {
        transact(&mut conn, &id, producer, &mut batch, sequence)?;
    }
    let spent = server.meter.cpu()? - before;
    Ok(vec![("transaction", spent.as_secs_f64() * 1e6 / transactions as f64)])
}

fn transact(
    conn: &mut Conn,
    id: &str,
    producer: wire::Producer,
    batch: &mut [u8],
    sequence: i32,
) -> anyhow::Result<()> {
    wire::into_transaction(batch, producer, sequence);
    let add = wire::add_partition(id, producer, TOPIC, 0);
    // Apache Kafka answers the last commit before it has written its markers.
    let begun = Instant::now();
    while let Err(error) = wire::check_committed(conn.ask(add.clone())?) {
        if error.to_string() != NOT_YET || begun.elapsed() > PATIENCE {
            return Err(error);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    wire::check_produced(conn.ask(wire::produce_in(Some(id), &[TOPIC], 0..1, batch))?)?;
    wire::check_throttled(conn.ask(wire::commit_transaction(id, producer))?)
}
