//! Quotas of users, clients and addresses (KIP-13, KIP-546): what they may use, and how long who uses more must wait.

pub(crate) mod alter;
pub(crate) mod connections;
pub(crate) mod describe;
pub(crate) mod entity;
pub(crate) mod limits;
pub(crate) mod mutations;
pub(crate) mod rate;
pub(crate) mod slots;
pub(crate) mod store;
