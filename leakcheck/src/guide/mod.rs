//! Pages to read: there is no code here.
//!
#![doc = include_str!("../../docs/guide.md")]

pub mod goleak;

/// Whole programs in little.
pub mod cookbook {
    #![doc = include_str!("../../docs/cookbook.md")]
}

/// What other tools there are, and when to take one of them.
pub mod comparison {
    #![doc = include_str!("../../docs/comparison.md")]
}
