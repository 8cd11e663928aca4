//! `cargo xtask interop --suites`: the integration tests that clients publish with their sources, against the `kfake` binary and,
//! with `--oracle`, against Apache Kafka.
//!
//! A suite is a file `tests/interop/suites/NAME.toml`. Its program prints a line for each test as Rust's test harness does:
//! `test NAME ... ok`, `FAILED` or `ignored`. What is not to pass is listed in the file, each with its reason, for kfake and for
//! Apache Kafka; whatever comes out otherwise than listed is a failure, also where it is better.

mod output;
mod page;
mod run;
mod server;
mod suite;
mod verdict;

pub use run::run;
