//! The transaction coordinator: the state of each transactional id, and the one step that ends a transaction over its
//! partitions and groups.

pub(crate) mod complete;
pub(crate) mod coordinator;
pub(crate) mod deadlines;
pub(crate) mod state;
pub(crate) mod transaction;
