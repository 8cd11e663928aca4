//! Transports, frames, one connection.

pub(crate) mod connection;
pub(crate) mod frame;
mod mapped;
pub(crate) mod memory;
pub(crate) mod shape;
pub(crate) mod tcp;
