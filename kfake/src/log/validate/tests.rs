//! Every answer here is the one that Apache Kafka 4.4 gave to the same bytes, unless the test says otherwise.

use bytes::{Buf, BytesMut};
use proptest::prelude::*;

use super::*;
use crate::log::testing::{BatchSpec, record};
use ResponseError::{
    CorruptMessage, InvalidRecord, InvalidTimestamp, MessageTooLarge, UnknownServerError, UnsupportedCompressionType,
};

const NOW: i64 = 1_800_000_000_000;
const VERSION: i16 = 9;

fn given() -> BatchSpec {
    BatchSpec::new(
        vec![record(0, 0, Some(b"k"), b"v"), record(1, 0, Some(b"k"), b"v")],
        NOW,
    )
}

fn judge(bytes: impl Into<Bytes>) -> Result<ValidBatch, ValidateError> {
    Rules::default().validate(bytes.into(), VERSION, NOW)
}

/// The error code, and whether the answer names the log start offset.
#[track_caller]
fn refused(result: Result<ValidBatch, ValidateError>) -> (ResponseError, bool) {
    let error = result.expect_err("the bytes are refused");
    (error.code(), error.names_log_start())
}

/// The batch changed by `change`, and how it is refused.
#[track_caller]
fn refused_with(change: impl FnOnce(&mut BatchSpec)) -> (ResponseError, bool) {
    let mut spec = given();
    change(&mut spec);
    refused(judge(spec.bytes()))
}

#[test]
fn a_right_batch_is_accepted_whatever_leader_epoch_it_claims() {
    let mut spec = given();
    spec.leader_epoch = 7;
    let valid = judge(spec.bytes()).unwrap();
    assert_eq!(
        (valid.record_count(), valid.stamp),
        (2, (TimestampType::CreateTime, NOW))
    );
}

#[test]
fn bytes_without_a_whole_batch_are_refused() {
    let whole = given().bytes();
    for cut in [0, 11, 17, whole.len() - 1] {
        assert_eq!(
            refused(judge(whole.slice(..cut))),
            (InvalidRecord, false),
            "cut at {cut}"
        );
    }
}

#[test]
fn a_tail_that_holds_no_whole_batch_is_dropped() {
    let batch = given().bytes();
    for tail in [&[1; 5][..], &batch[..batch.len() - 1]] {
        let valid = judge([&batch[..], tail].concat()).unwrap();
        assert_eq!(valid.size(), batch.len());
    }
    assert_eq!(refused(judge([&batch[..], &[0; 16]].concat())), (CorruptMessage, false));
}

#[test]
fn two_batches_are_refused() {
    let batch = given().bytes();
    assert_eq!(refused(judge([&batch[..], &batch].concat())), (InvalidRecord, false));
}

#[test]
fn only_message_format_2_is_accepted() {
    for (magic, code) in [
        (0, InvalidRecord),
        (1, InvalidRecord),
        (3, CorruptMessage),
        (-1, CorruptMessage),
    ] {
        assert_eq!(refused_with(|b| b.magic = magic), (code, false), "magic {magic}");
    }
}

#[test]
fn impossible_lengths_are_refused() {
    for length in [13, -1] {
        assert_eq!(
            refused_with(|b| b.length = Some(length)),
            (CorruptMessage, false),
            "length {length}"
        );
    }
    assert_eq!(refused_with(|b| b.length = Some(i32::MAX)), (UnknownServerError, false));
    let batch = given().bytes();
    for (length, code) in [
        (14, UnknownServerError),
        (31, UnknownServerError),
        (38, UnknownServerError),
        (48, CorruptMessage),
    ] {
        let mut short = BytesMut::from(&batch[..12 + length as usize]);
        short[8..12].copy_from_slice(&i32::to_be_bytes(length));
        assert_eq!(refused(judge(short)), (code, false), "length {length}");
    }
}

