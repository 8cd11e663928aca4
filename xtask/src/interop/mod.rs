//! `cargo xtask interop`: the clients that people use, each against the `kfake` binary.
//!
//! A client is a file `tests/interop/NAME.toml` and a program in any language, which reports a line for each case of
//! `tests/interop/cases.txt`: `ok CASE`, `not ok CASE: WHY` or `skip CASE: WHY`. `cluster stop` and `cluster start` ask for the
//! cluster to end and to start again on the same ports; `stopped` and `started` on its standard input is the answer. `cluster move TOPIC` asks for
//! another leader of each of the topic's partitions; the answer is `moved`.
//!
//! `suites/` runs the integration tests that clients publish themselves.

mod client;
mod cluster;
mod command;
mod leaders;
mod outcome;
mod suites;
mod table;

pub use command::run;
