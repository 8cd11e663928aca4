//! A broker's port.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::connection::{self, Transport};
use crate::cluster::lifeline::{Holding, Lifeline};
use crate::cluster::topics::BrokerId;
use crate::txn::coordinator::Transactions;

/// Pending connections that a broker's port keeps, as Kafka's `socket.listen.backlog.size` does with 50 — more here, since
/// tests open many at once.
const BACKLOG: u32 = 1024;

/// How long a port rests after `accept` failed for want of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

impl Transport for TcpStream {
    fn abort(&mut self) {
        // A zero linger makes the close that follows a reset. It fails only on a socket that is gone already.
        let _ = self.set_zero_linger();
    }
}

/// Binds with SO_REUSEADDR, so that a port can be bound again at once after its cluster has closed.
pub(crate) fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() {
        TcpSocket::new_v4()?
    } else {
        TcpSocket::new_v6()?
    };
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Starts to accept connections for a broker.
pub(crate) fn listen(transactions: &Arc<Transactions>, broker: BrokerId, listener: TcpListener) {
    // Held before the task first runs, and dropped after its listener.
    let Some(life) = transactions.groups.shared.lifeline(broker).and_then(Lifeline::hold) else {
        return;
    };
    let name = format!("broker {broker}");
    transactions
        .groups
        .shared
        .tasks
        .listeners
        .spawn_named(name, accept(life, transactions.clone(), broker, listener));
}

async fn accept(life: Holding, transactions: Arc<Transactions>, broker: BrokerId, listener: TcpListener) {
    let exits = &transactions.groups.shared.exits;
    loop {
        let accepted = tokio::select! {
            biased;
            () = exits.shutdown() => return,
            () = life.stopped() => return,
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
                    () = life.stopped() => return,
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
