//! One transactional id: its producer, its epoch and its transaction. The rules are those of Apache Kafka's
//! `TransactionMetadata` and `TransactionCoordinator`; the changes to the state are pure, and tested as such.

use std::collections::{BTreeMap, BTreeSet};

use kafka_protocol::error::ResponseError;

use super::state::TransactionState;
use crate::log::Marker;

/// The producer id that names none.
pub(crate) const NO_PRODUCER_ID: i64 = -1;
/// The epoch of a producer that was never initialized.
pub(crate) const NO_PRODUCER_EPOCH: i16 = -1;

/// A producer's id and epoch.
pub(crate) type IdAndEpoch = (i64, i16);

/// A partition, by its topic's name.
pub(crate) type TopicPartition = (String, i32);

/// Some partitions, by their topics' names.
#[derive(Debug, Clone, Default)]
pub(crate) struct Partitions(pub BTreeMap<String, BTreeSet<i32>>);

impl FromIterator<TopicPartition> for Partitions {
    fn from_iter<I: IntoIterator<Item = TopicPartition>>(partitions: I) -> Self {
        let mut all = Self::default();
        for (topic, index) in partitions {
            all.0.entry(topic).or_default().insert(index);
        }
        all
    }
}

impl Partitions {
    pub fn count(&self) -> usize {
        self.0.values().map(BTreeSet::len).sum()
    }

    /// In the order of their topics and indexes.
    pub fn iter(&self) -> impl Iterator<Item = (&str, i32)> {
        let topics = self.0.iter();
        topics.flat_map(|(topic, indexes)| indexes.iter().map(move |index| (topic.as_str(), *index)))
    }
}

/// Which protocol a transaction's request speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// Transaction versions 0 and 1: an epoch has many transactions.
    Classic,
    /// Transaction version 2: each transaction has an epoch of its own (KIP-890).
    EpochBump,
}

/// What an InitProducerId leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Initialized {
    /// The producer has this id and epoch.
    Ready(IdAndEpoch),
    /// A transaction is open: it is aborted with this marker, and the producer asks again.
    Fenced(Marker),
}

/// What an EndTxn leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// The marker is to be written. The client is told the id and epoch of its next transaction.
    Now(Marker, IdAndEpoch),
    /// It was ended before, by the same request.
    Before(IdAndEpoch),
}

/// A transactional id.
#[derive(Debug, Clone)]
pub(crate) struct Transaction {
    pub producer_id: i64,
    /// The id before the last change of the state: another one where the epochs of an id ran out.
    previous_producer_id: i64,
    /// The id that the producer has once the transaction that is ending has ended, where the epochs of this one have run out; else
    /// none. Nobody is told of it but who ended the transaction.
    next_producer_id: i64,
    pub epoch: i16,
    last_epoch: i16,
    /// In milliseconds.
    pub timeout_ms: i32,
    pub state: TransactionState,
    /// The partitions of the open transaction, those of `__consumer_offsets` among them.
    pub partitions: Partitions,
    /// When the last transaction began, in milliseconds since 1970; -1 if none has.
    pub started_ms: i64,
    /// When the state changed last.
    pub updated_ms: i64,
}

/// Whether a producer id has no epoch left for a client: the last one is for the coordinator, which fences with it.
fn is_exhausted(epoch: i16) -> bool {
    epoch >= i16::MAX - 1
}

impl Transaction {
    /// An id that was never seen before.
    pub fn new(producer_id: i64, timeout_ms: i32, now_ms: i64) -> Self {
        Self {
            producer_id,
            previous_producer_id: NO_PRODUCER_ID,
            next_producer_id: NO_PRODUCER_ID,
            epoch: NO_PRODUCER_EPOCH,
            last_epoch: NO_PRODUCER_EPOCH,
            timeout_ms,
            state: TransactionState::Empty,
            partitions: Partitions::default(),
            started_ms: -1,
            updated_ms: now_ms,
        }
    }

    /// `TransactionCoordinator.prepareInitProducerIdTransit`. `expected` is what a producer says it had (KIP-360).
    pub fn initialize(
        &mut self,
        timeout_ms: i32,
        expected: Option<IdAndEpoch>,
        now_ms: i64,
        new_id: impl FnOnce() -> i64,
    ) -> Result<Initialized, ResponseError> {
        self.check_settled()?;
        if let Some((id, epoch)) = expected {
            let is_new = self.epoch == NO_PRODUCER_EPOCH;
            // A retry of a request whose answer got lost, after which the id had changed.
            let had_last = id == self.previous_producer_id && is_exhausted(epoch);
            if !is_new && id != self.producer_id && !had_last {
                return Err(ResponseError::ProducerFenced);
            }
        }
        if self.state == TransactionState::Ongoing {
            return Ok(Initialized::Fenced(self.fence(now_ms, new_id)));
        }
        let expected = expected.map(|(_, epoch)| epoch);
        let (id, epoch, last_epoch) = if is_exhausted(self.epoch) && expected.is_none_or(|epoch| epoch == self.epoch) {
            let last_epoch = expected.map_or(NO_PRODUCER_EPOCH, |_| self.epoch);
            (new_id(), 0, last_epoch)
        } else if is_exhausted(self.epoch) {
            // Apache Kafka fails an assertion of its own here.
            return Err(ResponseError::UnknownServerError);
        } else {
            let (epoch, last_epoch) = self.next_epoch(expected)?;
            (self.producer_id, epoch, last_epoch)
        };
        self.previous_producer_id = self.producer_id;
        (self.producer_id, self.epoch, self.last_epoch) = (id, epoch, last_epoch);
        self.timeout_ms = timeout_ms;
        self.state = TransactionState::Empty;
        self.started_ms = -1;
        self.updated_ms = now_ms;
        Ok(Initialized::Ready((id, epoch)))
    }

