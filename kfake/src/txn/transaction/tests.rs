use super::*;

/// A transactional id whose clock and next producer id the test says.
struct Given {
    transaction: Transaction,
    next_id: i64,
    now_ms: i64,
}

const TIMEOUT_MS: i32 = 60_000;

impl Given {
    /// Initialized once: producer 1, epoch 0.
    fn initialized() -> Self {
        let mut given = Self {
            transaction: Transaction::new(1, TIMEOUT_MS, 0),
            next_id: 2,
            now_ms: 0,
        };
        assert_eq!(given.initialize(None), Ok(Initialized::Ready((1, 0))));
        given
    }

    fn at_epoch(epoch: i16) -> Self {
        let mut given = Self::initialized();
        given.transaction.epoch = epoch;
        given
    }

    fn initialize(&mut self, expected: Option<IdAndEpoch>) -> Result<Initialized, ResponseError> {
        let new_id = self.next_id;
        let initialized = self
            .transaction
            .initialize(TIMEOUT_MS, expected, self.now_ms, || new_id);
        if matches!(initialized, Ok(Initialized::Fenced(_))) {
            self.transaction.settle(self.now_ms);
        }
        initialized
    }

    fn add(&mut self, producer: IdAndEpoch) -> Result<(), ResponseError> {
        self.transaction.add(producer, [("t".to_owned(), 0)], self.now_ms)
    }

    fn end(&mut self, producer: IdAndEpoch, committed: bool, protocol: Protocol) -> Result<Ended, ResponseError> {
        let new_id = self.next_id;
        let ended = self
            .transaction
            .end(producer, committed, protocol, self.now_ms, || new_id);
        if matches!(ended, Ok(Ended::Now(..))) {
            self.transaction.settle(self.now_ms);
        }
        ended
    }

    /// Ends with an epoch bump: the marker's epoch and the next producer.
    fn bump(&mut self, producer: IdAndEpoch, committed: bool) -> Result<(i16, IdAndEpoch), ResponseError> {
        match self.end(producer, committed, EpochBump)? {
            Ended::Now(marker, next) => Ok((marker.producer_epoch, next)),
            Ended::Before(next) => Ok((-1, next)),
        }
    }
}

use Protocol::{Classic, EpochBump};

#[test]
fn each_producer_of_an_id_is_one_epoch_further() {
    let mut given = Given::initialized();
    assert_eq!(given.initialize(None), Ok(Initialized::Ready((1, 1))));
    assert_eq!(given.initialize(None), Ok(Initialized::Ready((1, 2))));
}

#[test]
fn a_producer_that_goes_on_is_answered_again_and_fenced_by_another() {
    let mut given = Given::initialized();
    assert_eq!(given.initialize(Some((1, 0))), Ok(Initialized::Ready((1, 1))));
    assert_eq!(
        given.initialize(Some((1, 0))),
        Ok(Initialized::Ready((1, 1))),
        "a retry"
    );
    assert_eq!(given.initialize(None), Ok(Initialized::Ready((1, 2))));
    assert_eq!(given.initialize(Some((1, 1))), Err(ResponseError::ProducerFenced));
    assert_eq!(given.initialize(Some((9, 2))), Err(ResponseError::ProducerFenced));
}

#[test]
fn an_id_that_was_never_initialized_takes_any_producer_for_its_first() {
    let mut transaction = Transaction::new(1, TIMEOUT_MS, 0);
    let initialized = transaction.initialize(TIMEOUT_MS, Some((9, 3)), 0, || 2);
    assert_eq!(initialized, Ok(Initialized::Ready((1, 0))));
}

#[test]
fn epochs_that_run_out_bring_a_new_producer_id() {
    let mut given = Given::at_epoch(i16::MAX - 1);
    assert_eq!(given.initialize(None), Ok(Initialized::Ready((2, 0))));
    let mut given = Given::at_epoch(i16::MAX - 1);
    assert_eq!(
        given.initialize(Some((1, i16::MAX - 1))),
        Ok(Initialized::Ready((2, 0)))
    );
    // The answer got lost: the same request is answered with the same id.
    assert_eq!(
        given.initialize(Some((1, i16::MAX - 1))),
        Ok(Initialized::Ready((2, 0)))
    );
    assert_eq!(given.initialize(Some((1, 5))), Err(ResponseError::ProducerFenced));
}

