//! CreatePartitions (key 37), versions 0–3. Adds partitions to topics.
//!
//! - 1: no change. 2: flexible. 3: the same as 2; a broker with a quota for controller mutations may answer
//!   THROTTLING_QUOTA_EXCEEDED (KIP-599).

use std::collections::BTreeMap;

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_partitions_response::CreatePartitionsTopicResult;
use kafka_protocol::messages::{CreatePartitionsRequest, CreatePartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::dispatch::Refusal;
use crate::api::context::Context;
use crate::cluster::creation::{self, Growth};
use crate::cluster::quotas::mutations::Strictness;
use crate::cluster::topics::{BrokerId, TopicError};

/// The first version whose clients know THROTTLING_QUOTA_EXCEEDED.
const STRICT_SINCE: i16 = 3;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: CreatePartitionsRequest,
) -> Result<CreatePartitionsResponse, Refusal> {
    let mut named: BTreeMap<&TopicName, usize> = BTreeMap::new();
    for topic in &request.topics {
        *named.entry(&topic.name).or_default() += 1;
    }
    let refused = |name: &TopicName, error: ResponseError, message: Option<String>| {
        CreatePartitionsTopicResult::default()
            .with_name(name.clone())
            .with_error_code(error.code())
            .with_error_message(message.map(StrBytes::from_string))
    };
    // `ControllerApis.createPartitions`: a name that stands twice is answered once, before the others.
    let twice = named.iter().filter(|(_, times)| **times > 1);
    let mut results: Vec<_> = twice
        .map(|(name, _)| {
            refused(
                name,
                ResponseError::InvalidRequest,
                Some("Duplicate topic name.".to_owned()),
            )
        })
        .collect();
    let once = request.topics.iter().filter(|topic| named[&topic.name] == 1);
    let (once, wanted): (Vec<_>, Vec<_>) = once.map(|topic| (&topic.name, growth(topic))).unzip();
    if creation::is_too_much(&context.shared, &wanted) {
        // The controller throws, and every topic that the request names has the error.
        let why = "Excessively large number of additional partitions per request.";
        let policy = |name| refused(name, ResponseError::PolicyViolation, Some(why.to_owned()));
        let results = request.topics.iter().map(|topic| policy(&topic.name)).collect();
        return Ok(CreatePartitionsResponse::default().with_results(results));
    }
    let permit = |partitions| context.mutate(partitions, Strictness::since(version, STRICT_SINCE));
    for (name, growth) in once.into_iter().zip(&wanted) {
        results.push(
            match creation::grow(&context.shared, growth, request.validate_only, &permit) {
                Ok(()) => CreatePartitionsTopicResult::default().with_name(name.clone()),
                // The only one that Apache Kafka does not explain.
                Err(TopicError::Unknown) => refused(name, ResponseError::UnknownTopicOrPartition, None),
                Err(error) => refused(name, error.error(), error.message()),
            },
        );
    }
    Ok(CreatePartitionsResponse::default().with_results(results))
}

/// The request's topic in the cluster's own words.
fn growth(topic: &CreatePartitionsTopic) -> Growth<'_> {
    let replicas = |assigned: &[kafka_protocol::messages::BrokerId]| assigned.iter().map(|b| BrokerId(b.0)).collect();
    Growth {
        name: &topic.name,
        count: topic.count,
        assigned: topic
            .assignments
            .as_ref()
            .map(|all| all.iter().map(|one| replicas(&one.broker_ids)).collect()),
    }
}
