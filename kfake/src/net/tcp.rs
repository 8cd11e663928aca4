//! A broker's port.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};

use super::connection::{self, Transport};
use crate::cluster::topics::BrokerId;
use crate::txn::coordinator::Transactions;

/// How long a port rests after `accept` failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Transport for TcpStream {
    fn abort(&mut self) {
        // A zero linger makes the close that follows a reset. It fails only on a socket that is gone already.
        let _ = self.set_zero_linger();
    }
}

/// Starts to accept connections for a broker.
pub(crate) fn listen(transactions: &Arc<Transactions>, broker: BrokerId, listener: TcpListener) {
    let name = format!("broker {broker}");
    let listeners = &transactions.groups.shared.tasks.listeners;
    listeners.spawn_named(name, accept(transactions.clone(), broker, listener));
}

async fn accept(transactions: Arc<Transactions>, broker: BrokerId, listener: TcpListener) {
    let exits = &transactions.groups.shared.exits;
    loop {
        let accepted = tokio::select! {
            biased;
            () = exits.shutdown() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, peer)) => {
                // Requests are answered one by one: waiting to fill a segment would only add latency.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%peer, %error, "the peer left before it was served");
                    continue;
                }
                connection::open(&transactions, broker, stream, peer.to_string(), peer.ip().to_string());
            }
            Err(error) if is_about_the_peer(&error) => {
                tracing::debug!(%error, "a peer left before it was accepted");
            }
            Err(error) => {
                tracing::warn!(%error, %broker, "cannot accept connections");
                tokio::select! {
                    biased;
                    () = exits.shutdown() => return,
                    () = tokio::time::sleep(ACCEPT_PAUSE) => {}
                }
            }
        }
    }
}

fn is_about_the_peer(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    )
}
