//! What compaction has to know of transactions: whose records were aborted, and which markers have nothing left to say
//! (`CleanedTransactionMetadata`).

use std::collections::{HashMap, HashSet, VecDeque};

use super::transactions::AbortedTransaction;

/// The transactions of a log, as its batches are read in their order.
#[derive(Debug, Default)]
pub(super) struct CleanedTransactions {
    /// Those that were aborted and have not been come to, in the order of their first offsets.
    ahead: VecDeque<AbortedTransaction>,
    /// Producers within an aborted transaction, and whether one of its batches was read.
    aborted: HashMap<i64, bool>,
    /// Producers of which a batch was read that was not aborted, and no marker since.
    committed: HashSet<i64>,
}

impl CleanedTransactions {
    pub fn new(mut aborted: Vec<AbortedTransaction>) -> Self {
        aborted.sort_unstable_by_key(|aborted| aborted.first_offset);
        Self {
            ahead: aborted.into(),
            ..Self::default()
        }
    }

    /// Whether a batch of records was aborted: then nothing of it stays.
    pub fn read_batch(&mut self, producer_id: i64, last_offset: i64, is_transactional: bool) -> bool {
        self.advance(last_offset);
        if !is_transactional {
            return false;
        }
        match self.aborted.get_mut(&producer_id) {
            Some(is_seen) => {
                *is_seen = true;
                true
            }
            None => {
                self.committed.insert(producer_id);
                false
            }
        }
    }

    /// Whether a marker's transaction has no batch left, so that it may go in its time. `commits` is `None` of a marker whose
    /// record has gone.
    pub fn read_marker(&mut self, producer_id: i64, offset: i64, commits: Option<bool>) -> bool {
        self.advance(offset);
        match commits {
            None => true,
            Some(true) => !self.committed.remove(&producer_id),
            Some(false) => !self.aborted.remove(&producer_id).unwrap_or(false),
        }
    }

    fn advance(&mut self, offset: i64) {
        while let Some(aborted) = self.ahead.front()
            && aborted.first_offset <= offset
        {
            self.aborted.entry(aborted.producer_id).or_insert(false);
            self.ahead.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborted_batches_are_told_and_their_markers_stay_until_they_have_gone() {
        let mut read = CleanedTransactions::new(vec![AbortedTransaction::new(1, 0, 3)]);
        assert!(read.read_batch(1, 0, true));
        assert!(!read.read_batch(2, 1, true), "another's");
        assert!(!read.read_batch(1, 2, false), "of no transaction");
        assert!(!read.read_marker(1, 3, Some(false)));
        assert!(!read.read_marker(2, 4, Some(true)));
        // The next transactions of both are committed.
        assert!(!read.read_batch(1, 5, true));
        assert!(!read.read_marker(1, 6, Some(true)));
    }

    #[test]
    fn a_marker_without_batches_may_go() {
        let mut read = CleanedTransactions::new(vec![AbortedTransaction::new(1, 0, 3)]);
        assert!(read.read_marker(1, 3, Some(false)));
        assert!(read.read_marker(2, 4, Some(true)));
        assert!(read.read_marker(2, 5, None));
    }
}
