//! A random tree of tasks is reported exactly: how each of them ended, and which were left behind.
//!
//! `PROPTEST_CASES` sets how many trees are tried on each flavour of runtime.
#![cfg(feature = "track")]

use std::collections::BTreeMap;
use std::future::{Future, pending};
use std::panic::resume_unwind;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use leakcheck::report::SiteSummary;
use leakcheck::{Check, Report, TaskTracker};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinHandle, LocalSet};
use tokio_util::sync::CancellationToken;

/// Where a task is spawned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// On its spawner's runtime.
    Here,
    /// There, in a group below that of its spawner.
    Group,
    /// On a thread for blocking work.
    Blocking,
    /// On the `LocalSet` that the test drops at its end, where its spawner is there too; else on the spawner's runtime.
    Local,
    /// On a runtime that outlives the test.
    Elsewhere,
    /// On a runtime that the test shuts down at its end.
    Doomed,
}

/// What a task does once it has spawned its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Plan {
    Return,
    Yield,
    Panic,
    Stay,
    WaitForToken,
    /// Stays until the test aborts it.
    BeAborted,
    /// Is aborted by its spawner at once, perhaps before its first poll, and has no children therefore.
    BeAbortedAtOnce,
}

#[derive(Clone, Debug)]
struct Node {
    place: Place,
    plan: Plan,
    children: Vec<Node>,
}

#[derive(Clone, Debug)]
struct Tree {
    roots: Vec<Node>,
    /// The tracker knows the token.
    told: bool,
    /// The test cancels the token.
    cancels: bool,
}

fn any_node() -> impl Strategy<Value = Node> {
    let place = || {
        prop::sample::select(vec![
            Place::Here,
            Place::Group,
            Place::Blocking,
            Place::Local,
            Place::Elsewhere,
            Place::Doomed,
        ])
    };
    let plan = || {
        prop::sample::select(vec![
            Plan::Return,
            Plan::Yield,
            Plan::Panic,
            Plan::Stay,
            Plan::WaitForToken,
            Plan::BeAborted,
            Plan::BeAbortedAtOnce,
        ])
    };
    let leaf = (place(), plan()).prop_map(|(place, plan)| Node {
        place,
        plan,
        children: Vec::new(),
    });
    leaf.prop_recursive(4, 16, 3, move |inner| {
        (place(), plan(), prop::collection::vec(inner, 0..4)).prop_map(|(place, plan, children)| Node {
            place,
            plan,
            children,
        })
    })
}

fn any_tree() -> impl Strategy<Value = Tree> {
    (prop::collection::vec(any_node(), 1..4), any::<bool>(), any::<bool>()).prop_map(|(mut roots, told, cancels)| {
        settle_on(&mut roots, true);
        Tree { roots, told, cancels }
    })
}

/// Makes the plans ones that can be carried out, and that come out one way.
fn settle_on(nodes: &mut [Node], on_the_set: bool) {
    for node in nodes {
        if node.place == Place::Local && !on_the_set {
            node.place = Place::Here;
        }
        // A closure that runs cannot be aborted.
        if node.place == Place::Blocking && matches!(node.plan, Plan::BeAborted | Plan::BeAbortedAtOnce) {
            node.plan = Plan::Return;
        }
        if node.plan == Plan::BeAbortedAtOnce {
            node.children.clear();
        }
        settle_on(&mut node.children, node.place == Place::Local);
    }
}

/// What is to be reported of a task.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fate {
    parent: Option<String>,
    /// Returned, cancelled, aborted, panicked, dropped.
    ended: [u64; 5],
    leaked: bool,
}

/// Whose runtime drives a task: a task that is spawned where its spawner is goes down with that one's runtime.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Driver {
    Test,
    Local,
    Elsewhere,
    Doomed,
}

