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
    let mut times: BTreeMap<_, usize> = BTreeMap::new();
    for topic in &asked {
        *times.entry((topic.name.clone(), topic.topic_id)).or_default() += 1;
    }
    let mut responses = Vec::new();
    let mut gone = Vec::new();
    let mut topics = context.shared.topics.write();
    // `ControllerApis.deleteTopics`: a topic that is named by its name and by its id is answered once, and stays.
    let ids: BTreeSet<_> = asked.iter().filter(|t| t.name.is_none()).map(|t| t.topic_id).collect();
    let both_ways: BTreeSet<_> = asked
        .iter()
        .filter(|t| t.topic_id.is_nil())
        .filter_map(|t| topics.by_name(t.name.as_ref()?).map(|topic| topic.id))
        .filter(|id| ids.contains(id))
        .collect();
    for mut topic in asked {
        if topic.name.is_none() && both_ways.contains(&topic.topic_id) {
            continue;
        }
        let by_name = topic.name.as_ref().and_then(|name| topics.by_name(name));
        if topic.topic_id.is_nil()
            && let Some(id) = by_name.map(|known| known.id).filter(|id| both_ways.contains(id))
        {
            topic.topic_id = id;
            responses.push(refused(
                topic,
                ResponseError::InvalidRequest,
                Some("The provided topic name maps to an ID that was already supplied."),
            ));
            continue;
        }
        let named_twice = match times.get_mut(&(topic.name.clone(), topic.topic_id)) {
            Some(0) => continue,
            Some(times) => std::mem::take(times) > 1,
            None => false,
        };
        let deleted = match named_twice {
            true if topic.name.is_some() => Err((ResponseError::InvalidRequest, Some("Duplicate topic name."))),
            true => Err((ResponseError::InvalidRequest, Some("Duplicate topic id."))),
            false => delete(&mut topics, &topic, &|partitions| {
                context.mutate(partitions, Strictness::since(version, STRICT_SINCE))
            }),
        };
        responses.push(match deleted {
            Ok(deleted) => {
                let (name, id) = (StrBytes::from_string(deleted.name.clone()), deleted.id);
                gone.push(deleted);
                DeletableTopicResult::default()
                    .with_name(Some(TopicName(name)))
                    .with_topic_id(id)
            }
            Err((error, message)) => {
                // What there is and stays for the quota's sake is named both ways (`ControllerApis.deleteTopics`).
                let known = match &topic.name {
                    Some(name) => topics.by_name(name),
                    None => topics.by_id(&topic.topic_id),
                };
                if error == ResponseError::ThrottlingQuotaExceeded
                    && let Some(known) = known
                {
                    topic.topic_id = known.id;
                    topic.name = Some(TopicName(StrBytes::from_string(known.name.clone())));
                }
                refused(topic, error, message)
            }
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

fn refused(topic: DeleteTopicState, error: ResponseError, message: Option<&'static str>) -> DeletableTopicResult {
    DeletableTopicResult::default()
        .with_name(topic.name)
        .with_topic_id(topic.topic_id)
        .with_error_code(error.code())
        .with_error_message(message.map(StrBytes::from_static_str))
}

fn delete(topics: &mut Topics, asked: &DeleteTopicState, permit: Permit<'_>) -> Result<Arc<Topic>, Failure> {
    let name = match (&asked.name, asked.topic_id.is_nil()) {
        (Some(name), true) => name.to_string(),
        (None, true) => {
            return Err((
                ResponseError::InvalidRequest,
                Some("Neither topic name nor id were specified."),
            ));
        }
        (Some(_), false) => {
            return Err((
                ResponseError::InvalidRequest,
                Some("You may not specify both topic name and topic id."),
            ));
        }
        (None, false) => topics.by_id(&asked.topic_id).map(|topic| topic.name.clone()).ok_or((
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
