//! Why configurations cannot be changed.

use kafka_protocol::error::ResponseError;
use kafka_protocol::protocol::StrBytes;
use thiserror::Error;

/// Why a resource's configurations cannot be changed. The text is what Apache Kafka answers.
#[derive(Debug, Error, Clone, PartialEq, Eq)]
pub(crate) enum AlterError {
    /// INVALID_REQUEST.
    #[error("{0}")]
    InvalidRequest(String),
    /// INVALID_CONFIG.
    #[error("{0}")]
    InvalidConfig(String),
    /// INVALID_TOPIC_EXCEPTION.
    #[error("{0}")]
    InvalidTopic(String),
    /// UNKNOWN_TOPIC_OR_PARTITION.
    #[error("The topic '{0}' does not exist.")]
    UnknownTopic(String),
    /// UNKNOWN_SERVER_ERROR: where Apache Kafka fails inside, and says nothing of it.
    #[error("Apache Kafka fails inside")]
    Inside,
}

impl AlterError {
    pub fn error(&self) -> ResponseError {
        match self {
            Self::InvalidRequest(_) => ResponseError::InvalidRequest,
            Self::InvalidConfig(_) => ResponseError::InvalidConfig,
            Self::InvalidTopic(_) => ResponseError::InvalidTopicException,
            Self::UnknownTopic(_) => ResponseError::UnknownTopicOrPartition,
            Self::Inside => ResponseError::UnknownServerError,
        }
    }

    /// What a client is told.
    pub fn message(&self) -> Option<String> {
        (*self != Self::Inside).then(|| self.to_string())
    }
}

/// A resource's answer: its error code, and what is said of it.
pub(crate) fn told(answer: Result<(), AlterError>) -> (i16, Option<StrBytes>) {
    match answer {
        Ok(()) => (0, None),
        Err(error) => (error.error().code(), error.message().map(StrBytes::from_string)),
    }
}