#[test]
fn an_open_transaction_is_fenced_with_the_next_epoch_and_its_producer_may_go_on() {
    let mut given = Given::initialized();
    given.add((1, 0)).unwrap();
    let Ok(Initialized::Fenced(marker)) = given.initialize(None) else {
        panic!("the transaction is open");
    };
    assert_eq!(
        (marker.producer_id, marker.producer_epoch, marker.committed),
        (1, 1, false)
    );
    assert!(marker.bumps_epoch);
    assert_eq!(given.transaction.state, TransactionState::CompleteAbort);
    assert_eq!(given.end((1, 0), true, Classic), Err(ResponseError::ProducerFenced));
    assert_eq!(given.initialize(Some((1, 0))), Ok(Initialized::Ready((1, 1))));
}

#[test]
fn the_last_epoch_is_the_coordinators_to_fence_with() {
    let last = i16::MAX - 1;
    let mut given = Given::at_epoch(last);
    given.add((1, last)).unwrap();
    let marker = given.transaction.fence(0, || 2);
    assert_eq!((marker.producer_id, marker.producer_epoch), (1, i16::MAX));
    // Until the marker is written the producer is who it was.
    let transaction = &given.transaction;
    assert_eq!((transaction.producer_id, transaction.epoch), (1, i16::MAX));
    given.transaction.settle(0);
    let transaction = &given.transaction;
    assert_eq!((transaction.producer_id, transaction.epoch), (2, 0));
    assert_eq!(given.initialize(Some((1, last))), Ok(Initialized::Ready((2, 0))));
    assert_eq!(given.initialize(None), Ok(Initialized::Ready((2, 1))));
}

#[test]
fn a_transaction_that_is_ending_tells_its_next_producer_id_to_who_ended_it_alone() {
    let last = i16::MAX - 1;
    let mut given = Given::at_epoch(last);
    given.add((1, last)).unwrap();
    let ended = given.transaction.end((1, last), true, EpochBump, 0, || 2);
    assert!(
        matches!(ended, Ok(Ended::Now(marker, (2, 0))) if marker.producer_id == 1 && marker.producer_epoch == i16::MAX)
    );
    assert_eq!(given.transaction.state, TransactionState::PrepareCommit);
    let concurrent = Err(ResponseError::ConcurrentTransactions);
    for producer in [(1, last), (2, 0)] {
        assert_eq!(
            given.initialize(Some(producer)),
            Err(ResponseError::ConcurrentTransactions)
        );
        assert_eq!(given.add(producer), concurrent);
    }
    // Who verifies, and who ends in the other protocol, is judged first.
    assert_eq!(
        given.transaction.verify((1, last), "t", 0),
        Err(ResponseError::ProducerFenced)
    );
    assert_eq!(
        given.transaction.verify((2, 0), "t", 0),
        Err(ResponseError::InvalidProducerIdMapping)
    );
    assert_eq!(given.transaction.verify((1, i16::MAX), "t", 0), concurrent);
    assert_eq!(given.end((1, last), true, Classic), Err(ResponseError::ProducerFenced));
    assert_eq!(
        given.end((2, 0), true, EpochBump),
        Err(ResponseError::ConcurrentTransactions)
    );
    given.transaction.settle(0);
    assert_eq!(given.end((1, last), true, EpochBump), Ok(Ended::Before((2, 0))));
}

#[test]
fn only_the_current_producer_adds_and_verifies() {
    let mut given = Given::initialized();
    assert_eq!(given.add((9, 0)), Err(ResponseError::InvalidProducerIdMapping));
    assert_eq!(given.add((1, 1)), Err(ResponseError::ProducerFenced));
    let verify = |given: &Given, producer| given.transaction.verify(producer, "t", 0);
    assert_eq!(verify(&given, (1, 0)), Err(ResponseError::TransactionAbortable));
    given.add((1, 0)).unwrap();
    assert_eq!(verify(&given, (1, 0)), Ok(()));
    assert_eq!(verify(&given, (1, 1)), Err(ResponseError::ProducerFenced));
    assert_eq!(
        given.transaction.verify((1, 0), "t", 1),
        Err(ResponseError::TransactionAbortable)
    );
}

