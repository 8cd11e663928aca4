//! What the requests of transactional producers have in common.

use kafka_protocol::error::ResponseError;

use crate::api::context::Context;
use crate::cluster::internal::Internal;

/// The topic that groups' offsets are in, as transactions name its partitions.
pub(super) const OFFSETS_TOPIC: &str = "__consumer_offsets";

impl Context {
    /// Whether the broker that was asked coordinates the transactional id.
    pub fn coordinates_transactions(&self, id: &str) -> bool {
        self.shared.coordinator_in(Internal::Transactions, id) == Some(self.broker)
    }

    /// What every request of a transactional id asks first: that it is one, and that its coordinator was asked.
    ///
    /// # Errors
    ///
    /// INVALID_REQUEST, NOT_COORDINATOR.
    pub fn check_transactional_id(&self, id: &str) -> Result<(), ResponseError> {
        if id.is_empty() {
            return Err(ResponseError::InvalidRequest);
        }
        match self.coordinates_transactions(id) {
            true => Ok(()),
            false => Err(ResponseError::NotCoordinator),
        }
    }
}

/// A fenced producer's error, as it was called before PRODUCER_FENCED was told to clients (KIP-588): `since` is the version
/// that brought it.
pub(super) fn fenced_as_of(version: i16, since: i16, error: ResponseError) -> ResponseError {
    match error {
        ResponseError::ProducerFenced if version < since => ResponseError::InvalidProducerEpoch,
        other => other,
    }
}
