//! Pages to read: a guide from the first test to a gate in CI, a cookbook, and what other tools there are.
#![doc = include_str!("../docs/guide.md")]

/// Whole programs in little.
pub mod cookbook {
    #![doc = include_str!("../docs/cookbook.md")]
}

/// What other tools there are, and when to take one of them.
pub mod comparison {
    #![doc = include_str!("../docs/comparison.md")]
}
