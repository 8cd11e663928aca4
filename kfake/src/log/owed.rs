//! Markers that a log could not take yet. A coordinator goes on sending a marker until the partition has enough replicas in sync
//! (`TransactionMarkerChannelManager`); until then the transaction is open there.

use super::batch::TimestampType;
use super::partition::Log;
use super::transactions::Marker;

/// In the order in which they were to be written, each with its stamp.
#[derive(Debug, Default)]
pub(super) struct Owed(Vec<(Marker, (TimestampType, i64))>);

impl Log {
    /// Keeps a marker until [`write_owed_markers`](Self::write_owed_markers).
    pub fn owe_marker(&mut self, marker: &Marker, stamp: (TimestampType, i64)) {
        self.owed.0.push((*marker, stamp));
    }

    /// Whether a producer's last transaction has not ended here although its coordinator has decided it. Its next one may not
    /// begin before that.
    pub fn owes_marker_of(&self, producer_id: i64) -> bool {
        self.owed.0.iter().any(|(marker, _)| marker.producer_id == producer_id)
    }

    /// Nobody leads the log any more: its markers are sent to nobody.
    pub fn forget_owed_markers(&mut self) {
        self.owed = Owed::default();
    }

    /// Takes what is owed and is written elsewhere: the log of groups' offsets is kept by the groups.
    pub fn take_owed_markers(&mut self) -> Vec<Marker> {
        let owed = std::mem::take(&mut self.owed).0;
        owed.into_iter().map(|(marker, _)| marker).collect()
    }

    /// Writes what is owed. The caller wakes who waits.
    pub fn write_owed_markers(&mut self) {
        for (marker, stamp) in std::mem::take(&mut self.owed).0 {
            if let Err(error) = self.end_transaction(&marker, stamp) {
                tracing::debug!(%error, "a partition refuses a marker");
            }
        }
    }
}