#[test]
fn an_epoch_has_many_transactions_in_the_classic_protocol() {
    let mut given = Given::initialized();
    assert_eq!(given.end((1, 0), false, Classic), Err(ResponseError::InvalidTxnState));
    for committed in [true, false] {
        given.add((1, 0)).unwrap();
        let Ok(Ended::Now(marker, next)) = given.end((1, 0), committed, Classic) else {
            panic!("the transaction is open");
        };
        assert_eq!((marker.producer_epoch, marker.committed, next), (0, committed, (1, 0)));
        assert!(!marker.bumps_epoch);
        assert_eq!(given.end((1, 0), committed, Classic), Ok(Ended::Before((1, 0))));
        assert_eq!(
            given.end((1, 0), !committed, Classic),
            Err(ResponseError::InvalidTxnState)
        );
    }
}

/// The table of `TransactionCoordinator.endTransaction`.
#[test]
fn each_transaction_has_an_epoch_of_its_own_in_the_other() {
    let mut given = Given::initialized();
    assert_eq!(
        given.bump((1, 0), true),
        Err(ResponseError::InvalidTxnState),
        "nothing to commit"
    );
    assert_eq!(
        given.bump((1, 0), false),
        Ok((1, (1, 1))),
        "nothing is aborted all the same"
    );
    assert_eq!(given.bump((1, 0), false), Ok((-1, (1, 1))), "a retry");
    assert_eq!(given.bump((1, 0), true), Err(ResponseError::InvalidTxnState));
    assert_eq!(given.bump((1, 1), true), Err(ResponseError::InvalidTxnState));
    given.add((1, 1)).unwrap();
    assert_eq!(given.bump((1, 0), true), Err(ResponseError::ProducerFenced));
    assert_eq!(given.bump((1, 2), true), Err(ResponseError::ProducerFenced));
    assert_eq!(given.bump((1, 1), true), Ok((2, (1, 2))));
    assert_eq!(given.bump((1, 1), true), Ok((-1, (1, 2))), "a retry");
    assert_eq!(given.bump((1, 1), false), Err(ResponseError::InvalidTxnState));
    assert_eq!(given.bump((1, 2), false), Ok((3, (1, 3))), "the next one, of nothing");
    assert_eq!(given.bump((9, 3), false), Err(ResponseError::InvalidProducerIdMapping));
}

#[test]
fn the_last_transaction_of_a_producer_id_hands_on_the_next_id() {
    let last = i16::MAX - 1;
    let mut given = Given::at_epoch(last);
    given.add((1, last)).unwrap();
    assert_eq!(given.bump((1, last), true), Ok((i16::MAX, (2, 0))));
    assert_eq!(given.bump((1, last), true), Ok((-1, (2, 0))), "a retry");
    given.add((2, 0)).unwrap();
    assert_eq!(given.bump((2, 0), true), Ok((1, (2, 1))));
}

#[test]
fn a_client_may_end_in_either_protocol_what_it_began_in_the_other() {
    let mut given = Given::initialized();
    given.add((1, 0)).unwrap();
    assert!(matches!(given.end((1, 0), true, EpochBump), Ok(Ended::Now(..))));
    given.add((1, 1)).unwrap();
    assert!(matches!(given.end((1, 1), true, Classic), Ok(Ended::Now(..))));
}

#[test]
fn a_transaction_times_out_from_its_beginning_and_an_idle_id_expires_from_its_last_change() {
    let mut given = Given::initialized();
    assert_eq!(given.transaction.times_out_at(), None);
    assert_eq!(given.transaction.expires_at(1_000), Some(1_000));
    given.now_ms = 500;
    given.add((1, 0)).unwrap();
    given.now_ms = 900;
    given.transaction.add((1, 0), [("t".to_owned(), 1)], 900).unwrap();
    let timeout = i64::from(TIMEOUT_MS);
    assert_eq!(given.transaction.times_out_at(), Some(500 + timeout + 1));
    assert_eq!(
        given.transaction.expires_at(1_000),
        None,
        "an open transaction keeps its id"
    );
    given.end((1, 0), true, Classic).unwrap();
    assert_eq!(given.transaction.expires_at(1_000), Some(1_900));
}
