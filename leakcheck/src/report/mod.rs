//! What a check found, as data. `text` and `json` render it.

mod json;
mod leak;
mod page;
#[cfg_attr(not(feature = "track"), expect(dead_code, reason = "sources are read for traces"))]
mod place;
mod style;
mod summary;
mod text;
mod tree;
mod unseen;

pub(crate) use json::{Body, append, binary};
pub use leak::{Frame, Leak, LeakState, Place, Wait};
#[cfg(feature = "track")]
pub(crate) use place::{DEPENDENCY, Places};
pub(crate) use place::{is_of_a_dependency, shorten};
pub use style::Style;
pub use summary::{Ignored, Known, Report, SiteSummary, TaskPanic, UntrackedSpawn, UntrackedTasks};
pub(crate) use text::{count, leaks};
