//! Arguments that make no sense.

/// Why arguments make no sense.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// The parser does not take them.
    #[error("{0} (leak-audit --help tells the right arguments)")]
    Parse(#[from] lexopt::Error),
    /// They do not fit together.
    #[error("{0} (leak-audit --help tells the right arguments)")]
    Wrong(String),
}

pub(super) fn wrong<T>(why: &str) -> Result<T, ArgumentError> {
    Err(ArgumentError::Wrong(why.to_owned()))
}
