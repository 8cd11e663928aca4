//! Compaction against a model: the last value of each key.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::log::testing::{BatchSpec, varint};
use crate::log::{Isolation, RetentionRules, Rules, SegmentRules};

const NOW: i64 = 1_800_000_000_000;
const DAY: i64 = 24 * 3_600_000;

/// A record: its key, and its value unless it is a tombstone.
type KeyValue = (&'static str, Option<&'static str>);

fn record(nth: i64, key: &str, value: Option<&str>) -> Vec<u8> {
    let mut body = vec![0, 0];
    body.extend(varint(nth));
    body.extend(varint(key.len() as i64));
    body.extend(key.as_bytes());
    body.extend(varint(value.map_or(-1, |value| value.len() as i64)));
    body.extend(value.unwrap_or_default().as_bytes());
    body.extend(varint(0));
    [varint(body.len() as i64), body].concat()
}

fn batch(records: &[KeyValue]) -> BatchSpec {
    let records = records
        .iter()
        .zip(0..)
        .map(|((key, value), nth)| record(nth, key, *value));
    BatchSpec::new(records.collect(), NOW)
}

/// A log with a segment a batch, the last one active.
fn given(batches: &[BatchSpec]) -> Log {
    let mut log = Log::new(0);
    log.set_segment_rules(SegmentRules {
        index_bytes: 12,
        ..SegmentRules::default()
    });
    for spec in batches {
        append(&mut log, spec);
    }
    log
}

fn append(log: &mut Log, spec: &BatchSpec) {
    log.append(Rules::default().validate(spec.bytes(), 9, NOW).expect("valid"))
        .expect("appended");
}

fn run(log: &mut Log, to_clean: LogToClean) {
    let mut cleaning = Cleaning::new(to_clean);
    loop {
        if let Step::Done(cleaned) = cleaning.step().expect("stored batches can be read") {
            assert!(log.replace_cleaned(cleaned));
            return;
        }
    }
}

/// Rolls, and compacts all there is.
fn compact(log: &mut Log, now_ms: i64) {
    log.roll(now_ms);
    if let Some(to_clean) = log.to_clean_now(&CompactionRules::default(), now_ms) {
        run(log, to_clean);
    }
}

fn batches(log: &Log) -> Vec<RecordBatch> {
    let segments = log.segments.iter();
    let batches = segments
        .flat_map(|segment| &segment.batches)
        .map(|stored| stored.batch.clone());
    batches.collect()
}

/// Every record by its offset.
fn records(log: &Log) -> BTreeMap<i64, (String, Option<String>)> {
    let mut all = BTreeMap::new();
    for batch in batches(log) {
        assert_eq!(batch.crc(), batch.computed_crc());
        let plain = batch.plain_records().unwrap();
        for located in batch.locate(&plain).unwrap() {
            let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
            let key = located.key.clone().unwrap();
            // Behind the key come the value's length, of one byte here, the value, and the number of headers.
            let value = &plain[key.end + 1..located.rest.end - 1];
            let offset = batch.base_offset() + i64::from(located.offset_delta);
            all.insert(offset, (text(&plain[key]), located.has_value.then(|| text(value))));
        }
    }
    all
}

fn offsets(log: &Log) -> Vec<i64> {
    records(log).into_keys().collect()
}

#[test]
fn of_each_key_the_last_record_stays_at_its_offset() {
    let mut log = given(&[
        batch(&[("a", Some("1")), ("b", Some("1")), ("a", Some("2"))]),
        batch(&[("c", Some("1")), ("b", Some("2"))]),
    ]);
    compact(&mut log, NOW);
    assert_eq!(offsets(&log), [2, 3, 4]);
    assert_eq!((log.start_offset(), log.end_offset()), (0, 5));
    let first = &batches(&log)[0];
    assert_eq!(
        (first.base_offset(), first.last_offset(), first.record_count()),
        (0, 2, 1)
    );
    // What is compacted is compacted no more, until something is written.
    assert!(log.to_clean_now(&CompactionRules::default(), NOW).is_none());
    append(&mut log, &batch(&[("c", Some("2"))]));
    compact(&mut log, NOW);
    assert_eq!(offsets(&log), [2, 4, 5]);
}

#[test]
fn the_active_segment_is_left_alone() {
    let mut log = given(&[batch(&[("a", Some("1"))]), batch(&[("a", Some("2"))])]);
    let to_clean = log.to_clean(&CompactionRules::default(), NOW).unwrap();
    run(&mut log, to_clean);
    assert_eq!(offsets(&log), [0, 1]);
}

