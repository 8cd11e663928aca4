use proptest::prelude::*;

use super::*;
use crate::log::testing::{BatchSpec, record};
use crate::log::{Isolation, LogRead, Marker, Rules, SegmentRules, SequenceError, TimestampType};

const NOW: i64 = 1_800_000_000_000;

/// A batch of one record, of a producer.
fn batch(producer_id: i64, epoch: i16, sequence: i32, is_transactional: bool) -> BatchSpec {
    BatchSpec {
        attributes: if is_transactional { 0x10 } else { 0 },
        producer_id,
        producer_epoch: epoch,
        base_sequence: sequence,
        ..BatchSpec::new(vec![record(0, 0, None, b"v")], NOW)
    }
}

fn append(log: &mut Log, spec: &BatchSpec) -> Result<i64, SequenceError> {
    let valid = Rules::default().validate(spec.bytes(), 9, NOW).expect("a valid batch");
    log.append(valid).map(|appended| appended.base_offset)
}

/// A record in a producer's transaction.
fn write(log: &mut Log, producer_id: i64, sequence: i32) {
    append(log, &batch(producer_id, 0, sequence, true)).unwrap();
}

/// A record of no producer.
fn write_plainly(log: &mut Log) {
    append(log, &BatchSpec::new(vec![record(0, 0, None, b"v")], NOW)).unwrap();
}

fn end(log: &mut Log, producer_id: i64, committed: bool) {
    let marker = Marker {
        producer_id,
        producer_epoch: 0,
        coordinator_epoch: 4,
        committed,
        bumps_epoch: false,
    };
    let wakeups = log.end_transaction(&marker, (TimestampType::CreateTime, NOW)).unwrap();
    assert!(wakeups.is_empty());
}

/// The producers and first offsets of the aborted transactions that a reader from the beginning is told.
fn aborted(log: &Log) -> Vec<(i64, i64)> {
    let read = LogRead {
        size: log.size(),
        ..LogRead::default()
    };
    let aborted = log.aborted_transactions(log.start_offset(), &read);
    aborted.iter().map(|one| (one.producer_id, one.first_offset)).collect()
}

/// The offset of the first record of a producer's open transaction; -1 for none.
fn open_since(log: &Log, producer_id: i64) -> i64 {
    let producers = log.producers();
    let of_id = producers.iter().find(|producer| producer.producer_id == producer_id);
    of_id.expect("the producer is known").transaction_start
}

#[test]
fn a_transaction_that_began_in_what_is_cut_never_was() {
    let mut log = Log::new(0);
    write_plainly(&mut log);
    write(&mut log, 7, 0);
    assert_eq!(log.last_stable_offset(), 1);
    log.truncate(1);
    assert_eq!((log.end_offset(), log.last_stable_offset()), (1, 1));
    assert!(log.producers().is_empty());
    assert!(!log.has_open_transaction(7, 0));
    // It begins again, with the same sequence number, and holds what comes.
    write(&mut log, 7, 0);
    write_plainly(&mut log);
    assert_eq!((log.end_offset(), log.last_stable_offset()), (3, 1));
}

#[test]
fn a_transaction_whose_marker_is_cut_is_open_again_and_can_be_ended_otherwise() {
    let mut log = Log::new(0);
    write(&mut log, 7, 0);
    write_plainly(&mut log);
    end(&mut log, 7, true);
    assert_eq!((log.last_stable_offset(), open_since(&log, 7)), (3, -1));
    log.truncate(2);
    assert_eq!((log.last_stable_offset(), open_since(&log, 7)), (0, 0));
    assert!(log.has_open_transaction(7, 0));
    end(&mut log, 7, false);
    assert_eq!((log.last_stable_offset(), aborted(&log)), (3, vec![(7, 0)]));
}

#[test]
fn an_aborted_transaction_is_forgotten_with_its_marker_and_kept_with_it() {
    let mut log = Log::new(0);
    write(&mut log, 7, 0);
    end(&mut log, 7, false);
    write(&mut log, 7, 1);
    end(&mut log, 7, false);
    write_plainly(&mut log);
    log.truncate(4);
    assert_eq!(aborted(&log), [(7, 0), (7, 2)]);
    log.truncate(3);
    assert_eq!((aborted(&log), log.last_stable_offset()), (vec![(7, 0)], 2));
    end(&mut log, 7, true);
    assert_eq!((aborted(&log), log.last_stable_offset()), (vec![(7, 0)], 4));
}

