//! Incremental fetch sessions (KIP-227).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::fetch_request::ForgottenTopic;
use kafka_protocol::messages::{FetchRequest, FetchResponse};
use leakcheck::leakcheck;

use super::given::*;

/// A session's next request.
fn next(id: i32, epoch: i32, wanted: &[(&str, i32, i64)]) -> FetchRequest {
    fetch(wanted).with_session_id(id).with_session_epoch(epoch)
}

fn forgetting(request: FetchRequest, topic: &str, partitions: &[i32]) -> FetchRequest {
    let forgotten = ForgottenTopic::default()
        .with_topic(name(topic))
        .with_partitions(partitions.to_vec());
    request.with_forgotten_topics_data(vec![forgotten])
}

/// Partition, error and size of each answer.
fn named(response: &FetchResponse) -> Vec<(i32, i16, usize)> {
    let partitions = response.responses.iter().flat_map(|topic| &topic.partitions);
    partitions.map(|p| (p.partition_index, p.error_code, size(p))).collect()
}

/// One broker leads every partition, and a session wants partitions 0 and 1.
async fn given_session() -> (Given, i32) {
    let mut given = given_with(|builder| builder.brokers(1)).await;
    let first = given.asks(next(0, 0, &[("t", 0, 0), ("t", 1, 0)])).await;
    assert_eq!(named(&first), [(0, 0, 0), (1, 0, 0)]);
    assert!(first.session_id > 0);
    (given, first.session_id)
}

impl Given {
    async fn asks(&mut self, request: FetchRequest) -> FetchResponse {
        let response = self.client.send_version(request, BY_NAME).await;
        response.expect("an answer")
    }

    async fn refuses(&mut self, request: FetchRequest) -> i16 {
        let response = self.asks(request).await;
        assert_eq!((response.session_id, response.responses.len()), (0, 0));
        response.error_code
    }
}

const NOT_FOUND: ResponseError = ResponseError::FetchSessionIdNotFound;
const WRONG_EPOCH: ResponseError = ResponseError::InvalidFetchSessionEpoch;