#[test]
fn a_batch_that_is_emptied_goes_unless_it_is_its_producers_last_or_the_last_of_all() {
    let of = |producer_id, sequence, key| {
        let mut spec = batch(&[(key, Some("1"))]);
        (spec.producer_id, spec.producer_epoch, spec.base_sequence) = (producer_id, 0, sequence);
        spec
    };
    let mut log = given(&[
        of(7, 0, "a"),
        of(7, 1, "a"),
        of(8, 0, "a"),
        batch(&[("b", Some("1"))]),
        batch(&[("a", Some("2")), ("b", Some("2"))]),
    ]);
    compact(&mut log, NOW);
    let left: Vec<_> = batches(&log)
        .iter()
        .map(|b| (b.base_offset(), b.record_count(), b.producer_id()))
        .collect();
    assert_eq!(left, [(1, 0, 7), (2, 0, 8), (4, 2, -1)]);
    let emptied = &batches(&log)[0];
    assert_eq!(
        (emptied.size(), emptied.base_sequence(), emptied.max_timestamp()),
        (61, 1, NOW)
    );
    // Only a tombstone was there, and that has gone: the header says where the log ends.
    let mut log = given(&[batch(&[("a", None)])]);
    compact(&mut log, NOW);
    append(&mut log, &batch(&[("b", Some("1"))]));
    compact(&mut log, NOW + DAY);
    assert_eq!(offsets(&log), [1]);
}

#[test]
fn a_tombstone_stays_for_its_time_after_it_was_compacted_first() {
    let mut log = given(&[batch(&[("a", Some("1")), ("a", None), ("b", Some("1"))])]);
    compact(&mut log, NOW + 10);
    assert_eq!(offsets(&log), [1, 2]);
    let first = &batches(&log)[0];
    assert_eq!(first.delete_horizon_ms(), Some(NOW + 10 + DAY));
    let plain = first.plain_records().unwrap();
    assert!(
        first
            .locate(&plain)
            .unwrap()
            .iter()
            .all(|record| record.timestamp == NOW)
    );
    for (now, left) in [(NOW + 9 + DAY, [1, 2, 3].as_slice()), (NOW + 10 + DAY, &[2, 4])] {
        append(&mut log, &batch(&[("c", Some("1"))]));
        compact(&mut log, now);
        assert_eq!(offsets(&log), left, "at {now}");
    }
}

#[test]
fn the_dirty_ratio_decides_and_is_asked_as_more_than() {
    let rules = CompactionRules::default();
    let mut log = given(&[batch(&[("a", Some("1"))]), batch(&[("b", Some("1"))])]);
    assert_eq!(log.to_clean(&rules, NOW).map(|log| log.dirty_ratio()), Some(1.0));
    assert_eq!(log.compaction_due(&rules, NOW), Some(i64::MIN));
    compact(&mut log, NOW);
    // As many bytes new as compacted: a half is not more than a half.
    for key in ["c", "d"] {
        append(&mut log, &batch(&[(key, Some("1"))]));
    }
    log.roll(NOW);
    assert!(log.to_clean(&rules, NOW).is_none());
    assert_eq!(log.compaction_due(&rules, NOW), None);
    append(&mut log, &batch(&[("e", Some("1"))]));
    log.roll(NOW);
    assert!(log.to_clean(&rules, NOW).is_some());
}

#[test]
fn young_records_wait_for_the_least_lag_and_none_longer_than_the_greatest() {
    let lagging = CompactionRules {
        min_lag_ms: 1_000,
        ..CompactionRules::default()
    };
    let log = given(&[batch(&[("a", Some("1"))]), batch(&[("a", Some("2"))])]);
    assert!(log.to_clean(&lagging, NOW + 999).is_none());
    assert_eq!(log.compaction_due(&lagging, NOW), Some(NOW + 1_000));
    assert!(log.to_clean(&lagging, NOW + 1_000).is_some());
    let late = CompactionRules {
        min_dirty_ratio: 1.0,
        max_lag_ms: 5_000,
        ..CompactionRules::default()
    };
    assert!(log.to_clean(&late, NOW + 5_000).is_none());
    assert_eq!(log.compaction_due(&late, NOW), Some(NOW + 5_001));
    assert!(log.to_clean(&late, NOW + 5_001).is_some());
}

