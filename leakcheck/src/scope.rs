//! One check's scope: which tasks belong to it, and what became of them.

use std::cell::RefCell;
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex as StdMutex, MutexGuard, Weak};
use std::task::{Context, Poll};

use once_cell::sync::Lazy;
use tokio::runtime::Id as RuntimeId;

use crate::durations::Durations;
use crate::ending::Ended;
#[cfg(feature = "test-util")]
use crate::explore::Steps;
use crate::info::TaskInfo;
use crate::panics::Panics;
use crate::sync::lock as std_lock;
use crate::sync::modelled::{AtomicUsize, Mutex, Notify, in_one_order, lock};
use crate::task::{Home, Name, Task};
#[cfg(feature = "install")]
use crate::untracked;
use crate::{panics, registry};

/// The tasks of one check, or of one thread that no check was begun on.
#[derive(Debug)]
pub(crate) struct Scope {
    id: u64,
    check: Option<Check>,
    /// Counted when the check is one run of an exploration.
    #[cfg(feature = "test-util")]
    steps: Option<Arc<Steps>>,
    live: AtomicUsize,
    /// How many wait for the end of tasks. While nobody does, a task that ends takes no lock that the others need.
    watchers: AtomicUsize,
    /// Notified whenever a task of this scope has ended while it is watched.
    pub(crate) changed: Notify,
}

/// What only a scope that a check began keeps: without a check nobody would ever read it, and it would only grow.
#[derive(Debug)]
struct Check {
    name: Arc<str>,
    sites: Mutex<HashMap<Site, Counts, BuildHasherDefault<Mix>>>,
    dropped: Mutex<Vec<TaskInfo>>,
    panics: StdMutex<Panics>,
}

impl Check {
    fn new(name: &str) -> Self {
        Self {
            name: name.into(),
            sites: Mutex::default(),
            dropped: Mutex::default(),
            panics: StdMutex::default(),
        }
    }
}

/// Tasks are counted by where they come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Site {
    pub(crate) group: Arc<str>,
    pub(crate) name: Name,
    pub(crate) spawned_at: &'static Location<'static>,
}

impl Hash for Site {
    fn hash<H: Hasher>(&self, state: &mut H) {
        // The line stands for the file: its path is long, and says little more.
        state.write_u32(self.spawned_at.line());
        self.group.hash(state);
        self.name.hash(state);
    }
}

