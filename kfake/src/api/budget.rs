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
}
