//! One task's record: who it is, what it has done so far, and how it ended.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::RefCell;
use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::runtime::{Handle, Id as RuntimeId, RuntimeFlavor};
use tokio::time::Instant;

use crate::ending::Ended;
use crate::group::Group;
use crate::info::{Parent, TaskInfo, TaskKind};
use crate::probe::Probe;
use crate::scope::Scope;
use crate::{ending, registry, scope};

/// A name that somebody gave, or a type to make one of when somebody reads it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Name {
    Given(Cow<'static, str>),
    Type(&'static str),
}

impl Name {
    pub(crate) fn read(&self) -> String {
        match self {
            Self::Given(name) => name.to_string(),
            Self::Type(path) => crate::names::of_type(path),
        }
    }
}

/// What a task's children keep of it, so that a chain of tasks does not keep all of its records.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) id: u64,
    pub(crate) group: Arc<str>,
    pub(crate) name: Name,
}

/// The runtime that a task was spawned on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Home {
    pub(crate) runtime: RuntimeId,
    /// It has workers of its own. Otherwise somebody's thread drives it, or nobody's does.
    pub(crate) multi_thread: bool,
}

impl Home {
    pub(crate) fn of(handle: &Handle) -> Self {
        Self {
            runtime: handle.id(),
            multi_thread: handle.runtime_flavor() != RuntimeFlavor::CurrentThread,
        }
    }
}

/// What the registry knows of one live task.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) label: Arc<Label>,
    pub(crate) group: Arc<Group>,
    pub(crate) kind: TaskKind,
    pub(crate) site: &'static Location<'static>,
    pub(crate) scope: Arc<Scope>,
    pub(crate) runtime: Option<Home>,
    parent: Option<Arc<Label>>,
    born: Instant,
    polls: AtomicU64,
    /// Nanoseconds from `born` to the latest poll.
    last_poll: AtomicU64,
    busy_nanos: AtomicU64,
    polling: AtomicBool,
    ended: AtomicBool,
    outcome: AtomicU8,
    pub(crate) probe: Probe,
}

const UNFINISHED: u8 = 0;
const RETURNED: u8 = 1;
const CANCELLED: u8 = 2;
const PANICKED: u8 = 3;

thread_local! {
    /// The tracked task that this thread is polling.
    static CURRENT: RefCell<Option<Arc<Task>>> = const { RefCell::new(None) };
}

impl Task {
    /// The tracked task that the calling thread is polling.
    fn current() -> Option<Arc<Self>> {
        CURRENT.try_with(|current| current.borrow().clone()).ok().flatten()
    }

    pub(crate) fn id(&self) -> u64 {
        self.label.id
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.polling.load(Ordering::Relaxed)
    }

    /// Whether its future has been dropped.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }

    pub(crate) fn info(&self) -> TaskInfo {
        let polls = self.polls.load(Ordering::Relaxed);
        let alive = Instant::now().saturating_duration_since(self.born);
        let last_poll = Duration::from_nanos(self.last_poll.load(Ordering::Relaxed));
        TaskInfo {
            id: self.id(),
            name: self.label.name.read(),
            group: self.label.group.clone(),
            kind: self.kind,
            spawned_at: self.site,
            parent: self.parent.as_ref().map(|label| Parent {
                id: label.id,
                group: label.group.clone(),
                name: label.name.read(),
            }),
            runtime: self.runtime.map(|home| home.runtime),
            scope: self.scope.name().cloned(),
            alive,
            polls,
            last_poll: (polls > 0).then(|| alive.saturating_sub(last_poll)),
            busy: Duration::from_nanos(self.busy_nanos.load(Ordering::Relaxed)),
            polling: self.is_being_polled(),
        }
    }
}

/// A task's stay in the registry: it lives beside the task's future, is declared after it, and so is dropped once the
/// future has been.
#[derive(Debug)]
pub(crate) struct Record {
    task: Arc<Task>,
}

