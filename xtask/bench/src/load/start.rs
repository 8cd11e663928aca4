//! From the start of the process until its first answer, which is that of ApiVersions.

use crate::results::{Row, median};
use crate::server::{Kind, Program};

pub fn run(program: &Program, times: usize) -> anyhow::Result<Vec<(Row, f64)>> {
    // Apache Kafka takes seconds, with those of the script that starts it: once is enough.
    let times = if program.kind == Kind::Kafka { 1 } else { times };
    let mut took = Vec::new();
    for _ in 0..times {
        let server = program.start(&[("payload", 6)])?;
        took.push(server.started.as_secs_f64() * 1e3);
    }
    Ok(vec![(Row::Start, median(&mut took))])
}
