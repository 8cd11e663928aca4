//! One task's record: who it is, what it has done so far, and how it ended.

use std::any::type_name;
use std::borrow::Cow;
use std::cell::RefCell;
use std::hash::{Hash, Hasher};
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use once_cell::race::OnceBox;
use tokio::runtime::{Handle, Id as RuntimeId, RuntimeFlavor};

use crate::clock::Moment;
use crate::ending::Ended;
use crate::group::Group;
use crate::ignore::Ignore;
use crate::info::{Parent, TaskInfo, TaskKind};
use crate::probe::Probe;
use crate::report::shorten;
use crate::scope::Scope;
use crate::sync::modelled::{AtomicU8, AtomicU32};
use crate::{ending, panics, registry, scope};

/// A name that somebody gave, or a type to make one of when somebody reads it.
#[derive(Clone, Debug)]
pub(crate) enum Name {
    Static(&'static str),
    Given(Arc<str>),
    Type(&'static str),
}

impl Name {
    fn given(name: Cow<'static, str>) -> Self {
        match name {
            Cow::Borrowed(name) => Self::Static(name),
            Cow::Owned(name) => Self::Given(name.into()),
        }
    }

    pub(crate) fn read(&self) -> String {
        match self {
            Self::Static(name) => (*name).to_owned(),
            Self::Given(name) => name.to_string(),
            Self::Type(path) => crate::names::of_type(path),
        }
    }

    /// Whether it is a type's, and its text as it is kept.
    fn kept(&self) -> (bool, &str) {
        match self {
            Self::Static(name) => (false, name),
            Self::Given(name) => (false, name),
            Self::Type(path) => (true, path),
        }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.kept() == other.kept()
    }
}

impl Eq for Name {}

impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // Tasks of one site mostly have one type, whose path is long.
        if let (false, given) = self.kept() {
            given.hash(state);
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

/// What the registry knows of one live task. There may be many: what is seldom needed is made when it is.
#[derive(Debug)]
pub(crate) struct Task {
    id: u64,
    pub(crate) name: Name,
    pub(crate) group: Arc<Group>,
    pub(crate) site: &'static Location<'static>,
    pub(crate) scope: Arc<Scope>,
    runtime: Option<RuntimeId>,
    parent: Option<Arc<Label>>,
    /// Made for the first child.
    label: OnceBox<Arc<Label>>,
    born: Moment,
    polls: AtomicU64,
    /// Nanoseconds from `born` to the latest poll.
    last_poll: AtomicU64,
    busy_nanos: AtomicU64,
    pub(crate) probe: Probe,
    /// Where the registry keeps it.
    pub(crate) slot: AtomicU32,
    pub(crate) kind: TaskKind,
    multi_thread: bool,
    polling: AtomicBool,
    state: AtomicU8,
    /// Of a future that somebody else polls: the task that did last.
    #[cfg(tokio_unstable)]
    host: std::sync::Mutex<Option<tokio::task::Id>>,
}

// The states of a task: how its future came out so far, and at last, that it has been dropped.
const UNFINISHED: u8 = 0;
const RETURNED: u8 = 1;
const CANCELLED: u8 = 2;
const PANICKED: u8 = 3;
const ENDED: u8 = 4;

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
        self.id
    }

    /// The runtime that it was spawned on.
    pub(crate) fn home(&self) -> Option<Home> {
        self.runtime.map(|runtime| Home {
            runtime,
            multi_thread: self.multi_thread,
        })
    }

    /// Its future has been dropped.
    fn end(&self) {
        self.state.store(ENDED, Ordering::Release);
    }

    fn label(&self) -> Arc<Label> {
        let label = || {
            Box::new(Arc::new(Label {
                id: self.id,
                group: self.group.path().clone(),
                name: self.name.clone(),
            }))
        };
        self.label.get_or_init(label).clone()
    }

    #[cfg(tokio_unstable)]
    pub(crate) fn host(&self) -> Option<tokio::task::Id> {
        *crate::sync::lock(&self.host)
    }

    pub(crate) fn is_being_polled(&self) -> bool {
        self.polling.load(Ordering::Relaxed)
    }

    /// Whether its future has been dropped.
    pub(crate) fn has_ended(&self) -> bool {
        self.state.load(Ordering::Acquire) == ENDED
    }

    /// Whether a rule ignores it, by what is known of it without asking it.
    pub(crate) fn may_stay(&self, rules: &[Ignore]) -> bool {
        rules.iter().any(|rule| {
            let at = (&*shorten(self.site.file()), self.site.line());
            rule.matches_unasked(self.id, self.group.path(), &self.name.read(), at, || ())
        })
    }

    pub(crate) fn info(&self) -> TaskInfo {
        let polls = self.polls.load(Ordering::Relaxed);
        let alive = Moment::now().since(self.born);
        let last_poll = Duration::from_nanos(self.last_poll.load(Ordering::Relaxed));
        TaskInfo {
            id: self.id(),
            name: self.name.read(),
            group: self.group.path().clone(),
            kind: self.kind,
            spawned_at: self.site,
            parent: self.parent.as_ref().map(|label| Parent {
                id: label.id,
                group: label.group.clone(),
                name: label.name.read(),
            }),
            runtime: self.runtime,
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
            id: registry::next_id(),
            name: name.map_or_else(|| Name::Type(type_name::<F>()), Name::given),
            group: group.clone(),
            site: Location::caller(),
            scope: scope::attribute(parent.as_deref(), runtime),
            runtime: runtime.map(|home| home.runtime),
            parent: parent.map(|task| task.label()),
            label: OnceBox::new(),
            born: Moment::now(),
            polls: AtomicU64::new(0),
            last_poll: AtomicU64::new(0),
            busy_nanos: AtomicU64::new(0),
            probe: Probe::default(),
            slot: AtomicU32::new(0),
            kind,
            multi_thread: runtime.is_some_and(|home| home.multi_thread),
            polling: AtomicBool::new(false),
            state: AtomicU8::new(UNFINISHED),
            #[cfg(tokio_unstable)]
            host: std::sync::Mutex::default(),
        });
        task.scope.begun(&task);
        registry::insert(task.clone());
        Self { task }
    }

