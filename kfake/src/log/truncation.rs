//! A log that is cut: another replica leads, which lacks its end.

use super::partition::Log;
use super::producers::Reloaded;

impl Log {
    /// Drops what lies at `offset` and behind it, as a replica does that another leader knows nothing more of
    /// (`UnifiedLog.truncateTo`). Batches go whole. An offset at or behind the log end offset changes nothing.
    ///
    /// The leader epochs, the producers and the transactions are those of what is left: a producer may write again what was cut,
    /// a transaction that was ended by a marker that was cut is open again, and one that began in what was cut never was. The
    /// high watermark and the log start offset do not stay behind the end.
    pub fn truncate(&mut self, offset: i64) {
        let offset = offset.max(0);
        if offset >= self.end_offset {
            return;
        }
        self.segments.truncate(offset, self.segment_rules.index_interval_bytes);
        self.end_offset = offset;
        self.start_offset = offset.min(self.start_offset);
        self.leader_epochs.truncate(offset);
        if let Some(held) = &mut self.held_high_watermark {
            *held = offset.min(*held);
        }
        // `LogCleanerManager.maybeTruncateCheckpoint`.
        self.cleaned_up_to = self.cleaned_up_to.map(|cleaned| offset.min(cleaned));
        self.reload_producers();
    }

    /// `UnifiedLog.rebuildProducerState`, of a log without snapshots: what lies before the log start offset is not read.
    fn reload_producers(&mut self) {
        self.transactions.truncate(self.end_offset);
        let (start, committed) = (self.start_offset, self.high_watermark());
        let batches = self.segments.iter().flat_map(|segment| &segment.batches);
        let readable = batches.filter(|stored| stored.last_offset >= start);
        let of_producers = readable.map(|stored| &stored.batch).filter(|b| b.has_producer_id());
        self.producers.reload(of_producers, |reloaded| match reloaded {
            Reloaded::Begun {
                first_offset,
                producer_id,
            } => self.transactions.begin(first_offset, producer_id),
            Reloaded::Ended {
                first_offset,
                marker_offset,
            } => {
                self.transactions.end_again(first_offset);
                if marker_offset >= committed {
                    self.transactions.await_commit(first_offset, marker_offset);
                }
            }
        });
    }
}

#[cfg(test)]
mod tests;
