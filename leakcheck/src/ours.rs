//! What stands in, where the feature `install` is off, for telling an allocator which spawns are known otherwise.

/// Nothing.
#[must_use]
pub(crate) struct Ours;

impl Ours {
    #[inline]
    pub(crate) fn begin() -> Self {
        Self
    }
}
