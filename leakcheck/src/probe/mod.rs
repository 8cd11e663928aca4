//! Where a task waits: one poll with a waker that records a backtrace when it is cloned.
//!
//! To be asked, a task is woken; its next poll is the one that answers.

mod ask;
mod leaf;
mod outline;
mod places;
mod select;
mod symbols;
mod tokens;
mod waker;

pub(crate) use ask::{Answer, Probe, ask, ask_and_wait, block_on_until};
pub(crate) use places::{Places, read};
#[cfg(feature = "install")]
pub(crate) use places::{is_leakcheck, user_frame};
