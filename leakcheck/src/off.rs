//! What stands in for the registry when the feature `track` is off: types without size, methods without work.

use std::borrow::Cow;
use std::future::Future;
use std::task::{Context, Poll};

use tokio::runtime::{Handle, Id as RuntimeId};
use tokio_util::sync::CancellationToken;

use crate::check::{Limit, Terms};
use crate::info::{TaskInfo, TaskKind};
use crate::plain::test_of_this_thread;
use crate::report::{Body, Leak, Report};

/// A group that has no name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Group;

impl Group {
    #[inline]
    pub(crate) fn root(_name: &str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn child(&self, _name: &str) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn cancelled_by(&self, _token: &CancellationToken) {}

    pub(crate) async fn inspect(&self) -> Vec<Leak> {
        Vec::new()
    }
}

/// A record that records nothing.
#[derive(Debug)]
pub(crate) struct Record;

impl Record {
    #[inline]
    #[expect(
        clippy::extra_unused_type_parameters,
        reason = "the real record names the task after it"
    )]
    pub(crate) fn new<F>(
        _group: &Group,
        _kind: TaskKind,
        _name: Option<Cow<'static, str>>,
        _on: Option<&Handle>,
    ) -> Self {
        Self
    }

    #[inline]
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        poll(cx)
    }

    #[inline]
    pub(crate) fn run<T>(&self, task: impl FnOnce() -> T) -> T {
        task()
    }
}

/// A check that looks at nothing. Its report says so.
#[derive(Debug)]
pub(crate) struct Begun {
    name: String,
    /// As that of a check that belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Begun {
    pub(crate) fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            _not_send: std::marker::PhantomData,
        }
    }

    #[cfg(feature = "test-util")]
    pub(crate) fn exploring<T>(name: &str, _steps: &T) -> Self {
        Self::new(name)
    }

    #[expect(clippy::unused_self, reason = "the real one keeps it")]
    pub(crate) fn made(&mut self, _runtime: RuntimeId) {}

    pub(crate) async fn limited<F: Future>(&self, _limit: Limit, body: F) -> Result<F::Output, Box<Report>> {
        Ok(body.await)
    }

    pub(crate) fn limited_here<T>(&self, _limit: Limit, body: impl FnOnce() -> T) -> T {
        body()
    }

    pub(crate) async fn verify(&self, _terms: &Terms, _wanted: Option<Body>) -> Report {
        Report::new(&self.name)
    }

    #[cfg(feature = "main")]
    pub(crate) fn judge_panics(&self) -> Result<(), Box<Report>> {
        Ok(())
    }

    pub(crate) fn verify_here(&self, _terms: &Terms) -> Report {
        Report::new(&self.name)
    }

    pub(crate) fn verify_everything(&self, _terms: &Terms) -> Report {
        Report::new(&self.name)
    }
}

/// A watch of threads and descriptors that watches nothing.
#[derive(Debug)]
pub(crate) struct Watch;

impl Watch {
    pub(crate) fn begin(_terms: &Terms) -> Self {
        Self
    }

    pub(crate) fn made_runtime(&mut self) {}

    pub(crate) async fn settle_fds(&mut self, _terms: &Terms) {}

    pub(crate) fn finish(self, _terms: &Terms, _report: &mut Report) {}
}

pub(crate) fn verify_thread(_terms: &Terms) -> Report {
    Report::new(&test_of_this_thread())
}

/// Without the feature `track` no task is known: this is always empty.
pub fn tasks() -> Vec<TaskInfo> {
    Vec::new()
}
