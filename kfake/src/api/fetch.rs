//! Fetch (key 1), versions 4–18. Reads record batches from each of some partitions, and waits for them if there are none.
//!
//! - 4: isolation level, aborted transactions. 5: log start offset. 7: sessions (KIP-227). 9: leader epochs (KIP-320).
//! - 11: racks (KIP-392). 12: flexible; diverging epochs for replicas (KIP-595). 13: topic ids (KIP-516). 15: the replica's
//!   state is tagged (KIP-903). 16: the leader to ask instead (KIP-951). 17, 18: for replicas (KIP-853, KIP-1166).
//!
//! A consumer's fetch and a replica's are answered alike: brokers share their logs, so none replicates. A follower answers
//! consumers too (KIP-392), as far as its log goes.

use std::sync::Arc;
use std::time::Duration;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::dispatch::{Answer, Refusal};
use super::leader::{Asked, Hosted, Refused, hosted};
use crate::api::context::Context;
use crate::cluster::config::ReplicaSelector;
use crate::cluster::exits::Wait;
use crate::cluster::fetch_sessions::{
    FINAL_EPOCH, FetchSessions, NO_SESSION, Opened, PartitionKey, Quiet, Round, Seen, SessionRequest, TopicKey, Wanted,
};
use crate::cluster::partition::Partition;
use crate::cluster::topics::{BrokerId, Topics};
use crate::log::{AbortedTransaction, Isolation, Log, LogRead, Registration};
use response::{FetchAnswer, PartitionAnswer};
use unusual::{asks_for_something, failed_inside, find_successors, follows_nil, learned};

mod response;
mod unusual;

const READ_UNCOMMITTED: i8 = 0;
const READ_COMMITTED: i8 = 1;

/// How much a fetch may return, and how much it waits for.
#[derive(Debug, Clone, Copy)]
struct Limits {
    max_bytes: i32,
    min_bytes: i32,
    isolation: Isolation,
    /// Who may answer: a consumer that says which rack it is in, as it can from version 11 on, may read from a follower.
    asked: Asked,
}

/// Since when a partition is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Since {
    /// There is no such topic.
    NoTopic,
    /// The topic has no such partition.
    NoPartition,
    /// It was there when the fetch began.
    Meanwhile,
}

/// What one partition has for a fetch.
#[derive(Debug)]
enum Outcome {
    /// There is no such topic or partition. The fetch waits for the others all the same.
    Unknown(ResponseError, Since),
    /// The partition cannot be read here or there.
    Refused(Refused),
    Read {
        partition: Arc<Partition>,
        read: LogRead,
        /// What readers of committed records alone have to leave out.
        aborted: Option<Vec<AbortedTransaction>>,
        high_watermark: i64,
        last_stable_offset: i64,
        log_start_offset: i64,
        /// Where the client's log has left this one (KIP-595).
        diverging: Option<(i32, i64)>,
        /// Who should be read from instead (KIP-392).
        preferred: Option<BrokerId>,
    },
}

