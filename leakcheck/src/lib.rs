//! goleak for tokio.

mod check;
#[cfg(feature = "track")]
mod ending;
#[cfg(feature = "track")]
mod group;
#[cfg_attr(
    not(feature = "track"),
    expect(dead_code, reason = "rules match records")
)]
pub mod ignore;
mod info;
#[cfg(feature = "track")]
mod names;
mod plain;
#[cfg(feature = "track")]
mod probe;
#[cfg(feature = "track")]
mod registry;
pub mod report;
#[cfg(feature = "track")]
mod scope;
#[cfg(feature = "track")]
mod settle;
mod shutdown;
mod sync;
#[cfg(feature = "track")]
mod task;
mod tracker;
#[cfg(not(feature = "track"))]
mod untracked;
#[cfg(feature = "track")]
mod verify;

#[cfg(not(feature = "track"))]
use untracked::{Begun, Group, Record, verify_thread};
#[cfg(feature = "track")]
use {group::Group, scope::Begun, task::Record, verify::verify_thread};

pub use check::{Check, Outcome, Panic};
pub use ignore::Ignore;
pub use info::{Ended, Parent, TaskInfo, TaskKind};
pub use leakcheck_macros::leakcheck;
pub use plain::{Guard, find, find_ignoring, guard, verify_none, verify_none_ignoring};
#[cfg(feature = "track")]
pub use registry::tasks;
pub use report::{Leak, Report};
pub use shutdown::ShutdownError;
pub use tracker::{TaskTracker, TaskTrackerToken, TrackedFuture};
#[cfg(not(feature = "track"))]
pub use untracked::tasks;

/// What the attribute's expansion names. Not part of the interface.
#[doc(hidden)]
pub mod __private {
    pub use tokio;
}
