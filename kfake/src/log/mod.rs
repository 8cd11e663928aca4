//! The partition log: record batches as they arrived, an index over them, and the producers that wrote them.
//!
//! This room knows nothing of sockets, topic names or requests. It takes the record bytes of one partition
//! of a Produce request, judges them as Apache Kafka's broker does ([`Rules::validate`]), and stores the batch
//! without copying its records ([`Log::append`]); reads hand out slices of the same bytes ([`Log::read`]).
//!
//! # Invariants
//!
//! - A batch's records stay the [`Bytes`](bytes::Bytes) they arrived in. Only its 61-byte header is ever rewritten: in place when
//!   nobody else holds the bytes, in a copy of the header otherwise.
//! - Judging needs no lock and no log: [`Rules::validate`] is a pure function of bytes, rules and clock, so that
//!   checksums and decompression never run inside the critical section that appends.
//! - Nothing here waits. A fetch that must wait registers with [`WaitList`], an append returns the [`Wakeups`],
//!   and the caller notifies after it has released its lock.
//! - No length that a client claims is allocated: a decompressed record is walked as a stream, and a Snappy
//!   block may not claim more than its compressed bytes can expand to.

mod batch;
mod cleaned_transactions;
mod compaction;
mod compression;
mod epochs;
mod lookup;
mod owed;
mod partition;
mod producers;
mod rebuild;
mod records;
mod remembered;
mod retention;
mod segment;
mod segments;
#[cfg(test)]
pub(crate) mod testing;
mod transactions;
mod truncation;
mod validate;
mod waiters;

pub use batch::{BatchError, RecordBatch, TimestampType};
pub use compaction::{Cleaned, Cleaning, CompactionRules, LogToClean, Step};
pub use compression::{Codec, Level};
pub use lookup::{LookUp, OffsetSpec, TimestampOffset};
pub use partition::{Appended, Isolation, Log, LogRead, OffsetOutOfRange};
pub use producers::{ProducerView, SequenceError, Sequences};
pub use records::{RecordError, RecordMeta, Records};
pub use retention::{Expired, RetentionRules};
pub use segment::SegmentRules;
pub use transactions::{AbortedTransaction, Marker, MarkerError};
pub use validate::{
    Envelope, RecordRejection, Rejection, Rules, ValidBatch, ValidateError, begins_transactional, check_envelope,
};
pub use waiters::{Registration, WaitList, Wakeups};
