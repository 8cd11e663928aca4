//! Produce (key 0), versions 3–13. Appends a record batch to each of some partitions.
//!
//! - 3: message format 2. 5: log start offset. 7: zstd (KIP-110). 8: the records that were refused (KIP-467). 9: flexible.
//! - 10: the leader to ask instead (KIP-951). 11: TRANSACTION_ABORTABLE may come back. 12: partitions are added to the
//!   transaction, without AddPartitionsToTxn (KIP-890). 13: topic ids.
//!
//! A follower in sync has what its leader has, so `acks=all` waits for nobody. Where Apache Kafka 4.4 leaves a request with null
//! records without an answer, this broker answers INVALID_RECORD.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::{
    BatchIndexAndErrorMessage, LeaderIdAndEpoch, NodeEndpoint, PartitionProduceResponse, TopicProduceResponse,
};
use kafka_protocol::messages::{BrokerId as WireBrokerId, ProduceRequest, ProduceResponse};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::{Answer, Refusal, Respond};
use super::leader::{Leader, Refused, brokers_of, enough_in_sync, led, still_led};
use super::transaction::ask_coordinator;
use crate::api::context::Context;
use crate::cluster::configs::logs::LogConfig;
use crate::cluster::log_config;
use crate::cluster::partition::Partition;
use crate::cluster::topics::Topic;
use crate::log::{
    Appended, BatchError, Envelope, Log, Rules, SequenceError, ValidBatch, ValidateError, begins_transactional,
    check_envelope,
};

/// From how many bytes on a batch is compressed on a thread of its own: some milliseconds of work.
const LARGE: usize = 64 * 1024;
/// The first version that adds partitions to transactions by itself.
const FIRST_THAT_ADDS: i16 = 12;
/// The first version whose clients know TRANSACTION_ABORTABLE.
const FIRST_WITH_ABORTABLE: i16 = 11;
const ACKS_ALL: i16 = -1;
const ACKS_NONE: i16 = 0;

/// Why a partition took no records.
struct Failure {
    error: ResponseError,
    /// -1 where the log did not judge the batch.
    log_start_offset: i64,
    rejections: Vec<BatchIndexAndErrorMessage>,
    message: Option<String>,
    leader: Option<Leader>,
}

impl From<ResponseError> for Failure {
    fn from(error: ResponseError) -> Self {
        Self {
            error,
            log_start_offset: -1,
            rejections: Vec::new(),
            message: None,
            leader: None,
        }
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Self {
            leader: refused.leader,
            ..refused.error.into()
        }
    }
}

impl Failure {
    fn invalid(error: &ValidateError, partition: &str, log_start_offset: i64) -> Self {
        let rejections = error.rejections().iter().map(|rejection| {
            BatchIndexAndErrorMessage::default()
                .with_batch_index(rejection.batch_index)
                .with_batch_index_error_message(Some(StrBytes::from_string(rejection.message(partition))))
        });
        Self {
            log_start_offset: if error.names_log_start() { log_start_offset } else { -1 },
            rejections: rejections.collect(),
            message: error.explanation(partition),
            ..error.code().into()
        }
    }
}

/// What all partitions of a request have in common.
struct Batch<'a> {
    context: &'a Context,
    version: i16,
    acks: i16,
    transactional_id: Option<&'a str>,
    /// A transactional batch without a transactional id fails the whole request.
    unauthorized: bool,
    /// Transactional batches of several producers fail the whole request.
    several_producers: bool,
    /// A batch whose beginning is that of none fails the whole request.
    unreadable: Option<BatchError>,
    /// So does one over which Apache Kafka's check of records throws what is no error of its own.
    fails_inside: bool,
}

