//! A fake Kafka cluster for tests.
#![deny(clippy::disallowed_methods)]

pub mod client;
#[doc(hidden)]
pub mod log;

mod api;
mod cluster;
mod group;
mod net;

pub use api::VersionError;
pub use cluster::builder::{Builder, StartError};
pub use cluster::config::ConfigError;
#[cfg(feature = "plants")]
#[doc(hidden)]
pub use cluster::exits::Plant;
pub use cluster::handle::{Cluster, ClusterClosed, EndGroupError};
pub use cluster::state::Broker;
pub use cluster::topics::{BrokerId, TopicError};
pub use group::view::{GroupState, GroupView, MemberView};
