//! The error codes of what the controller refuses.

use kafka_protocol::error::ResponseError;

use crate::cluster::topics::TopicError;

impl TopicError {
    /// The error code.
    pub(super) fn error(&self) -> ResponseError {
        match self {
            Self::InvalidName(_) => ResponseError::InvalidTopicException,
            Self::Exists(_) => ResponseError::TopicAlreadyExists,
            Self::InvalidPartitions(_) => ResponseError::InvalidPartitions,
            Self::InvalidReplicationFactor(_) => ResponseError::InvalidReplicationFactor,
            Self::InvalidReplicaAssignment(_) => ResponseError::InvalidReplicaAssignment,
            Self::InvalidConfig(_) => ResponseError::InvalidConfig,
            Self::InvalidRequest(_) => ResponseError::InvalidRequest,
            Self::Unknown => ResponseError::UnknownTopicOrPartition,
            Self::PolicyViolation(_) => ResponseError::PolicyViolation,
            Self::QuotaExceeded => ResponseError::ThrottlingQuotaExceeded,
        }
    }

    /// What Apache Kafka says of it, where it says something.
    pub(super) fn message(&self) -> Option<String> {
        match self {
            Self::QuotaExceeded => None,
            other => Some(other.to_string()),
        }
    }
}