#[test]
fn a_wrong_checksum_is_found_after_a_wrong_base_offset_and_a_wrong_size() {
    assert_eq!(refused_with(|b| b.crc = Some(1)), (CorruptMessage, false));
    assert_eq!(
        refused_with(|b| (b.crc, b.base_offset) = (Some(1), 5)),
        (InvalidRecord, true)
    );
    let rules = Rules {
        max_message_bytes: 70,
        ..Rules::default()
    };
    let mut large = given();
    large.crc = Some(1);
    assert_eq!(
        refused(rules.validate(large.bytes(), VERSION, NOW)),
        (MessageTooLarge, false)
    );
}

#[test]
fn max_message_bytes_counts_the_header_and_includes_the_limit() {
    let batch = given().bytes();
    let rules = |max_message_bytes| Rules {
        max_message_bytes,
        ..Rules::default()
    };
    assert!(rules(batch.len()).validate(batch.clone(), VERSION, NOW).is_ok());
    let refusal = refused(rules(batch.len() - 1).validate(batch, VERSION, NOW));
    assert_eq!(refusal, (MessageTooLarge, false));
}

#[test]
fn a_batch_larger_than_a_segment_is_refused_after_its_records_were_judged() {
    let rules = Rules {
        segment_bytes: 70,
        ..Rules::default()
    };
    let refusal = refused(rules.validate(given().bytes(), VERSION, NOW));
    assert_eq!(refusal, (ResponseError::RecordListTooLarge, false));
    let mut control = given();
    control.attributes = 0x20;
    let refusal = refused(rules.validate(control.bytes(), VERSION, NOW));
    assert_eq!(refusal, (InvalidRecord, true));
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let headers: [(Option<i32>, Option<i32>); 7] = [
        (Some(-1), None),
        (Some(5), None),
        (None, Some(0)),
        (Some(-1), Some(0)),
        (None, Some(-1)),
        (Some(-2), Some(-1)),
        (Some(i32::MAX), Some(i32::MIN)),
    ];
    for (last_offset_delta, count) in headers {
        let refusal = refused_with(|b| (b.last_offset_delta, b.count) = (last_offset_delta, count));
        assert_eq!(
            refusal,
            (InvalidRecord, true),
            "delta {last_offset_delta:?} count {count:?}"
        );
    }
}

#[test]
fn a_count_that_the_records_do_not_keep_is_refused() {
    for count in [1, 3] {
        let refusal = refused_with(|b| (b.last_offset_delta, b.count) = (Some(count - 1), Some(count)));
        assert_eq!(refusal, (InvalidRecord, true), "count {count}");
    }
}

#[test]
fn control_batches_and_producers_without_a_sequence_are_refused() {
    assert_eq!(refused_with(|b| b.attributes = 0x20), (InvalidRecord, true));
    assert_eq!(
        refused_with(|b| (b.producer_id, b.producer_epoch) = (5, 0)),
        (InvalidRecord, true)
    );
    let mut nobody = given();
    nobody.producer_id = -2;
    assert!(judge(nobody.bytes()).unwrap().sequences().is_none());
}

#[test]
fn unknown_attribute_bits_are_accepted() {
    for attributes in [0x40, 0x4000] {
        let mut spec = given();
        spec.attributes = attributes;
        assert!(judge(spec.bytes()).is_ok(), "attributes {attributes:#x}");
    }
}

#[test]
fn unknown_codecs_and_broken_streams_are_server_errors() {
    for attributes in 1..8 {
        // The records stay uncompressed, so no codec can read them.
        assert_eq!(
            refused_with(|b| b.attributes = attributes),
            (UnknownServerError, true),
            "codec {attributes}"
        );
    }
    let mut cut = given().compressed(Codec::Gzip);
    cut.raw = cut.raw.map(|raw| raw[..raw.len() - 12].to_vec());
    assert_eq!(refused(judge(cut.bytes())), (UnknownServerError, true));
    let mut wrong_checksum = given().compressed(Codec::Gzip);
    wrong_checksum.raw = wrong_checksum.raw.map(|raw| [&raw[..raw.len() - 8], &[0; 8]].concat());
    assert_eq!(refused(judge(wrong_checksum.bytes())), (UnknownServerError, true));
    let mut nothing = given().compressed(Codec::Gzip);
    nothing.raw = Some(Vec::new());
    assert_eq!(refused(judge(nothing.bytes())), (UnknownServerError, true));
}