    /// One poll of the task's future.
    pub(crate) fn poll<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        #[cfg(tokio_unstable)]
        if self.task.kind == TaskKind::Future {
            *crate::sync::lock(&self.task.host) = tokio::task::try_id();
        }
        let running = Running::begin(&self.task);
        let scope = &self.task.scope;
        let once = || scope.traced(cx, |cx| self.task.probe.poll(self.task.kind, cx, poll));
        let polled = match catch_unwind(AssertUnwindSafe(once)) {
            Ok(polled) => polled,
            Err(panic) => {
                panics::note(&self.task, &*panic, Some(cx.waker()));
                resume_unwind(panic)
            }
        };
        running.end(polled.is_ready());
        scope.stepped(&self.task);
        polled
    }

    /// The one run of a blocking task's closure.
    pub(crate) fn run<T>(&self, task: impl FnOnce() -> T) -> T {
        let running = Running::begin(&self.task);
        let _thread = crate::resources::on_this_thread(self.task.id());
        let value = match catch_unwind(AssertUnwindSafe(task)) {
            Ok(value) => value,
            Err(panic) => {
                panics::note(&self.task, &*panic, None);
                resume_unwind(panic)
            }
        };
        running.end(true);
        value
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let task = &self.task;
        let ended = match task.state.load(Ordering::Relaxed) {
            UNFINISHED => {
                let was_polled = task.polls.load(Ordering::Relaxed) > 0;
                ending::of_unfinished(task.kind, task.home(), was_polled)
            }
            RETURNED => Ended::Returned,
            CANCELLED => Ended::Cancelled,
            _ => Ended::Panicked,
        };
        // In this order: a verdict that comes meanwhile finds the task alive, or finds how it ended, or both.
        task.scope.account(task, ended);
        registry::remove(task);
        // In this order: a question that is put now finds either that the task has ended, or is found here.
        task.end();
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
    #[cfg(feature = "install")]
    outer_scope: u64,
}

impl<'a> Running<'a> {
    fn begin(task: &'a Arc<Task>) -> Self {
        let age = Moment::now().since(task.born);
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
            #[cfg(feature = "install")]
            outer_scope: crate::untracked::enter(task.scope.id()),
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
            self.task.state.store(self.outcome, Ordering::Relaxed);
        }
        #[cfg(feature = "install")]
        crate::untracked::enter(self.outer_scope);
        let outer = self.outer.take();
        // The value that comes out is dropped here, outside of the borrow: it may be the last handle of its record.
        drop(CURRENT.try_with(|current| current.replace(outer)));
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// How a record must not go: what `models.rs` has to see through.
#[cfg(all(test, loom))]
impl Record {
    pub(crate) fn task(&self) -> &Arc<Task> {
        &self.task
    }

    /// Out of the registry before it is counted.
    pub(crate) fn leave_before_it_is_counted(self) {
        let task = std::mem::ManuallyDrop::new(self).task.clone();
        registry::remove(&task);
        task.scope.account(&task, Ended::Dropped);
        task.end();
        task.probe.close();
        task.scope.left();
    }

    /// Closed to questions before it is said to have ended.
    pub(crate) fn leave_before_it_has_ended(self) {
        let task = std::mem::ManuallyDrop::new(self).task.clone();
        task.scope.account(&task, Ended::Dropped);
        registry::remove(&task);
        task.probe.close();
        task.end();
        task.scope.left();
    }

    /// Off the live ones only after it has looked whether anybody waits for that.
    pub(crate) fn leave_after_a_look_around(self) {
        let task = std::mem::ManuallyDrop::new(self).task.clone();
        task.scope.account(&task, Ended::Dropped);
        registry::remove(&task);
        task.end();
        task.probe.close();
        task.scope.left_after_a_look_around();
    }
}
