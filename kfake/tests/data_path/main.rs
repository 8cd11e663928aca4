//! Produce, Fetch, ListOffsets, InitProducerId and transactions over the in-memory network, at each version, under a paused clock.
//!
//! Error codes, offsets and what is included in an answer are those that Apache Kafka 4.4 gave to the same requests,
//! unless a test says otherwise.

mod fetch;
mod given;
mod housekeeping;
mod init_producer_id;
mod list_offsets;
mod produce;
mod sessions;
mod transactions;