#[test]
fn a_producer_writes_again_what_was_cut_and_what_was_not_is_a_duplicate() {
    let mut log = Log::new(0);
    for sequence in 0..3 {
        append(&mut log, &batch(7, 0, sequence, false)).unwrap();
    }
    append(&mut log, &batch(7, 1, 0, false)).unwrap();
    log.truncate(2);
    assert_eq!(append(&mut log, &batch(7, 0, 1, false)), Ok(1), "it is still there");
    let too_late = append(&mut log, &batch(7, 0, 3, false)).unwrap_err();
    assert!(
        matches!(too_late, SequenceError::OutOfOrder { last: 1, .. }),
        "{too_late}"
    );
    assert_eq!(append(&mut log, &batch(7, 0, 2, false)), Ok(2), "epoch 1 never was");
}

#[test]
fn a_coordinators_epoch_is_read_from_the_markers_that_are_left() {
    let mut log = Log::new(0);
    write(&mut log, 7, 0);
    end(&mut log, 7, true);
    write(&mut log, 7, 1);
    log.truncate(2);
    let producer = log.producers()[0];
    assert_eq!((producer.coordinator_epoch, producer.last_sequence), (4, 0));
}

#[test]
fn what_was_verified_before_the_cut_may_still_begin() {
    let mut log = Log::new(0);
    write_plainly(&mut log);
    log.verify_transaction(7, 0, 0, true, 0);
    log.truncate(0);
    let skips = append(&mut log, &batch(7, 0, 3, true)).unwrap_err();
    assert!(matches!(skips, SequenceError::OutOfOrder { first: 3, .. }), "{skips}");
    write(&mut log, 7, 0);
}

#[test]
fn a_batch_that_holds_the_offset_goes_whole() {
    let mut log = Log::new(0);
    write_plainly(&mut log);
    let two = vec![record(0, 0, None, b"v"), record(1, 0, None, b"v")];
    append(&mut log, &BatchSpec::new(two, NOW)).unwrap();
    log.truncate(2);
    assert_eq!(log.end_offset(), 2);
    let read = log.read(0, 1 << 20, true, Isolation::Uncommitted).unwrap();
    assert_eq!(
        read.size,
        BatchSpec::new(vec![record(0, 0, None, b"v")], NOW).bytes().len()
    );
    write_plainly(&mut log);
    assert_eq!(log.end_offset(), 3);
}

#[test]
fn a_cut_before_the_log_start_moves_it() {
    let mut log = Log::new(0);
    for _ in 0..4 {
        write_plainly(&mut log);
    }
    let _ = log.delete_records(3).unwrap();
    log.truncate(2);
    assert_eq!((log.start_offset(), log.end_offset(), log.high_watermark()), (2, 2, 2));
}

#[test]
fn a_cut_before_the_first_segment_leaves_an_empty_one_that_begins_there() {
    let mut log = Log::new(0);
    for _ in 0..3 {
        write_plainly(&mut log);
        log.roll(NOW);
    }
    let _ = log.delete_records(2).unwrap();
    log.segments.drop_first(2);
    assert_eq!(log.segments.first().base_offset, 2);
    log.truncate(1);
    assert_eq!((log.start_offset(), log.end_offset(), log.size()), (1, 1, 0));
    write_plainly(&mut log);
    assert_eq!(
        log.read(1, 1 << 20, true, Isolation::Uncommitted).unwrap().chunks.len(),
        1
    );
}

#[test]
fn a_segment_that_was_full_takes_batches_again() {
    let mut log = Log::new(0);
    let size = BatchSpec::new(vec![record(0, 0, None, b"v")], NOW).bytes().len();
    log.set_segment_rules(SegmentRules {
        bytes: 2 * size,
        ..SegmentRules::default()
    });
    for _ in 0..5 {
        write_plainly(&mut log);
    }
    assert_eq!(log.segments.count(), 3);
    log.truncate(3);
    assert_eq!((log.segments.count(), log.segments.active().base_offset), (2, 2));
    write_plainly(&mut log);
    assert_eq!(log.segments.count(), 2);
    write_plainly(&mut log);
    assert_eq!(log.segments.count(), 3);
}

#[test]
fn what_was_compacted_is_dirty_again_where_the_log_was_cut() {
    let mut log = Log::new(0);
    for _ in 0..3 {
        write_plainly(&mut log);
    }
    log.cleaned_up_to = Some(3);
    log.truncate(1);
    assert_eq!(log.cleaned_up_to, Some(1));
}