impl Driver {
    fn of(place: Place, spawner: Self) -> Self {
        match (place, spawner) {
            (Place::Elsewhere, _) => Self::Elsewhere,
            (Place::Doomed, _) => Self::Doomed,
            (Place::Local, _) => Self::Local,
            // What is not local is spawned on the runtime that drives the set.
            (_, Self::Local) => Self::Test,
            (_, spawner) => spawner,
        }
    }

    /// Whether it takes its tasks down before the check.
    fn goes_down(self) -> bool {
        matches!(self, Self::Local | Self::Doomed)
    }
}

/// What becomes of each task, by the simplest reasoning there is.
fn fates(tree: &Tree) -> BTreeMap<String, Fate> {
    fn of(tree: &Tree, nodes: &[Node], above: Option<&str>, spawner: Driver, fates: &mut BTreeMap<String, Fate>) {
        for (number, node) in nodes.iter().enumerate() {
            let name = name_of(above, number);
            let driver = Driver::of(node.place, spawner);
            let stays = match node.plan {
                Plan::Stay => true,
                Plan::WaitForToken => !tree.cancels,
                _ => false,
            };
            // A closure's thread outlives its runtime.
            let (ended, leaked) = if stays && driver.goes_down() && node.place != Place::Blocking {
                ([0, 0, 0, 0, 1], !(tree.told && tree.cancels))
            } else if stays {
                ([0; 5], true)
            } else {
                let ended = match node.plan {
                    Plan::WaitForToken if tree.told => [0, 1, 0, 0, 0],
                    Plan::BeAborted | Plan::BeAbortedAtOnce => [0, 0, 1, 0, 0],
                    Plan::Panic => [0, 0, 0, 1, 0],
                    _ => [1, 0, 0, 0, 0],
                };
                (ended, false)
            };
            let parent = above.map(str::to_owned);
            fates.insert(name.clone(), Fate { parent, ended, leaked });
            of(tree, &node.children, Some(&name), driver, fates);
        }
    }
    let mut all = BTreeMap::new();
    of(tree, &tree.roots, None, Driver::Test, &mut all);
    all
}

fn name_of(above: Option<&str>, number: usize) -> String {
    above.map_or_else(|| number.to_string(), |above| format!("{above}.{number}"))
}

/// What the report says of each task.
fn reported(report: &Report) -> BTreeMap<String, Fate> {
    let ended = |site: &SiteSummary| [site.returned, site.cancelled, site.aborted, site.panicked, site.dropped];
    report
        .sites
        .iter()
        .map(|site| {
            assert_eq!(site.seen, 1, "{site:?}");
            let leak = report.leaks.iter().find(|leak| leak.name == site.name);
            let fate = Fate {
                parent: leak.and_then(|leak| Some(leak.parent.as_ref()?.name.clone())),
                ended: ended(site),
                leaked: leak.is_some(),
            };
            (site.name.clone(), fate)
        })
        .collect()
}

/// Opens once.
#[derive(Default)]
struct Gate {
    open: Mutex<bool>,
    opened: Condvar,
}

impl Gate {
    fn open(&self) {
        *self.open.lock().unwrap() = true;
        self.opened.notify_all();
    }

    fn wait(&self) {
        drop(
            self.opened
                .wait_while(self.open.lock().unwrap(), |open| !*open)
                .unwrap(),
        );
    }
}

/// When a task ends: the test waits for those of one moment before it goes on to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moment {
    ByItself,
    OnceTold,
    OnceAborted,
    WithItsRuntime,
}

/// What the tasks share.
struct World {
    token: CancellationToken,
    begun: watch::Sender<usize>,
    /// Opened when the test is over, for closures that stay.
    over: Arc<Gate>,
    elsewhere: Handle,
    doomed: Handle,
    joins: Mutex<Vec<(Moment, JoinHandle<()>)>>,
    aborts: Mutex<Vec<AbortHandle>>,
    cancels: bool,
}

