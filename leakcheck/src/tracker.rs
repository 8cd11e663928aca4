//! [`TaskTracker`]: what tokio-util's does, and names, groups and a record of every task besides.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, LocalSet};
use tokio_util::sync::CancellationToken;
use tokio_util::task::task_tracker::{TaskTracker as Counter, TaskTrackerToken as Counted, TaskTrackerWaitFuture};

use crate::info::TaskKind;
use crate::{Group, Leak, Ours, Record};

/// Spawns tasks, and waits until they are gone.
///
/// It has the methods of [`tokio_util::task::TaskTracker`] under the same names and with the same meaning, is built on
/// that type, and adds names, groups, and, with the feature `track`, a record of every task that it started. Clones
/// share one state.
///
/// A tracker's [`wait`](Self::wait) returns once the tracker is closed and the destructor of each task's future has
/// run, not merely once the tasks were told to stop.
///
/// # Names and groups
///
/// [`group`](Self::group) makes a tracker below this one. Its tasks count in every ancestor's [`len`](Self::len) and
/// hold every ancestor's [`wait`](Self::wait). A task is shown as `group › name`, a deeper one as `outer › inner › name`.
/// The root's own name is left out wherever there is a group, since it would be the same on every line, and stands for
/// the group of those tasks that the root spawns itself.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")] async fn main() {
/// use leakcheck::TaskTracker;
///
/// let server = TaskTracker::named("server");
/// let connections = server.group("connection");
/// connections.spawn_named("127.0.0.1:51234", async { /* serve */ });
/// assert_eq!((server.len(), connections.len()), (1, 1));
/// server.close();
/// server.wait().await;
/// assert!(connections.is_empty());
/// # }
/// ```
#[derive(Clone)]
pub struct TaskTracker {
    counter: Counter,
    /// From the parent to the root.
    ancestors: Option<Arc<[Counter]>>,
    #[cfg(feature = "track")]
    group: Arc<Group>,
    #[cfg(not(feature = "track"))]
    group: Group,
}

impl TaskTracker {
    /// A tracker without a name. It is open.
    #[must_use]
    pub fn new() -> Self {
        Self::root("")
    }

    /// A tracker with a name. It is open.
    #[must_use]
    pub fn named(name: impl Into<Cow<'static, str>>) -> Self {
        Self::root(&name.into())
    }

    fn root(name: &str) -> Self {
        Self {
            counter: Counter::new(),
            ancestors: None,
            group: Group::root(name),
        }
    }

    /// A new tracker below this one: its own `close`, `wait` and `len`; its tasks are this tracker's tasks too.
    ///
    /// A call makes a new group each time, also under a name that was used before. Closing a tracker does not close its
    /// groups.
    #[must_use]
    pub fn group(&self, name: impl Into<Cow<'static, str>>) -> Self {
        let above = self.ancestors.iter().flat_map(|ancestors| ancestors.iter());
        Self {
            counter: Counter::new(),
            ancestors: Some(std::iter::once(&self.counter).chain(above).cloned().collect()),
            group: self.group.child(&name.into()),
        }
    }

    /// Names the token whose cancellation tells this tracker's tasks to stop: one that finishes after it counts as
    /// cancelled, one that finishes before it as returned.
    ///
    /// It holds for every clone of this tracker and for the groups below it. Given several, any of them will do.
    #[must_use]
    pub fn cancelled_by(self, token: &CancellationToken) -> Self {
        self.group.cancelled_by(token);
        self
    }