#[test]
fn zstd_needs_produce_version_7() {
    let zstd = given().compressed(Codec::Zstd).bytes();
    let refusal = refused(Rules::default().validate(zstd.clone(), 6, NOW));
    assert_eq!(refusal, (UnsupportedCompressionType, false));
    assert!(Rules::default().validate(zstd, 7, NOW).is_ok());
}

#[test]
fn compressed_records_are_counted_and_must_be_in_place() {
    let packed = |records: &[Vec<u8>]| {
        let mut spec = given();
        spec.raw = Some(records.concat());
        judge(spec.compressed(Codec::Lz4).bytes())
    };
    let [a, b, c] = [0, 1, 2].map(|delta| record(delta, 0, None, b"v"));
    assert!(packed(&[a.clone(), b.clone()]).is_ok());
    assert_eq!(refused(packed(&[a.clone(), b, c.clone()])), (InvalidRecord, true));
    assert_eq!(refused(packed(&[])), (InvalidRecord, true));
    assert_eq!(refused(packed(std::slice::from_ref(&a))), (InvalidRecord, true));
    assert_eq!(refused(packed(&[a, c])), (UnknownServerError, true));
}

#[test]
fn uncompressed_records_may_have_any_offset_delta() {
    for deltas in [[0, 5], [1, 0]] {
        let records = deltas.map(|delta| record(delta, 0, None, b"v")).to_vec();
        assert!(judge(BatchSpec::new(records, NOW).bytes()).is_ok(), "{deltas:?}");
    }
}

#[test]
fn malformed_records_are_invalid_but_a_broken_length_is_a_server_error() {
    let with_first = |first: Vec<u8>| {
        let mut spec = given();
        spec.records[0] = first;
        refused(judge(spec.bytes()))
    };
    let negative_key_skip = vec![12, 0, 0, 0, 0x7e, 1, 0];
    let endless_key_length = [vec![24, 0], vec![0xff; 11]].concat();
    assert_eq!(with_first(negative_key_skip), (InvalidRecord, true));
    assert_eq!(with_first(endless_key_length), (InvalidRecord, true));
    assert_eq!(with_first(vec![0xff; 10]), (UnknownServerError, true));
}

#[test]
fn the_stored_maximum_timestamp_is_the_walked_one() {
    let mut claims_more = given();
    claims_more.max_timestamp = NOW + 7;
    assert_eq!(
        judge(claims_more.bytes()).unwrap().stamp,
        (TimestampType::CreateTime, NOW)
    );
    let mut before_the_epoch = given();
    (before_the_epoch.base_timestamp, before_the_epoch.max_timestamp) = (-100, -1);
    assert_eq!(
        judge(before_the_epoch.bytes()).unwrap().stamp,
        (TimestampType::CreateTime, -1)
    );
}

#[test]
fn each_record_too_far_in_the_future_is_reported() {
    let records = [0, 3_600_000, 0, 3_600_001].iter().zip(0..);
    let records = records.map(|(time, nth)| record(nth, *time, None, b"v")).collect();
    let error = judge(BatchSpec::new(records, NOW).bytes()).unwrap_err();
    assert_eq!(error.code(), InvalidTimestamp);
    let indexes: Vec<_> = error
        .rejections()
        .iter()
        .map(|rejection| rejection.batch_index)
        .collect();
    assert_eq!(indexes, [3]);
}