pub(super) async fn handle(context: &Context, version: i16, request: FetchRequest) -> Result<Answer, Refusal> {
    let limits = limits(context, version, &request);
    let rack = request.rack_id.clone();
    let patience = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let Some(sessions) = context.shared.fetch_sessions(context.broker) else {
        return Ok(FetchAnswer::failed(ResponseError::BrokerNotAvailable).encode(context, version));
    };
    let (isolation_level, asked_id) = (request.isolation_level, request.session_id);
    let is_level = (READ_UNCOMMITTED..=READ_COMMITTED).contains(&isolation_level);
    let failure = (!is_level).then(|| failed_inside(version, &request));
    let request = session_request(version, request);
    let begun = sessions.lock().begin(request);
    let mut opened = match begun {
        Ok(opened) => opened,
        Err(error) => return Ok(FetchAnswer::failed(error).encode(context, version)),
    };
    if let Some(failure) = failure
        && asks_for_something(context, &opened)
    {
        return Ok(failure.encode(context, version));
    }
    let deadline = Instant::now() + patience;
    if let Some(quiet) = opened.quiet.take() {
        if stays_quiet(context, &quiet, limits, deadline).await? {
            return Ok(quiet_answer(context, sessions, opened.round, quiet).encode(context, version));
        }
        opened.wanted = sessions.lock().wanted(opened.round);
    }
    let (outcomes, quiet) = wait_for_records(context, &opened, limits, &rack, deadline).await?;
    let asked = context.requested();
    let size = outcomes.iter().map(Outcome::size).sum();
    // What is not handed out does not count as fetched.
    let wait = match asked.is_zero() {
        true => context.would_fetch(size),
        false => asked,
    };
    if !wait.is_zero() {
        // Nothing is handed out, and the session does not go on.
        let session_id = match opened.round {
            Round::Incremental { id, .. } => id,
            _ => NO_SESSION,
        };
        return Ok(FetchAnswer::throttled(session_id, context.throttle(wait)).encode(context, version));
    }
    let seen: Vec<_> = opened
        .wanted
        .iter()
        .zip(&outcomes)
        .map(|((key, wanted), outcome)| (key.clone(), *wanted, outcome.seen()))
        .collect();
    let learned = learned(context, &seen);
    let new_id = context.shared.new_fetch_session_id();
    let finished = sessions.lock().finish(opened.round, &seen, new_id);
    let (session_id, included) = match finished {
        Ok(finished) => finished,
        Err(error) => return Ok(FetchAnswer::failed(error).encode(context, version)),
    };
    if !learned.is_empty() {
        sessions.lock().learn(session_id, learned);
    }
    if let Some(quiet) = quiet {
        sessions.lock().is_quiet(session_id, opened.round, quiet);
    }
    let partitions = opened.wanted.into_iter().zip(outcomes).zip(included);
    let included = partitions.filter(|(_, included)| *included);
    let answers = in_order(included.map(|(((key, _), outcome), _)| (key, outcome)));
    let answer = match follows_nil(&answers) {
        true => FetchAnswer {
            session_id: asked_id,
            ..FetchAnswer::failed(ResponseError::UnknownServerError)
        },
        false => FetchAnswer {
            error: None,
            session_id,
            throttle_ms: 0,
            apart: None,
            partitions: answers
                .into_iter()
                .map(|(key, outcome)| (key, outcome.answer(version)))
                .collect(),
        },
    };
    Ok(answer.encode(context, version))
}

fn limits(context: &Context, version: i16, request: &FetchRequest) -> Limits {
    let max_bytes = request
        .max_bytes
        .min(i32::try_from(context.shared.config.fetch_max_bytes).unwrap_or(i32::MAX))
        .min(context.most_fetched());
    Limits {
        max_bytes,
        min_bytes: request.min_bytes.min(max_bytes),
        isolation: match request.isolation_level {
            READ_COMMITTED => Isolation::Committed,
            _ => Isolation::Uncommitted,
        },
        // A replica that copies the log asks its leader alone.
        asked: match version >= 11 && replica_of(version, request) < 0 {
            true => Asked::Replica,
            false => Asked::Leader,
        },
    }
}

/// The answer of a session of which nothing has changed.
fn quiet_answer(context: &Context, sessions: &Mutex<FetchSessions>, round: Round, quiet: Quiet) -> FetchAnswer {
    let finished = sessions.lock().finish(round, &[], NO_SESSION);
    match finished {
        Err(error) => FetchAnswer::failed(error),
        Ok((session_id, _)) => {
            sessions.lock().is_quiet(session_id, round, quiet);
            FetchAnswer {
                error: None,
                session_id,
                throttle_ms: context.throttle(context.requested()),
                partitions: Vec::new(),
                apart: None,
            }
        }
    }
}

/// Apache Kafka answers partitions that do not exist after those that do, and first those of unknown ids.
fn in_order(partitions: impl Iterator<Item = (PartitionKey, Outcome)>) -> Vec<(PartitionKey, Outcome)> {
    let (unknown, known): (Vec<_>, Vec<_>) =
        partitions.partition(|(_, outcome)| matches!(outcome, Outcome::Unknown(..)));
    let (ids, others): (Vec<_>, Vec<_>) = unknown
        .into_iter()
        .partition(|(_, outcome)| matches!(outcome, Outcome::Unknown(ResponseError::UnknownTopicId, _)));
    known.into_iter().chain(ids).chain(others).collect()
}

fn session_request(version: i16, request: FetchRequest) -> SessionRequest {
    let by_id = version >= 13;
    let key = |name: &str, id| match by_id {
        true => TopicKey::Id(id),
        false => TopicKey::Name(name.into()),
    };
    let mut wanted = Vec::new();
    for topic in &request.topics {
        let topic_key = key(&topic.topic, topic.topic_id);
        wanted.extend(topic.partitions.iter().map(|partition| {
            let key = PartitionKey {
                topic: topic_key.clone(),
                index: partition.partition,
            };
            let wanted = Wanted {
                offset: partition.fetch_offset,
                max_bytes: partition.partition_max_bytes,
                // Of a fetch any epoch below zero is none (`FetchRequest.optionalEpoch`).
                leader_epoch: partition.current_leader_epoch.max(-1),
                last_fetched_epoch: partition.last_fetched_epoch,
                resolved: false,
            };
            (key, wanted)
        }));
    }
    let forgotten = request.forgotten_topics_data.iter().flat_map(|topic| {
        let topic_key = key(&topic.topic, topic.topic_id);
        topic.partitions.iter().map(move |index| PartitionKey {
            topic: topic_key.clone(),
            index: *index,
        })
    });
    let (id, epoch) = match version {
        7.. => (request.session_id, request.session_epoch),
        _ => (NO_SESSION, FINAL_EPOCH),
    };
    SessionRequest {
        id,
        epoch,
        by_id,
        forgotten: forgotten.collect(),
        wanted,
    }
}

