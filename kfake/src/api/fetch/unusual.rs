//! What is out of the ordinary in a fetch: what fails in Apache Kafka, and ids whose topics have gone.

use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::FetchRequest;
use uuid::Uuid;

use super::response::{FetchAnswer, PartitionAnswer};
use super::{Outcome, Since};
use crate::api::context::Context;
use crate::api::leader::Refused;
use crate::cluster::fetch_sessions::{Opened, PartitionKey, Seen, TopicKey, Wanted};

/// Whether one of the partitions exists: then `IsolationLevel.forId` is asked, which throws for what is no level, and the request
/// fails as a whole. Its session goes on.
pub(super) fn asks_for_something(context: &Context, opened: &Opened) -> bool {
    let topics = context.shared.topics.read();
    opened.wanted.iter().any(|(key, _)| {
        let topic = match &key.topic {
            TopicKey::Name(name) => topics.by_name(name),
            TopicKey::Id(id) => topics.by_id(id),
        };
        topic.is_some_and(|topic| topic.partition(key.index).is_some())
    })
}

/// `FetchRequest.getErrorResponse`: before there were topic ids, every partition that the request names has the error, too.
pub(super) fn failed_inside(version: i16, request: &FetchRequest) -> FetchAnswer {
    let error = ResponseError::UnknownServerError;
    let named = request.topics.iter().filter(|_| version < 13);
    let named: Vec<_> = named
        .map(|topic| (TopicKey::Name(topic.topic.as_str().into()), &topic.partitions))
        .collect();
    let partitions = named.iter().flat_map(|(topic, partitions)| {
        partitions.iter().map(|partition| {
            let key = PartitionKey {
                topic: topic.clone(),
                index: partition.partition,
            };
            (key, PartitionAnswer::unread(error))
        })
    });
    FetchAnswer {
        session_id: request.session_id,
        partitions: partitions.collect(),
        apart: Some(
            named
                .into_iter()
                .map(|(topic, partitions)| (topic, partitions.len()))
                .collect(),
        ),
        ..FetchAnswer::failed(error)
    }
}

/// Whether anything comes behind a partition of the topic id that is none: then `FetchResponse.matchingTopic` compares by the name,
/// which is null, and the fetch fails.
pub(super) fn follows_nil(answers: &[(PartitionKey, Outcome)]) -> bool {
    let before = answers.split_last().map_or(&[][..], |(_, before)| before);
    let is_nil = |key: &PartitionKey| matches!(&key.topic, TopicKey::Id(id) if id.is_nil());
    before.iter().any(|(key, _)| is_nil(key))
}

/// The names of the topics that a session has seen for the first time by their ids.
pub(super) fn learned(context: &Context, seen: &[(PartitionKey, Wanted, Seen)]) -> Vec<(Uuid, Arc<str>)> {
    let new = |(key, wanted, seen): &(PartitionKey, Wanted, Seen)| match &key.topic {
        TopicKey::Id(id) if seen.topic_exists && !wanted.resolved => Some(*id),
        _ => None,
    };
    let mut ids: Vec<Uuid> = seen.iter().filter_map(new).collect();
    if ids.is_empty() {
        return Vec::new();
    }
    ids.dedup();
    let topics = context.shared.topics.read();
    let named = ids
        .into_iter()
        .filter_map(|id| Some((id, topics.by_id(&id)?.name.as_str().into())));
    named.collect()
}

/// A topic that a session has known by its id, and in whose place there is another of its name, is found by that name
/// (`CachedPartition.resolveUnknownName`), and the log has another id.
pub(super) fn find_successors(context: &Context, opened: &Opened, outcomes: &mut [Outcome]) {
    for ((key, wanted), outcome) in opened.wanted.iter().zip(outcomes) {
        let (TopicKey::Id(id), true, Outcome::Unknown(_, Since::NoTopic)) = (&key.topic, wanted.resolved, &*outcome)
        else {
            continue;
        };
        let sessions = context.shared.fetch_sessions(context.broker);
        let Some(name) = sessions.and_then(|sessions| sessions.lock().name(opened.round, id)) else {
            continue;
        };
        let topics = context.shared.topics.read();
        let successor = topics.by_name(&name);
        if successor.is_some_and(|topic| topic.partition(key.index).is_some()) {
            *outcome = Outcome::Refused(Refused::new(ResponseError::InconsistentTopicId));
        }
    }
}
