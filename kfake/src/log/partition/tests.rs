//! Offsets and sizes in the tests on reading and finding are those that Apache Kafka 4.4 answered.

use kafka_protocol::error::ResponseError;
use proptest::prelude::*;

use super::*;
use crate::log::compression::Codec;
use crate::log::testing::{BatchSpec, record};
use crate::log::validate::Rules;

const NOW: i64 = 1_800_000_000_000;
const ALL: usize = 1 << 30;

/// A log, and the rules of its topic.
struct Given {
    log: Log,
    rules: Rules,
}

fn given() -> Given {
    Given {
        log: Log::new(0),
        rules: Rules::default(),
    }
}

impl Given {
    fn append(&mut self, spec: &BatchSpec) -> Result<Appended, SequenceError> {
        let valid = self.rules.validate(spec.bytes(), 9, NOW).expect("the batch is valid");
        self.log.append(valid)
    }

    /// The read bytes' size.
    fn size(&self, from: i64, max_bytes: usize, at_least_one: bool) -> usize {
        let read = self
            .log
            .read(from, max_bytes, at_least_one, Isolation::Uncommitted)
            .expect("in range");
        assert_eq!(read.size, read.chunks.iter().map(Bytes::len).sum::<usize>());
        read.size
    }

    fn at(&self, time: i64) -> Option<(i64, i64)> {
        self.find(OffsetSpec::At(time))
    }

    fn find(&self, spec: OffsetSpec) -> Option<(i64, i64)> {
        let found = self
            .log
            .find(spec, Isolation::Uncommitted)
            .expect("stored batches can be walked");
        found.map(|found| (found.timestamp, found.offset))
    }
}

/// 180 bytes, two records.
fn batch() -> BatchSpec {
    BatchSpec::new(
        vec![record(0, 0, Some(b"k"), &[b'x'; 100]), record(1, 0, Some(b"k"), b"v")],
        NOW,
    )
}

fn concat(chunks: &[Bytes]) -> Vec<u8> {
    chunks.concat()
}

#[test]
fn offsets_are_assigned_one_after_the_other() {
    let mut given = given();
    for base in [0, 2, 4] {
        let appended = given.append(&batch()).unwrap();
        assert_eq!((appended.base_offset, appended.last_offset), (base, base + 1));
        assert_eq!((appended.log_append_time, appended.log_start_offset), (-1, 0));
    }
    assert_eq!((given.log.high_watermark(), given.log.last_stable_offset()), (6, 6));
}

#[test]
fn reads_begin_at_the_batch_that_holds_the_offset_and_fill_the_limit() {
    let mut given = given();
    for _ in 0..4 {
        given.append(&batch()).unwrap();
    }
    assert_eq!(batch().bytes().len(), 180);
    assert_eq!(given.size(0, ALL, true), 720);
    assert_eq!(given.size(3, ALL, true), 540);
    for (limit, size) in [
        (0, 180),
        (10, 180),
        (180, 180),
        (185, 185),
        (200, 200),
        (230, 230),
        (460, 460),
        (720, 720),
    ] {
        assert_eq!(given.size(0, limit, true), size, "limit {limit}");
    }
    assert_eq!(given.size(8, ALL, true), 0);
}

#[test]
fn without_at_least_one_a_first_batch_that_does_not_fit_makes_the_read_empty() {
    let mut given = given();
    given.append(&batch()).unwrap();
    assert_eq!(given.size(0, 179, false), 0);
    assert_eq!(given.size(0, 180, false), 180);
}

#[test]
fn reads_from_outside_of_the_log_are_out_of_range() {
    let mut given = given();
    given.append(&batch()).unwrap();
    for offset in [-1, 3] {
        let expected = OffsetOutOfRange {
            offset,
            start: 0,
            end: 2,
        };
        assert_eq!(
            given.log.read(offset, ALL, true, Isolation::Uncommitted).unwrap_err(),
            expected
        );
    }
}

#[test]
fn record_bytes_are_shared_and_only_a_header_is_copied() {
    let mut given = given();
    let frame = batch().bytes();
    // The frame is still held, as a request's frame is while its other fields live.
    given
        .log
        .append(given.rules.validate(frame.clone(), 9, NOW).unwrap())
        .unwrap();
    let read = given.log.read(0, ALL, true, Isolation::Uncommitted).unwrap();
    assert_eq!(read.chunks.iter().map(Bytes::len).collect::<Vec<_>>(), [61, 119]);
    assert_eq!(read.chunks[1].as_ptr(), frame[61..].as_ptr());
}

