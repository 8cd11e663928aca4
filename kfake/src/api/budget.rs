//! What an answer may take while it is being made.

use super::dispatch::Refusal;

/// No frame is longer: its size is a signed number of four bytes.
const LONGEST_FRAME: usize = i32::MAX as usize;

/// Bounds an answer that may be many times as large as its request, as one that names the same group a million times:
/// the answer is given up before its parts take more room than the longest frame.
#[derive(Debug)]
pub(super) struct Budget {
    left: usize,
}

impl Budget {
    /// Room for the longest frame.
    pub fn of_a_frame() -> Self {
        Self { left: LONGEST_FRAME }
    }

    /// Room for so many bytes.
    #[cfg(test)]
    pub fn of(bytes: usize) -> Self {
        Self { left: bytes }
    }

    /// The parts of an answer, each made when the one before has found room.
    ///
    /// # Errors
    ///
    /// As [`spend`](Self::spend), by the first for which there is no room: those behind it are not made.
    pub fn collect<T>(mut self, parts: impl Iterator<Item = T>, size: impl Fn(&T) -> usize) -> Result<Vec<T>, Refusal> {
        let mut collected = Vec::new();
        for part in parts {
            self.spend(size(&part))?;
            collected.push(part);
        }
        Ok(collected)
    }

    /// Takes the bytes that a part of the answer takes.
    ///
    /// # Errors
    ///
    /// [`Refusal::Response`] where there is no room for it.
    pub fn spend(&mut self, bytes: usize) -> Result<(), Refusal> {
        match self.left.checked_sub(bytes) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(Refusal::Response(
                "it takes more room than the longest frame has".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_taken_and_no_byte_more() {
        let mut budget = Budget { left: 10 };
        assert!(budget.spend(4).is_ok() && budget.spend(6).is_ok() && budget.spend(0).is_ok());
        assert!(matches!(budget.spend(1), Err(Refusal::Response(_))));
        assert!(budget.spend(usize::MAX).is_err());
    }

    #[test]
    fn what_is_named_a_million_times_is_given_up_when_the_room_is_gone() {
        let mut made = 0;
        let parts = (0..1_000_000).map(|_| {
            made += 1;
            "a part"
        });
        let budget = Budget { left: 60 };
        assert!(budget.collect(parts, |part| part.len()).is_err());
        assert_eq!(made, 11, "ten, and the one that has no room");
        let budget = Budget { left: 60 };
        assert_eq!(
            budget
                .collect((0..10).map(|_| "a part"), |part| part.len())
                .unwrap()
                .len(),
            10
        );
    }
}