pub(super) async fn handle(context: &Context, version: i16, request: ProduceRequest) -> Result<Answer, Refusal> {
    let (is_transactional, unreadable) = match has_transactional(&request) {
        Ok(is_transactional) => (is_transactional, None),
        Err(error) => (false, Some(error)),
    };
    let batch = Batch {
        context,
        version,
        acks: request.acks,
        transactional_id: request.transactional_id.as_ref().map(|id| &***id),
        unauthorized: request.transactional_id.is_none() && is_transactional,
        several_producers: is_transactional && names_several_producers(&request, version),
        unreadable,
        fails_inside: fails_inside(context, version, &request),
    };
    let mut leaders = Vec::new();
    let mut failed = None;
    let mut responses: Vec<TopicProduceResponse> = Vec::with_capacity(request.topic_data.len());
    let several = request.topic_data.len() > 1;
    let mut places = HashMap::new();
    let fates = fates(version, &request.topic_data);
    let mut nth = 0;
    for topic in request.topic_data {
        let known = find_topic(context, version, &topic);
        let mut partitions = Vec::with_capacity(topic.partition_data.len());
        for data in topic.partition_data {
            nth += 1;
            let fate = fates.get(nth - 1).copied().unwrap_or(Fate::Answered);
            if fate == Fate::Overruled {
                continue;
            }
            let index = data.index;
            let is_compressed = is_compressed(&data) || known.as_ref().is_ok_and(|topic| compresses(topic, index));
            let response = PartitionProduceResponse::default().with_index(index);
            let appended = batch.append(known.as_ref(), data).await;
            if fate == Fate::Unmentioned {
                continue;
            }
            partitions.push(match appended {
                Ok(appended) => response
                    .with_base_offset(appended.base_offset)
                    .with_log_append_time_ms(appended.log_append_time)
                    .with_log_start_offset(appended.log_start_offset),
                Err(failure) => {
                    leaders.extend(failure.leader);
                    failed.get_or_insert(failure.error);
                    refuse(response, failure)
                }
            });
            if is_compressed {
                // A batch may take its time to decompress, and a request may bring many: others come in between, and a
                // cluster that closes does not wait for the rest.
                tokio::task::yield_now().await;
                if context.shared.exits.is_shut_down() {
                    return Err(Refusal::ShuttingDown);
                }
            }
        }
        if partitions.is_empty() {
            continue;
        }
        // A topic that stands in the request twice stands in the answer once (`ProduceResponse.toData`).
        let place = match several {
            true => *places
                .entry((topic.topic_id, topic.name.clone()))
                .or_insert(responses.len()),
            false => responses.len(),
        };
        match responses.get_mut(place) {
            Some(response) => response.partition_responses.extend(partitions),
            None => responses.push(
                TopicProduceResponse::default()
                    .with_name(topic.name)
                    .with_topic_id(topic.topic_id)
                    .with_partition_responses(partitions),
            ),
        }
    }
    let asked = match request.acks {
        // Nobody would be told (`KafkaApis.handleProduceRequest`).
        ACKS_NONE => Duration::ZERO,
        _ => context.requested(),
    };
    let throttle_ms = context.throttle(asked.max(context.produced()));
    match (request.acks, failed) {
        (ACKS_NONE, None) => Ok(Answer::Silent),
        (ACKS_NONE, Some(error)) => Err(Refusal::UnacknowledgedError(error.to_string())),
        _ => ProduceResponse::default()
            .with_responses(responses)
            .with_throttle_time_ms(throttle_ms)
            .with_node_endpoints(endpoints(context, version, leaders))
            .respond(version),
    }
}

/// What becomes of one of several batches for the same partition in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It is the partition's answer.
    Answered,
    /// It is appended, and the answer is that of another.
    Unmentioned,
    /// Nothing.
    Overruled,
}

/// What becomes of each partition of a request, counted over all of its topics; nothing where none stands in it twice. Apache Kafka keeps
/// them in maps: of those that `ProduceRequest.validateRecords` takes the last is appended, and the last that it refuses is the answer.
fn fates(version: i16, topics: &[TopicProduceData]) -> Vec<Fate> {
    let partitions = topics.iter().flat_map(|topic| {
        let named = (topic.topic_id, &topic.name);
        topic.partition_data.iter().map(move |data| ((named, data.index), data))
    });
    let partitions: Vec<_> = partitions.collect();
    let mut seen = BTreeSet::new();
    if partitions.len() < 2 || partitions.iter().all(|(key, _)| seen.insert(key)) {
        return Vec::new();
    }
    let mut places: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (nth, (key, _)) in partitions.iter().enumerate() {
        places.entry(key).or_default().push(nth);
    }
    let mut fates = vec![Fate::Answered; partitions.len()];
    for same in places.into_values().filter(|same| same.len() > 1) {
        let is_refused = |nth: &usize| {
            let records = partitions[*nth].1.records.as_deref();
            check_envelope(records.unwrap_or_default(), version).is_err()
        };
        let (refused, taken): (Vec<usize>, Vec<usize>) = same.into_iter().partition(is_refused);
        for nth in refused.iter().chain(&taken) {
            fates[*nth] = Fate::Overruled;
        }
        if let Some(last) = taken.last() {
            fates[*last] = match refused.is_empty() {
                true => Fate::Answered,
                false => Fate::Unmentioned,
            };
        }
        if let Some(last) = refused.last() {
            fates[*last] = Fate::Answered;
        }
    }
    fates
}

