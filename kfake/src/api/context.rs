//! Where a request came from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use parking_lot::Mutex;

use crate::cluster::quotas::mutations::{Exhausted, Strictness};
use crate::cluster::quotas::rate::Windows;
use crate::cluster::quotas::slots::Use;
use crate::cluster::quotas::store::Resource;
use crate::cluster::state::Shared;
use crate::cluster::topics::{BrokerId, TopicError};
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

/// What a request takes of a thread's time, in milliseconds, as `request_percentage` counts it. Apache Kafka measures it; kfake has
/// no such threads, and what its handlers really take would make each run another: so every request takes the same.
pub(crate) const REQUEST_MS: f64 = 0.1;

/// What lasts for a connection.
#[derive(Debug)]
pub(crate) struct Connection {
    /// The port that the client has connected from; 0 where there is none.
    pub port: u16,
    /// The name and the version of the client's software, as its ApiVersions names them (KIP-511).
    pub software: Mutex<(String, String)>,
    /// When it was used last.
    pub used: Arc<Use>,
    /// For how many milliseconds the client is not listened to after the coming answer.
    mute_ms: AtomicU32,
}

impl Connection {
    /// A connection from a port, of a client that has not said what it is.
    pub fn new(port: u16, used: Arc<Use>) -> Self {
        let unknown = || "unknown".to_owned();
        Self {
            port,
            software: Mutex::new((unknown(), unknown())),
            used,
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
            self.request_bytes as f64,
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
            bytes as f64,
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

    /// Counts the request towards the time of a thread that the client may take (`request_percentage`, KIP-124); how long it has to
    /// wait before the next, a window at most. See [`REQUEST_MS`].
    pub fn requested(&self) -> Duration {
        let quotas = &self.shared.quotas;
        // In percent of a thread's second.
        let percent = REQUEST_MS / 1000.0 * 100.0;
        let wait = quotas.used(
            self.broker,
            Resource::Requests,
            self.client_name(),
            percent,
            self.windows(),
        );
        wait.min(self.windows().size)
    }

    /// Takes partitions from what the client may create and delete.
    ///
    /// # Errors
    ///
    /// THROTTLING_QUOTA_EXCEEDED where a strict request finds nothing left; the answer has the throttle time either way.
    pub fn mutate(&self, partitions: usize, strictness: Strictness) -> Result<(), TopicError> {
        let taken = self
            .shared
            .quotas
            .mutate(self.client_name(), partitions, strictness, self.controller_windows());
        match taken {
            Ok(wait) => {
                self.throttle(wait);
                Ok(())
            }
            Err(Exhausted(wait)) => {
                self.throttle(wait);
                Err(TopicError::QuotaExceeded)
            }
        }
    }

    /// Takes partitions as [`mutate`](Self::mutate) does for a strict request, and makes nobody wait.
    ///
    /// # Errors
    ///
    /// THROTTLING_QUOTA_EXCEEDED where nothing is left.
    pub fn may_mutate(&self, partitions: usize) -> Result<(), TopicError> {
        let (quotas, windows) = (&self.shared.quotas, self.controller_windows());
        match quotas.mutate(self.client_name(), partitions, Strictness::Strict, windows) {
            Ok(_) => Ok(()),
            Err(Exhausted(_)) => Err(TopicError::QuotaExceeded),
        }
    }

    /// Over which time the controller's quotas are measured.
    fn controller_windows(&self) -> Windows {
        let config = &self.shared.config;
        Windows {
            number: config.controller_quota_windows.0 as usize,
            size: config.controller_quota_window_size.0,
        }
    }

    /// Over which time quotas are measured.
    pub fn windows(&self) -> Windows {
        self.shared.config.windows()
    }

    /// Makes a client wait that has used more than its quota: the answer says so, and what the client sends meanwhile is not
    /// read (KIP-219). Where several quotas want it to wait, the longest does. The answer's throttle time, in milliseconds.
    pub fn throttle(&self, wait: Duration) -> i32 {
        let ms = u32::try_from(wait.as_millis()).unwrap_or(u32::MAX).min(i32::MAX as u32);
        let before = self.connection.mute_ms.fetch_max(ms, Ordering::Relaxed);
        before.max(ms).cast_signed()
    }

    /// Whether the broker that was asked coordinates the group.
    pub fn coordinates(&self, group: &str) -> bool {
        self.shared.coordinator(group) == self.broker
    }
}
