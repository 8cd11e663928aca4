//! What a broker's tasks live by: its port and its connections end when the broker is stopped, without the cluster.

use std::convert::Infallible;
use std::net::SocketAddr;

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// One broker's. Stopping and starting it put another life in its place.
#[derive(Debug)]
pub(crate) struct Lifeline {
    life: Mutex<Life>,
    /// Where the broker listens; `None` in memory.
    pub address: Option<SocketAddr>,
}

#[derive(Debug)]
struct Life {
    stopped: CancellationToken,
    /// Held by each of the broker's tasks.
    alive: Option<mpsc::Sender<Infallible>>,
    ended: Option<mpsc::Receiver<Infallible>>,
}

impl Life {
    fn new() -> Self {
        let (alive, ended) = mpsc::channel(1);
        Self {
            stopped: CancellationToken::new(),
            alive: Some(alive),
            ended: Some(ended),
        }
    }
}

/// What a task of a broker holds: that the broker has been stopped, and that the task is not dropped yet.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    stopped: CancellationToken,
    _alive: mpsc::Sender<Infallible>,
}

impl Holding {
    /// Waits until the broker is stopped.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

impl Lifeline {
    pub fn new(address: Option<SocketAddr>) -> Self {
        Self {
            life: Mutex::new(Life::new()),
            address,
        }
    }

    /// For a new task of the broker; `None` while it is stopped.
    pub fn hold(&self) -> Option<Holding> {
        let life = self.life.lock();
        Some(Holding {
            stopped: life.stopped.clone(),
            _alive: life.alive.clone()?,
        })
    }

    /// Stops the broker's tasks, and gives what ends once all have been dropped.
    pub fn stop(&self) -> Option<mpsc::Receiver<Infallible>> {
        let mut life = self.life.lock();
        life.alive = None;
        life.stopped.cancel();
        life.ended.take()
    }

    /// Lets the broker have tasks again.
    pub fn start(&self) {
        *self.life.lock() = Life::new();
    }
}