fn refuse(response: PartitionProduceResponse, failure: Failure) -> PartitionProduceResponse {
    let response = response
        .with_error_code(failure.error.code())
        .with_base_offset(-1)
        .with_log_start_offset(failure.log_start_offset)
        .with_record_errors(failure.rejections)
        .with_error_message(failure.message.map(StrBytes::from_string));
    match failure.leader {
        Some(leader) => response.with_current_leader(
            LeaderIdAndEpoch::default()
                .with_leader_id(WireBrokerId(leader.id.0))
                .with_leader_epoch(leader.epoch),
        ),
        None => response,
    }
}

/// Where the leaders are that the answer names.
fn endpoints(context: &Context, version: i16, leaders: Vec<Leader>) -> Vec<NodeEndpoint> {
    if version < 10 {
        return Vec::new();
    }
    let brokers = brokers_of(context, leaders.into_iter()).into_iter();
    let endpoint = |broker: &crate::cluster::state::Broker| {
        NodeEndpoint::default()
            .with_node_id(WireBrokerId(broker.id.0))
            .with_host(StrBytes::from_string(broker.host.clone()))
            .with_port(i32::from(broker.port))
            .with_rack(broker.rack.clone().map(StrBytes::from_string))
    };
    brokers.map(endpoint).collect()
}

/// Whether the topic compresses what producers send by itself.
fn compresses(topic: &Topic, index: i32) -> bool {
    let partition = topic.partition(index);
    partition.is_some_and(|partition| topic.log_config(partition).compression.0.is_some())
}

/// Whether the batch's attributes, behind 21 bytes of header, name a codec.
fn is_compressed(data: &PartitionProduceData) -> bool {
    let attributes = data.records.as_ref().and_then(|records| records.get(22));
    attributes.is_some_and(|low| low & 0b111 != 0)
}

/// `RequestUtils.hasTransactionalRecords`, which `KafkaApis.handleProduceRequest` asks before anything else: what it throws is
/// the answer to every partition.
fn has_transactional(request: &ProduceRequest) -> Result<bool, BatchError> {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let mut transactional = false;
    for records in partitions.filter_map(|data| data.records.as_ref()) {
        transactional |= begins_transactional(records)?;
    }
    Ok(transactional)
}

/// Whether one of several batches fails the whole request: `ProduceRequest.validateRecords` throws, and no `ApiException`. Records for
/// what does not exist are not looked at. A single batch's failure is the request's anyway.
fn fails_inside(context: &Context, version: i16, request: &ProduceRequest) -> bool {
    let partitions = request.topic_data.iter().map(|topic| topic.partition_data.len());
    if partitions.sum::<usize>() < 2 {
        return false;
    }
    request.topic_data.iter().any(|topic| {
        let fails = |data: &&PartitionProduceData| {
            let checked = check_envelope(data.records.as_deref().unwrap_or_default(), version);
            checked.is_err_and(|error| error.code() == ResponseError::UnknownServerError)
        };
        let mut failing = topic.partition_data.iter().filter(fails).peekable();
        failing.peek().is_some()
            && find_topic(context, version, topic)
                .is_ok_and(|known| failing.any(|data| known.partition(data.index).is_some()))
    })
}

/// Whether the transactional batches of a request are those of more than one producer, or of one in several epochs
/// (`ReplicaManager.handleProduceAppend`).
fn names_several_producers(request: &ProduceRequest, version: i16) -> bool {
    let partitions = request.topic_data.iter().flat_map(|topic| &topic.partition_data);
    let envelopes = partitions.filter_map(|data| check_envelope(data.records.as_ref()?, version).ok());
    let mut producers = envelopes
        .filter(|envelope| envelope.transactional && envelope.producer_id >= 0)
        .map(|envelope| (envelope.producer_id, envelope.producer_epoch));
    producers
        .next()
        .is_some_and(|first| producers.any(|other| other != first))
}