/// Waits until something has changed of which a quiet session must know: `false`; or there is no time left: `true`.
async fn stays_quiet(context: &Context, quiet: &Quiet, limits: Limits, deadline: Instant) -> Result<bool, Refusal> {
    let exits = &context.shared.exits;
    let is_same = || context.shared.topics.read().version() == quiet.topics;
    if !is_same() || limits.isolation != quiet.isolation {
        return Ok(false);
    }
    let is_in_a_hurry = limits.min_bytes <= 0 || deadline <= Instant::now();
    tokio::select! {
        biased;
        () = exits.shutdown(), if exits.heard_in(Wait::Fetch) => Err(Refusal::ShuttingDown),
        () = quiet.changed.notified() => Ok(false),
        () = std::future::ready(()), if is_in_a_hurry => Ok(true),
        () = tokio::time::sleep_until(deadline) => Ok(is_same()),
    }
}

/// Reads what is wanted, again after each append that concerns it, until there is enough, an error, or no patience left
/// (`ReplicaManager.fetchMessages` and `DelayedFetch`).
async fn wait_for_records(
    context: &Context,
    opened: &Opened,
    limits: Limits,
    rack: &str,
    deadline: Instant,
) -> Result<(Vec<Outcome>, Option<Quiet>), Refusal> {
    let (mut outcomes, _) = read_all(context, opened, limits, rack);
    find_successors(context, opened, &mut outcomes);
    let has_session = opened.round != Round::Sessionless;
    let may_be_quiet = has_session && is_quiet(&outcomes);
    let mut out_of_time = deadline <= Instant::now();
    if (out_of_time && !may_be_quiet) || is_complete(&outcomes, limits) {
        return Ok((outcomes, None));
    }
    let unknown = count_unknown(&outcomes);
    let known: Vec<_> = outcomes.iter().map(|o| !matches!(o, Outcome::Unknown(..))).collect();
    let notify = Arc::new(Notify::new());
    let mut registered = register(&outcomes, &notify);
    let exits = &context.shared.exits;
    loop {
        // After registering, so that an append in between is seen here or leaves its notice.
        let topics;
        (outcomes, topics) = read_all(context, opened, limits, rack);
        find_successors(context, opened, &mut outcomes);
        if !registered.covers(&outcomes) {
            // A topic has been deleted and created again: its new logs are other ones.
            registered = register(&outcomes, &notify);
            continue;
        }
        let deleted = count_unknown(&outcomes) > unknown;
        if deleted {
            for (outcome, at_first) in outcomes.iter_mut().zip(&known) {
                if let (Outcome::Unknown(_, since), true) = (outcome, at_first) {
                    *since = Since::Meanwhile;
                }
            }
        }
        if out_of_time || deleted || is_complete(&outcomes, limits) {
            let quiet = (has_session && is_quiet(&outcomes)).then(|| Quiet {
                changed: notify,
                _registrations: registered.registrations,
                isolation: limits.isolation,
                topics,
            });
            return Ok((outcomes, quiet));
        }
        tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Fetch) => return Err(Refusal::ShuttingDown),
            () = notify.notified() => {}
            () = tokio::time::sleep_until(deadline) => out_of_time = true,
        }
    }
}

/// The logs that a fetch waits for. Dropping it takes the fetch out of their lists.
struct Registered {
    partitions: Vec<Arc<Partition>>,
    registrations: Vec<Registration>,
}

impl Registered {
    /// Whether every log that was read is one that it waits for.
    fn covers(&self, outcomes: &[Outcome]) -> bool {
        let mut read = read_partitions(outcomes);
        let mut registered = self.partitions.iter();
        // Both are in the order of the request, and what was read again can only be less or other than what was.
        read.all(|partition| registered.any(|known| Arc::ptr_eq(&known.log, &partition.log)))
    }
}

