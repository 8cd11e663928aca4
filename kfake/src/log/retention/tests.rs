//! Segments here hold one batch each: an index without room rolls one each time, as it does in Apache Kafka.

use super::*;
use crate::log::testing::BatchSpec;
use crate::log::{Isolation, OffsetOutOfRange, OffsetSpec, Rules, SegmentRules};

const NOW: i64 = 1_800_000_000_000;
const SIZE: i64 = 69;

/// A log with a segment for each of these timestamps, the last one active.
fn segments(timestamps: &[i64]) -> Log {
    let mut log = Log::new(0);
    log.set_segment_rules(SegmentRules {
        index_bytes: 12,
        ..SegmentRules::default()
    });
    append(&mut log, timestamps);
    log
}

fn append(log: &mut Log, timestamps: &[i64]) {
    for timestamp in timestamps {
        let batch = BatchSpec::stamped(&[*timestamp]).bytes();
        assert_eq!(
            batch.len() as i64,
            SIZE + i64::from(*timestamp >= 64 || *timestamp < -64) * extra(*timestamp)
        );
        let rules = Rules {
            timestamp_before_max_ms: i64::MAX,
            ..Rules::default()
        };
        log.append(rules.validate(batch, 9, NOW).expect("valid"))
            .expect("appended");
    }
}

/// How many more bytes the varint of a timestamp takes.
fn extra(timestamp: i64) -> i64 {
    crate::log::testing::varint(timestamp).len() as i64 - 1
}

fn by_time(ms: i64) -> RetentionRules {
    RetentionRules {
        ms,
        ..RetentionRules::default()
    }
}

fn by_size(bytes: i64) -> RetentionRules {
    RetentionRules {
        bytes,
        ms: -1,
        ..RetentionRules::default()
    }
}

/// How many segments went, the log start offset after it, and how many segments are left.
fn run(log: &mut Log, rules: RetentionRules, now_ms: i64) -> (usize, i64, usize) {
    let expired = log.delete_old_segments(&rules, now_ms);
    (expired.segments, log.start_offset(), log.segments.count())
}

#[test]
fn segments_go_once_their_largest_timestamp_is_older_than_the_limit() {
    let mut log = segments(&[10, 20, 30]);
    assert_eq!(log.retention_due(&by_time(100)), Some(111));
    assert_eq!(run(&mut log, by_time(100), 110), (0, 0, 3));
    assert_eq!(run(&mut log, by_time(100), 125), (2, 2, 1));
    assert_eq!(log.read(1, 100, true, Isolation::Uncommitted).unwrap_err().start, 2);
}

#[test]
fn a_young_segment_keeps_the_old_ones_behind_it() {
    let mut log = segments(&[50, 10, 20]);
    assert_eq!(run(&mut log, by_time(5), 40), (0, 0, 3));
    assert_eq!(log.retention_due(&by_time(5)), Some(56));
}

#[test]
fn when_all_is_old_the_active_segment_goes_too_and_an_empty_one_is_begun() {
    let mut log = segments(&[10, 20]);
    assert_eq!(run(&mut log, by_time(1), 100), (2, 2, 1));
    assert_eq!((log.end_offset(), log.size()), (2, 0));
    assert_eq!(
        log.retention_due(&by_time(1)),
        None,
        "an empty log has nothing to delete"
    );
    assert_eq!(run(&mut log, by_time(1), 1_000), (0, 2, 1));
    append(&mut log, &[5]);
    assert_eq!(log.end_offset(), 3);
    assert_eq!(
        log.read(2, 1000, true, Isolation::Uncommitted).unwrap().size,
        SIZE as usize
    );
}

#[test]
fn a_segment_without_timestamps_is_as_old_as_its_last_write() {
    let mut log = segments(&[-1]);
    assert_eq!(log.retention_due(&by_time(7)), Some(NOW + 8));
    assert_eq!(run(&mut log, by_time(7), NOW + 7), (0, 0, 1));
    assert_eq!(run(&mut log, by_time(7), NOW + 8), (1, 1, 1));
}

#[test]
fn segments_go_as_long_as_the_rest_is_still_of_the_size() {
    for (limit, left) in [
        (3 * SIZE, 3),
        (3 * SIZE - 1, 3),
        (2 * SIZE, 2),
        (2 * SIZE - 1, 2),
        (SIZE, 1),
        (1, 1),
        (0, 0),
    ] {
        let mut log = segments(&[1, 2, 3]);
        let due = log.retention_due(&by_size(limit));
        let (gone, start, _) = run(&mut log, by_size(limit), NOW);
        assert_eq!((gone, start), (3 - left, (3 - left) as i64), "limit {limit}");
        assert_eq!(due.is_some(), gone > 0, "limit {limit}");
    }
}

#[test]
fn without_the_policy_nothing_goes_but_what_was_deleted() {
    let mut log = segments(&[1, 2, 3]);
    let compact = RetentionRules {
        delete: false,
        bytes: 0,
        ms: 0,
    };
    assert_eq!(log.retention_due(&compact), None);
    assert_eq!(run(&mut log, compact, NOW), (0, 0, 3));
    let _ = log.delete_records(2).unwrap();
    assert_eq!(log.retention_due(&compact), Some(i64::MIN));
    assert_eq!(run(&mut log, compact, NOW), (2, 2, 1));
}

#[test]
fn deleted_records_cannot_be_read_and_their_segments_stay_until_retention_runs() {
    let mut log = segments(&[1, 2, 3]);
    let notify = std::sync::Arc::new(tokio::sync::Notify::new());
    let _registration = log.waiters().register(&notify);
    assert!(!log.delete_records(1).unwrap().is_empty());
    assert!(log.delete_records(1).unwrap().is_empty(), "nothing has changed");
    assert_eq!((log.start_offset(), log.segments.count()), (1, 3));
    assert!(log.delete_records(0).unwrap().is_empty());
    assert_eq!(log.start_offset(), 1, "the log start offset never falls");
    for offset in [-2, 4] {
        let (start, end) = (1, 3);
        assert_eq!(
            log.delete_records(offset).unwrap_err(),
            OffsetOutOfRange { offset, start, end }
        );
    }
    let _ = log.delete_records(-1).unwrap();
    // The active segment holds nothing any more, and stays: there is no segment behind it.
    assert_eq!(run(&mut log, by_time(-1), NOW), (2, 3, 1));
    assert_eq!((log.start_offset(), log.end_offset()), (3, 3));
}

#[test]
fn a_search_by_time_looks_into_the_first_segment_that_may_have_it_alone() {
    let mut log = segments(&[100, 50]);
    let _ = log.delete_records(1).unwrap();
    let at = |log: &Log, time| {
        let found = log.find(OffsetSpec::At(time), Isolation::Uncommitted).unwrap();
        found.map(|found| found.offset)
    };
    assert_eq!(at(&log, 40), None, "the deleted segment is still there");
    let _ = log.delete_old_segments(&by_time(-1), NOW);
    assert_eq!(at(&log, 40), Some(1));
}