#[test]
fn bytes_that_nobody_else_holds_are_rewritten_in_place() {
    let mut given = given();
    let frame = batch().bytes();
    let address = frame.as_ptr();
    given.log.append(given.rules.validate(frame, 9, NOW).unwrap()).unwrap();
    let read = given.log.read(0, ALL, true, Isolation::Uncommitted).unwrap();
    assert_eq!(read.chunks.len(), 1);
    assert_eq!(read.chunks[0].as_ptr(), address);
}

#[test]
fn the_stored_header_has_the_offset_the_leader_epoch_and_a_right_checksum() {
    for timestamp_type in [TimestampType::CreateTime, TimestampType::LogAppendTime] {
        for shared in [true, false] {
            let mut given = given();
            given.rules.timestamp_type = timestamp_type;
            given.log.begin_leader_epoch(3);
            given.append(&batch()).unwrap();
            let mut spec = batch();
            spec.base_timestamp = NOW - 50;
            let frame = spec.bytes();
            let kept = shared.then(|| frame.clone());
            let appended = given.log.append(given.rules.validate(frame, 9, NOW).unwrap()).unwrap();
            drop(kept);
            let read = given.log.read(2, ALL, true, Isolation::Uncommitted).unwrap();
            let stored = RecordBatch::parse(concat(&read.chunks).into()).unwrap();
            assert_eq!((stored.base_offset(), stored.leader_epoch()), (2, 3));
            assert_eq!(stored.crc(), stored.computed_crc());
            assert_eq!(stored.timestamp_type(), timestamp_type);
            assert_eq!(stored.base_timestamp(), NOW - 50);
            let (max, answered) = match timestamp_type {
                TimestampType::CreateTime => (NOW - 50, -1),
                TimestampType::LogAppendTime => (NOW, NOW),
            };
            assert_eq!((stored.max_timestamp(), appended.log_append_time), (max, answered));
        }
    }
}

#[test]
fn a_repeated_batch_is_answered_with_the_first_appends_offset_and_timestamp() {
    let mut given = given();
    let mut spec = batch();
    (spec.producer_id, spec.producer_epoch, spec.base_sequence) = (7, 0, 0);
    given.append(&batch()).unwrap();
    assert!(!given.append(&spec).unwrap().duplicate);
    let again = given.append(&spec).unwrap();
    assert!(again.duplicate);
    assert_eq!(
        (again.base_offset, again.last_offset, again.log_append_time),
        (2, 3, NOW)
    );
    assert_eq!(given.log.end_offset(), 4);
    spec.base_sequence = 9;
    let refused = given.append(&spec).unwrap_err();
    assert_eq!(refused.code(), ResponseError::OutOfOrderSequenceNumber);
    assert_eq!(given.log.end_offset(), 4);
}

#[test]
fn an_append_wakes_who_waits_and_a_repeated_one_nobody() {
    let mut given = given();
    let notify = std::sync::Arc::new(tokio::sync::Notify::new());
    let _registration = given.log.waiters().register(&notify);
    let mut spec = batch();
    (spec.producer_id, spec.producer_epoch, spec.base_sequence) = (7, 0, 0);
    assert!(!given.append(&spec).unwrap().wakeups.is_empty());
    assert!(given.append(&spec).unwrap().wakeups.is_empty());
}

#[test]
fn a_time_is_found_in_the_order_of_the_log_and_within_a_batch() {
    let mut given = given();
    given.append(&BatchSpec::stamped(&[100, 300, 200])).unwrap();
    given.append(&BatchSpec::stamped(&[50, 60])).unwrap();
    given.append(&BatchSpec::stamped(&[400, 250, 400])).unwrap();
    given
        .append(&BatchSpec::stamped(&[450, 500, 480, 500]).compressed(Codec::Gzip))
        .unwrap();
    for (time, found) in [
        (0, (100, 0)),
        (100, (100, 0)),
        (101, (300, 1)),
        (250, (300, 1)),
        (300, (300, 1)),
        (301, (400, 5)),
        (400, (400, 5)),
        (401, (450, 8)),
        (450, (450, 8)),
        (451, (500, 9)),
        (500, (500, 9)),
    ] {
        assert_eq!(given.at(time), Some(found), "time {time}");
    }
    assert_eq!(given.at(501), None);
    assert_eq!(given.find(OffsetSpec::Latest), Some((-1, 12)));
    assert_eq!(given.find(OffsetSpec::Earliest), Some((-1, 0)));
    assert_eq!(given.find(OffsetSpec::MaxTimestamp), Some((500, 9)));
    assert_eq!(given.find(OffsetSpec::EarliestLocal), Some((-1, 0)));
    assert_eq!(given.find(OffsetSpec::LatestTiered), Some((-1, -1)));
    assert_eq!(given.find(OffsetSpec::EarliestPendingUpload), Some((-1, -1)));
}

