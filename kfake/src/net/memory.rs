//! Connections over memory: tokio's duplex streams in the place of sockets.

use std::io;
use std::sync::Arc;

use tokio::io::DuplexStream;

use super::connection::{self, Transport};
use crate::cluster::lifeline::Lifeline;
use crate::cluster::topics::BrokerId;
use crate::txn::coordinator::Transactions;

/// The bytes on their way in each direction, as a socket's buffers would hold.
const BUFFER: usize = 256 * 1024;

impl Transport for DuplexStream {
    fn abort(&mut self) {}
}

pub(crate) fn connect(transactions: &Arc<Transactions>, broker: BrokerId) -> io::Result<DuplexStream> {
    let shared = &transactions.groups.shared;
    if shared.broker(broker).is_none() {
        return Err(io::Error::new(
            io::ErrorKind::NotFound,
            format!("the cluster has no broker {broker}"),
        ));
    }
    // Held until the task is spawned: a close that begins in between waits for it.
    let _hold = shared.tasks.all.token();
    if shared.exits.is_shut_down() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            "the cluster is closed",
        ));
    }
    if shared.lifeline(broker).and_then(Lifeline::hold).is_none() {
        return Err(io::Error::new(
            io::ErrorKind::ConnectionRefused,
            format!("broker {broker} is stopped"),
        ));
    }
    let (near, far) = tokio::io::duplex(BUFFER);
    connection::open(
        transactions,
        broker,
        far,
        format!("memory to broker {broker}"),
        "127.0.0.1".to_owned(),
    );
    Ok(near)
}