#[test]
fn the_last_stable_offset_stays_with_a_high_watermark_that_is_held() {
    let mut log = Log::new(0);
    write_plainly(&mut log);
    log.hold_high_watermark(true);
    write_plainly(&mut log);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 1));
    write(&mut log, 7, 0);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 1));
    log.hold_high_watermark(false);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (3, 2));
}

#[test]
fn a_marker_that_is_not_committed_ends_nothing_for_who_reads_what_is() {
    let mut log = Log::new(0);
    write(&mut log, 7, 0);
    write_plainly(&mut log);
    log.hold_high_watermark(true);
    end(&mut log, 7, false);
    // The aborted record lies before the high watermark; that it was aborted does not.
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (2, 0));
    assert_eq!(log.read(0, 1 << 20, true, Isolation::Committed).unwrap().size, 0);
    assert_eq!(log.visible_end(Isolation::Uncommitted), 2);
    log.hold_high_watermark(false);
    assert_eq!((log.last_stable_offset(), aborted(&log)), (3, vec![(7, 0)]));
}

#[test]
fn a_cut_takes_the_high_watermark_with_it_and_a_marker_before_it_counts() {
    let mut log = Log::new(0);
    write(&mut log, 7, 0);
    log.hold_high_watermark(true);
    end(&mut log, 7, true);
    write(&mut log, 8, 0);
    // The marker stays, and is not committed yet.
    log.truncate(2);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 0));
    log.hold_high_watermark(false);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (2, 2));
    log.truncate(1);
    assert_eq!((log.high_watermark(), log.last_stable_offset()), (1, 0));
}

#[derive(Debug, Clone)]
enum Step {
    Plain,
    Write { producer: usize, transactional: bool },
    NewEpoch { producer: usize },
    End { producer: usize, committed: bool },
    Roll,
    Hold,
}

/// Takes the steps; what the log refuses it refuses.
fn log_of(steps: &[Step]) -> Log {
    let mut log = Log::new(0);
    let mut next = [(0i16, 0i32); 3];
    for step in steps {
        match *step {
            Step::Plain => write_plainly(&mut log),
            Step::Write {
                producer,
                transactional,
            } => {
                let (epoch, sequence) = next[producer];
                let spec = batch(producer as i64, epoch, sequence, transactional);
                next[producer].1 += i32::from(append(&mut log, &spec).is_ok());
            }
            Step::NewEpoch { producer } => next[producer] = (next[producer].0 + 1, 0),
            Step::End { producer, committed } => {
                let marker = Marker {
                    producer_id: producer as i64,
                    producer_epoch: next[producer].0,
                    coordinator_epoch: 0,
                    committed,
                    bumps_epoch: false,
                };
                let _ = log.end_transaction(&marker, (TimestampType::CreateTime, NOW));
            }
            Step::Roll => log.roll(NOW),
            Step::Hold => log.hold_high_watermark(true),
        }
    }
    log
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => Just(Step::Plain),
        4 => (0..3usize, any::<bool>()).prop_map(|(producer, transactional)| Step::Write { producer, transactional }),
        1 => (0..3usize).prop_map(|producer| Step::NewEpoch { producer }),
        3 => (0..3usize, any::<bool>()).prop_map(|(producer, committed)| Step::End { producer, committed }),
        1 => Just(Step::Roll),
    ]
}

proptest! {
    #[test]
    fn a_log_that_is_cut_is_what_it_was_then(
        mut steps in prop::collection::vec(any_step(), 1..40),
        cut in any::<prop::sample::Index>(),
        hold in prop::option::of(any::<prop::sample::Index>()),
    ) {
        let cut = cut.index(steps.len());
        let mut until_then = steps[..cut].to_vec();
        if let Some(hold) = hold {
            let at = hold.index(steps.len());
            steps.insert(at, Step::Hold);
            // Held later, it is cut back to the end.
            until_then.insert(at.min(cut), Step::Hold);
        }
        let mut expected = log_of(&until_then);
        let mut log = log_of(&steps);
        log.truncate(expected.end_offset());
        for _ in 0..2 {
            prop_assert_eq!(log.end_offset(), expected.end_offset());
            prop_assert_eq!(log.high_watermark(), expected.high_watermark());
            prop_assert_eq!(log.last_stable_offset(), expected.last_stable_offset());
            prop_assert_eq!(&log.transactions, &expected.transactions);
            prop_assert_eq!(&log.producers, &expected.producers);
            prop_assert_eq!(log.size(), expected.size());
            log.hold_high_watermark(false);
            expected.hold_high_watermark(false);
        }
    }
}