    /// Spawns a task on the current runtime, as [`tokio::spawn`] does, and names it after its future's type:
    /// `spawn(serve(socket))` starts the task `serve`.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn spawn<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.tracked(TaskKind::Async, None, None, task);
        let _ours = Ours::begin();
        tokio::task::spawn(task)
    }

    /// [`spawn`](Self::spawn) with a name of your choice.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn spawn_named<F>(&self, name: impl Into<Cow<'static, str>>, task: F) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.tracked(TaskKind::Async, Some(name.into()), None, task);
        let _ours = Ours::begin();
        tokio::task::spawn(task)
    }

    /// Spawns a task on the runtime of `handle`.
    #[inline]
    #[track_caller]
    pub fn spawn_on<F>(&self, task: F, handle: &Handle) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.tracked(TaskKind::Async, None, Some(handle), task);
        let _ours = Ours::begin();
        handle.spawn(task)
    }

    /// [`spawn_on`](Self::spawn_on) with a name of your choice.
    #[inline]
    #[track_caller]
    pub fn spawn_named_on<F>(
        &self,
        name: impl Into<Cow<'static, str>>,
        task: F,
        handle: &Handle,
    ) -> JoinHandle<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        let task = self.tracked(TaskKind::Async, Some(name.into()), Some(handle), task);
        let _ours = Ours::begin();
        handle.spawn(task)
    }

    /// Spawns a task that need not be `Send` on the current [`LocalSet`] or local runtime.
    ///
    /// # Panics
    ///
    /// Outside of both.
    #[inline]
    #[track_caller]
    pub fn spawn_local<F>(&self, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = self.tracked(TaskKind::Local, None, None, task);
        let _ours = Ours::begin();
        tokio::task::spawn_local(task)
    }

    /// [`spawn_local`](Self::spawn_local) with a name of your choice.
    ///
    /// # Panics
    ///
    /// Outside of a [`LocalSet`] and of a local runtime.
    #[inline]
    #[track_caller]
    pub fn spawn_local_named<F>(&self, name: impl Into<Cow<'static, str>>, task: F) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = self.tracked(TaskKind::Local, Some(name.into()), None, task);
        let _ours = Ours::begin();
        tokio::task::spawn_local(task)
    }

    /// Spawns a task that need not be `Send` on `local_set`.
    #[inline]
    #[track_caller]
    pub fn spawn_local_on<F>(&self, task: F, local_set: &LocalSet) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
        F::Output: 'static,
    {
        let task = self.tracked(TaskKind::Local, None, None, task);
        let _ours = Ours::begin();
        local_set.spawn_local(task)
    }

    /// Runs a closure on a thread for blocking work, and names the task after the function that the closure is in.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn spawn_blocking<F, T>(&self, task: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = self.tracked_closure(None, None, task);
        let _ours = Ours::begin();
        tokio::task::spawn_blocking(move || task.run())
    }

    /// [`spawn_blocking`](Self::spawn_blocking) with a name of your choice.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[inline]
    #[track_caller]
    pub fn spawn_blocking_named<F, T>(&self, name: impl Into<Cow<'static, str>>, task: F) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = self.tracked_closure(Some(name.into()), None, task);
        let _ours = Ours::begin();
        tokio::task::spawn_blocking(move || task.run())
    }

    /// Runs a closure on a thread for blocking work of the runtime of `handle`.
    #[inline]
    #[track_caller]
    pub fn spawn_blocking_on<F, T>(&self, task: F, handle: &Handle) -> JoinHandle<T>
    where
        F: FnOnce() -> T + Send + 'static,
        T: Send + 'static,
    {
        let task = self.tracked_closure(None, Some(handle), task);
        let _ours = Ours::begin();
        handle.spawn_blocking(move || task.run())
    }

    /// Tracks a future that somebody else polls. It counts from this call until it is dropped.
    #[inline]
    #[track_caller]
    pub fn track_future<F: Future>(&self, future: F) -> TrackedFuture<F> {
        self.tracked(TaskKind::Future, None, None, future)
    }

    /// [`track_future`](Self::track_future) with a name of your choice.
    #[inline]
    #[track_caller]
    pub fn track_future_named<F: Future>(&self, name: impl Into<Cow<'static, str>>, future: F) -> TrackedFuture<F> {
        self.tracked(TaskKind::Future, Some(name.into()), None, future)
    }

    /// A token that counts as a task until it is dropped. It is not in the registry, since it is no task that a check
    /// could say anything about.
    #[inline]
    pub fn token(&self) -> TaskTrackerToken {
        TaskTrackerToken {
            _count: self.count(),
            tracker: self.clone(),
        }
    }

    /// Closes this tracker, so that [`wait`](Self::wait) can return. It still takes tasks. Returns whether this call
    /// closed it.
    #[inline]
    pub fn close(&self) -> bool {
        self.counter.close()
    }

    /// Opens this tracker again. Returns whether this call opened it.
    #[inline]
    pub fn reopen(&self) -> bool {
        self.counter.reopen()
    }

    /// Whether this tracker is closed.
    #[inline]
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.counter.is_closed()
    }

    /// Waits until this tracker is closed and has no task, here or in a group below it. When it returns, the destructor
    /// of each task's future has run, and its record is out of the registry.
    ///
    /// Like tokio-util's, it also returns when that was so for a moment only, between the call and the first poll.
    #[inline]
    pub fn wait(&self) -> TaskTrackerWaitFuture<'_> {
        self.counter.wait()
    }

    /// What was measured of the tasks that this tracker spawned, since it was made; those of the groups below it are
    /// measured there. Blocking closures are not measured.
    #[cfg(feature = "metrics")]
    #[must_use]
    pub fn metrics(&self) -> tokio_metrics::TaskMetrics {
        self.group.monitor().cumulative()
    }

    /// How many tasks this tracker has, with those of the groups below it.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.counter.len()
    }

    /// Whether this tracker has no task, nor a group below it.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.counter.is_empty()
    }

    /// Whether both are clones of one tracker.
    #[inline]
    #[must_use]
    pub fn ptr_eq(left: &Self, right: &Self) -> bool {
        Counter::ptr_eq(&left.counter, &right.counter)
    }

    pub(crate) fn tell_to_stop(&self, token: &CancellationToken) {
        self.group.cancelled_by(token);
    }

    /// Where each of this tracker's tasks waits.
    pub(crate) async fn inspect(&self) -> Vec<Leak> {
        self.group.inspect().await
    }

    #[inline]
    fn count(&self) -> Count {
        let above = match self.ancestors.as_deref() {
            None => Above::None,
            Some([parent]) => Above::Parent { _count: parent.token() },
            Some(ancestors) => Above::Ancestors {
                _counts: Box::new(ancestors.iter().map(Counter::token).collect()),
            },
        };
        Count {
            _own: self.counter.token(),
            _above: above,
        }
    }

    #[inline]
    #[track_caller]
    fn tracked<F: Future>(
        &self,
        kind: TaskKind,
        name: Option<Cow<'static, str>>,
        on: Option<&Handle>,
        future: F,
    ) -> TrackedFuture<F> {
        let count = self.count();
        let record = Record::new::<F>(&self.group, kind, name, on);
        let task = Recorded { future, record };
        #[cfg(feature = "metrics")]
        let task = self.group.monitor().instrument(task);
        TrackedFuture { task, count }
    }

    #[inline]
    #[track_caller]
    fn tracked_closure<F>(&self, name: Option<Cow<'static, str>>, on: Option<&Handle>, task: F) -> TrackedClosure<F> {
        let count = self.count();
        TrackedClosure {
            record: Record::new::<F>(&self.group, TaskKind::Blocking, name, on),
            task,
            count,
        }
    }
}

