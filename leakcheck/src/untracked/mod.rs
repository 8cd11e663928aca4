//! Tasks that no tracker saw: how many there are, and where they were spawned.

#[cfg(feature = "install")]
mod allocator;
mod count;
mod find;
#[cfg(feature = "install")]
mod here;
#[cfg(feature = "install")]
mod named;
#[cfg(feature = "install")]
mod table;

#[cfg(feature = "install")]
pub use allocator::Allocator;
pub(crate) use count::alive;
pub(crate) use find::{find, find_here};
#[cfg(feature = "install")]
pub(crate) use {
    here::{Ours, enter},
    table::Watch,
};
