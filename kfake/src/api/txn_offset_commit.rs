//! TxnOffsetCommit (key 28), versions 0–6. Commits a group's offsets with a producer's transaction (KIP-98).
//!
//! - 2: leader epochs. 3: flexible; the member and its generation (KIP-447). 4: TRANSACTION_ABORTABLE may come back.
//! - 5: the group's offsets are added to the transaction, as AddOffsetsToTxn does (KIP-890). 6: topics by their ids.

use std::cmp::Ordering;

use crate::messages::txn_offset_commit_request::TxnOffsetCommitRequestTopic;
use crate::messages::txn_offset_commit_response::{TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic};
use crate::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::TopicName;
use kafka_protocol::protocol::StrBytes;
use tokio::time::Instant;

use super::dispatch::Refusal;
use super::transaction::{OFFSETS_TOPIC, ask_coordinator};
use crate::api::context::Context;
use crate::group::queue::{Missing, ask};
use crate::group::registry::Groups;
use crate::group::request::{Job, Request};
use crate::txn::coordinator::Held;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    mut request: TxnOffsetCommitRequest,
) -> Result<TxnOffsetCommitResponse, Refusal> {
    let mut answered = take_unknown(context, version, &mut request.topics);
    if request.topics.is_empty() {
        return Ok(answered);
    }
    if let Err(error) = check(context, version, &request) {
        merge_rest(&mut answered.topics, refuse(request.topics, error).topics);
        return Ok(answered);
    }
    // As with OffsetCommit: only who commits without a generation may be a group's first.
    let missing = match request.generation_id_or_member_epoch < 0 {
        true => Missing::Create,
        false => Missing::Leave,
    };
    let verifies = verifies(context);
    let index = context.shared.offsets_partition(&request.group_id);
    let asked = Instant::now();
    let committed = ask(&context.groups, &request.group_id, missing, |reply| {
        let (transactions, request) = (context.transactions.clone(), request.clone());
        Request::InTransaction(Job(Box::new(move |group| {
            // Held until the group has the offsets, so that the transaction cannot end in between.
            let groups = &transactions.groups;
            let mut held = transactions.hold();
            let response = match verify(&mut held, groups, version, &request, index, verifies) {
                Err(error) => refuse(request.topics, error),
                Ok(()) => {
                    let mut state = groups.open(group);
                    let now_ms = groups.shared.now_ms();
                    let response = state.commit_in_transaction(&request, now_ms, &groups.shared.config);
                    if has_committed(&response) {
                        let producer = (request.producer_id.0, request.producer_epoch);
                        groups.undecided.add(index, producer, &group.id);
                    }
                    // A log is locked before a group.
                    drop(state);
                    remember(groups, index, &request, &response);
                    response
                }
            };
            drop(held);
            let _ = reply.send(response);
        })))
    });
    let committed = match committed.await? {
        // Who may not commit is told so at once.
        Some(response) if !has_committed(&response) => response,
        Some(response) => match context.groups.replicated(&request.group_id, asked).await? {
            Ok(()) => response,
            Err(error) => refuse(request.topics, error),
        },
        None => {
            let error = match version {
                6.. => ResponseError::GroupIdNotFound,
                _ => ResponseError::IllegalGeneration,
            };
            refuse(request.topics, error)
        }
    };
    merge_rest(&mut answered.topics, committed.topics);
    Ok(answered)
}

/// What Apache Kafka asks before the group: who coordinates it, and whether the transaction has its offsets.
fn check(context: &Context, version: i16, request: &TxnOffsetCommitRequest) -> Result<(), ResponseError> {
    context.check_group(&request.group_id)?;
    let index = context.shared.offsets_partition(&request.group_id);
    let mut held = context.transactions.hold();
    let verified = verify(&mut held, &context.groups, version, request, index, verifies(context));
    drop(held);
    verified
}

/// Whether the broker that was asked verifies transactions.
fn verifies(context: &Context) -> bool {
    context
        .shared
        .configs
        .logs()
        .at(Some(context.broker))
        .verifies_transactions
}

