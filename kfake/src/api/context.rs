//! Where a request came from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;

use crate::cluster::quotas::rate::Windows;
use crate::cluster::quotas::store::Resource;
use crate::cluster::state::Shared;
use crate::cluster::topics::BrokerId;
use crate::group::registry::Groups;
use crate::group::request::ClientInfo;
use crate::txn::coordinator::Transactions;

/// What a request's handler knows: the cluster, the broker that was asked, and the client that asks.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub shared: Arc<Shared>,
    pub groups: Arc<Groups>,
    pub transactions: Arc<Transactions>,
    /// The broker that was asked.
    pub broker: BrokerId,
    /// The client's address without its port, as groups show it.
    pub client_host: String,
    /// The client's own name from the request's header.
    pub client_id: Option<String>,
    /// The bytes of the request that is being handled.
    pub request_bytes: usize,
    pub connection: Arc<Connection>,
}

/// What lasts for a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The port that the client has connected from; 0 where there is none.
    pub port: u16,
    /// The name and the version of the client's software, as its ApiVersions names them (KIP-511).
    pub software: Mutex<(String, String)>,
    /// For how many milliseconds the client is not listened to after the coming answer.
    mute_ms: AtomicU32,
}

impl Connection {
    /// A connection from a port, of a client that has not said what it is.
    pub fn new(port: u16) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            port,
            software: Mutex::new((unknown(), unknown())),
            mute_ms: AtomicU32::new(0),
        }
    }

    /// How long the client is not listened to after the answer that has been written; once.
    pub fn take_mute(&self) -> Duration {
        Duration::from_millis(self.mute_ms.swap(0, Ordering::Relaxed).into())
    }
}

impl Context {
    /// Who asks, as groups keep it.
    pub fn client(&self) -> ClientInfo {
        ClientInfo {
            id: self.client_id.clone().unwrap_or_default(),
            host: format!("/{}", self.client_host),
        }
    }

    /// What every request of a member asks first: that the group has a name, and that its coordinator was asked.
    pub fn check_group(&self, group: &str) -> Result<(), ResponseError> {
        if group.is_empty() {
            return Err(ResponseError::InvalidGroupId);
        }
        match self.coordinates(group) {
            true => Ok(()),
            false => Err(ResponseError::NotCoordinator),
        }
    }

    /// Counts the request towards what the client may produce; how long it has to wait before the next.
    pub fn produced(&self) -> Duration {
        let quotas = &self.shared.quotas;
        quotas.used(
            self.broker,
            Resource::Produced,
            self.client_name(),
            self.request_bytes,
            self.windows(),
        )
    }

    /// Counts bytes towards what the client may fetch; where it has to wait before, they are not counted.
    pub fn would_fetch(&self, bytes: usize) -> Duration {
        let quotas = &self.shared.quotas;
        quotas.would_use(
            self.broker,
            Resource::Fetched,
            self.client_name(),
            bytes,
            self.windows(),
        )
    }

    /// The most bytes that the client can be given at once.
    pub fn most_fetched(&self) -> i32 {
        let most = self
            .shared
            .quotas
            .at_once(Resource::Fetched, self.client_name(), self.windows());
        most.map_or(i32::MAX, |most| most as i32)
    }

    fn client_name(&self) -> &str {
        self.client_id.as_deref().unwrap_or_default()
    }

    fn windows(&self) -> Windows {
        let config = &self.shared.config;
        Windows {
            number: config.quota_windows.0 as usize,
            size: config.quota_window_size.0,
        }
    }

    /// Makes a client wait that has used more than its quota: the answer says so, and what the client sends meanwhile is not
    /// read (KIP-219). The answer's throttle time, in milliseconds.
    pub fn throttle(&self, wait: Duration) -> i32 {
        let ms = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        self.connection.mute_ms.store(ms.unsigned_abs(), Ordering::Relaxed);
        ms
    }

    /// Whether the broker that was asked coordinates the group.
    pub fn coordinates(&self, group: &str) -> bool {
        self.shared.coordinator(group) == self.broker
    }
}
