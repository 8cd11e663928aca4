//! What a check found, as data. `text` and `json` render it.

mod hung;
mod json;
mod leak;
#[cfg_attr(not(feature = "track"), expect(dead_code, reason = "sources are read for traces"))]
mod place;
mod repeat;
mod resource;
mod summary;
mod text;

pub use hung::Hung;
pub(crate) use json::{Body, append, binary};
pub use leak::{Frame, Leak, LeakState, Place, Wait};
#[cfg(feature = "track")]
pub(crate) use place::{DEPENDENCY, Places};
pub(crate) use place::{is_of_a_dependency, shorten};
pub use repeat::{FailedRun, Repetition};
pub use resource::{Resource, ResourceKind};
pub use summary::{Ignored, Report, SiteSummary};
