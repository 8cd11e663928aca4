//! What a check found, as data. `text` and `json` render it.

mod json;
mod leak;
mod place;
mod summary;
mod text;

pub(crate) use json::{Body, append};
pub use leak::{Frame, Leak, LeakState, Place, Wait};
pub(crate) use place::{DEPENDENCY, Places, shorten};
pub use summary::{Ignored, Report, SiteSummary};
