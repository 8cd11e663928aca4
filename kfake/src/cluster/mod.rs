//! The cluster: what it is made of, how it starts, how it ends.

pub(crate) mod brokers;
pub(crate) mod builder;
pub(crate) mod change;
pub(crate) mod cleaner;
pub(crate) mod config;
pub(crate) mod configs;
pub(crate) mod controller;
pub(crate) mod creation;
pub(crate) mod exits;
pub(crate) mod features;
pub(crate) mod fetch_sessions;
pub(crate) mod handle;
pub(crate) mod housekeeping;
pub(crate) mod internal;
pub(crate) mod lifeline;
pub(crate) mod log_config;
pub(crate) mod partition;
pub(crate) mod quotas;
pub(crate) mod releases;
pub(crate) mod state;
pub(crate) mod telemetry;
pub(crate) mod topic_config;
pub(crate) mod topics;
pub(crate) mod topology;
pub(crate) mod unreplicated;
