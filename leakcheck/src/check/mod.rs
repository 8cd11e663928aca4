//! What `#[leakcheck]` expands to: run a test, check what it left behind, and fail it, or hand the verdict out as data.

mod alone;
mod body;
mod conclude;
mod options;
mod repeat;
mod run;

#[cfg(feature = "test-util")]
pub(crate) use body::Caught;
pub use body::Panic;
#[cfg(feature = "track")]
pub(crate) use body::text_of;
pub use conclude::Outcome;
pub(crate) use conclude::{PANIC_CODE, Unwritten, pass_or_panic, publish, tell};
pub use options::Check;
#[cfg(feature = "test-util")]
pub(crate) use options::GRACE;
#[cfg(any(feature = "track", feature = "test-util"))]
pub(crate) use options::LONGEST;
pub(crate) use options::Terms;
pub use repeat::{Repeat, Repeated};
pub(crate) use run::Limit;
use run::current_thread;
pub use run::told_by;
