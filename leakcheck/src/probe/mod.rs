//! Where a task waits: one poll with a waker that records a backtrace when it is cloned.
//!
//! To be asked, a task is woken; its next poll is the one that answers.

mod ask;
mod leaf;
mod outline;
mod places;
mod sample;
mod select;
mod symbols;
mod tokens;
mod waker;

#[cfg(all(test, loom))]
pub(crate) use ask::is_open_after;
pub(crate) use ask::{Answer, Asker, Probe, ask, ask_and_wait, ask_by_the_way, block_on_until};
pub(crate) use outline::enclosing;
pub(crate) use places::{Places, read};
#[cfg(feature = "install")]
pub(crate) use places::{is_leakcheck, user_frame};
pub(crate) use sample::choose;
pub(crate) use waker::lend;
