//! What the requests of transactional producers have in common.

use kafka_protocol::error::ResponseError;

use crate::api::context::Context;
use crate::cluster::internal::Internal;
use crate::txn::coordinator::Held;
use crate::txn::transaction::IdAndEpoch;

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

/// What a write to a partition asks the coordinator of its transaction: whether the partition is in it, or, where the request
/// `adds`, to have it there from now on (KIP-890).
///
/// # Errors
///
/// As [`Held::add`] and [`Held::verify`]; but who writes is told of a newer producer by INVALID_PRODUCER_EPOCH.
pub(super) fn ask_coordinator(
    held: &mut Held<'_>,
    id: &str,
    producer: IdAndEpoch,
    (topic, index): (&str, i32),
    adds: bool,
) -> Result<(), ResponseError> {
    let answer = match adds {
        true => held.add(id, producer, [(topic.to_owned(), index)]),
        false => held.verify(id, producer, topic, index),
    };
    answer.map_err(|error| match error {
        ResponseError::ProducerFenced => ResponseError::InvalidProducerEpoch,
        other => other,
    })
}
