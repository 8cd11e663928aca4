//! Where a request came from.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;

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

    /// Whether the broker that was asked coordinates the group.
    pub fn coordinates(&self, group: &str) -> bool {
        self.shared.coordinator(group) == self.broker
    }
}