/// A hash for keys that nobody chooses to harm: each spawn makes two.
#[derive(Default)]
struct Mix(u64);

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u32(&mut self, number: u32) {
        self.write_u64(u64::from(number));
    }

    fn write_u64(&mut self, word: u64) {
        // The table takes bits from both ends.
        let mixed = (self.0.rotate_left(5) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// What became of the tasks of one site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) seen: u64,
    pub(crate) returned: u64,
    pub(crate) cancelled: u64,
    pub(crate) aborted: u64,
    pub(crate) panicked: u64,
    pub(crate) dropped: u64,
    /// From the cancellation of their token to their end.
    pub(crate) stopping: Durations,
}

impl Scope {
    /// The scope of a check.
    pub(crate) fn of_check(name: &str) -> Arc<Self> {
        Arc::new(Self::new(Some(Check::new(name))))
    }

    /// The scope of one run of an exploration.
    #[cfg(feature = "test-util")]
    fn of_run(name: &str, steps: &Arc<Steps>) -> Arc<Self> {
        Arc::new(Self {
            steps: Some(steps.clone()),
            ..Self::new(Some(Check::new(name)))
        })
    }

    fn new(check: Option<Check>) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(1);
        let id = NEXT_ID.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            check,
            #[cfg(feature = "test-util")]
            steps: None,
            live: AtomicUsize::new(0),
            watchers: AtomicUsize::new(0),
            changed: Notify::new(),
        }
    }

    /// One poll of a task, seen by the exploration if there is one.
    #[inline]
    pub(crate) fn traced<T>(&self, cx: &mut Context<'_>, poll: impl FnOnce(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
        #[cfg(feature = "test-util")]
        if let Some(steps) = &self.steps {
            return steps.traced(cx, poll);
        }
        poll(cx)
    }

    /// A poll of a task is over.
    #[inline]
    #[cfg_attr(not(feature = "test-util"), expect(unused_variables, reason = "nothing explores"))]
    pub(crate) fn stepped(&self, task: &Task) {
        #[cfg(feature = "test-util")]
        if let Some(steps) = &self.steps {
            steps.stepped(task);
        }
    }

    #[cfg(feature = "install")]
    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn name(&self) -> Option<&Arc<str>> {
        self.check.as_ref().map(|check| &check.name)
    }

    /// How many of its tasks live.
    pub(crate) fn live(&self) -> usize {
        self.live.load(Ordering::SeqCst)
    }

    /// From here on until the guard is dropped, each end of a task notifies `changed`.
    pub(crate) fn watch(&self) -> Watch<'_> {
        self.watchers.fetch_add(1, Ordering::SeqCst);
        in_one_order();
        Watch(self)
    }

    /// Its live tasks, in the order in which they were spawned.
    pub(crate) fn tasks(&self) -> Vec<Arc<Task>> {
        // A task is counted before it is registered, and until it no longer is. Most checks find none, and need not look
        // through those of others.
        if self.live() == 0 {
            return Vec::new();
        }
        registry::live(|task| task.scope.id == self.id)
    }

    /// The tasks that went down with their runtime, although nobody had told them to stop.
    pub(crate) fn dropped(&self) -> Vec<TaskInfo> {
        self.check
            .as_ref()
            .map(|check| lock(&check.dropped).clone())
            .unwrap_or_default()
    }

    /// What is known of its tasks' panics, where a check is there to ask for it.
    pub(crate) fn panics(&self) -> Option<MutexGuard<'_, Panics>> {
        self.check.as_ref().map(|check| std_lock(&check.panics))
    }

    /// What became of its tasks, by where they were spawned.
    pub(crate) fn sites(&self) -> Vec<(Site, Counts)> {
        let Some(check) = &self.check else {
            return Vec::new();
        };
        lock(&check.sites)
            .iter()
            .map(|(site, counts)| (site.clone(), counts.clone()))
            .collect()
    }

    pub(crate) fn begun(&self, task: &Task) {
        self.live.fetch_add(1, Ordering::Relaxed);
        self.count(task, |counts| counts.seen += 1);
    }

    /// Counts a task that has ended. It is still among the live ones: whoever misses it there finds it counted.
    pub(crate) fn account(&self, task: &Task, ended: Ended) {
        let Some(check) = &self.check else { return };
        let told = task.group.told_at();
        let took = told
            .filter(|told| task.id() < told.next_task)
            .map(|told| told.at.elapsed());
        self.count(task, |counts| {
            took.into_iter().for_each(|took| counts.stopping.add(took));
            *match ended {
                Ended::Returned => &mut counts.returned,
                Ended::Cancelled => &mut counts.cancelled,
                Ended::Aborted => &mut counts.aborted,
                Ended::Panicked => &mut counts.panicked,
                Ended::Dropped => &mut counts.dropped,
            } += 1;
        });
        if ended == Ended::Panicked {
            panics::conclude(task);
        }
        if ended == Ended::Dropped && told.is_none() {
            lock(&check.dropped).push(task.info());
        }
    }

    /// Takes a task that has been counted off the live ones.
    pub(crate) fn left(&self) {
        // In this order: whoever begins to watch now either sees this task gone, or is notified.
        self.live.fetch_sub(1, Ordering::SeqCst);
        in_one_order();
        if self.watchers.load(Ordering::SeqCst) > 0 {
            self.changed.notify_waiters();
        }
    }

    /// As `left` must not be.
    #[cfg(all(test, loom))]
    pub(crate) fn left_after_a_look_around(&self) {
        let watched = self.watchers.load(Ordering::SeqCst) > 0;
        in_one_order();
        self.live.fetch_sub(1, Ordering::SeqCst);
        if watched {
            self.changed.notify_waiters();
        }
    }

    fn count(&self, task: &Task, count: impl FnOnce(&mut Counts)) {
        if let Some(check) = &self.check {
            let site = Site {
                group: task.group.path().clone(),
                name: task.name.clone(),
                spawned_at: task.site,
            };
            count(lock(&check.sites).entry(site).or_default());
        }
    }
}

