//! DeleteTopics (key 20), versions 1–6.
//!
//! - 1: throttle time comes back. 4: flexible. 5: error messages, and THROTTLING_QUOTA_EXCEEDED may come back (KIP-599).
//! - 6: topics may be named by id (KIP-516).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::delete_topics_response::DeletableTopicResult;
use kafka_protocol::messages::{DeleteTopicsRequest, DeleteTopicsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::creation::Permit;
use crate::cluster::quotas::mutations::Strictness;
use crate::cluster::topics::{Topic, Topics};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_SINCE: i16 = 5;
/// Why a topic stays, with Apache Kafka's words where it has some.
type Failure = (ResponseError, Option<&'static str>);

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: DeleteTopicsRequest,
) -> Result<DeleteTopicsResponse, Refusal> {
    let asked: Vec<DeleteTopicState> = match version {
        6.. => request.topics,
        _ => request
            .topic_names
            .into_iter()
            .map(|name| DeleteTopicState::default().with_name(Some(name)))
            .collect(),
    };
    let mut gone = Vec::new();
    let mut topics = context.shared.topics.write();
    let permit = |partitions| context.mutate(partitions, Strictness::since(version, STRICT_SINCE));
    let mut responses = Vec::new();
    for (asked, failure) in chosen(&topics, asked) {
        let deleted = match failure {
            Some(message) => Err((ResponseError::InvalidRequest, Some(message))),
            None => delete(&mut topics, &asked, &permit),
        };
        responses.push(match deleted {
            Ok(deleted) => {
                let (name, id) = (StrBytes::from_string(deleted.name.clone()), deleted.id);
                gone.push(deleted);
                DeletableTopicResult::default()
                    .with_name(Some(TopicName(name)))
                    .with_topic_id(id)
            }
            Err((error @ ResponseError::ThrottlingQuotaExceeded, message)) => {
                refused(named_both_ways(&topics, asked), error, message)
            }
            Err((error, message)) => refused(asked, error, message),
        });
    }
    // Under the topics' lock: a commit to a topic that is created again must not be forgotten.
    for topic in &gone {
        context.groups.forget_topic(&topics, &topic.name);
    }
    context.groups.decide_owed(&mut topics);
    drop(topics);
    for topic in gone {
        // Fetches that wait for more records learn that there will be none.
        for partition in &topic.partitions {
            let waiting = partition.log.lock().waiters().wakeups();
            waiting.notify();
        }
    }
    Ok(DeleteTopicsResponse::default().with_responses(responses))
}

/// The topics to delete, each once, and why one is not even looked for (`ControllerApis.deleteTopics`).
fn chosen(topics: &Topics, asked: Vec<DeleteTopicState>) -> Vec<(DeleteTopicState, Option<&'static str>)> {
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for topic in &asked {
        *times.entry((topic.name.clone(), topic.topic_id)).or_default() += 1;
    }
    // A topic that is named by its name and by its id is answered once, and stays.
    let ids: BTreeSet<_> = asked.iter().filter(|t| t.name.is_none()).map(|t| t.topic_id).collect();
    let id_of = |topic: &DeleteTopicState| {
        let name = topic.name.as_ref().filter(|_| topic.topic_id.is_nil())?;
        topics.by_name(name).map(|known| known.id)
    };
    let both_ways: BTreeSet<_> = asked.iter().filter_map(id_of).filter(|id| ids.contains(id)).collect();
    let mut chosen = Vec::with_capacity(asked.len());
    for mut topic in asked {
        if topic.name.is_none() && both_ways.contains(&topic.topic_id) {
            continue;
        }
        if let Some(id) = id_of(&topic).filter(|id| both_ways.contains(id)) {
            topic.topic_id = id;
            let why = "The provided topic name maps to an ID that was already supplied.";
            chosen.push((topic, Some(why)));
            continue;
        }
        let failure = match (&topic.name, topic.topic_id.is_nil()) {
            (Some(_), false) => Some("You may not specify both topic name and topic id."),
            (None, true) => Some("Neither topic name nor id were specified."),
            (name, _) => match times.get_mut(&(name.clone(), topic.topic_id)).map(std::mem::take) {
                Some(0) => continue,
                Some(2..) if name.is_some() => Some("Duplicate topic name."),
                Some(2..) => Some("Duplicate topic id."),
                _ => None,
            },
        };
        chosen.push((topic, failure));
    }
    chosen
}

/// What there is and stays for the quota's sake is named both ways (`ControllerApis.deleteTopics`).
fn named_both_ways(topics: &Topics, mut asked: DeleteTopicState) -> DeleteTopicState {
    let known = match &asked.name {
        Some(name) => topics.by_name(name),
        None => topics.by_id(&asked.topic_id),
    };
    if let Some(known) = known {
        asked.topic_id = known.id;
        asked.name = Some(TopicName(StrBytes::from_string(known.name.clone())));
    }
    asked
}

fn refused(topic: DeleteTopicState, error: ResponseError, message: Option<&'static str>) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
        .with_error_code(error.code())
        .with_error_message(message.map(StrBytes::from_static_str))
}

fn delete(topics: &mut Topics, asked: &DeleteTopicState, permit: Permit<'_>) -> Result<Arc<Topic>, Failure> {
    let name = match &asked.name {
        Some(name) => name.to_string(),
        None => topics.by_id(&asked.topic_id).map(|topic| topic.name.clone()).ok_or((
            ResponseError::UnknownTopicId,
            Some("This server does not host this topic ID."),
        ))?,
    };
    const UNKNOWN: Failure = (
        ResponseError::UnknownTopicOrPartition,
        Some("This server does not host this topic-partition."),
    );
    let partitions = topics.by_name(&name).ok_or(UNKNOWN)?.partitions.len();
    permit(partitions).map_err(|error| (error.error(), None))?;
    topics.remove(&name).ok_or(UNKNOWN)
}