impl Default for TaskTracker {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TaskTracker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut tracker = f.debug_struct("TaskTracker");
        #[cfg(feature = "track")]
        tracker.field("group", self.group.path());
        tracker
            .field("len", &self.len())
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

/// One task in the counters of its tracker and of every tracker above it.
#[derive(Debug)]
struct Count {
    _own: Counted,
    _above: Above,
}

/// The common depths cost no allocation, and no more than a word and its tag.
#[derive(Debug)]
enum Above {
    None,
    Parent { _count: Counted },
    Ancestors { _counts: Box<Box<[Counted]>> },
}

/// Counts as a task of its tracker until it is dropped.
#[must_use]
#[derive(Debug)]
pub struct TaskTrackerToken {
    _count: Count,
    tracker: TaskTracker,
}

impl TaskTrackerToken {
    /// The tracker that it counts in.
    #[must_use]
    pub fn task_tracker(&self) -> &TaskTracker {
        &self.tracker
    }
}

impl Clone for TaskTrackerToken {
    fn clone(&self) -> Self {
        self.tracker.token()
    }
}

pin_project! {
    /// A future that counts as a task of its tracker until it is dropped.
    #[must_use = "futures do nothing unless polled"]
    pub struct TrackedFuture<F> {
        // Fields are dropped in this order: when the counters hear of it, the record is gone.
        #[pin]
        task: Measured<Recorded<F>>,
        count: Count,
    }
}

// The measurement is outside of the record: it polls with a waker of its own, which would be all that a probe finds.
#[cfg(feature = "metrics")]
type Measured<F> = tokio_metrics::Instrumented<F>;
#[cfg(not(feature = "metrics"))]
type Measured<F> = F;

pin_project! {
    /// A future and its record.
    struct Recorded<F> {
        // When the record goes, the future has gone.
        #[pin]
        future: F,
        record: Record,
    }
}

impl<F: Future> Future for TrackedFuture<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.project().task.poll(cx)
    }
}

impl<F: Future> Future for Recorded<F> {
    type Output = F::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        this.record.poll(cx, |cx| this.future.poll(cx))
    }
}

impl<F> fmt::Debug for TrackedFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrackedFuture")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

/// A closure that counts as a task of its tracker until it is dropped, also when it never runs.
struct TrackedClosure<F> {
    // Dropped in this order, as in `TrackedFuture`.
    task: F,
    record: Record,
    count: Count,
}

impl<F> TrackedClosure<F> {
    fn run<T>(self) -> T
    where
        F: FnOnce() -> T,
    {
        // Bindings are dropped in reverse order.
        let Self {
            count: _count,
            record,
            task,
        } = self;
        record.run(task)
    }
}