impl Record {
    /// Registers a task whose future or closure is an `F`, spawned on `on` or else on the current runtime.
    #[track_caller]
    pub(crate) fn new<F>(
        group: &Arc<Group>,
        kind: TaskKind,
        name: Option<Cow<'static, str>>,
        on: Option<&Handle>,
    ) -> Self {
        let current;
        let runtime = match on {
            Some(handle) => Some(handle),
            None => {
                current = Handle::try_current().ok();
                current.as_ref()
            }
        }
        .map(Home::of);
        let parent = Task::current();
        let task = Arc::new(Task {
            label: Arc::new(Label {
                id: registry::next_id(),
                group: group.path().clone(),
                name: name.map_or_else(|| Name::Type(type_name::<F>()), Name::Given),
            }),
            group: group.clone(),
            kind,
            site: Location::caller(),
            scope: scope::attribute(parent.as_deref(), runtime),
            runtime,
            parent: parent.map(|task| task.label.clone()),
            born: Instant::now(),
            polls: AtomicU64::new(0),
            last_poll: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            polling: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            outcome: AtomicU8::new(UNFINISHED),
            probe: Probe::default(),
        });
        task.scope.begun(&task);
        registry::insert(task.clone());
        Self { task }
    }

    /// One poll of the task's future.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        let running = Running::begin(&self.task);
        let polled = self.task.probe.poll(self.task.kind, cx, poll);
        running.end(polled.is_ready());
        polled
    }

    /// The one run of a blocking task's closure.
    pub(crate) fn run<T>(&self, task: impl FnOnce() -> T) -> T {
        let running = Running::begin(&self.task);
        let _thread = crate::resources::on_this_thread(self.task.id());
        let value = task();
        running.end(true);
        value
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let task = &self.task;
        let ended = match task.outcome.load(Ordering::Relaxed) {
            UNFINISHED => ending::of_unfinished(task.kind, task.runtime),
            RETURNED => Ended::Returned,
            CANCELLED => Ended::Cancelled,
            _ => Ended::Panicked,
        };
        // In this order: a verdict that comes meanwhile finds the task alive, or finds how it ended, or both.
        task.scope.account(task, ended);
        registry::remove(task.id());
        // In this order: a question that is put now finds either that the task has ended, or is found here.
        task.ended.store(true, Ordering::Release);
        task.probe.close();
        task.scope.left();
    }
}

/// A poll that is under way. Dropped without `end`, it has panicked.
struct Running<'a> {
    task: &'a Task,
    outer: Option<Arc<Task>>,
    begun: std::time::Instant,
    outcome: u8,
}

impl<'a> Running<'a> {
    fn begin(task: &'a Arc<Task>) -> Self {
        let age = Instant::now().saturating_duration_since(task.born);
        task.polls.fetch_add(1, Ordering::Relaxed);
        task.last_poll.store(nanos(age), Ordering::Relaxed);
        task.polling.store(true, Ordering::Relaxed);
        let outer = CURRENT
            .try_with(|current| current.replace(Some(task.clone())))
            .ok()
            .flatten();
        Self {
            task,
            outer,
            begun: std::time::Instant::now(),
            outcome: PANICKED,
        }
    }

    fn end(mut self, ready: bool) {
        self.outcome = match ready {
            false => UNFINISHED,
            true if self.task.group.told_to_stop() => CANCELLED,
            true => RETURNED,
        };
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.task
            .busy_nanos
            .fetch_add(nanos(self.begun.elapsed()), Ordering::Relaxed);
        self.task.polling.store(false, Ordering::Relaxed);
        if self.outcome != UNFINISHED {
            self.task.outcome.store(self.outcome, Ordering::Relaxed);
        }
        let outer = self.outer.take();
        // The value that comes out is dropped here, outside of the borrow: it may be the last handle of its record.
        drop(CURRENT.try_with(|current| current.replace(outer)));
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
