//! Configurations: Apache Kafka's own definitions of them, what they are set to, and how they are changed.

pub(crate) mod alter;
pub(crate) mod brokers;
pub(crate) mod check;
pub(crate) mod describe;
pub(crate) mod error;
pub(crate) mod groups;
pub(crate) mod loggers;
pub(crate) mod logs;
pub(crate) mod store;
pub(crate) mod subscription;
pub(crate) mod table;
