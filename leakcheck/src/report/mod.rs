//! What a check found, as data. `text` and `json` render it.

mod hung;
mod json;
mod leak;
mod page;
#[cfg_attr(not(feature = "track"), expect(dead_code, reason = "sources are read for traces"))]
mod place;
mod repeat;
mod resource;
mod stopping;
mod style;
mod summary;
mod text;
mod tree;
mod unseen;

pub use hung::Hung;
pub(crate) use json::{Body, append, binary};
pub use leak::{Frame, Leak, LeakState, Place, Wait};
#[cfg(feature = "track")]
pub(crate) use place::{DEPENDENCY, Places};
pub(crate) use place::{is_of_a_dependency, shorten};
pub use repeat::{FailedRun, Repetition};
pub use resource::{Resource, ResourceKind};
pub use stopping::Stopping;
pub use style::Style;
pub use summary::{Ignored, Known, Report, SiteSummary, TaskPanic, UntrackedSpawn, UntrackedTasks};
pub(crate) use text::{age, count, leaks};

/// The JSON schema (draft 2020-12) of the lines that checks append to the files in `LEAKCHECK_REPORT_DIR`.
///
/// Its number, the member `schema` of each line, is raised when a member changes its meaning. Members may be added
/// under the same number.
pub const SCHEMA: &str = include_str!("../../schema/report.schema.json");