    /// The next epoch and the one to be kept as the last (`TransactionMetadata.prepareIncrementProducerEpoch`).
    fn next_epoch(&self, expected: Option<i16>) -> Result<(i16, i16), ResponseError> {
        match expected {
            None => Ok((self.epoch + 1, NO_PRODUCER_EPOCH)),
            Some(_) if self.epoch == NO_PRODUCER_EPOCH => Ok((0, NO_PRODUCER_EPOCH)),
            Some(expected) if expected == self.epoch => Ok((self.epoch + 1, self.epoch)),
            // A retry of a request that was answered.
            Some(expected) if expected == self.last_epoch => Ok((self.epoch, self.last_epoch)),
            Some(_) => Err(ResponseError::ProducerFenced),
        }
    }

    /// Adds partitions to the transaction, and begins one if none is open
    /// (`TransactionCoordinator.handleAddPartitionsToTransaction`).
    pub fn add(
        &mut self,
        producer: IdAndEpoch,
        partitions: impl IntoIterator<Item = TopicPartition>,
        now_ms: i64,
    ) -> Result<(), ResponseError> {
        self.check_settled()?;
        self.check_producer(producer)?;
        let mut has_more = false;
        for (topic, index) in partitions {
            has_more |= self.partitions.0.entry(topic).or_default().insert(index);
        }
        if self.state == TransactionState::Ongoing && !has_more {
            return Ok(());
        }
        if self.state != TransactionState::Ongoing {
            self.state = TransactionState::Ongoing;
            self.started_ms = now_ms;
        }
        self.previous_producer_id = self.producer_id;
        self.updated_ms = now_ms;
        Ok(())
    }

    /// Whether it is in the same state as another, with as many partitions.
    pub fn is_as_far_as(&self, other: &Self) -> bool {
        self.state == other.state && self.partitions.count() == other.partitions.count()
    }

    /// Whether a partition is in the transaction (`TransactionCoordinator.handleVerifyPartitionsInTransaction`).
    pub fn verify(&self, producer: IdAndEpoch, topic: &str, index: i32) -> Result<(), ResponseError> {
        self.check_producer(producer)?;
        self.check_settled()?;
        let of_topic = self.partitions.0.get(topic);
        match of_topic.is_some_and(|indexes| indexes.contains(&index)) {
            true => Ok(()),
            false => Err(ResponseError::TransactionAbortable),
        }
    }

    /// While markers are missing, nothing is done for the transactional id (`TransactionMetadata.pendingTransitionInProgress`).
    fn check_settled(&self) -> Result<(), ResponseError> {
        match self.is_ending() {
            true => Err(ResponseError::ConcurrentTransactions),
            false => Ok(()),
        }
    }

    fn check_producer(&self, (id, epoch): IdAndEpoch) -> Result<(), ResponseError> {
        if id != self.producer_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        if epoch != self.epoch {
            return Err(ResponseError::ProducerFenced);
        }
        Ok(())
    }

    /// Ends the transaction as a client asks (`TransactionCoordinator.endTransaction`).
    pub fn end(
        &mut self,
        producer: IdAndEpoch,
        committed: bool,
        protocol: Protocol,
        now_ms: i64,
        new_id: impl FnOnce() -> i64,
    ) -> Result<Ended, ResponseError> {
        match protocol {
            Protocol::Classic => self.end_classic(producer, committed, now_ms),
            Protocol::EpochBump => {
                self.check_settled()?;
                self.end_with_bump(producer, committed, now_ms, new_id)
            }
        }
    }

