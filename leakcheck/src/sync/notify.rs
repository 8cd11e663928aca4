//! tokio's `Notify` as its documentation has it, made of loom's parts: tokio's own is modelled by tokio.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::modelled::{Mutex, lock};

#[derive(Debug, Default)]
pub(crate) struct Notify(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How often everybody was notified.
    rounds: usize,
    /// One was notified, and none has taken it yet.
    permit: bool,
    waiting: Vec<Waker>,
}

impl Notify {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn notify_one(&self) {
        self.notify(|state| state.permit = true);
    }

    pub(crate) fn notify_waiters(&self) {
        self.notify(|state| state.rounds += 1);
    }

    fn notify(&self, note: impl FnOnce(&mut State)) {
        let mut state = lock(&self.0);
        note(&mut state);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// From this call on it hears of everybody's notifications.
    pub(crate) fn notified(&self) -> Notified<'_> {
        Notified {
            notify: self,
            since: lock(&self.0).rounds,
        }
    }
}

pub(crate) struct Notified<'a> {
    notify: &'a Notify,
    since: usize,
}

impl Notified<'_> {
    pub(crate) fn enable(self: Pin<&mut Self>) {}
}

impl Future for Notified<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.notify.0);
        if state.rounds != self.since || std::mem::take(&mut state.permit) {
            return Poll::Ready(());
        }
        state.waiting.push(cx.waker().clone());
        Poll::Pending
    }
}
