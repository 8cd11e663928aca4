//! Tasks that no tracker saw: how many there are, and where they were spawned.

mod count;

pub(crate) use count::{Counted, alive, settle};