fn find_topic(context: &Context, version: i16, topic: &TopicProduceData) -> Result<Arc<Topic>, ResponseError> {
    let topics = context.shared.topics.read();
    match version {
        13.. => topics.by_id(&topic.topic_id).ok_or(ResponseError::UnknownTopicId),
        // Where there are groups, Apache Kafka has the topic of their offsets, and nobody may write to it.
        _ => topics.by_name(&topic.name).ok_or(match &**topic.name {
            "__consumer_offsets" => ResponseError::InvalidTopicException,
            _ => ResponseError::UnknownTopicOrPartition,
        }),
    }
    .cloned()
}

impl Batch<'_> {
    /// Judges a batch; elsewhere where that means to compress a large one, so that others are served meanwhile.
    async fn judge(&self, rules: Rules, records: Bytes) -> Result<Result<ValidBatch, ValidateError>, Failure> {
        let shared = &self.context.shared;
        let (version, now_ms) = (self.version, shared.now_ms());
        if records.len() < LARGE || !rules.recompresses(&records) {
            return Ok(rules.validate(records, version, now_ms));
        }
        let judging = move || rules.validate(records, version, now_ms);
        let judged = shared.tasks.compression.spawn_blocking_on(judging, &shared.runtime);
        tokio::select! {
            biased;
            // The connection ends without an answer then.
            () = shared.exits.shutdown() => Err(ResponseError::UnknownServerError.into()),
            judged = judged => judged.map_err(|_| ResponseError::UnknownServerError.into()),
        }
    }

    /// The order of the questions is that of `KafkaApis.handleProduceRequest` and `ReplicaManager.appendRecords`.
    async fn append(
        &self,
        topic: Result<&Arc<Topic>, &ResponseError>,
        data: PartitionProduceData,
    ) -> Result<Appended, Failure> {
        if let Some(error) = self.unreadable {
            return Err(Failure::invalid(&error.into(), "", -1));
        }
        if self.fails_inside {
            return Err(ResponseError::UnknownServerError.into());
        }
        if self.unauthorized {
            return Err(ResponseError::TransactionalIdAuthorizationFailed.into());
        }
        let topic = topic.map_err(|error| *error)?;
        if topic.partition(data.index).is_none() {
            return Err(ResponseError::UnknownTopicOrPartition.into());
        }
        let name = || format!("{}-{}", topic.name, data.index);
        let records = data.records.unwrap_or_default();
        let envelope = check_envelope(&records, self.version).map_err(|error| Failure::invalid(&error, &name(), -1))?;
        if !(ACKS_ALL..=1).contains(&self.acks) {
            return Err(ResponseError::InvalidRequiredAcks.into());
        }
        if topic.internal {
            return Err(ResponseError::InvalidTopicException.into());
        }
        let partition = led(self.context, topic, data.index, -1)?;
        if self.several_producers {
            return Err(Failure {
                message: Some("Transactional records contained more than one producer ID".to_owned()),
                ..ResponseError::InvalidProducerIdMapping.into()
            });
        }
        // Without a producer id it is in no transaction, whatever it says.
        let transaction = self
            .transactional_id
            .filter(|_| envelope.transactional && envelope.producer_id >= 0);
        if let Some(id) = transaction {
            self.verify(id, topic, &partition, &envelope)?;
        }
        // Before the batch is judged, and again when it is appended.
        if self.acks == ACKS_ALL && partition.is_under_min_isr(topic.min_isr()) {
            return Err(Failure {
                log_start_offset: partition.log.lock().start_offset(),
                ..ResponseError::NotEnoughReplicas.into()
            });
        }
        let config = topic.log_config(&partition);
        let rules = log_config::rules(config);
        let judged = self.judge(rules, records).await?;
        let valid = judged.map_err(|error| Failure::invalid(&error, &name(), partition.log.lock().start_offset()))?;
        let appended = match transaction {
            None => {
                let mut log = partition.log.lock();
                self.may_append(&partition, &log)?;
                self.append_to(config, &mut log, valid)
            }
            Some(id) => self.append_in_transaction(id, topic, &partition, &envelope, valid)?,
        };
        let mut appended = appended.map_err(|error| Failure {
            log_start_offset: partition.log.lock().start_offset(),
            ..error.code().into()
        })?;
        std::mem::take(&mut appended.wakeups).notify();
        Ok(appended)
    }
}