#[test]
fn segments_are_merged_up_to_the_size_of_one() {
    let mut log = given(&[
        batch(&[("a", Some("1"))]),
        batch(&[("b", Some("1"))]),
        batch(&[("c", Some("1"))]),
    ]);
    log.roll(NOW);
    let size = batch(&[("a", Some("1"))]).bytes().len();
    let rules = CompactionRules {
        segment_bytes: 2 * size,
        ..CompactionRules::default()
    };
    let to_clean = log.to_clean_now(&rules, NOW).unwrap();
    run(&mut log, to_clean);
    let sizes: Vec<_> = log
        .segments
        .iter()
        .map(|segment| (segment.base_offset, segment.size))
        .collect();
    assert_eq!(sizes, [(0, 2 * size), (2, size), (3, 0)]);
}

#[test]
fn what_retention_took_meanwhile_is_not_brought_back() {
    let mut log = given(&[batch(&[("a", Some("1"))]), batch(&[("b", Some("1"))])]);
    let to_clean = log.to_clean_now(&CompactionRules::default(), NOW).unwrap();
    let mut cleaning = Cleaning::new(to_clean);
    let _ = log.delete_records(1).unwrap();
    let _ = log.delete_old_segments(&RetentionRules::default(), NOW);
    let cleaned = loop {
        if let Step::Done(cleaned) = cleaning.step().unwrap() {
            break cleaned;
        }
    };
    assert!(!log.replace_cleaned(cleaned));
    assert_eq!(offsets(&log), [1]);
}

#[test]
fn reads_begin_behind_what_is_gone() {
    let mut log = given(&[
        batch(&[("a", Some("1"))]),
        batch(&[("b", Some("1"))]),
        batch(&[("a", Some("2")), ("b", Some("2"))]),
    ]);
    compact(&mut log, NOW);
    let read = log.read(0, 1 << 20, true, Isolation::Uncommitted).unwrap();
    let first = RecordBatch::parse(read.chunks.concat().into()).unwrap();
    assert_eq!((first.base_offset(), first.record_count()), (2, 2));
}

/// A batch of the model: keys, and which values are null.
fn any_batch() -> impl Strategy<Value = Vec<(usize, bool)>> {
    prop::collection::vec((0..4usize, prop::bool::weighted(0.8)), 1..5)
}

proptest! {
    #[test]
    fn the_last_value_of_each_key_is_what_it_was(
        written in prop::collection::vec((any_batch(), prop::sample::select(vec![Codec::None, Codec::Gzip, Codec::Lz4, Codec::Zstd]), any::<bool>()), 1..12),
        passes in prop::collection::vec(0..3i64, 12),
    ) {
        const KEYS: [&str; 4] = ["a", "b", "c", "d"];
        let mut log = given(&[]);
        let mut all: BTreeMap<i64, (String, Option<String>)> = BTreeMap::new();
        let mut now = NOW;
        for ((keys, codec, cleans), days) in written.iter().zip(passes) {
            let records: Vec<KeyValue> = keys.iter().map(|(key, has_value)| (KEYS[*key], has_value.then_some("v"))).collect();
            let base = log.end_offset();
            for ((key, value), offset) in records.iter().zip(base..) {
                all.insert(offset, ((*key).to_owned(), value.map(str::to_owned)));
            }
            let spec = batch(&records);
            append(&mut log, &if *codec == Codec::None { spec } else { spec.compressed(*codec) });
            if *cleans {
                now += days * DAY;
                compact(&mut log, now);
            }
        }
        let mut last: BTreeMap<String, (i64, Option<String>)> = BTreeMap::new();
        for (offset, (key, value)) in &all {
            last.insert(key.clone(), (*offset, value.clone()));
        }
        let left = records(&log);
        // What is left was written so.
        for (offset, record) in &left {
            prop_assert_eq!(Some(record), all.get(offset));
        }
        // The last of each key is there, or was a tombstone.
        for (key, (offset, value)) in &last {
            prop_assert!(left.contains_key(offset) || value.is_none(), "{} at {}", key, offset);
        }
        // Of what was compacted, only the last of each key.
        let compacted_to = log.cleaned_up_to.unwrap_or(0);
        let mut latest = BTreeMap::new();
        for (offset, (key, _)) in all.range(..compacted_to) {
            latest.insert(key.clone(), *offset);
        }
        for (offset, (key, _)) in left.range(..compacted_to) {
            prop_assert_eq!(latest.get(key), Some(offset));
        }
        // Batches follow each other, each with a right checksum.
        let mut end = 0;
        for batch in batches(&log) {
            prop_assert!(batch.base_offset() >= end);
            prop_assert_eq!(batch.crc(), batch.computed_crc());
            end = batch.last_offset() + 1;
        }
        prop_assert!(end == log.end_offset());
    }
}