#[test]
fn a_record_too_far_in_the_past_is_refused() {
    let rules = Rules {
        timestamp_before_max_ms: 1_000,
        ..Rules::default()
    };
    let at = |time| {
        rules.validate(
            BatchSpec::new(vec![record(0, 0, None, b"v")], time).bytes(),
            VERSION,
            NOW,
        )
    };
    assert!(at(NOW - 1_000).is_ok());
    assert_eq!(refused(at(NOW - 1_001)), (InvalidTimestamp, true));
    assert!(at(-1).is_ok(), "a record without a timestamp is not in the past");
}

#[test]
fn a_producer_may_not_claim_the_brokers_timestamp_type_where_the_broker_sets_it() {
    let mut claims = given();
    claims.attributes = 8;
    let log_append_time = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..Rules::default()
    };
    let refusal = refused(log_append_time.validate(claims.bytes(), VERSION, NOW));
    assert_eq!(refusal, (InvalidTimestamp, true));
    assert_eq!(judge(claims.bytes()).unwrap().stamp, (TimestampType::CreateTime, NOW));
    (claims.base_timestamp, claims.max_timestamp) = (-1, -1);
    assert_eq!(refused(judge(claims.bytes())), (InvalidTimestamp, true));
}

#[test]
fn log_append_time_takes_any_timestamp_and_stores_the_clocks() {
    let rules = Rules {
        timestamp_type: TimestampType::LogAppendTime,
        ..Rules::default()
    };
    let mut future = given();
    future.base_timestamp = NOW + 99_999_999;
    let valid = rules.validate(future.bytes(), VERSION, NOW).unwrap();
    assert_eq!(valid.stamp, (TimestampType::LogAppendTime, NOW));
}

#[test]
fn a_compacted_topic_reports_each_record_without_a_key() {
    let rules = Rules {
        compacted: true,
        ..Rules::default()
    };
    let records = vec![
        record(0, 0, Some(b"k"), b"v"),
        record(1, 0, None, b"v"),
        record(2, 0, None, b"v"),
    ];
    for spec in [
        BatchSpec::new(records.clone(), NOW),
        BatchSpec::new(records, NOW).compressed(Codec::Gzip),
    ] {
        let error = rules.validate(spec.bytes(), VERSION, NOW).unwrap_err();
        assert_eq!((error.code(), error.names_log_start()), (InvalidRecord, true));
        let indexes: Vec<_> = error
            .rejections()
            .iter()
            .map(|rejection| rejection.batch_index)
            .collect();
        assert_eq!(indexes, [1, 2]);
    }
    let both = vec![record(0, 0, None, b"v"), record(1, 3_700_000, Some(b"k"), b"v")];
    let error = rules
        .validate(BatchSpec::new(both, NOW).bytes(), VERSION, NOW)
        .unwrap_err();
    assert_eq!((error.code(), error.rejections().len()), (InvalidTimestamp, 2));
}

/// Not an answer of Apache Kafka's, which would decompress it all.
#[test]
fn a_batch_that_decompresses_without_end_is_refused() {
    assert_eq!(ValidateError::from(RecordError::TooMuch).code(), InvalidRecord);
}

proptest! {
    #[test]
    fn no_bytes_make_the_judge_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = judge(bytes);
    }

    #[test]
    fn no_records_under_a_right_header_make_the_judge_panic(
        raw in prop::collection::vec(any::<u8>(), 0..200),
        attributes in any::<i16>(),
        count in 1..50i32,
        base_timestamp in any::<i64>(),
    ) {
        let mut spec = given();
        (spec.raw, spec.attributes, spec.base_timestamp) = (Some(raw), attributes, base_timestamp);
        (spec.count, spec.last_offset_delta) = (Some(count), Some(count - 1));
        let _ = judge(spec.bytes());
    }

    #[test]
    fn one_flipped_bit_after_the_checksum_is_always_found(bit in 0..8usize, at in 21..79usize) {
        let mut bytes = BytesMut::from(&given().bytes()[..]);
        prop_assume!(at < bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!((&bytes[8..]).get_i32() > 0);
        prop_assert_eq!(judge(bytes).unwrap_err().code(), CorruptMessage);
    }
}