/// Whether the transaction has the group's offsets; from version 5 on it gets them.
/// Older versions are believed where brokers are told not to verify (`transaction.partition.verification.enable`).
///
/// As with Produce, the coordinator of the id is asked only where the partition does not know better: the producer's transaction
/// is open there, under whatever id, or its epoch is over (`ReplicaManager.maybeSendPartitionsToTransactionCoordinator`).
fn verify(
    held: &mut Held<'_>,
    groups: &Groups,
    version: i16,
    request: &TxnOffsetCommitRequest,
    index: i32,
    verifies: bool,
) -> Result<(), ResponseError> {
    let id = &request.transactional_id;
    let producer = (request.producer_id.0, request.producer_epoch);
    if version >= 5 || verifies {
        match groups.undecided.epoch_to(index, producer) {
            Some(Ordering::Equal) => return Ok(()),
            Some(Ordering::Greater) => return Err(ResponseError::InvalidProducerEpoch),
            Some(Ordering::Less) | None => (),
        }
        let topics = groups.shared.topics.read();
        let partition = topics.by_name(OFFSETS_TOPIC).and_then(|topic| topic.partition(index));
        if partition.is_some_and(|partition| partition.log.lock().is_fenced(producer.0, producer.1)) {
            return Err(ResponseError::InvalidProducerEpoch);
        }
    }
    let verified = match version {
        ..5 if !verifies => Ok(()),
        _ => ask_coordinator(held, id, producer, (OFFSETS_TOPIC, index), version >= 5),
    };
    verified.map_err(|error| match error {
        // Clients of before version 4 do not know the other.
        ResponseError::TransactionAbortable if version < 4 => ResponseError::InvalidTxnState,
        other => other,
    })
}

/// The partition of `__consumer_offsets` knows the producer from now on, as its log would by a batch with a record for each offset.
fn remember(groups: &Groups, index: i32, request: &TxnOffsetCommitRequest, response: &TxnOffsetCommitResponse) {
    let partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    let records = partitions.filter(|partition| partition.error_code == 0).count();
    let topics = groups.shared.topics.read();
    let partition = topics.by_name(OFFSETS_TOPIC).and_then(|topic| topic.partition(index));
    if let Some(partition) = partition {
        let mut log = partition.log.lock();
        log.remember_offsets(
            request.producer_id.0,
            request.producer_epoch,
            records,
            groups.shared.now_ms(),
        );
    }
}

/// Whether the group has taken the request, if not all of its partitions.
fn has_committed(response: &TxnOffsetCommitResponse) -> bool {
    let mut partitions = response.topics.iter().flat_map(|topic| &topic.partitions);
    partitions.any(|partition| [0, ResponseError::OffsetMetadataTooLarge.code()].contains(&partition.error_code))
}

fn refuse(topics: Vec<TxnOffsetCommitRequestTopic>, error: ResponseError) -> TxnOffsetCommitResponse {
    let topics = topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|p| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_error_code(error.code())
        });
        TxnOffsetCommitResponseTopic::default()
            .with_name(topic.name)
            .with_topic_id(topic.topic_id)
            .with_partitions(partitions.collect())
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

/// Takes the partitions out of the request that the cluster has not, answered; what is left has names.
fn take_unknown(
    context: &Context,
    version: i16,
    topics: &mut Vec<TxnOffsetCommitRequestTopic>,
) -> TxnOffsetCommitResponse {
    let known = context.shared.topics.read();
    let mut unknown = Vec::new();
    for topic in topics.iter_mut() {
        let (exists, error) = match version {
            6.. => (known.by_id(&topic.topic_id), ResponseError::UnknownTopicId),
            _ => (known.by_name(&topic.name), ResponseError::UnknownTopicOrPartition),
        };
        if let (Some(exists), 6..) = (exists, version) {
            topic.name = TopicName(StrBytes::from_string(exists.name.clone()));
        }
        let is_known = |index: i32| exists.is_some_and(|topic| topic.partition(index).is_some());
        let (known, missing) = std::mem::take(&mut topic.partitions)
            .into_iter()
            .partition(|p| is_known(p.partition_index));
        topic.partitions = known;
        let refused = TxnOffsetCommitRequestTopic::default()
            .with_name(topic.name.clone())
            .with_topic_id(topic.topic_id)
            .with_partitions(missing);
        let error = exists.map_or(error, |_| ResponseError::UnknownTopicOrPartition);
        // A topic that there is not is answered also when it was named without partitions.
        if !refused.partitions.is_empty() || exists.is_none() {
            merge(&mut unknown, refuse(vec![refused], error).topics);
        }
    }
    topics.retain(|topic| !topic.partitions.is_empty());
    TxnOffsetCommitResponse::default().with_topics(unknown)
}

/// What the group answers stays as it is where nothing has been answered yet (`TxnOffsetCommitResponse.Builder.merge`).
fn merge_rest(answered: &mut Vec<TxnOffsetCommitResponseTopic>, more: Vec<TxnOffsetCommitResponseTopic>) {
    match answered.is_empty() {
        true => *answered = more,
        false => merge(answered, more),
    }
}

fn merge(answered: &mut Vec<TxnOffsetCommitResponseTopic>, more: Vec<TxnOffsetCommitResponseTopic>) {
    for topic in more {
        let mut known = answered.iter_mut();
        match known.find(|known| known.name == topic.name && known.topic_id == topic.topic_id) {
            Some(known) => known.partitions.extend(topic.partitions),
            None => answered.push(topic),
        }
    }
}
