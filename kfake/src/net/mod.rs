//! Transports, frames, one connection.

pub(crate) mod connection;
pub(crate) mod frame;
pub(crate) mod memory;
pub(crate) mod shape;
pub(crate) mod tcp;
