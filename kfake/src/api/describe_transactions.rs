//! DescribeTransactions (key 65), version 0. The transactions of some transactional ids (KIP-664).

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::describe_transactions_response::{TopicData, TransactionState};
use kafka_protocol::messages::{DescribeTransactionsRequest, DescribeTransactionsResponse, ProducerId, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::txn::transaction::Transaction;

pub(super) async fn handle(
    context: &Context,
    _version: i16,
    request: DescribeTransactionsRequest,
) -> Result<DescribeTransactionsResponse, Refusal> {
    let held = context.transactions.hold();
    let described = request.transactional_ids.into_iter().map(|id| {
        let found = context.check_transactional_id(&id).and_then(|()| {
            let transaction = held.get(&id);
            transaction.ok_or(ResponseError::TransactionalIdNotFound)
        });
        match found {
            Ok(transaction) => describe(transaction),
            Err(error) => TransactionState::default().with_error_code(error.code()),
        }
        .with_transactional_id(id)
    });
    let described = Budget::of_a_frame().collect(described, size_of_state)?;
    drop(held);
    Ok(DescribeTransactionsResponse::default().with_transaction_states(described))
}

/// The room that it takes, here and in the frame.
fn size_of_state(state: &TransactionState) -> usize {
    let topics = state
        .topics
        .iter()
        .map(|topic| size_of::<TopicData>() + topic.topic.len() + size_of_val(topic.partitions.as_slice()));
    size_of::<TransactionState>() + state.transactional_id.len() + topics.sum::<usize>()
}

fn describe(transaction: &Transaction) -> TransactionState {
    let topics = transaction.partitions.0.iter().map(|(name, indexes)| {
        TopicData::default()
            .with_topic(TopicName(StrBytes::from_string(name.clone())))
            .with_partitions(indexes.iter().copied().collect())
    });
    TransactionState::default()
        .with_transaction_state(StrBytes::from_static_str(transaction.state.name()))
        .with_transaction_timeout_ms(transaction.timeout_ms)
        .with_transaction_start_time_ms(transaction.started_ms)
        .with_producer_id(ProducerId(transaction.producer_id))
        .with_producer_epoch(transaction.epoch)
        .with_topics(topics.collect())
}