impl World {
    fn spawn_all(self: &Arc<Self>, tasks: &TaskTracker, nodes: &[Node], above: Option<&str>, spawner: Driver) {
        for (number, node) in nodes.iter().enumerate() {
            self.spawn(tasks, node.clone(), name_of(above, number), spawner);
        }
    }

    fn spawn(self: &Arc<Self>, tasks: &TaskTracker, node: Node, name: String, spawner: Driver) {
        let (place, plan) = (node.place, node.plan);
        let driver = Driver::of(place, spawner);
        let tasks = match place {
            Place::Group => tasks.group("group"),
            _ => tasks.clone(),
        };
        let life = self.clone().live(tasks.clone(), node.clone(), name.clone(), driver);
        let task = match place {
            Place::Here | Place::Group => tasks.spawn_named(name, life),
            Place::Local => tasks.spawn_local_named(name, life),
            Place::Elsewhere => tasks.spawn_named_on(name, life, &self.elsewhere),
            Place::Doomed => tasks.spawn_named_on(name, life, &self.doomed),
            Place::Blocking => {
                let (world, tasks, of) = (self.clone(), tasks.clone(), name.clone());
                tasks
                    .clone()
                    .spawn_blocking_named(name, move || world.block(&tasks, &node, &of, driver))
            }
        };
        let moment = match plan {
            Plan::Return | Plan::Yield | Plan::Panic => Moment::ByItself,
            Plan::WaitForToken if self.cancels => Moment::OnceTold,
            Plan::BeAbortedAtOnce => {
                task.abort();
                Moment::ByItself
            }
            Plan::BeAborted => {
                self.aborts.lock().unwrap().push(task.abort_handle());
                Moment::OnceAborted
            }
            Plan::Stay | Plan::WaitForToken if driver == Driver::Doomed && place != Place::Blocking => {
                Moment::WithItsRuntime
            }
            // Let go of.
            Plan::Stay | Plan::WaitForToken => return,
        };
        self.joins.lock().unwrap().push((moment, task));
    }

    /// A task's whole life.
    #[expect(
        clippy::manual_async_fn,
        reason = "it spawns itself, so that whether it is `Send` has to be said"
    )]
    fn live(
        self: Arc<Self>,
        tasks: TaskTracker,
        node: Node,
        name: String,
        driver: Driver,
    ) -> impl Future<Output = ()> + Send {
        async move {
            self.begin(&tasks, &node, &name, driver);
            match node.plan {
                Plan::Return => {}
                Plan::Yield => tokio::task::yield_now().await,
                Plan::Panic => resume_unwind(Box::new("planned")),
                Plan::WaitForToken => self.token.cancelled().await,
                Plan::Stay | Plan::BeAborted | Plan::BeAbortedAtOnce => pending().await,
            }
        }
    }

    /// A closure's whole life.
    fn block(self: &Arc<Self>, tasks: &TaskTracker, node: &Node, name: &str, driver: Driver) {
        self.begin(tasks, node, name, driver);
        match node.plan {
            Plan::Panic => resume_unwind(Box::new("planned")),
            Plan::WaitForToken if self.cancels => block_on(self.token.cancelled()),
            Plan::WaitForToken | Plan::Stay => self.over.wait(),
            _ => {}
        }
    }

    fn begin(self: &Arc<Self>, tasks: &TaskTracker, node: &Node, name: &str, driver: Driver) {
        // One that is aborted at once may never get here.
        if node.plan != Plan::BeAbortedAtOnce {
            self.spawn_all(tasks, &node.children, Some(name), driver);
            self.begun.send_modify(|begun| *begun += 1);
        }
    }

    async fn join(&self, moment: Moment) {
        loop {
            let next = {
                let mut joins = self.joins.lock().unwrap();
                let next = joins.iter().position(|(when, _)| *when == moment);
                next.map(|next| joins.swap_remove(next).1)
            };
            match next {
                Some(task) => drop(task.await),
                None => return,
            }
        }
    }
}

