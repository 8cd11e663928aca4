//! Shut a scenario down at every step: see [`explore`](fn@explore).

mod call;
mod explorer;
mod found;
mod run;
mod steps;
mod stuck;
mod text;

pub use call::Shutdown;
pub use explorer::{Explore, explore};
pub use found::{Exploration, Failure, HungRun, Polled};
#[cfg(feature = "track")]
pub(crate) use steps::Steps;
