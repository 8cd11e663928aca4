//! goleak for tokio.

#[cfg(feature = "track")]
mod ending;
#[cfg(feature = "track")]
mod group;
#[cfg(feature = "track")]
mod names;
#[cfg(feature = "track")]
mod registry;
#[cfg(feature = "track")]
mod scope;
#[cfg(feature = "track")]
mod sync;
#[cfg(feature = "track")]
mod task;
mod tracker;
#[cfg(not(feature = "track"))]
mod untracked;

#[cfg(not(feature = "track"))]
use untracked::{Group, Record};
#[cfg(feature = "track")]
use {group::Group, task::Record};

pub use tracker::{TaskTracker, TaskTrackerToken, TrackedFuture};
#[cfg(feature = "track")]
pub use {
    registry::tasks,
    task::{Ended, Parent, TaskInfo, TaskKind},
};
