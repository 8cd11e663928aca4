//! A fake Kafka cluster for tests.
