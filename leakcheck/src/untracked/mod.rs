//! Tasks that no tracker saw: how many there are, and where they were spawned.

#[cfg(feature = "install")]
mod allocator;
mod count;
mod find;
#[cfg(any(feature = "install", tokio_unstable))]
mod here;
#[cfg(tokio_unstable)]
mod hooks;
#[cfg(feature = "install")]
mod named;
#[cfg(feature = "install")]
mod table;

#[cfg(feature = "install")]
pub use allocator::Allocator;
pub(crate) use count::alive;
pub(crate) use find::{find, find_here};
#[cfg(any(feature = "install", tokio_unstable))]
pub(crate) use here::Ours;
#[cfg(tokio_unstable)]
pub(crate) use hooks::told_by;
#[cfg(feature = "install")]
pub(crate) use {here::enter, table::Watch};