fn register(outcomes: &[Outcome], notify: &Arc<Notify>) -> Registered {
    let partitions: Vec<_> = read_partitions(outcomes).cloned().collect();
    let registrations = partitions.iter().map(|p| p.log.lock().waiters().register(notify));
    Registered {
        registrations: registrations.collect(),
        partitions,
    }
}

fn read_partitions(outcomes: &[Outcome]) -> impl Iterator<Item = &Arc<Partition>> {
    outcomes.iter().filter_map(|outcome| match outcome {
        Outcome::Read { partition, .. } => Some(partition),
        Outcome::Unknown(..) | Outcome::Refused(_) => None,
    })
}

fn count_unknown(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|o| matches!(o, Outcome::Unknown(..))).count()
}

/// Whether nothing was read, nothing failed, and nobody is sent elsewhere.
fn is_quiet(outcomes: &[Outcome]) -> bool {
    let is_empty = |outcome: &Outcome| match outcome {
        Outcome::Read {
            read,
            diverging: None,
            preferred: None,
            ..
        } => read.size == 0,
        _ => false,
    };
    outcomes.iter().all(is_empty)
}

fn is_complete(outcomes: &[Outcome], limits: Limits) -> bool {
    let mut bytes = 0;
    let mut nothing_to_wait_for = true;
    let mut ends_with_segment = false;
    for outcome in outcomes {
        match outcome {
            Outcome::Unknown(..) => {}
            Outcome::Refused(_) => return true,
            // The client has something else to do than to wait.
            Outcome::Read { diverging: Some(_), .. } | Outcome::Read { preferred: Some(_), .. } => return true,
            Outcome::Read { read, .. } => {
                nothing_to_wait_for = false;
                ends_with_segment |= read.ends_with_segment;
                bytes += read.size;
            }
        }
    }
    nothing_to_wait_for || ends_with_segment || i64::try_from(bytes).unwrap_or(i64::MAX) >= i64::from(limits.min_bytes)
}

/// `ReplicaManager.readFromLog`: the first partition with records gives at least one batch, whatever the limits (KIP-74).
///
/// Also says which version of the topics was looked at.
fn read_all(context: &Context, opened: &Opened, limits: Limits, rack: &str) -> (Vec<Outcome>, u64) {
    let topics = context.shared.topics.read();
    let mut left = limits.max_bytes;
    let mut at_least_one = true;
    let mut outcomes = Vec::with_capacity(opened.wanted.len());
    for (key, wanted) in &opened.wanted {
        let max_bytes = wanted.max_bytes.min(left);
        let limits = Limits { max_bytes, ..limits };
        let outcome = read_one(context, &topics, key, wanted, at_least_one, limits, rack);
        if !matches!(outcome, Outcome::Unknown(..)) {
            let size = outcome.size();
            at_least_one &= size == 0;
            // Also of a limit below zero nothing is left then.
            left = left.saturating_sub(i32::try_from(size).unwrap_or(i32::MAX)).max(0);
        }
        outcomes.push(outcome);
    }
    (outcomes, topics.version())
}