    /// `TransactionCoordinator.endTransactionWithTV1`.
    fn end_classic(&mut self, producer: IdAndEpoch, committed: bool, now_ms: i64) -> Result<Ended, ResponseError> {
        self.check_producer(producer)?;
        self.check_settled()?;
        match (self.state, committed) {
            (TransactionState::Ongoing, _) => {
                let marker = self.marker(committed, false);
                self.prepare(committed, now_ms);
                Ok(Ended::Now(marker, producer))
            }
            (TransactionState::CompleteCommit, true) | (TransactionState::CompleteAbort, false) => {
                Ok(Ended::Before(producer))
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// With an epoch for each transaction a request that comes again is told by its epoch, and what is empty may be aborted.
    fn end_with_bump(
        &mut self,
        (id, epoch): IdAndEpoch,
        committed: bool,
        now_ms: i64,
        new_id: impl FnOnce() -> i64,
    ) -> Result<Ended, ResponseError> {
        use TransactionState::{CompleteAbort, CompleteCommit, Empty, Ongoing};
        let again_with_new_id = id == self.previous_producer_id && epoch == i16::MAX - 1 && self.epoch == 0;
        let again = again_with_new_id || epoch.checked_add(1) == Some(self.epoch);
        if id != self.producer_id && !again_with_new_id {
            return Err(ResponseError::InvalidProducerIdMapping);
        }
        let has_ended = matches!(self.state, CompleteCommit | CompleteAbort);
        if epoch != self.epoch && !(has_ended && again) {
            return Err(ResponseError::ProducerFenced);
        }
        match (self.state, committed, again) {
            (Ongoing, _, _) | (Empty, false, _) | (CompleteAbort | CompleteCommit, false, false) => {
                if self.state != Ongoing {
                    self.started_ms = now_ms;
                }
                let marker = self.prepare_with_bump(committed, now_ms, new_id);
                Ok(Ended::Now(marker, self.next_producer()))
            }
            (CompleteCommit, true, true) | (CompleteAbort, false, true) => {
                Ok(Ended::Before((self.producer_id, self.epoch)))
            }
            _ => Err(ResponseError::InvalidTxnState),
        }
    }

    /// Aborts the open transaction and fences its producer: it was too slow, or another one has come. The epoch rises once,
    /// as in any end of this version, and the fenced producer may go on with the new one (KIP-360, KAFKA-19367).
    pub fn fence(&mut self, now_ms: i64, new_id: impl FnOnce() -> i64) -> Marker {
        self.prepare_with_bump(false, now_ms, new_id)
    }

    /// Decides the transaction in the next epoch, the last of which is its marker's alone: the next transaction has another id
    /// then (`TransactionMetadata.prepareAbortOrCommit`).
    fn prepare_with_bump(&mut self, committed: bool, now_ms: i64, new_id: impl FnOnce() -> i64) -> Marker {
        if is_exhausted(self.epoch) {
            self.next_producer_id = new_id();
        }
        self.last_epoch = self.epoch;
        self.epoch = self.epoch.saturating_add(1);
        self.previous_producer_id = self.producer_id;
        self.prepare(committed, now_ms);
        self.marker(committed, true)
    }

    /// Who the producer is in its next transaction.
    fn next_producer(&self) -> IdAndEpoch {
        match self.next_producer_id {
            NO_PRODUCER_ID => (self.producer_id, self.epoch),
            next => (next, 0),
        }
    }

    fn marker(&self, committed: bool, bumps_epoch: bool) -> Marker {
        Marker {
            producer_id: self.producer_id,
            producer_epoch: self.epoch,
            // The coordinator knows it, when it sends the marker.
            coordinator_epoch: 0,
            committed,
            bumps_epoch,
        }
    }

    /// The transaction is decided. Its partitions stay until the markers are written.
    fn prepare(&mut self, committed: bool, now_ms: i64) {
        self.state = match committed {
            true => TransactionState::PrepareCommit,
            false => TransactionState::PrepareAbort,
        };
        self.updated_ms = now_ms;
    }

    /// The last marker has been written (`TransactionMetadata.prepareComplete`).
    pub fn settle(&mut self, now_ms: i64) {
        self.state = match self.state {
            TransactionState::PrepareCommit => TransactionState::CompleteCommit,
            _ => TransactionState::CompleteAbort,
        };
        (self.producer_id, self.epoch) = self.next_producer();
        self.next_producer_id = NO_PRODUCER_ID;
        self.partitions = Partitions::default();
        self.updated_ms = now_ms;
    }

    /// Whether it has been decided, and not written everywhere.
    pub fn is_ending(&self) -> bool {
        matches!(
            self.state,
            TransactionState::PrepareCommit | TransactionState::PrepareAbort
        )
    }

    /// When the open transaction is aborted, in milliseconds since 1970: once more than its timeout has passed.
    pub fn times_out_at(&self) -> Option<i64> {
        let is_open = self.state == TransactionState::Ongoing;
        is_open.then(|| {
            self.started_ms
                .saturating_add(i64::from(self.timeout_ms))
                .saturating_add(1)
        })
    }

    /// When the id is forgotten, which was not used for so long (`transactional.id.expiration.ms`).
    pub fn expires_at(&self, expiration_ms: i64) -> Option<i64> {
        let is_idle = self.state != TransactionState::Ongoing && !self.is_ending();
        is_idle.then(|| self.updated_ms.saturating_add(expiration_ms))
    }
}

#[cfg(test)]
mod tests;
