//! The producers of a partition of `__consumer_offsets`. It has no records: what they would say is kept with the groups, and who would have
//! written them is remembered here.

use super::partition::Log;
use super::producers::Sequences;
use super::transactions::{Marker, MarkerError};

impl Log {
    /// Remembers the producer of a marker as if the marker had been appended.
    ///
    /// # Errors
    ///
    /// The marker is from a time that is over. Nothing is remembered then.
    pub fn remember_marker(&mut self, marker: &Marker, now_ms: i64) -> Result<(), MarkerError> {
        if marker.producer_id >= 0 {
            self.check_marker(marker)?;
            self.producers.end(marker, now_ms);
        }
        Ok(())
    }

    /// Remembers the producer of offsets that a transaction commits as if they had been appended as one batch, with a record for each.
    /// The coordinator numbers the records of each batch from 0 on (`CoordinatorRuntime`).
    pub fn remember_offsets(&mut self, producer_id: i64, epoch: i16, records: usize, now_ms: i64) {
        let Some(last) = records.checked_sub(1).and_then(|last| i32::try_from(last).ok()) else {
            return;
        };
        if self.producers.is_fenced(producer_id, epoch) {
            return;
        }
        let written = Sequences {
            producer_id,
            epoch,
            first: 0,
            last,
        };
        self.producers
            .record(&written, self.end_offset, self.end_offset, now_ms);
        if self.producers.open_since(producer_id).is_none() {
            self.producers.begin(producer_id, self.end_offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::ProducerView;

    fn marker(producer_epoch: i16, coordinator_epoch: i32) -> Marker {
        Marker {
            producer_id: 7,
            producer_epoch,
            coordinator_epoch,
            committed: true,
            bumps_epoch: false,
        }
    }

    fn seen(log: &Log) -> Option<(i16, i32, i64, i64)> {
        let view = |seen: &ProducerView| {
            (
                seen.epoch,
                seen.last_sequence,
                seen.last_timestamp,
                seen.transaction_start,
            )
        };
        log.producers().first().map(view)
    }

    #[test]
    fn a_producer_of_offsets_is_in_a_transaction_until_its_marker() {
        let mut log = Log::new(0);
        log.remember_offsets(7, 0, 0, 10);
        assert_eq!(seen(&log), None, "nothing was committed");
        log.remember_offsets(7, 0, 3, 10);
        assert_eq!(seen(&log), Some((0, 2, 10, 0)));
        log.remember_offsets(7, 0, 1, 11);
        assert_eq!(seen(&log), Some((0, 0, 11, 0)));
        assert!(log.has_open_transaction(7, 0));
        assert_eq!(log.last_stable_offset(), 0);
        log.remember_marker(&marker(1, 0), 12).unwrap();
        assert_eq!(seen(&log), Some((1, -1, 12, -1)));
        // Of an epoch that is over nothing is taken.
        log.remember_offsets(7, 0, 1, 13);
        assert_eq!(seen(&log), Some((1, -1, 12, -1)));
    }

    #[test]
    fn a_marker_of_a_time_that_is_over_is_not_remembered() {
        let mut log = Log::new(0);
        log.remember_offsets(7, 1, 1, 10);
        assert!(matches!(
            log.remember_marker(&marker(0, 0), 11),
            Err(MarkerError::Fenced { .. })
        ));
        log.remember_marker(&marker(1, 5), 12).unwrap();
        log.remember_offsets(7, 1, 1, 13);
        assert!(matches!(
            log.remember_marker(&marker(1, 4), 14),
            Err(MarkerError::CoordinatorFenced { .. })
        ));
        assert_eq!(seen(&log), Some((1, 0, 13, 0)));
    }
}
