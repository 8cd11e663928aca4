//! The states of a transaction, as Apache Kafka's `TransactionState` names them.

/// Where a transactional id is. Where every partition takes its marker, a transaction ends in one step, and nobody sees the states in
/// between.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TransactionState {
    /// No transaction has begun since the producer was initialized.
    Empty,
    /// A transaction has partitions.
    Ongoing,
    /// The transaction is to be committed, and a partition does not take its marker yet.
    PrepareCommit,
    /// The transaction is to be aborted, and a partition does not take its marker yet.
    PrepareAbort,
    /// The last transaction was committed.
    CompleteCommit,
    /// The last transaction was aborted.
    CompleteAbort,
}

/// The states that no transactional id of this coordinator is ever seen in, which may be asked for all the same.
const PASSING: [&str; 2] = ["PrepareEpochFence", "Dead"];

impl TransactionState {
    /// The state's name in answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Empty => "Empty",
            Self::Ongoing => "Ongoing",
            Self::PrepareCommit => "PrepareCommit",
            Self::PrepareAbort => "PrepareAbort",
            Self::CompleteCommit => "CompleteCommit",
            Self::CompleteAbort => "CompleteAbort",
        }
    }

    /// Whether a state has this name (`TransactionState.fromName`).
    pub fn is_name(name: &str) -> bool {
        let own = [
            Self::Empty,
            Self::Ongoing,
            Self::PrepareCommit,
            Self::PrepareAbort,
            Self::CompleteCommit,
            Self::CompleteAbort,
        ];
        own.iter().any(|state| state.name() == name) || PASSING.contains(&name)
    }
}
