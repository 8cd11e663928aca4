//! What crosses crates: real clients, leak scenarios. The tests are in `tests/`.
