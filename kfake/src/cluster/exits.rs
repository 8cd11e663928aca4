//! How the cluster's tasks learn that they have to end.
//!
//! Every wait of a long-lived task names itself and lists [`Exits::shutdown`] among its branches. With the feature `plants`,
//! which only tests turn on, one named wait can be made to forget it: the bug that leakcheck must find.

use tokio_util::sync::{CancellationToken, WaitForCancellationFuture};

/// A wait ended because the cluster closes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closing;

/// The waits in which a task may spend its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    /// A connection waits for the answer of a group: a join or a sync that others complete.
    Join,
    /// A connection waits for room in a group's queue, to hand a request over.
    Hijack,
    /// A group's task waits for requests; there is no member to watch.
    Manage,
    /// A group's task waits for members to join, at most for the rebalance timeout.
    Rebalance,
    /// A group's task waits for requests, at most until the next session times out.
    Session,
    /// A connection waits for records that a fetch asks for.
    Fetch,
    /// The cluster's own task waits for the next deadline of retention.
    Housekeeping,
    /// A group's task takes no requests, because a test told it so.
    Stalled,
    /// The transactions' task waits for the next deadline.
    Transactions,
    /// The task that forgets old offsets waits until the next may be old enough.
    Expiry,
    /// A connection waits for the replicas of a group's offsets.
    Replicas,
}

/// One wait without its shutdown branch, as bugs leave it. For tests of leak detection alone.
#[cfg(feature = "plants")]
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    Join,
    Hijack,
    Manage,
    Rebalance,
    Session,
    Fetch,
    Transactions,
    Housekeeping,
    Expiry,
    Replicas,
    /// DeleteGroups is the only thing that ends a group's task.
    OnlyDeleteGroups,
}

#[cfg(feature = "plants")]
impl Plant {
    fn hides_shutdown_from(self, wait: Wait) -> bool {
        match self {
            Self::Join => wait == Wait::Join,
            Self::Hijack => wait == Wait::Hijack,
            Self::Manage => wait == Wait::Manage,
            Self::Rebalance => wait == Wait::Rebalance,
            Self::Session => wait == Wait::Session,
            Self::Fetch => wait == Wait::Fetch,
            Self::Transactions => wait == Wait::Transactions,
            Self::Housekeeping => wait == Wait::Housekeeping,
            Self::Expiry => wait == Wait::Expiry,
            Self::Replicas => wait == Wait::Replicas,
            Self::OnlyDeleteGroups => matches!(wait, Wait::Manage | Wait::Rebalance | Wait::Session | Wait::Stalled),
        }
    }
}

/// The cluster's shutdown, as its tasks see it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Exits {
    token: CancellationToken,
    #[cfg(feature = "plants")]
    plant: Option<Plant>,
}

impl Exits {
    #[cfg(feature = "plants")]
    pub fn with_plant(plant: Option<Plant>) -> Self {
        Self {
            token: CancellationToken::new(),
            plant,
        }
    }

    /// Waits for the cluster's shutdown.
    pub fn shutdown(&self) -> WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    pub fn is_shut_down(&self) -> bool {
        self.token.is_cancelled()
    }

    pub fn shut_down(&self) {
        self.token.cancel();
    }

    pub fn token(&self) -> &CancellationToken {
        &self.token
    }

    /// Whether this wait listens to the shutdown: always, but for a planted bug.
    #[cfg(not(feature = "plants"))]
    pub const fn heard_in(&self, _wait: Wait) -> bool {
        true
    }

    /// Whether this wait listens to the shutdown: always, but for a planted bug.
    #[cfg(feature = "plants")]
    pub fn heard_in(&self, wait: Wait) -> bool {
        !self.plant.is_some_and(|plant| plant.hides_shutdown_from(wait))
    }
}
