//! Who waits for a partition's next append.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::Notify;

/// The fetches that wait for one partition's log to grow.
///
/// A fetch waits for several partitions with one [`Notify`] and registers it with each. The registration is a
/// guard: however the fetch ends, dropping it takes the entry out again, so that a list never outgrows its waiters.
///
/// ```
/// # use std::sync::Arc;
/// # use kfake::log::WaitList;
/// let list = WaitList::default();
/// let notify = Arc::new(tokio::sync::Notify::new());
/// let registration = list.register(&notify);
/// list.wakeups().notify();              // `notify.notified().await` returns now
/// drop(registration);
/// assert!(list.is_empty());
/// ```
#[derive(Debug, Clone, Default)]
pub struct WaitList {
    waiters: Arc<Mutex<Vec<Arc<Notify>>>>,
}

impl WaitList {
    /// Adds a waiter until the returned guard is dropped.
    ///
    /// Register before the last look at the log, then wait: an append between the two leaves a permit in the
    /// [`Notify`], so none is missed.
    #[must_use = "dropping the registration takes the waiter out of the list"]
    pub fn register(&self, notify: &Arc<Notify>) -> Registration {
        self.waiters.lock().push(Arc::clone(notify));
        Registration {
            list: self.clone(),
            notify: Arc::clone(notify),
        }
    }

    /// Everyone who waits now, to be notified once the caller holds no lock.
    pub fn wakeups(&self) -> Wakeups {
        Wakeups(self.waiters.lock().clone())
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.waiters.lock().len()
    }

    /// Whether nobody waits.
    pub fn is_empty(&self) -> bool {
        self.waiters.lock().is_empty()
    }
}

/// One waiter's entry in a [`WaitList`]; dropping it removes the entry.
#[derive(Debug)]
pub struct Registration {
    list: WaitList,
    notify: Arc<Notify>,
}

impl Drop for Registration {
    fn drop(&mut self) {
        let mut waiters = self.list.waiters.lock();
        if let Some(at) = waiters.iter().position(|waiter| Arc::ptr_eq(waiter, &self.notify)) {
            waiters.swap_remove(at);
        }
    }
}

/// The waiters that a change concerns. Notify them after the lock around the log has been released.
#[derive(Debug, Default)]
#[must_use = "the waiting fetches sleep on until they are notified"]
pub struct Wakeups(Vec<Arc<Notify>>);

impl Wakeups {
    /// Wakes every waiter, or leaves it a permit when it does not wait yet.
    pub fn notify(self) {
        for waiter in self.0 {
            waiter.notify_one();
        }
    }

    /// Whether there is nobody to wake.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_waiter_registered_before_the_append_is_woken() {
        let list = WaitList::default();
        let notify = Arc::new(Notify::new());
        let _registration = list.register(&notify);
        list.wakeups().notify();
        notify.notified().await;
    }

    #[test]
    fn dropping_a_registration_removes_one_entry_of_that_waiter_only() {
        let list = WaitList::default();
        let (ours, theirs) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let first = list.register(&ours);
        let second = list.register(&theirs);
        let third = list.register(&ours);
        drop(first);
        assert_eq!(list.wakeups().0.len(), 2);
        drop(third);
        assert!(Arc::ptr_eq(&list.wakeups().0[0], &theirs));
        drop(second);
        assert!(list.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_waiter_gets_no_permit() {
        let list = WaitList::default();
        let notify = Arc::new(Notify::new());
        drop(list.register(&notify));
        list.wakeups().notify();
        tokio::select! {
            biased;
            () = notify.notified() => panic!("a permit was left"),
            () = std::future::ready(()) => {}
        }
    }
}
