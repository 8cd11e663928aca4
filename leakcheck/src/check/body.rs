//! A test's body: a future whose panic is its output.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::report::Report;

/// The panic of a test's body.
pub struct Panic(pub(crate) Box<dyn Any + Send>);

impl Panic {
    /// What stands for the panic of a body that did not end.
    pub(super) fn hung(report: &Report) -> Self {
        Self(Box::new(
            report.hung.as_ref().map(ToString::to_string).unwrap_or_default(),
        ))
    }

    /// What `panic!` was given, when it was a text.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        text_of(&*self.0)
    }

    /// Lets it go on.
    ///
    /// # Panics
    ///
    /// Always, without printing anything: it has been printed.
    pub fn resume(self) -> ! {
        resume_unwind(self.0)
    }
}

/// What `panic!` was given, when it was a text.
pub(crate) fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let owned = panic.downcast_ref::<String>().map(String::as_str);
    owned.or_else(|| panic.downcast_ref::<&str>().copied())
}

impl fmt::Debug for Panic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Panic")
            .field(&self.message().unwrap_or("not a text"))
            .finish()
    }
}

/// A future whose panic is its output. It is dropped before that is handed out, as its tasks may wait for that.
pub(crate) struct Caught<F>(Option<Pin<Box<F>>>);

impl<F> Caught<F> {
    pub(crate) fn new(future: F) -> Self {
        Self(Some(Box::pin(future)))
    }
}

impl<F: Future> Future for Caught<F> {
    type Output = Result<F::Output, Panic>;

    #[expect(clippy::expect_used, reason = "polled again after its end, as any future may panic")]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let future = self.0.as_mut().expect("polled after its end");
        let polled = match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(value)) => Ok(value),
            Err(panic) => Err(Panic(panic)),
        };
        let future = self.0.take();
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(future))).map_err(Panic);
        Poll::Ready(polled.and_then(|value| dropped.map(|()| value)))
    }
}
