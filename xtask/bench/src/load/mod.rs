//! The loads. One file each: what is sent, and which rows come out of it.

pub mod curve;
pub mod groups;
pub mod idle;
pub mod inside;
pub mod life;
pub mod payload;
pub mod single;
pub mod start;
