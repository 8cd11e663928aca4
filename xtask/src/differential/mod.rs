//! `cargo xtask differential`: the same scenarios on Apache Kafka and on kfake.

mod clusters;
mod random;
mod run;
mod steadiness;

pub use run::run;
