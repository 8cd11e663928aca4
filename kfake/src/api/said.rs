//! Answers that say what no text can hold. A text has at most 32,767 bytes, and one that a client has sent may be as long: what is
//! said of it is longer. Apache Kafka cannot write such an answer ("field is too long to be serialized", `MessageDataGenerator`),
//! and answers as if the request had failed inside: `getErrorResponse` of UNKNOWN_SERVER_ERROR. What has been done stays done.

use kafka_protocol::error::ResponseError::UnknownServerError;
use kafka_protocol::protocol::StrBytes;

use crate::messages::alter_client_quotas_response::EntryData;
use crate::messages::alter_configs_response::AlterConfigsResourceResponse;
use crate::messages::alter_partition_reassignments_response::ReassignablePartitionResponse;
use crate::messages::create_topics_response::CreatableTopicResult;
use crate::messages::describe_configs_response::{DescribeConfigsResourceResult, DescribeConfigsResult};
use crate::messages::describe_groups_response::DescribedGroup;
use crate::messages::describe_producers_response::PartitionResponse;
use crate::messages::elect_leaders_response::PartitionResult;
use crate::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Altered;
use crate::messages::*;

/// The longest text, in bytes.
const LONGEST: usize = i16::MAX as usize;

/// What Apache Kafka says where an error has no message of its own, in the answers that say it.
const UNKNOWN: &str = "The server experienced an unexpected error when processing the request.";

/// An answer that may say too much.
pub(super) trait Says: Sized {
    /// Whether a text in it is too long.
    fn says_too_much(&self) -> bool;

    /// The same request's `getErrorResponse` of UNKNOWN_SERVER_ERROR.
    fn failed(self) -> Self;
}

/// The answer, or what Apache Kafka answers where it cannot be written.
pub(super) fn said<R: Says>(answer: R) -> R {
    match answer.says_too_much() {
        true => answer.failed(),
        false => answer,
    }
}

fn is_long(text: Option<&StrBytes>) -> bool {
    text.is_some_and(|text| text.len() > LONGEST)
}

fn unknown() -> Option<StrBytes> {
    Some(StrBytes::from_static_str(UNKNOWN))
}

impl Says for CreateTopicsResponse {
    fn says_too_much(&self) -> bool {
        self.topics.iter().any(|topic| is_long(topic.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for topic in &mut self.topics {
            *topic = CreatableTopicResult::default()
                .with_name(std::mem::take(&mut topic.name))
                .with_error_code(UnknownServerError.code())
                .with_error_message(None)
                .with_configs(Some(Vec::new()));
        }
        self
    }
}

impl Says for ElectLeadersResponse {
    fn says_too_much(&self) -> bool {
        let partitions = self
            .replica_election_results
            .iter()
            .flat_map(|topic| &topic.partition_result);
        partitions
            .into_iter()
            .any(|partition| is_long(partition.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        self.error_code = UnknownServerError.code();
        for partition in self
            .replica_election_results
            .iter_mut()
            .flat_map(|topic| &mut topic.partition_result)
        {
            *partition = PartitionResult::default()
                .with_partition_id(partition.partition_id)
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self
    }
}

impl Says for DescribeConfigsResponse {
    fn says_too_much(&self) -> bool {
        // A list grows with each value that is appended to it.
        let has_long_value = |config: &DescribeConfigsResourceResult| {
            is_long(config.value.as_ref()) || config.synonyms.iter().any(|synonym| is_long(synonym.value.as_ref()))
        };
        let mut results = self.results.iter();
        results.any(|result| is_long(result.error_message.as_ref()) || result.configs.iter().any(has_long_value))
    }

    fn failed(mut self) -> Self {
        for result in &mut self.results {
            *result = DescribeConfigsResult::default()
                .with_resource_type(result.resource_type)
                .with_resource_name(std::mem::take(&mut result.resource_name))
                .with_error_code(UnknownServerError.code())
                .with_error_message(unknown());
        }
        self
    }
}

impl Says for AlterConfigsResponse {
    fn says_too_much(&self) -> bool {
        self.responses
            .iter()
            .any(|response| is_long(response.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for response in &mut self.responses {
            *response = AlterConfigsResourceResponse::default()
                .with_resource_type(response.resource_type)
                .with_resource_name(std::mem::take(&mut response.resource_name))
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self
    }
}

impl Says for IncrementalAlterConfigsResponse {
    fn says_too_much(&self) -> bool {
        self.responses
            .iter()
            .any(|response| is_long(response.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for response in &mut self.responses {
            *response = Altered::default()
                .with_resource_type(response.resource_type)
                .with_resource_name(std::mem::take(&mut response.resource_name))
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self
    }
}

impl Says for DescribeGroupsResponse {
    fn says_too_much(&self) -> bool {
        self.groups.iter().any(|group| is_long(group.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for group in &mut self.groups {
            *group = DescribedGroup::default()
                .with_group_id(std::mem::take(&mut group.group_id))
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self
    }
}

impl Says for DescribeProducersResponse {
    fn says_too_much(&self) -> bool {
        let mut partitions = self.topics.iter().flat_map(|topic| &topic.partitions);
        partitions.any(|partition| is_long(partition.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for partition in self.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
            *partition = PartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self
    }
}

impl Says for AlterPartitionReassignmentsResponse {
    fn says_too_much(&self) -> bool {
        let mut partitions = self.responses.iter().flat_map(|topic| &topic.partitions);
        partitions.any(|partition| is_long(partition.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for partition in self.responses.iter_mut().flat_map(|topic| &mut topic.partitions) {
            *partition = ReassignablePartitionResponse::default()
                .with_partition_index(partition.partition_index)
                .with_error_code(UnknownServerError.code())
                .with_error_message(None);
        }
        self.with_error_code(UnknownServerError.code()).with_error_message(None)
    }
}

impl Says for AlterClientQuotasResponse {
    fn says_too_much(&self) -> bool {
        self.entries.iter().any(|entry| is_long(entry.error_message.as_ref()))
    }

    fn failed(mut self) -> Self {
        for entry in &mut self.entries {
            *entry = EntryData::default()
                .with_entity(std::mem::take(&mut entry.entity))
                .with_error_code(UnknownServerError.code())
                .with_error_message(unknown());
        }
        self
    }
}

/// Apache Kafka fails once more over this one, and never answers.
impl Says for DescribeClientQuotasResponse {
    fn says_too_much(&self) -> bool {
        is_long(self.error_message.as_ref())
    }

    fn failed(self) -> Self {
        Self::default()
            .with_error_code(UnknownServerError.code())
            .with_error_message(unknown())
            .with_entries(None)
    }
}

impl Says for UpdateFeaturesResponse {
    fn says_too_much(&self) -> bool {
        is_long(self.error_message.as_ref())
    }

    fn failed(self) -> Self {
        Self::default()
            .with_error_code(UnknownServerError.code())
            .with_error_message(None)
    }
}
