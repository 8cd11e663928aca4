//! AddPartitionsToTxn (key 24), versions 0–5. Adds partitions to a producer's transaction (KIP-98).
//!
//! - 2: PRODUCER_FENCED may come back. 3: flexible. 4: several transactions, and questions whether partitions are in one
//!   (KIP-890). 5: TRANSACTION_ABORTABLE may come back.

use std::collections::HashMap;

use indexmap::{IndexMap, IndexSet};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::messages::add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction};
use kafka_protocol::messages::add_partitions_to_txn_response::{
    AddPartitionsToTxnPartitionResult, AddPartitionsToTxnResult, AddPartitionsToTxnTopicResult,
};
use kafka_protocol::messages::{AddPartitionsToTxnRequest, AddPartitionsToTxnResponse};

use super::dispatch::Refusal;
use super::transaction::{OFFSETS_TOPIC, fenced_as_of};
use crate::api::context::Context;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: AddPartitionsToTxnRequest,
) -> Result<AddPartitionsToTxnResponse, Refusal> {
    if version >= 4 {
        // Of the same id twice, the partitions of the last are those of each (`AddPartitionsToTxnRequest.partitionsByTransaction`).
        let topics: HashMap<_, _> = request
            .transactions
            .iter()
            .map(|transaction| (&transaction.transactional_id, &transaction.topics))
            .collect();
        let several = topics.len() < request.transactions.len();
        let mut firsts: HashMap<_, &AddPartitionsToTxnTransaction> = HashMap::new();
        for transaction in request.transactions.iter().filter(|_| several) {
            firsts.entry(&transaction.transactional_id).or_insert(transaction);
        }
        let results = request.transactions.iter().map(|transaction| {
            let topics = topics.get(&transaction.transactional_id).filter(|_| several);
            let results = match topics {
                Some(topics) => {
                    let transaction = transaction.clone().with_topics(topics.to_vec());
                    // What is not answered by partition is that of the first with the id (`errorResponseForTransaction`).
                    let first = firsts.get(&transaction.transactional_id).copied();
                    add(context, version, &transaction, first.unwrap_or(&transaction))
                }
                None => add(context, version, transaction, transaction),
            };
            AddPartitionsToTxnResult::default()
                .with_transactional_id(transaction.transactional_id.clone())
                .with_topic_results(results)
        });
        return Ok(AddPartitionsToTxnResponse::default().with_results_by_transaction(results.collect()));
    }
    let transaction = AddPartitionsToTxnTransaction::default()
        .with_transactional_id(request.v3_and_below_transactional_id)
        .with_producer_id(request.v3_and_below_producer_id)
        .with_producer_epoch(request.v3_and_below_producer_epoch)
        .with_topics(request.v3_and_below_topics);
    let results = add(context, version, &transaction, &transaction);
    Ok(AddPartitionsToTxnResponse::default().with_results_by_topic_v3_and_below(results))
}

/// `KafkaApis.handleAddPartitionsToTxnRequest`: a partition that does not exist keeps the others out as well.
fn add(
    context: &Context,
    version: i16,
    transaction: &AddPartitionsToTxnTransaction,
    answered_as: &AddPartitionsToTxnTransaction,
) -> Vec<AddPartitionsToTxnTopicResult> {
    // Only here are results kept by partition; what is added or refused as a whole is answered as it was asked.
    let once = each_once(transaction);
    let missing: Vec<Vec<bool>> = {
        let topics = context.shared.topics.read();
        let is_missing = |topic: &AddPartitionsToTxnTopic, index: i32| match topics.by_name(&topic.name) {
            Some(topic) => topic.partition(index).is_none(),
            None => &**topic.name != OFFSETS_TOPIC,
        };
        let of_topic = |topic: &AddPartitionsToTxnTopic| {
            let missing = topic.partitions.iter().map(|index| is_missing(topic, *index));
            missing.collect()
        };
        once.topics.iter().map(of_topic).collect()
    };
    if missing.iter().flatten().any(|missing| *missing) {
        return results(&once, |nth, at, _| match missing[nth][at] {
            true => Err(ResponseError::UnknownTopicOrPartition),
            false => Err(ResponseError::OperationNotAttempted),
        });
    }
    let id = &transaction.transactional_id;
    let producer = (transaction.producer_id.0, transaction.producer_epoch);
    let checked = context.check_transactional_id(id);
    let mut held = context.transactions.hold();
    if transaction.verify_only {
        return results(&once, |nth, _, index| {
            checked?;
            held.verify(id, producer, &once.topics[nth].name, index)
        });
    }
    let named = transaction.topics.iter().flat_map(|topic| {
        let partitions = topic.partitions.iter();
        partitions.map(|index| (topic.name.to_string(), *index))
    });
    let added = checked.and_then(|()| held.add(id, producer, named));
    drop(held);
    let added = added.map_err(|error| fenced_as_of(version, 2, error));
    results(answered_as, |_, _, _| added)
}

/// The transaction with each partition once, and each topic that has one: results are kept by partition
/// (`AddPartitionsToTxnResponse.resultForTransaction`).
fn each_once(transaction: &AddPartitionsToTxnTransaction) -> AddPartitionsToTxnTransaction {
    let mut topics: IndexMap<TopicName, IndexSet<i32>> = IndexMap::new();
    for topic in transaction.topics.iter().filter(|topic| !topic.partitions.is_empty()) {
        topics.entry(topic.name.clone()).or_default().extend(&topic.partitions);
    }
    let topics = topics.into_iter().map(|(name, partitions)| {
        AddPartitionsToTxnTopic::default()
            .with_name(name)
            .with_partitions(partitions.into_iter().collect())
    });
    let topics = topics.collect();
    transaction.clone().with_topics(topics)
}

/// A result for each partition: `result` is asked with the topic's place, the partition's place in it and its index.
fn results(
    transaction: &AddPartitionsToTxnTransaction,
    result: impl Fn(usize, usize, i32) -> Result<(), ResponseError>,
) -> Vec<AddPartitionsToTxnTopicResult> {
    let topics = transaction.topics.iter().enumerate().map(|(nth, topic)| {
        let partitions = topic.partitions.iter().enumerate().map(|(at, index)| {
            let error = result(nth, at, *index).err();
            AddPartitionsToTxnPartitionResult::default()
                .with_partition_index(*index)
                .with_partition_error_code(error.map_or(0, |error| error.code()))
        });
        AddPartitionsToTxnTopicResult::default()
            .with_name(topic.name.clone())
            .with_results_by_partition(partitions.collect())
    });
    topics.collect()
}
