//! goleak for tokio.
mod tracker;
pub use tracker::TaskTracker;
