//! The rules, one a file, each with its positives and its counter-examples as tests.

pub(crate) mod blocking_loop;
pub(crate) mod detached_task;
pub(crate) mod end_ignored;
pub(crate) mod ends_by_signal;
pub(crate) mod interval_without_exit;
pub(crate) mod join_set_not_drained;
pub(crate) mod select_misses_shutdown;
pub(crate) mod select_without_exit;
mod table;
#[cfg(test)]
mod testing;

pub(crate) use table::check;
pub use table::{RULES, Rule};
