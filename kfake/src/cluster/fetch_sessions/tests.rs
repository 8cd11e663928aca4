//! The rules that need no log: slots, epochs, order. What a session answers is tested with the Fetch API.

use super::*;

fn key(name: &str) -> PartitionKey {
    PartitionKey {
        topic: TopicKey::Name(name.into()),
        index: 0,
    }
}

const WANTED: Wanted = Wanted {
    offset: 0,
    max_bytes: 1,
    leader_epoch: -1,
    last_fetched_epoch: -1,
    resolved: false,
};

fn request(id: i32, epoch: i32, names: &[&str]) -> SessionRequest {
    SessionRequest {
        id,
        epoch,
        by_id: false,
        wanted: names.iter().map(|name| (key(name), WANTED)).collect(),
        forgotten: Vec::new(),
    }
}

fn answers(opened: &Opened, with_records: &str) -> Vec<(PartitionKey, Wanted, Seen)> {
    let seen = |key: &PartitionKey| Seen {
        high_watermark: 0,
        log_start_offset: 0,
        failed: false,
        redirects: false,
        topic_exists: true,
        has_records: key.topic == TopicKey::Name(with_records.into()),
    };
    opened.wanted.iter().map(|(k, w)| (k.clone(), *w, seen(k))).collect()
}

/// Opens a session named `id` and answers its first request.
fn open(sessions: &mut FetchSessions, id: i32) -> i32 {
    let opened = sessions.begin(request(0, 0, &["a", "b"])).unwrap();
    sessions.finish(opened.round, &answers(&opened, ""), id).unwrap().0
}

#[tokio::test(start_paused = true)]
async fn a_full_broker_gives_a_slot_away_only_after_two_unused_minutes() {
    let mut sessions = FetchSessions::new(1);
    assert_eq!(open(&mut sessions, 7), 7);
    tokio::time::advance(EVICTABLE_AFTER).await;
    assert_eq!(open(&mut sessions, 8), NO_SESSION);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(open(&mut sessions, 9), 9);
    let gone = sessions.begin(request(7, 1, &[])).unwrap_err();
    assert_eq!(gone, ResponseError::FetchSessionIdNotFound);
}

#[test]
fn without_slots_there_are_no_sessions() {
    assert_eq!(open(&mut FetchSessions::new(0), 7), NO_SESSION);
}

#[test]
fn an_epoch_after_the_largest_is_one() {
    assert_eq!(next_epoch(i32::MAX), 1);
    assert_eq!(next_epoch(INITIAL_EPOCH), 1);
}

#[test]
fn who_got_records_is_asked_last_the_next_time() {
    let mut sessions = FetchSessions::new(1);
    open(&mut sessions, 7);
    let opened = sessions.begin(request(7, 1, &[])).unwrap();
    let (_, include) = sessions.finish(opened.round, &answers(&opened, "a"), 0).unwrap();
    assert_eq!(include, [true, false]);
    let next = sessions.begin(request(7, 2, &[])).unwrap();
    let order: Vec<_> = next.wanted.iter().map(|(key, _)| key.clone()).collect();
    assert_eq!(order, [key("b"), key("a")]);
}

#[test]
fn of_two_requests_at_once_the_slower_one_is_refused() {
    let mut sessions = FetchSessions::new(1);
    open(&mut sessions, 7);
    let slow = sessions.begin(request(7, 1, &[])).unwrap();
    let fast = sessions.begin(request(7, 2, &[])).unwrap();
    assert!(sessions.finish(fast.round, &answers(&fast, ""), 0).is_ok());
    let refused = sessions.finish(slow.round, &answers(&slow, ""), 0).unwrap_err();
    assert_eq!(refused, ResponseError::InvalidFetchSessionEpoch);
}

#[test]
fn a_session_by_name_takes_no_request_by_id() {
    let mut sessions = FetchSessions::new(1);
    open(&mut sessions, 7);
    let mut by_id = request(7, 1, &[]);
    by_id.by_id = true;
    assert_eq!(
        sessions.begin(by_id).unwrap_err(),
        ResponseError::FetchSessionTopicIdError
    );
    assert!(sessions.begin(request(7, 1, &[])).is_ok());
}

proptest::proptest! {
    /// The order is that of moving each partition that got records to the end, one by one, whatever is added and forgotten meanwhile.
    #[test]
    fn the_order_is_that_of_moving_one_by_one(
        rounds in proptest::collection::vec((0_u8..10, 0_u8..10, proptest::collection::vec(0_u8..10, 0..6)), 1..30),
    ) {
        let name = |n: u8| n.to_string();
        let mut sessions = FetchSessions::new(1);
        let mut order: Vec<_> = ["0", "1", "2", "3", "4"].map(str::to_owned).into();
        let named: Vec<_> = order.iter().map(String::as_str).collect();
        let opened = sessions.begin(request(0, 0, &named)).unwrap();
        sessions.finish(opened.round, &answers(&opened, ""), 7).unwrap();
        for (epoch, (added, forgotten, with_records)) in (1..).zip(rounds) {
            let (added, forgotten) = (name(added), name(forgotten));
            let mut asked = request(7, epoch, &[&added]);
            asked.forgotten = vec![key(&forgotten)];
            let Ok(opened) = sessions.begin(asked) else { break };
            if !order.contains(&added) {
                order.push(added);
            }
            order.retain(|known| *known != forgotten);
            if order.is_empty() {
                break;
            }
            let wanted: Vec<_> = opened.wanted.iter().map(|(key, _)| key.clone()).collect();
            proptest::prop_assert_eq!(wanted, order.iter().map(|name| key(name)).collect::<Vec<_>>());
            let mut seen = answers(&opened, "");
            for (key, _, seen) in &mut seen {
                seen.has_records = with_records.iter().any(|n| key.topic == TopicKey::Name(name(*n).as_str().into()));
            }
            sessions.finish(opened.round, &seen, 0).unwrap();
            for moved in order.clone() {
                if with_records.iter().any(|n| name(*n) == moved) {
                    order.retain(|known| *known != moved);
                    order.push(moved);
                }
            }
        }
    }
}
