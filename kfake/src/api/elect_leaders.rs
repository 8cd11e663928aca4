//! ElectLeaders (key 43), versions 0–2. Elects leaders of partitions.
//!
//! - 0: the preferred leader (KIP-183). 1: an error for the whole response, and unclean elections (KIP-460). 2: flexible.

use kafka_protocol::error::ResponseError;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::budget::Budget;
use super::dispatch::Refusal;
use super::said::said;
use crate::api::context::Context;
use crate::cluster::change::Election;
use crate::cluster::topics::Topics;
use crate::cluster::topology::{Refused, Woken};

const PREFERRED: i8 = 0;
const UNCLEAN: i8 = 1;

pub(super) async fn handle(
    context: &Context,
    version: i16,
    request: ElectLeadersRequest,
) -> Result<ElectLeadersResponse, Refusal> {
    // Nothing is looked at where no partition is named.
    let names_none = request.topic_partitions.as_ref().is_some_and(Vec::is_empty);
    let election = match (version, request.election_type) {
        _ if names_none => Election::Preferred,
        (0, _) | (_, PREFERRED) => Election::Preferred,
        (_, UNCLEAN) => Election::Unclean,
        (_, other) => {
            let message = format!("Unknown election type {other}");
            return Ok(all_refused(request, ResponseError::InvalidRequest, &message));
        }
    };
    // Before anything is done: each partition of a topic that there is not is answered with the topic's name.
    let mut budget = Budget::of_a_frame();
    for asked in request.topic_partitions.iter().flatten() {
        budget.spend(room(&asked.topic, asked.partitions.len()))?;
    }
    let mut woken = Woken::default();
    let mut topics = context.shared.topics.write();
    let results = match request.topic_partitions {
        Some(asked) => asked
            .into_iter()
            .map(|asked| {
                let partitions = asked.partitions.into_iter();
                let result = partitions.map(|index| elect(&mut topics, &asked.topic, index, election, &mut woken));
                ReplicaElectionResult::default()
                    .with_partition_result(result.collect())
                    .with_topic(asked.topic)
            })
            .collect(),
        None => every_partition(&mut topics, election, &mut woken),
    };
    context.groups.led_anew(topics, woken);
    let mut response = said(ElectLeadersResponse::default().with_replica_election_results(results));
    if version == 0 {
        // It has none for the whole.
        response.error_code = 0;
    }
    Ok(response)
}

/// The room that a topic's partitions may take, here and in the frame.
fn room(topic: &TopicName, partitions: usize) -> usize {
    (size_of::<PartitionResult>() + topic.len()).saturating_mul(partitions)
}

/// Of every partition, those that needed an election: the others are left out.
fn every_partition(topics: &mut Topics, election: Election, woken: &mut Woken) -> Vec<ReplicaElectionResult> {
    let all: Vec<_> = topics.iter().cloned().collect();
    let results = all.into_iter().map(|topic| {
        let indexes = 0..topic.partitions.len() as i32;
        let results = indexes.map(|index| elect(topics, &topic.name, index, election, woken));
        let needed = results.filter(|result| result.error_code != ResponseError::ElectionNotNeeded.code());
        ReplicaElectionResult::default()
            .with_partition_result(needed.collect())
            .with_topic(TopicName(StrBytes::from_string(topic.name.clone())))
    });
    results.collect()
}

fn elect(topics: &mut Topics, topic: &str, index: i32, election: Election, woken: &mut Woken) -> PartitionResult {
    let result = PartitionResult::default().with_partition_id(index);
    match topics.elect(topic, index, election) {
        Ok(more) => {
            woken.and(more);
            result.with_error_message(None)
        }
        Err(refused) => {
            let (error, message) = refused.answer();
            result
                .with_error_code(error.code())
                .with_error_message(message.map(StrBytes::from_string))
        }
    }
}

/// `ElectLeadersRequest.getErrorResponse`: the error for each partition that was asked for, and for the whole.
fn all_refused(request: ElectLeadersRequest, error: ResponseError, message: &str) -> ElectLeadersResponse {
    let asked = request.topic_partitions.unwrap_or_default().into_iter();
    let results = asked.map(|asked| {
        let partitions = asked.partitions.iter();
        let refused = partitions.map(|index| {
            PartitionResult::default()
                .with_partition_id(*index)
                .with_error_code(error.code())
                .with_error_message(Some(StrBytes::from_string(message.to_owned())))
        });
        ReplicaElectionResult::default()
            .with_partition_result(refused.collect())
            .with_topic(asked.topic)
    });
    ElectLeadersResponse::default()
        .with_error_code(error.code())
        .with_replica_election_results(results.collect())
}

impl Refused {
    /// The error code and what Apache Kafka says with it.
    pub(super) fn answer(self) -> (ResponseError, Option<String>) {
        let (error, message) = match self {
            Self::Unknown(message) => (ResponseError::UnknownTopicOrPartition, message),
            Self::NotNeeded => (
                ResponseError::ElectionNotNeeded,
                "Leader election not needed for topic partition.".to_owned(),
            ),
            Self::PreferredNotAvailable => (
                ResponseError::PreferredLeaderNotAvailable,
                "The preferred leader was not available.".to_owned(),
            ),
            Self::EligibleNotAvailable => (
                ResponseError::EligibleLeadersNotAvailable,
                "Eligible topic partition leaders are not available.".to_owned(),
            ),
            Self::InvalidAssignment(message) => (ResponseError::InvalidReplicaAssignment, message),
            // The only one that Apache Kafka does not explain.
            Self::NoReassignment => return (ResponseError::NoReassignmentInProgress, None),
        };
        (error, Some(message))
    }
}
