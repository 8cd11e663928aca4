//! What stands in for the registry when the feature `track` is off: types without size, methods without work.

use std::borrow::Cow;
use std::task::{Context, Poll};

use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;

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
    pub(crate) fn poll<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        poll(cx)
    }

    #[inline]
    pub(crate) fn run<T>(&self, task: impl FnOnce() -> T) -> T {
        task()
    }
}

/// How a task runs; nobody asks.
#[derive(Clone, Copy)]
pub(crate) enum TaskKind {
    Async,
    Local,
    Blocking,
    Future,
}
