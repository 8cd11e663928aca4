//! The kfake binary.
fn main() {}
