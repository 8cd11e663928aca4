//! A fake Kafka cluster for tests.
//!
//! It speaks the real wire protocol, so the clients under test are the real ones: rdkafka, rskafka, or any client of any
//! language by the `kfake` binary. It answers as Apache Kafka does, starts in milliseconds, and leaves nothing behind:
//! [`Cluster::close`] returns once each of its tasks has been dropped.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = kfake::Cluster::builder().brokers(3).topic("orders", 6).start().await?;
//! let servers = cluster.bootstrap_servers(); // "127.0.0.1:40117,127.0.0.1:36465,…"
//! # let _ = servers;
//! cluster.close().await;
//! # Ok(()) }
//! ```
//!
//! # Waiting instead of sleeping
//!
//! [`Cluster::wait_for_group`] returns once a group is as the test needs it:
//! `cluster.wait_for_group("billing", |g| g.is_stable() && g.members.len() == 2).await?`.
//!
//! # No wall time
//!
//! Real sockets and tokio's paused clock do not mix. Over memory they need not: [`Builder::in_memory`] opens no port, and
//! [`Cluster::client`] is a small typed client that sends any request of kafka-protocol. A session timeout of ten seconds
//! then takes no time at all, and two runs are the same.
//!
//! ```
//! use std::time::Duration;
//! use kafka_protocol::messages::MetadataRequest;
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = kfake::Cluster::builder().in_memory().topic("orders", 6).start().await?;
//! let mut client = cluster.client(kfake::BrokerId(1))?;
//! let metadata = client.send(MetadataRequest::default().with_topics(None)).await?;
//! assert_eq!(metadata.topics[0].partitions.len(), 6);
//! cluster.close().await;
//! # Ok(()) }
//! ```
//!
//! # Leaders that move, brokers that stop
//!
//! [`Cluster::set_leader`], [`Cluster::shrink_isr`], [`Cluster::hold_reassignments`] and [`Cluster::stop_broker`] change the
//! cluster under the clients' feet, and [`Cluster::partition`] shows what it is now. `docs/topology.md` says what clients see.
//!
//! ```
//! use kfake::BrokerId;
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = kfake::Cluster::builder().brokers(3).topic_spec("orders", Some(1), Some(3)).start().await?;
//! let moved = cluster.set_leader("orders", 0, BrokerId(2))?;
//! assert_eq!(moved.leader_epoch, 1);
//! cluster.stop_broker(BrokerId(2)).await?; // its connections break, and its port is closed
//! assert_eq!(cluster.partition("orders", 0).unwrap().leader, Some(BrokerId(1)));
//! cluster.start_broker(BrokerId(2)).await?; // on the same port
//! cluster.close().await;
//! # Ok(()) }
//! ```
//!
//! # Quotas
//!
//! What AlterClientQuotas sets is enforced on the cluster's clock (`docs/configs.md`). Where Apache Kafka measures the time that its
//! threads spend on a client (`request_percentage`), each request counts as a tenth of a millisecond here, so that runs are the
//! same: 0.01 percent of a thread is one request a second.
//!
//! # Features
//!
//! `bin`, on by default, is the binary. A library's dev-dependency turns it off: `default-features = false`.
#![deny(clippy::disallowed_methods)]

/// The examples of the page are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../docs/topology.md")]
struct TopologyPage;

pub mod client;
#[doc(hidden)]
pub mod log;
pub mod messages;

mod api;
mod cluster;
mod group;
mod hash_order;
mod lines;
mod net;
mod txn;

pub use api::VersionError;
pub use cluster::brokers::{BrokerError, PartitionView};
pub use cluster::builder::{Builder, StartError};
pub use cluster::cleaner::CompactError;
pub use cluster::config::ConfigError;
#[cfg(feature = "plants")]
#[doc(hidden)]
pub use cluster::exits::Plant;
pub use cluster::handle::{Cluster, ClusterClosed};
pub use cluster::releases::UnknownRelease;
pub use cluster::state::Broker;
pub use cluster::telemetry::ClientMetrics;
pub use cluster::topics::{BrokerId, TopicError};
pub use cluster::topology::MoveError;
pub use group::handle::EndGroupError;
pub use group::view::{GroupState, GroupView, MemberView};