impl Batch<'_> {
    /// Asks the coordinator whether the partition is in the producer's transaction, and adds it from version 12 on (KIP-890).
    /// A transaction that has records here needs no asking (`ReplicaManager.maybeSendPartitionsToTransactionCoordinator`).
    fn verify(&self, id: &str, topic: &Topic, partition: &Partition, envelope: &Envelope) -> Result<(), Failure> {
        let adds = self.version >= FIRST_THAT_ADDS;
        let producer = (envelope.producer_id, envelope.producer_epoch);
        let config = topic.log_config(partition);
        if !adds && !config.verifies_transactions {
            return Ok(());
        }
        let mut held = self.context.transactions.hold();
        {
            let mut log = partition.log.lock();
            if log.has_open_transaction(producer.0, producer.1) {
                return Ok(());
            }
            // Nobody asks the coordinator about an epoch that is over.
            if log.is_fenced(producer.0, producer.1) {
                return Err(ResponseError::InvalidProducerEpoch.into());
            }
            // Whether or not the coordinator knows the producer (`UnifiedLog.maybeStartTransactionVerification`).
            let shared = &self.context.shared;
            log.verify_transaction(producer.0, producer.1, envelope.base_sequence, adds, shared.now_ms());
            shared.housekeeping.look_at(shared, config, &log);
        }
        let verified = ask_coordinator(&mut held, id, producer, (&topic.name, partition.index), adds);
        drop(held);
        let unverified = |why: &str| Failure {
            message: Some(format!(
                "Unable to verify the partition has been added to the transaction. Underlying error: {why}"
            )),
            ..ResponseError::NotEnoughReplicas.into()
        };
        verified.map_err(|error| match error {
            // They try again, without knowing what for (`ReplicaManager.handleProduceAppend`).
            ResponseError::ConcurrentTransactions if !adds => unverified("CONCURRENT_TRANSACTIONS"),
            ResponseError::CoordinatorNotAvailable => unverified("COORDINATOR_NOT_AVAILABLE"),
            // Clients of before version 11 do not know the other.
            ResponseError::TransactionAbortable if self.version < FIRST_WITH_ABORTABLE => Failure {
                message: Some("Partition was not added to the transaction".to_owned()),
                ..ResponseError::InvalidTxnState.into()
            },
            other => other.into(),
        })
    }

    /// What may have changed since the partition was looked up: its leader, and how many are in sync.
    fn may_append(&self, partition: &Partition, log: &Log) -> Result<(), Failure> {
        still_led(partition, log)?;
        if self.acks == ACKS_ALL {
            enough_in_sync(log).map_err(|error| Failure {
                log_start_offset: log.start_offset(),
                ..error.into()
            })?;
        }
        Ok(())
    }

    fn append_to(&self, config: &LogConfig, log: &mut Log, valid: ValidBatch) -> Result<Appended, SequenceError> {
        let shared = &self.context.shared;
        log.set_segment_rules(log_config::segment_rules(config, |limit| shared.random_below(limit)));
        let appended = log.append(valid);
        shared.housekeeping.look_at(shared, config, log);
        appended
    }

    /// Appends while the transaction is held, so that it cannot end between the last look at it and the append. It may have
    /// ended while the batch was judged: then the batch is none of its own.
    fn append_in_transaction(
        &self,
        id: &str,
        topic: &Topic,
        partition: &Partition,
        envelope: &Envelope,
        valid: ValidBatch,
    ) -> Result<Result<Appended, SequenceError>, Failure> {
        let producer = (envelope.producer_id, envelope.producer_epoch);
        let held = self.context.transactions.hold();
        let mut log = partition.log.lock();
        self.may_append(partition, &log)?;
        let config = topic.log_config(partition);
        let is_open = log.has_open_transaction(producer.0, producer.1);
        if !is_open && config.verifies_transactions && held.verify(id, producer, &topic.name, partition.index).is_err()
        {
            return Err(Failure {
                log_start_offset: log.start_offset(),
                ..ResponseError::InvalidTxnState.into()
            });
        }
        let appended = self.append_to(config, &mut log, valid);
        drop(log);
        drop(held);
        Ok(appended)
    }
}