/// A scope that somebody waits for.
#[must_use]
pub(crate) struct Watch<'a>(&'a Scope);

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.0.watchers.fetch_sub(1, Ordering::SeqCst);
    }
}

thread_local! {
    /// The checks that were begun on this thread, the innermost last.
    static BEGUN: RefCell<Vec<Arc<Scope>>> = const { RefCell::new(Vec::new()) };
    /// What belongs to this thread while no check is begun on it.
    static OF_THREAD: RefCell<Option<Arc<Scope>>> = const { RefCell::new(None) };
}

/// The check that each runtime was made for. Whose the tasks are of any other runtime's workers, nobody can tell: that a
/// test has spawned there before says nothing, as several may share it.
static RUNTIMES: Lazy<StdMutex<HashMap<RuntimeId, Weak<Scope>>>> = Lazy::new(Default::default);

/// The scope that a task which is being spawned belongs to: that of the task that spawns it; else that of the check
/// begun on this thread; else that of the check that the runtime was made for; else this thread's own.
pub(crate) fn attribute(parent: Option<&Task>, runtime: Option<Home>) -> Arc<Scope> {
    if let Some(parent) = parent {
        return parent.scope.clone();
    }
    begun_here()
        .or_else(|| runtime.and_then(|home| made_for(home.runtime)))
        .unwrap_or_else(of_this_thread)
}

/// The check that was begun last on this thread.
fn begun_here() -> Option<Arc<Scope>> {
    BEGUN.try_with(|begun| begun.borrow().last().cloned()).ok().flatten()
}

fn of_this_thread() -> Arc<Scope> {
    OF_THREAD
        .try_with(|own| {
            own.borrow_mut()
                .get_or_insert_with(|| Arc::new(Scope::new(None)))
                .clone()
        })
        .unwrap_or_else(|_| Arc::new(Scope::new(None)))
}

/// What a check of a plain test looks at: the check begun last on this thread, or else the thread's own tasks.
pub(crate) fn here() -> Arc<Scope> {
    begun_here().unwrap_or_else(of_this_thread)
}

fn runtimes() -> MutexGuard<'static, HashMap<RuntimeId, Weak<Scope>>> {
    std_lock(&RUNTIMES)
}

fn made_for(runtime: RuntimeId) -> Option<Arc<Scope>> {
    runtimes().get(&runtime)?.upgrade()
}

/// A check that is begun on this thread, until this is dropped.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) scope: Arc<Scope>,
    runtime: Option<RuntimeId>,
    #[cfg(feature = "install")]
    _watch: untracked::Watch,
    /// It belongs to its thread.
    _not_send: std::marker::PhantomData<*const ()>,
}

impl Begun {
    /// Begins a check of everything that this thread spawns from now on.
    pub(crate) fn new(name: &str) -> Self {
        Self::of(Scope::of_check(name))
    }

    /// Begins one run of an exploration.
    #[cfg(feature = "test-util")]
    pub(crate) fn exploring(name: &str, steps: &Arc<Steps>) -> Self {
        Self::of(Scope::of_run(name, steps))
    }

    fn of(scope: Arc<Scope>) -> Self {
        BEGUN.with(|begun| begun.borrow_mut().push(scope.clone()));
        #[cfg(feature = "install")]
        untracked::enter(scope.id);
        Self {
            scope,
            runtime: None,
            #[cfg(feature = "install")]
            _watch: untracked::Watch::begin(),
            _not_send: std::marker::PhantomData,
        }
    }

    /// Whatever is spawned on `runtime` belongs to this check, unless its parent says otherwise.
    pub(crate) fn made(&mut self, runtime: RuntimeId) {
        runtimes().insert(runtime, Arc::downgrade(&self.scope));
        self.runtime = Some(runtime);
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime {
            runtimes().remove(&runtime);
        }
        // Guards may be dropped in any order: out goes this one, wherever it stands.
        let _ = BEGUN.try_with(|begun| begun.borrow_mut().retain(|scope| scope.id != self.scope.id));
        #[cfg(feature = "install")]
        untracked::enter(begun_here().map_or(0, |scope| scope.id));
    }
}
