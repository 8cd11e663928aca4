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
const UNKNOWN: Option<&str> = Some("The server experienced an unexpected error when processing the request.");
/// In the others.
const NOTHING: Option<&str> = None;

/// An answer that may say too much.
pub(super) trait Says {
    /// What has an error and a message of its own: each thing that is answered for, or the answer itself.
    type Part: Part;

    /// All of its parts.
    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part>;

    /// Whether a text in it is too long.
    fn says_too_much(&mut self) -> bool {
        self.parts().any(|part| is_long(part.outcome().1.as_ref()))
    }

    /// Changes what else the answer says where its parts have failed.
    fn fail(&mut self) {}
}

/// What an answer says of one thing.
pub(super) trait Part {
    /// Its error and its message.
    fn outcome(&mut self) -> (&mut i16, &mut Option<StrBytes>);

    /// Leaves nothing but what it is about, and that it has failed.
    fn fail(&mut self);
}

/// The answer, or what Apache Kafka answers where it cannot be written: the same request's `getErrorResponse` of
/// UNKNOWN_SERVER_ERROR.
pub(super) fn said<R: Says>(mut answer: R) -> R {
    if answer.says_too_much() {
        answer.parts().for_each(Part::fail);
        answer.fail();
    }
    answer
}

fn is_long(text: Option<&StrBytes>) -> bool {
    text.is_some_and(|text| text.len() > LONGEST)
}

/// A type, its fields that say what it is about, and the message that it fails with. A macro, as the messages' types share the names
/// of their fields and nothing else.
macro_rules! parts {
    ($($part:ty { $($about:ident),* } says $message:expr;)*) => {$(
        impl Part for $part {
            fn outcome(&mut self) -> (&mut i16, &mut Option<StrBytes>) {
                (&mut self.error_code, &mut self.error_message)
            }

            fn fail(&mut self) {
                let mut failed = Self::default();
                $(failed.$about = std::mem::take(&mut self.$about);)*
                failed.error_code = UnknownServerError.code();
                failed.error_message = $message.map(StrBytes::from_static_str);
                *self = failed;
            }
        }
    )*};
}

parts! {
    CreatableTopicResult { name } says NOTHING;
    PartitionResult { partition_id } says NOTHING;
    DescribeConfigsResult { resource_type, resource_name } says UNKNOWN;
    AlterConfigsResourceResponse { resource_type, resource_name } says NOTHING;
    Altered { resource_type, resource_name } says NOTHING;
    DescribedGroup { group_id } says NOTHING;
    PartitionResponse { partition_index } says NOTHING;
    ReassignablePartitionResponse { partition_index } says NOTHING;
    EntryData { entity } says UNKNOWN;
    DescribeClientQuotasResponse {} says UNKNOWN;
    UpdateFeaturesResponse {} says NOTHING;
}

impl Says for CreateTopicsResponse {
    type Part = CreatableTopicResult;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.topics.iter_mut()
    }
}

impl Says for ElectLeadersResponse {
    type Part = PartitionResult;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.replica_election_results
            .iter_mut()
            .flat_map(|topic| &mut topic.partition_result)
    }

    fn fail(&mut self) {
        self.error_code = UnknownServerError.code();
    }
}

impl Says for DescribeConfigsResponse {
    type Part = DescribeConfigsResult;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.results.iter_mut()
    }

    fn says_too_much(&mut self) -> bool {
        // A list grows with each value that is appended to it.
        let has_long_value = |config: &DescribeConfigsResourceResult| {
            is_long(config.value.as_ref()) || config.synonyms.iter().any(|synonym| is_long(synonym.value.as_ref()))
        };
        let mut results = self.results.iter();
        results.any(|result| is_long(result.error_message.as_ref()) || result.configs.iter().any(has_long_value))
    }
}

impl Says for AlterConfigsResponse {
    type Part = AlterConfigsResourceResponse;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.responses.iter_mut()
    }
}

impl Says for IncrementalAlterConfigsResponse {
    type Part = Altered;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.responses.iter_mut()
    }
}

impl Says for DescribeGroupsResponse {
    type Part = DescribedGroup;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.groups.iter_mut()
    }
}

impl Says for DescribeProducersResponse {
    type Part = PartitionResponse;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.topics.iter_mut().flat_map(|topic| &mut topic.partitions)
    }
}

impl Says for AlterPartitionReassignmentsResponse {
    type Part = ReassignablePartitionResponse;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.responses.iter_mut().flat_map(|topic| &mut topic.partitions)
    }

    fn fail(&mut self) {
        self.error_code = UnknownServerError.code();
        self.error_message = None;
    }
}

impl Says for AlterClientQuotasResponse {
    type Part = EntryData;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        self.entries.iter_mut()
    }
}

/// Apache Kafka fails once more over this one, and never answers.
impl Says for DescribeClientQuotasResponse {
    type Part = Self;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        std::iter::once(self)
    }

    fn fail(&mut self) {
        self.entries = None;
    }
}

impl Says for UpdateFeaturesResponse {
    type Part = Self;

    fn parts(&mut self) -> impl Iterator<Item = &mut Self::Part> {
        std::iter::once(self)
    }
}
