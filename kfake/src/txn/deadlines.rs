//! Transactions' deadlines: an open one is aborted when its timeout is over, and an id that is not used is forgotten.
//!
//! One task for the whole cluster sleeps until the first deadline. There is none before the first transactional id, and it
//! ends when no id is left.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::coordinator::{Held, ONCE_REPLICATED, Transactions};
use crate::cluster::exits::Wait;

impl Held<'_> {
    /// Sees to it that the deadline of a transactional id, which has changed, is kept.
    pub(super) fn watch(&mut self, id: &str) {
        let expiration_ms = i64::from(self.transactions.shared().config.transactional_id_expiration_ms.0);
        let Some(transaction) = self.state.by_id.get(id) else {
            return;
        };
        let times_out = transaction.times_out_at();
        let refused = self.state.refused.contains_key(id).then_some(ONCE_REPLICATED);
        let Some(deadline) = times_out.or(transaction.expires_at(expiration_ms)).or(refused) else {
            return;
        };
        match self.state.watched_until {
            // The task looks before: that is soon enough, and a deadline that has moved on costs it one look.
            Some(until) if until <= deadline => {}
            Some(_) => {
                self.state.watched_until = Some(deadline);
                self.transactions.earlier.notify_one();
            }
            None => {
                self.state.watched_until = Some(deadline);
                let transactions = self.transactions;
                let task = keep_deadlines(transactions.clone());
                // On the runtime that the cluster was started on: the task outlives whoever asks first.
                transactions
                    .tasks
                    .spawn_named_on("deadlines", task, &transactions.shared().runtime);
            }
        }
    }
}

/// The task: it sweeps at each deadline.
async fn keep_deadlines(transactions: Arc<Transactions>) {
    let exits = &transactions.shared().exits;
    let mut watch = Watch(Some(&transactions));
    loop {
        let Some(until) = transactions.state.lock().watched_until else {
            return;
        };
        let deadline = transactions.instant_of(until);
        tokio::select! {
            biased;
            () = exits.shutdown(), if exits.heard_in(Wait::Transactions) => return,
            () = transactions.earlier.notified() => continue,
            () = transactions.replicated.notified() => {}
            () = sleep_until(deadline), if until != ONCE_REPLICATED => {}
        }
        let mut held = transactions.hold();
        let next = held.sweep();
        held.state.watched_until = next;
        if next.is_none() {
            // While the lock is held: whoever comes next starts another task, which this one must not disturb.
            watch.0 = None;
            return;
        }
        drop(held);
    }
}

/// However the task is torn down, the next transaction starts another.
struct Watch<'a>(Option<&'a Transactions>);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if let Some(transactions) = self.0 {
            transactions.state.lock().watched_until = None;
        }
    }
}

impl Transactions {
    /// When it is that many milliseconds since 1970.
    fn instant_of(&self, at_ms: i64) -> Instant {
        let left = u64::try_from(at_ms.saturating_sub(self.shared().now_ms())).unwrap_or(0);
        Instant::now() + Duration::from_millis(left)
    }

    /// Does what is due, without waiting for the task that does it.
    pub fn sweep(self: &Arc<Self>) {
        let mut held = self.hold();
        held.sweep();
        drop(held);
    }
}
