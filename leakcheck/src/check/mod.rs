//! What `#[leakcheck]` expands to: run a test, check what it left behind, and fail it, or hand the verdict out as data.

mod alone;
mod body;
mod conclude;
mod options;
mod repeat;
mod run;

pub use body::Panic;
pub use conclude::Outcome;
pub(crate) use conclude::{pass_or_panic, publish, tell};
pub use options::Check;
pub(crate) use options::Terms;
pub use repeat::{Repeat, Repeated};
pub(crate) use run::Limit;
