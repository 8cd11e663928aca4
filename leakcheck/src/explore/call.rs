//! The shutdown as a scenario sees it.

use std::future::{Future, poll_fn};
use std::ops::Deref;
use std::pin::pin;
use std::task::Poll;

use tokio_util::sync::CancellationToken;

/// What an explored scenario is told to stop by. It is the [`CancellationToken`] that the exploration cancels, and can be
/// used as one.
///
/// A scenario is an operation and a way to shut down what the operation is about. There are two ways to put them together:
/// the operation is [dropped](Self::interrupt) by the shutdown, or [goes on](Self::alongside) while the shutdown is under
/// way. A bug may show in one of them only.
#[derive(Clone, Debug)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    pub(super) fn new(token: &CancellationToken) -> Self {
        Self(token.clone())
    }

    /// Runs an operation until it ends or the shutdown is called. The shutdown comes first: the operation is dropped
    /// without another poll, and the result is `None`.
    ///
    /// ```
    /// # use leakcheck::TaskTracker;
    /// # async fn order() {}
    /// # #[cfg(feature = "track")]
    /// leakcheck::explore(|shutdown| async move {
    ///     let tasks = TaskTracker::named("server");
    ///     tasks.spawn(shutdown.child_token().run_until_cancelled_owned(std::future::pending::<()>()));
    ///     shutdown.interrupt(order()).await;
    ///     tasks.shutdown(&shutdown, std::time::Duration::from_secs(5)).await.unwrap();
    /// });
    /// ```
    pub async fn interrupt<F: Future>(&self, operation: F) -> Option<F::Output> {
        let mut called = pin!(self.0.cancelled());
        let mut operation = pin!(operation);
        poll_fn(|cx| match called.as_mut().poll(cx) {
            Poll::Ready(()) => Poll::Ready(None),
            Poll::Pending => operation.as_mut().poll(cx).map(Some),
        })
        .await
    }

    /// Runs an operation to its end, and `close` as soon as the shutdown is called or the operation has ended, whichever
    /// comes first. Returns what both return, once both have ended.
    ///
    /// ```
    /// # use leakcheck::TaskTracker;
    /// use tokio::sync::mpsc;
    ///
    /// # #[cfg(feature = "track")]
    /// leakcheck::explore(|shutdown| async move {
    ///     let tasks = TaskTracker::named("server");
    ///     let (orders, mut incoming) = mpsc::channel::<u32>(1);
    ///     tasks.spawn(async move { while incoming.recv().await.is_some() {} });
    ///     let operation = async move {
    ///         for order in 0..3 {
    ///             // While the server shuts down, its client goes on.
    ///             let _ = orders.send(order).await;
    ///         }
    ///     };
    ///     let close = async {
    ///         tasks.close();
    ///         tasks.wait().await;
    ///     };
    ///     shutdown.alongside(operation, close).await;
    /// });
    /// ```
    pub async fn alongside<F: Future, G: Future>(&self, operation: F, close: G) -> (F::Output, G::Output) {
        let due = self.0.child_token();
        let mut operation = pin!(async {
            let value = operation.await;
            due.cancel();
            value
        });
        let mut closing = pin!(async {
            due.cancelled().await;
            close.await
        });
        let (mut operated, mut closed) = (None, None);
        poll_fn(|cx| {
            if operated.is_none()
                && let Poll::Ready(value) = operation.as_mut().poll(cx)
            {
                operated = Some(value);
            }
            if closed.is_none()
                && let Poll::Ready(value) = closing.as_mut().poll(cx)
            {
                closed = Some(value);
            }
            if operated.is_none() || closed.is_none() {
                return Poll::Pending;
            }
            operated.take().zip(closed.take()).map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }
}

impl Deref for Shutdown {
    type Target = CancellationToken;

    fn deref(&self) -> &CancellationToken {
        &self.0
    }
}
