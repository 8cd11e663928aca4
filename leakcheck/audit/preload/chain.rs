//! The return addresses of a stack whose functions keep frame pointers, as Apple's rules for calls have them.
//!
//! A frame pointer points to two words: the caller's frame pointer, and where the caller's code goes on. Nothing here asks the
//! system for anything, so that it is tested on any.

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At a frame without a caller: the stack's first one.
    First,
    /// Who is told of the frames wanted no more of them.
    Enough,
    /// At what is no frame: not on the stack, not aligned, or not above the frame before.
    Broken,
}

/// Walks from a frame towards the stack's beginning, and tells of each return address.
///
/// `stack` is the part of it that is in use. No word outside of it is read, so that a frame pointer may be anything.
pub(super) fn follow(
    mut frame: u64,
    stack: (u64, u64),
    word: impl Fn(u64) -> u64,
    mut found: impl FnMut(u64) -> bool,
) -> End {
    let (mut low, high) = stack;
    loop {
        let is_frame = frame & 7 == 0 && frame >= low && frame.checked_add(16).is_some_and(|end| end <= high);
        if !is_frame {
            return End::Broken;
        }
        let returns = word(frame + 8);
        if returns == 0 {
            return End::First;
        }
        if !found(returns) {
            return End::Enough;
        }
        // Frames lie one behind the other: so this comes to an end.
        low = frame + 16;
        frame = word(frame);
        if frame == 0 {
            return End::First;
        }
    }
}
