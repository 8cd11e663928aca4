//! What ListOffsets asks of a log.

/// A place in a log, as ListOffsets names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OffsetSpec {
    /// -1: after the last record that the isolation level lets a consumer see.
    Latest,
    /// -2: the log start offset.
    Earliest,
    /// -3: the first record with the largest timestamp (KIP-734).
    MaxTimestamp,
    /// -4: the first record that is not only in remote storage (KIP-405). Nothing is, so the log start offset.
    EarliestLocal,
    /// -5: the last record in remote storage (KIP-1005). There is none.
    LatestTiered,
    /// -6: the first record that remote storage does not have yet (KIP-1023). There is no remote storage.
    EarliestPendingUpload,
    /// The first record at or after this time, in milliseconds.
    At(i64),
}

impl OffsetSpec {
    /// What a timestamp field of ListOffsets means; `None` for a negative number without a meaning,
    /// which Apache Kafka answers with `UNSUPPORTED_VERSION`.
    pub fn from_wire(timestamp: i64) -> Option<Self> {
        match timestamp {
            -1 => Some(Self::Latest),
            -2 => Some(Self::Earliest),
            -3 => Some(Self::MaxTimestamp),
            -4 => Some(Self::EarliestLocal),
            -5 => Some(Self::LatestTiered),
            -6 => Some(Self::EarliestPendingUpload),
            time if time >= 0 => Some(Self::At(time)),
            _ => None,
        }
    }
}

/// A record's place: what ListOffsets answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimestampOffset {
    /// The record's timestamp in milliseconds; -1 where the question was not about time.
    pub timestamp: i64,
    /// The offset; -1 when there is none.
    pub offset: i64,
    /// The epoch of the leader that appended the record; -1 when unknown.
    pub leader_epoch: i32,
}