/// Waits for a future on a thread for blocking work.
fn block_on(future: impl Future<Output = ()>) {
    Handle::current().block_on(future);
}

fn how_many_begin(nodes: &[Node]) -> usize {
    let counted = |node: &Node| usize::from(node.plan != Plan::BeAbortedAtOnce) + how_many_begin(&node.children);
    nodes.iter().map(counted).sum()
}

/// Lives through a tree in a check, and returns what that says.
fn run(tree: &Tree, flavor: Builder) -> Report {
    let one_worker = || {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).build().unwrap()
    };
    let (elsewhere, doomed): (Runtime, Runtime) = (one_worker(), one_worker());
    let over = Arc::new(Gate::default());
    let world = Arc::new(World {
        token: CancellationToken::new(),
        begun: watch::Sender::new(0),
        over: over.clone(),
        elsewhere: elsewhere.handle().clone(),
        doomed: doomed.handle().clone(),
        joins: Mutex::default(),
        aborts: Mutex::default(),
        cancels: tree.cancels,
    });
    let outcome = Check::new("a tree")
        .grace(Duration::from_millis(1))
        .runtime(flavor)
        .run(async {
            let mut tasks = TaskTracker::named("tree");
            if tree.told {
                tasks = tasks.cancelled_by(&world.token);
            }
            let local = LocalSet::new();
            let story = async {
                world.spawn_all(&tasks, &tree.roots, None, Driver::Local);
                let all = how_many_begin(&tree.roots);
                world.begun.subscribe().wait_for(|begun| *begun == all).await.unwrap();
                world.join(Moment::ByItself).await;
                if tree.cancels {
                    world.token.cancel();
                    world.join(Moment::OnceTold).await;
                }
                world.aborts.lock().unwrap().drain(..).for_each(|task| task.abort());
                world.join(Moment::OnceAborted).await;
                doomed.shutdown_background();
                world.join(Moment::WithItsRuntime).await;
            };
            local.run_until(story).await;
        });
    outcome.body.unwrap();
    over.open();
    outcome.report
}

fn assert_exact(tree: &Tree, flavor: Builder) {
    let report = run(tree, flavor);
    let mut expected = fates(tree);
    // A report tells the parents of leaks alone.
    for fate in expected.values_mut().filter(|fate| !fate.leaked) {
        fate.parent = None;
    }
    assert_eq!(reported(&report), expected, "{report}");
    assert_eq!(
        report.leaks.len(),
        expected.values().filter(|fate| fate.leaked).count(),
        "{report}"
    );
}

fn try_trees(flavor: impl Fn() -> Builder) {
    const CASES: u32 = 500;
    let mut config = ProptestConfig::default();
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    config.failure_persistence = None;
    let tried = TestRunner::new(config).run(&any_tree(), |tree| {
        assert_exact(&tree, flavor());
        Ok(())
    });
    if let Err(failure) = tried {
        panic!("{failure}");
    }
}

#[test]
fn a_random_tree_on_a_current_thread_runtime_is_reported_exactly() {
    try_trees(Builder::new_current_thread);
}

#[test]
fn a_random_tree_on_a_multi_thread_runtime_is_reported_exactly() {
    try_trees(|| {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(2);
        builder
    });
}

/// A report that misses something, or has it twice, does not pass for exact.
#[test]
fn a_wrong_report_is_told_from_an_exact_one() {
    let tree = Tree {
        roots: vec![Node {
            place: Place::Here,
            plan: Plan::Stay,
            children: Vec::new(),
        }],
        told: false,
        cancels: false,
    };
    let report = run(&tree, Builder::new_current_thread());
    assert_eq!(reported(&report), fates(&tree));

    let mut without = report.clone();
    without.leaks.clear();
    assert_ne!(reported(&without), fates(&tree));

    let mut miscounted = report;
    miscounted.sites[0].returned += 1;
    assert_ne!(reported(&miscounted), fates(&tree));
}
