//! The same requests to a real Apache Kafka and to kfake, and their answers held side by side.
//!
//! The scenarios are data: files in `corpus/`, described in `kfake/docs/differential.md`. A scenario is run on one cluster over
//! raw connections, with a codec of its own that is made from Apache Kafka's message definitions; what it answered is a
//! [`transcript`], in which ids, times and addresses are masked. Two transcripts of a scenario are then compared as they are.

pub mod canonical;
pub mod codec;
pub mod compare;
pub mod connection;
pub mod corpus;
pub mod random;
pub mod records;
pub mod run;
pub mod schema;
pub mod side;
pub mod steady;
pub mod text;
pub mod transcript;
pub mod tree;