#[test]
fn with_log_append_time_the_first_record_of_a_batch_is_found() {
    let mut given = given();
    given.rules.timestamp_type = TimestampType::LogAppendTime;
    given.append(&batch()).unwrap();
    given.append(&batch()).unwrap();
    assert_eq!(given.at(NOW), Some((NOW, 0)));
    assert_eq!(given.find(OffsetSpec::MaxTimestamp), Some((NOW, 0)));
}

#[test]
fn nothing_is_found_in_an_empty_log() {
    let given = given();
    assert_eq!(given.find(OffsetSpec::MaxTimestamp), None);
    assert_eq!(given.at(0), None);
    assert_eq!(given.find(OffsetSpec::Latest), Some((-1, 0)));
}

#[test]
fn a_found_place_names_the_epoch_it_was_written_in() {
    let mut given = given();
    given.append(&BatchSpec::stamped(&[10])).unwrap();
    given.log.begin_leader_epoch(4);
    given.log.begin_leader_epoch(2);
    given.append(&BatchSpec::stamped(&[20])).unwrap();
    let epoch = |spec| {
        given
            .log
            .find(spec, Isolation::Uncommitted)
            .unwrap()
            .map(|found| found.leader_epoch)
    };
    assert_eq!(epoch(OffsetSpec::At(10)), Some(0));
    assert_eq!(epoch(OffsetSpec::At(20)), Some(4));
    assert_eq!(epoch(OffsetSpec::Earliest), Some(0));
    assert_eq!(epoch(OffsetSpec::Latest), Some(4));
}

#[test]
fn a_moved_log_start_hides_what_lies_before_it() {
    let mut given = given();
    given.append(&BatchSpec::stamped(&[900])).unwrap();
    given.append(&BatchSpec::stamped(&[300, 100])).unwrap();
    given.append(&BatchSpec::stamped(&[200])).unwrap();
    given.log.raise_start(2);
    assert_eq!(
        given.log.read(1, ALL, true, Isolation::Uncommitted).unwrap_err().start,
        2
    );
    assert_eq!(given.at(50), Some((100, 2)));
    assert_eq!(given.at(150), Some((200, 3)));
    assert_eq!(given.at(500), None);
    let _ = given.log.delete_records(-1).unwrap();
    assert_eq!((given.log.start_offset(), given.log.end_offset()), (4, 4));
    assert_eq!(given.size(4, ALL, true), 0);
}

proptest! {
    #[test]
    fn what_was_appended_is_read_again_byte_for_byte(
        values in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 1..12),
        codec in prop::sample::select(vec![Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd]),
        from in 0..12usize,
        shared in any::<bool>(),
    ) {
        let mut given = given();
        let mut frames = Vec::new();
        for value in &values {
            let mut spec = BatchSpec::new(vec![record(0, 0, None, value)], NOW);
            if codec != Codec::None {
                spec = spec.compressed(codec);
            }
            let frame = spec.bytes();
            let kept = shared.then(|| frame.clone());
            frames.push(frame.to_vec());
            given.log.append(given.rules.validate(frame, 9, NOW).unwrap()).unwrap();
            drop(kept);
        }
        let from = from.min(values.len());
        let read = given.log.read(from as i64, ALL, true, Isolation::Uncommitted).unwrap();
        let mut rest = concat(&read.chunks);
        for (nth, frame) in frames.iter().enumerate().skip(from) {
            let stored = RecordBatch::parse(rest.drain(..frame.len()).collect::<Vec<_>>().into()).unwrap();
            prop_assert_eq!(stored.base_offset(), nth as i64);
            prop_assert_eq!(&stored.record_bytes()[..], &frame[61..]);
        }
        prop_assert!(rest.is_empty());
    }

    #[test]
    fn a_search_by_time_finds_what_a_scan_finds(
        batches in prop::collection::vec(prop::collection::vec(0..50i64, 1..5), 0..12),
        start in 0..20i64,
        time in 0..55i64,
    ) {
        let mut given = given();
        for timestamps in &batches {
            given.append(&BatchSpec::stamped(timestamps)).unwrap();
        }
        given.log.raise_start(start.min(given.log.high_watermark()));
        let start = given.log.start_offset();
        let all = batches.concat().into_iter().zip(0..);
        let scanned = all.clone().find(|&(stamp, offset)| stamp >= time && offset >= start);
        prop_assert_eq!(given.at(time), scanned);
    }
}
