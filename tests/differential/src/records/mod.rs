//! Record batches: made for requests, read out of answers.

mod build;
mod compress;
mod read;

pub use build::{RecordError, batch, message};
pub use read::batches;

#[cfg(test)]
mod tests;

/// Everything of a batch before its records.
const HEADER: usize = 61;
/// Where the checksum stands; it is of all behind it.
const CRC_AT: usize = 17;
/// Behind the offset and the length.
const LENGTH_FROM: usize = 12;
/// The codecs by the low bits of a batch's attributes.
const CODECS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