#[leakcheck(start_paused)]
async fn only_partitions_with_news_are_answered() {
    let (mut given, id) = given_session().await;
    assert_eq!(named(&given.asks(next(id, 1, &[])).await), []);
    given.produced(produce("t", 1, batch(1))).await;
    let news = given.asks(next(id, 2, &[])).await;
    assert_eq!((news.session_id, named(&news)), (id, vec![(1, 0, batch(1).len())]));
    // The records are still there, and still wanted.
    assert_eq!(named(&given.asks(next(id, 3, &[])).await), [(1, 0, batch(1).len())]);
    assert_eq!(named(&given.asks(next(id, 4, &[("t", 1, 1)])).await), []);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn an_error_is_repeated_and_its_end_is_news() {
    let (mut given, id) = given_session().await;
    let out_of_range = [(0, ResponseError::OffsetOutOfRange.code(), 0)];
    assert_eq!(named(&given.asks(next(id, 1, &[("t", 0, 99)])).await), out_of_range);
    assert_eq!(named(&given.asks(next(id, 2, &[])).await), out_of_range);
    assert_eq!(named(&given.asks(next(id, 3, &[("t", 0, 0)])).await), [(0, 0, 0)]);
    assert_eq!(named(&given.asks(next(id, 4, &[])).await), []);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_wrong_epoch_is_refused_and_the_session_goes_on() {
    let (mut given, id) = given_session().await;
    assert_eq!(given.refuses(next(id, 2, &[])).await, WRONG_EPOCH.code());
    assert_eq!(given.asks(next(id, 1, &[])).await.session_id, id);
    assert_eq!(given.refuses(next(id, 1, &[])).await, WRONG_EPOCH.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn sessions_that_do_not_exist_are_not_found() {
    let (mut given, id) = given_session().await;
    let wanted = [("t", 0, 0)];
    for (id, epoch) in [(id ^ 1, 1), (0, 5), (0, -2)] {
        assert_eq!(
            given.refuses(next(id, epoch, &wanted)).await,
            NOT_FOUND.code(),
            "session {id} epoch {epoch}"
        );
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_new_session_replaces_the_one_it_names_and_the_final_epoch_ends_it() {
    let (mut given, id) = given_session().await;
    let second = given.asks(next(id, 0, &[("t", 0, 0)])).await.session_id;
    assert!(second > 0 && second != id);
    assert_eq!(given.refuses(next(id, 1, &[])).await, NOT_FOUND.code());
    let last = given.asks(next(second, -1, &[("t", 0, 0)])).await;
    assert_eq!((last.session_id, named(&last)), (0, vec![(0, 0, 0)]));
    assert_eq!(given.refuses(next(second, 1, &[])).await, NOT_FOUND.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_session_that_forgets_everything_is_over() {
    let (mut given, id) = given_session().await;
    let rest = given.asks(forgetting(next(id, 1, &[]), "t", &[1])).await;
    assert_eq!((rest.session_id, named(&rest)), (id, vec![]));
    given.produced(produce("t", 1, batch(1))).await;
    assert_eq!(named(&given.asks(next(id, 2, &[])).await), []);
    let over = given.asks(forgetting(next(id, 3, &[]), "t", &[0])).await;
    assert_eq!((over.error_code, over.session_id, over.responses.len()), (0, 0, 0));
    assert_eq!(given.refuses(next(id, 4, &[])).await, NOT_FOUND.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_full_fetch_of_nothing_begins_a_session_too() {
    let mut given = given().await;
    let response = given.asks(next(0, 0, &[])).await;
    assert!(response.session_id > 0);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_session_by_name_refuses_a_request_by_id() {
    let (mut given, id) = given_session().await;
    let response = given.client.send_version(next(id, 1, &[]), 13).await.unwrap();
    assert_eq!(response.error_code, ResponseError::FetchSessionTopicIdError.code());
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_partition_wanted_twice_is_answered_once() {
    let mut given = given().await;
    let answer = given.asks(fetch(&[("t", 0, 0), ("t", 0, 0)])).await;
    assert_eq!(named(&answer), [(0, 0, 0)]);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_broker_does_not_know_the_sessions_of_another() {
    let mut given = given().await;
    let id = given.asks(next(0, 0, &[("t", 0, 0)])).await.session_id;
    let mut other = given.client_of(2).await;
    let response = other.send_version(next(id, 1, &[]), BY_NAME).await.unwrap();
    assert_eq!(response.error_code, NOT_FOUND.code());
    given.closes().await;
}

/// A session whose last answer was empty: it is not read again until something changes.
async fn given_quiet_session() -> (Given, i32) {
    let (mut given, id) = given_session().await;
    for epoch in 1..=2 {
        assert_eq!(named(&given.asks(next(id, epoch, &[])).await), []);
    }
    (given, id)
}

#[leakcheck(start_paused)]
async fn a_quiet_session_hears_of_each_append() {
    let (mut given, id) = given_quiet_session().await;
    let size = batch(1).len();
    for (epoch, offset) in [(3, 0), (5, 1)] {
        given.produced(produce("t", 1, batch(1))).await;
        assert_eq!(
            named(&given.asks(next(id, epoch, &[])).await),
            [(1, 0, size)],
            "epoch {epoch}"
        );
        let read_on = next(id, epoch + 1, &[("t", 1, offset + 1)]);
        assert_eq!(named(&given.asks(read_on).await), []);
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_quiet_session_that_waits_is_woken() {
    let (mut given, id) = given_quiet_session().await;
    let mut waiting = given.client_of(1).await;
    let poll = next(id, 3, &[]).with_max_wait_ms(600_000);
    let pending = waiting.start(poll, BY_NAME).await.unwrap();
    tokio::task::yield_now().await;
    let begun = tokio::time::Instant::now();
    given.produced(produce("t", 0, batch(1))).await;
    let news = waiting.finish(pending).await.unwrap();
    assert_eq!(named(&news), [(0, 0, batch(1).len())]);
    assert!(begun.elapsed().is_zero(), "it was woken, and did not wait");
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_quiet_session_that_waits_for_nothing_gives_up_in_time() {
    let (mut given, id) = given_quiet_session().await;
    let begun = tokio::time::Instant::now();
    assert_eq!(named(&given.asks(next(id, 3, &[]).with_max_wait_ms(500)).await), []);
    assert_eq!(begun.elapsed().as_millis(), 500);
    // Who wants no bytes does not wait for any.
    let in_a_hurry = next(id, 4, &[]).with_max_wait_ms(500).with_min_bytes(0);
    assert_eq!(named(&given.asks(in_a_hurry).await), []);
    assert_eq!(begun.elapsed().as_millis(), 500);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_quiet_session_hears_of_a_topic_that_is_gone() {
    let (mut given, id) = given_quiet_session().await;
    given.deletes_topic("t").await;
    let unknown = ResponseError::UnknownTopicOrPartition.code();
    assert_eq!(
        named(&given.asks(next(id, 3, &[])).await),
        [(0, unknown, 0), (1, unknown, 0)]
    );
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn a_quiet_session_is_refused_and_changed_as_any_other() {
    let (mut given, id) = given_quiet_session().await;
    assert_eq!(given.refuses(next(id, 7, &[])).await, WRONG_EPOCH.code());
    given.produced(produce("t", 0, batch(1))).await;
    let forgotten = forgetting(next(id, 3, &[]), "t", &[0]);
    assert_eq!(named(&given.asks(forgotten).await), []);
    let wanted = next(id, 4, &[("t", 0, 0)]);
    assert_eq!(named(&given.asks(wanted).await), [(0, 0, batch(1).len())]);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn of_two_polls_of_a_quiet_session_the_later_one_is_woken() {
    let (mut given, id) = given_quiet_session().await;
    let (mut first, mut second) = (given.client_of(1).await, given.client_of(1).await);
    let poll = |epoch| next(id, epoch, &[]).with_max_wait_ms(600_000);
    let overtaken = first.start(poll(3), BY_NAME).await.unwrap();
    tokio::task::yield_now().await;
    let pending = second.start(poll(4), BY_NAME).await.unwrap();
    tokio::task::yield_now().await;
    let begun = tokio::time::Instant::now();
    given.produced(produce("t", 0, batch(1))).await;
    assert_eq!(named(&second.finish(pending).await.unwrap()), [(0, 0, batch(1).len())]);
    assert_eq!(first.finish(overtaken).await.unwrap().error_code, WRONG_EPOCH.code());
    assert!(begun.elapsed().is_zero());
    given.closes().await;
}
