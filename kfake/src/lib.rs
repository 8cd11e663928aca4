//! A fake Kafka cluster for tests.

#[doc(hidden)]
pub mod log;
