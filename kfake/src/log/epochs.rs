//! The leader epochs of one log: which began where. Kafka's `LeaderEpochFileCache`.

/// Each leader epoch in which something was, or will be, appended, with the log end offset when it began; ascending in both.
#[derive(Debug, Clone)]
pub(super) struct LeaderEpochs {
    began: Vec<(i32, i64)>,
}

impl LeaderEpochs {
    pub fn new(epoch: i32) -> Self {
        Self {
            began: vec![(epoch, 0)],
        }
    }

    /// The epoch that the log is led in.
    pub fn latest(&self) -> i32 {
        self.began.last().map_or(-1, |&(epoch, _)| epoch)
    }

    /// Begins an epoch at the log end offset. An epoch that is not newer is ignored. One in which nothing was appended is
    /// forgotten (`maybeTruncateNonMonotonicEntries`).
    pub fn begin(&mut self, epoch: i32, end_offset: i64) {
        if epoch > self.latest() {
            while self.began.last().is_some_and(|&(_, start)| start >= end_offset) {
                self.began.pop();
            }
            self.began.push((epoch, end_offset));
        }
    }

    /// Forgets the epochs that began at `end_offset` or behind it (`truncateFromEnd`), but for the first.
    pub fn truncate(&mut self, end_offset: i64) {
        while self.began.len() > 1 && self.began.last().is_some_and(|&(_, start)| start >= end_offset) {
            self.began.pop();
        }
    }

    /// Forgets the epochs that ended at `start_offset` or before it; the one that is left first begins there (`truncateFromStart`).
    pub fn raise_start(&mut self, start_offset: i64) {
        let begun = self.began.partition_point(|&(_, start)| start <= start_offset);
        if begun > 0 {
            self.began.drain(..begun - 1);
            self.began[0].1 = start_offset;
        }
    }

    /// The epoch that `offset` was, or will be, appended in; -1 for none.
    pub fn at(&self, offset: i64) -> i32 {
        let next = self.began.partition_point(|&(_, start)| start <= offset);
        next.checked_sub(1).map_or(-1, |at| self.began[at].0)
    }

    /// The largest epoch that is not larger than `epoch`, with the offset that it ended at (`endOffsetFor`). The latest one ends
    /// at the log end offset. Of one larger than that nothing is known; one before the first ended where that began.
    pub fn end_of(&self, epoch: i32, log_end_offset: i64) -> Option<(i32, i64)> {
        if epoch == -1 || epoch > self.latest() {
            return None;
        }
        let next = self.began.partition_point(|&(known, _)| known <= epoch);
        let end = self.began.get(next).map_or(log_end_offset, |&(_, start)| start);
        let known = next.checked_sub(1).map(|at| self.began[at].0);
        Some((known.unwrap_or(epoch), end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5 records in epoch 0, none in epoch 1, 3 in epoch 4.
    fn epochs() -> LeaderEpochs {
        let mut epochs = LeaderEpochs::new(0);
        epochs.begin(1, 5);
        epochs.begin(4, 5);
        epochs
    }

    #[test]
    fn an_epoch_ends_where_the_next_one_begins() {
        let epochs = epochs();
        assert_eq!(epochs.end_of(0, 8), Some((0, 5)));
        assert_eq!(epochs.end_of(4, 8), Some((4, 8)));
    }

    #[test]
    fn an_epoch_that_never_was_stands_for_the_one_before() {
        assert_eq!(epochs().end_of(3, 8), Some((0, 5)));
    }

    #[test]
    fn of_a_later_epoch_and_of_none_nothing_is_known() {
        assert_eq!(epochs().end_of(5, 8), None);
        assert_eq!(epochs().end_of(-1, 8), None);
    }

    #[test]
    fn an_epoch_that_is_not_newer_does_not_begin() {
        let mut epochs = epochs();
        epochs.begin(4, 8);
        epochs.begin(2, 8);
        assert_eq!((epochs.latest(), epochs.at(7), epochs.at(4)), (4, 4, 0));
    }

    #[test]
    fn what_is_left_begins_where_the_log_does() {
        let mut epochs = epochs();
        epochs.raise_start(3);
        assert_eq!(epochs.end_of(-2, 8), Some((-2, 3)));
        epochs.raise_start(6);
        assert_eq!((epochs.end_of(0, 8), epochs.end_of(4, 8)), (Some((0, 6)), Some((4, 8))));
    }

    #[test]
    fn what_is_truncated_takes_its_epochs_with_it() {
        let mut epochs = epochs();
        epochs.truncate(5);
        assert_eq!(epochs.latest(), 0);
        epochs.begin(6, 3);
        assert_eq!(epochs.end_of(4, 7), Some((0, 3)));
    }

    #[test]
    fn an_epoch_before_the_first_ended_where_that_began() {
        let mut epochs = LeaderEpochs::new(3);
        epochs.begin(5, 4);
        assert_eq!(epochs.end_of(1, 8), Some((1, 0)));
        assert_eq!(epochs.end_of(-2, 8), Some((-2, 0)));
    }
}
