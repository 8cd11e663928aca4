//! Which calls spawn, by the compiler's own name resolution.
//!
//! ```text
//! spawning methods ──► clippy.toml ──► cargo clippy ──► its messages ──► calls ──► what a call of the source means
//! ```
//!
//! clippy's `disallowed_methods` names each call of a listed function, whatever it is called there: through a rename, a glob, a
//! field or a macro. Its `too_many_lines`, with no line allowed, names each function that was compiled. A call in a compiled
//! function that the first lint does not name is a call of something else.
//!
//! - `spawning`: the functions that spawn, and what becomes of the handle.
//! - `clippy`: runs it with a configuration of its own. The user's `clippy.toml` and lints have no part in it.
//! - `messages`: its output, read.
//! - `calls`: what it said, by place.
//! - `sites`: what it said of one function's calls, while that function is walked.

pub(crate) mod calls;
pub(crate) mod clippy;
mod messages;
pub(crate) mod sites;
pub(crate) mod spawning;
