use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::{InitProducerIdRequest, ProducerId, TransactionalId};
use kafka_protocol::protocol::StrBytes;
use leakcheck::leakcheck;

use super::given::*;

fn request() -> InitProducerIdRequest {
    InitProducerIdRequest::default()
        .with_transactional_id(None)
        .with_transaction_timeout_ms(1_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1)
}

#[leakcheck(start_paused)]
async fn every_version_gives_an_id_that_was_never_given_before() {
    let mut given = given().await;
    let mut other = given.client_of(2).await;
    let mut ids = Vec::new();
    for version in 0..=5 {
        for client in [&mut given.client, &mut other] {
            let answer = client.send_version(request(), version).await.unwrap();
            assert_eq!((answer.error_code, answer.producer_epoch), (0, 0), "version {version}");
            ids.push(answer.producer_id.0);
        }
    }
    let given_out = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), given_out);
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn an_id_and_an_epoch_come_together() {
    let mut given = given().await;
    for (id, epoch, code) in [(5, -1, 42), (-1, 3, 42), (7, 3, 0), (-1, -1, 0)] {
        let request = request().with_producer_id(ProducerId(id)).with_producer_epoch(epoch);
        let answer = given.client.send(request).await.unwrap();
        assert_eq!(answer.error_code, code, "id {id} epoch {epoch}");
        let refused = (answer.producer_id.0, answer.producer_epoch) == (-1, -1);
        assert_eq!(refused, code != 0);
    }
    given.closes().await;
}

#[leakcheck(start_paused)]
async fn transactional_ids_and_their_timeouts_are_checked() {
    let given = given().await;
    let id = "x";
    let mut client = given.coordinator_of(id).await;
    let cases = [
        ("", 1_000, ResponseError::InvalidRequest.code()),
        (id, 0, ResponseError::InvalidTransactionTimeout.code()),
        (id, 99_999_999, ResponseError::InvalidTransactionTimeout.code()),
        (id, 1_000, 0),
    ];
    for (id, timeout, code) in cases {
        let request = request()
            .with_transactional_id(Some(TransactionalId(StrBytes::from_static_str(id))))
            .with_transaction_timeout_ms(timeout);
        let answer = client.send(request).await.unwrap();
        assert_eq!(answer.error_code, code, "{id:?} {timeout}");
    }
    given.closes().await;
}
