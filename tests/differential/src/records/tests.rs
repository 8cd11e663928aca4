use super::*;
use crate::text::parse_value;

#[test]
fn a_batch_comes_back_as_it_was_made_with_every_codec() {
    for codec in CODECS {
        let tree = format!(
            "{{baseOffset: 5, compression: {codec}, producerId: 7, producerEpoch: 1, baseSequence: 3, baseTimestamp: 10,
              records: [{{key: k, value: v, timestamp: 12, headers: [{{key: h, value: null}}]}}, w]}}"
        );
        let bytes = batch(&parse_value(&tree).unwrap()).unwrap();
        let read = batches(&bytes);
        let expected = format!(
            "[{{baseOffset: 5, partitionLeaderEpoch: -1, crcIsRight: true, compression: {codec}, attributes: 0,
               lastOffsetDelta: 1, baseTimestamp: 10, maxTimestamp: 12, producerId: 7, producerEpoch: 1, baseSequence: 3,
               records: [{{offsetDelta: 0, timestamp: 12, key: b\"k\", value: b\"v\", headers: [{{key: b\"h\", value: null}}]}},
                         {{offsetDelta: 1, timestamp: 10, key: null, value: b\"w\", headers: []}}]}}]"
        );
        assert_eq!(read, parse_value(&expected).unwrap(), "{codec}");
    }
}

#[test]
fn a_batch_can_be_wrong_in_its_checksum_and_its_end() {
    let wrong = batch(&parse_value("{records: [a], crc: 1}").unwrap()).unwrap();
    assert_eq!(
        batches(&wrong).at("[0].crcIsRight").unwrap().to_string(),
        "false",
        "the checksum is looked at"
    );
    let short = batch(&parse_value("{records: [a], cut: 65}").unwrap()).unwrap();
    assert_eq!(short.len(), 65);
    assert!(matches!(batches(&short).at("[0]"), Some(crate::tree::Value::Bytes(_))));
    let unknown = batch(&parse_value("{recrods: [a]}").unwrap());
    assert_eq!(unknown.unwrap_err().to_string(), "batch has no field recrods");
}

#[test]
fn a_marker_that_is_cut_has_no_time_and_a_clients_batch_has_its_own() {
    let read = |tree: &str| batches(&batch(&parse_value(tree).unwrap()).unwrap()).to_string();
    let marker = |time: i64| format!("{{records: [a], attributes: 48, baseTimestamp: {time}, cut: 50}}");
    assert_eq!(read(&marker(1)), read(&marker(2)));
    let of_a_client = |time: i64| format!("{{records: [a], attributes: 16, baseTimestamp: {time}, cut: 50}}");
    assert_ne!(read(&of_a_client(1)), read(&of_a_client(2)));
}
