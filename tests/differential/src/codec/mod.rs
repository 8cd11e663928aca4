//! Between a message's bytes and its tree, by its definition. It shares no code with what kfake uses.

mod decode;
mod encode;

pub use decode::{DecodeError, decode, tagged_fields};
pub use encode::{EncodeError, encode};

#[cfg(test)]
mod tests;