fn read_one(
    context: &Context,
    topics: &Topics,
    key: &PartitionKey,
    wanted: &Wanted,
    at_least_one: bool,
    limits: Limits,
    rack: &str,
) -> Outcome {
    let (topic, missing) = match &key.topic {
        TopicKey::Name(name) => (topics.by_name(name), ResponseError::UnknownTopicOrPartition),
        TopicKey::Id(id) if wanted.resolved => (topics.by_id(id), ResponseError::UnknownTopicOrPartition),
        TopicKey::Id(id) => (topics.by_id(id), ResponseError::UnknownTopicId),
    };
    let Some(topic) = topic else {
        return Outcome::Unknown(missing, Since::NoTopic);
    };
    if topic.partition(key.index).is_none() {
        return Outcome::Unknown(ResponseError::UnknownTopicOrPartition, Since::NoPartition);
    }
    let isolation = limits.isolation;
    let Hosted { partition, ends } = match hosted(context, topic, key.index, wanted.leader_epoch, limits.asked) {
        Ok(hosted) => hosted,
        Err(refused) => return Outcome::Refused(refused),
    };
    let ends = ends.unwrap_or(i64::MAX);
    let log = partition.log.lock();
    let mut answer = Outcome::Read {
        partition: partition.clone(),
        read: LogRead::default(),
        aborted: (isolation == Isolation::Committed).then(Vec::new),
        high_watermark: log.high_watermark().min(ends),
        last_stable_offset: log.last_stable_offset().min(ends),
        log_start_offset: log.start_offset(),
        diverging: None,
        preferred: None,
    };
    let out_of_range = || Outcome::Refused(Refused::new(ResponseError::OffsetOutOfRange));
    if let Some(closer) = preferred_replica(context, &partition, wanted, &log, limits.asked, rack) {
        if let Outcome::Read { preferred, .. } = &mut answer {
            *preferred = Some(closer);
        }
        return answer;
    }
    // `Partition.readRecords`: of an epoch that the log never had, nothing can be said.
    if wanted.last_fetched_epoch >= 0 {
        let Some((epoch, end)) = log.end_of_epoch(wanted.last_fetched_epoch) else {
            return out_of_range();
        };
        if wanted.offset < log.start_offset() {
            return out_of_range();
        }
        if epoch < wanted.last_fetched_epoch || end < wanted.offset {
            if let Outcome::Read { diverging, .. } = &mut answer {
                *diverging = Some((epoch, end));
            }
            return answer;
        }
    }
    let size = usize::try_from(limits.max_bytes);
    let room = size.unwrap_or(0);
    let found = match log.read_below(ends, wanted.offset, room, at_least_one, isolation) {
        Ok(read) => read,
        Err(_) => return out_of_range(),
    };
    // A negative limit is an illegal argument in Apache Kafka, once there is something to read.
    if size.is_err() && wanted.offset < log.visible_end(isolation) {
        return Outcome::Refused(Refused::new(ResponseError::UnknownServerError));
    }
    let listed = match isolation {
        Isolation::Uncommitted => None,
        Isolation::Committed => Some(log.aborted_transactions(wanted.offset, &found)),
    };
    if let Outcome::Read { read, aborted, .. } = &mut answer {
        *read = found;
        *aborted = listed;
    }
    answer
}

/// Which replica asks; negative is none (`FetchRequest.replicaId`).
fn replica_of(version: i16, request: &FetchRequest) -> i32 {
    match version {
        15.. => request.replica_state.replica_id.0,
        _ => request.replica_id.0,
    }
}

/// The replica in sync that is in the client's rack, where the leader is not (`RackAwareReplicaSelector`).
fn preferred_replica(
    context: &Context,
    partition: &Partition,
    wanted: &Wanted,
    log: &Log,
    asked: Asked,
    rack: &str,
) -> Option<BrokerId> {
    let shared = &context.shared;
    let selects = asked == Asked::Replica && shared.config.replica_selector == ReplicaSelector::RackAware;
    let has = log.start_offset()..=log.end_offset();
    if !selects || rack.is_empty() || partition.leader != Some(context.broker) || !has.contains(&wanted.offset) {
        return None;
    }
    let is_near = |broker: &&BrokerId| shared.broker(**broker).is_some_and(|b| b.rack.as_deref() == Some(rack));
    match is_near(&&context.broker) {
        true => None,
        false => partition.isr.iter().find(is_near).copied(),
    }
}

impl Outcome {
    /// The bytes that it hands out.
    fn size(&self) -> usize {
        match self {
            Self::Read { read, .. } => read.size,
            Self::Unknown(..) | Self::Refused(_) => 0,
        }
    }

    fn seen(&self) -> Seen {
        match self {
            Self::Unknown(..) | Self::Refused(_) => Seen {
                high_watermark: -1,
                log_start_offset: -1,
                failed: true,
                has_records: false,
                redirects: false,
                topic_exists: !matches!(self, Self::Unknown(_, Since::NoTopic)),
            },
            Self::Read {
                read,
                high_watermark,
                log_start_offset,
                diverging,
                preferred,
                ..
            } => Seen {
                high_watermark: *high_watermark,
                log_start_offset: *log_start_offset,
                failed: false,
                has_records: read.size > 0,
                redirects: diverging.is_some() || preferred.is_some(),
                topic_exists: true,
            },
        }
    }

    fn answer(self, version: i16) -> PartitionAnswer {
        match self {
            // As if it had been read where the log was there to be read at first.
            Self::Unknown(error, Since::Meanwhile) => PartitionAnswer::failed(error),
            Self::Unknown(error, _) => PartitionAnswer::unread(error),
            Self::Refused(refused) => PartitionAnswer {
                leader: refused.leader.filter(|_| version >= 16),
                ..PartitionAnswer::failed(refused.error)
            },
            Self::Read {
                read,
                aborted,
                high_watermark,
                last_stable_offset,
                log_start_offset,
                diverging,
                preferred,
                ..
            } => PartitionAnswer {
                error: None,
                high_watermark,
                last_stable_offset,
                log_start_offset,
                aborted,
                leader: None,
                diverging,
                preferred_read_replica: preferred,
                records: read,
            },
        }
    }
}
