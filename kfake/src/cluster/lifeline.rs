//! What a broker's tasks live by: its port and its connections end when the broker is stopped, without the cluster.

use std::net::SocketAddr;
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// One broker's. Stopping and starting it put another life in its place.
#[derive(Debug)]
pub(crate) struct Lifeline {
    life: Mutex<Life>,
    changing: Mutex<()>,
    /// Where the broker listens; `None` in memory.
    pub address: Option<SocketAddr>,
}

#[derive(Debug)]
struct Life {
    stopped: CancellationToken,
    /// Each of the broker's tasks holds a receiver.
    alive: Arc<watch::Sender<()>>,
}

impl Life {
    fn new() -> Self {
        Self {
            stopped: CancellationToken::new(),
            alive: Arc::default(),
        }
    }
}

/// What a task of a broker holds: that the broker has been stopped, and that the task is not dropped yet.
#[derive(Debug, Clone)]
pub(crate) struct Holding {
    stopped: CancellationToken,
    _alive: watch::Receiver<()>,
}

impl Holding {
    /// Waits until the broker is stopped.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

/// A life that is over, or about to be.
#[derive(Debug)]
pub(crate) struct Ending(Arc<watch::Sender<()>>);

impl Ending {
    /// Waits until the last of the broker's tasks has been dropped. Any number of callers may.
    pub async fn ended(&self) {
        self.0.closed().await;
    }

    /// Whether that has happened.
    pub fn has_ended(&self) -> bool {
        self.0.is_closed()
    }
}

impl Lifeline {
    pub fn new(address: Option<SocketAddr>) -> Self {
        Self {
            life: Mutex::new(Life::new()),
            changing: Mutex::default(),
            address,
        }
    }

    /// Who stops or starts the broker holds it until everything that belongs to that is done: one at a time, and before the lock of
    /// the topics.
    pub fn change(&self) -> MutexGuard<'_, ()> {
        self.changing.lock()
    }

    /// For a new task of the broker; `None` while it is stopped.
    pub fn hold(&self) -> Option<Holding> {
        let life = self.life.lock();
        let stopped = life.stopped.clone();
        (!stopped.is_cancelled()).then(|| Holding {
            stopped,
            _alive: life.alive.subscribe(),
        })
    }

    /// The life that was stopped; `None` while the broker runs.
    pub fn ending(&self) -> Option<Ending> {
        let life = self.life.lock();
        life.stopped.is_cancelled().then(|| Ending(life.alive.clone()))
    }

    /// Stops the broker's tasks.
    pub fn stop(&self) -> Ending {
        let life = self.life.lock();
        life.stopped.cancel();
        Ending(life.alive.clone())
    }

    /// Lets the broker have tasks again. Those that it had have ended.
    pub fn start(&self) {
        *self.life.lock() = Life::new();
    }
}
