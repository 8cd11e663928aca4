//! The text format of scenarios. `kfake/docs/differential.md` describes it.

mod parser;
mod scanner;
pub mod scenario;

pub use parser::parse_file;
pub use scanner::{ParseError, parse_value};

#[cfg(test)]
mod tests;
