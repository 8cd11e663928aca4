//! One process after another is judged: what each task was, whose, how it ended, and where it waited.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;

use super::classify::{self, Ending, Kind};
use super::judge::{Key, What};
use super::places::{is_question, is_short, name, spawned, test_of};
use super::preload;
use super::program::Program;
use super::records::{Copy, Process};
use super::symbols::Symbols;
use super::waiting::{Asked, Waited, Waiting};
use crate::owners::Owners;
use crate::report::{self, Lifetime, Origin, Place};

/// Why a program is not judged whose functions have no names that say whose they are.
const UNTOLD: &str = "has no debug info, or line tables alone: what tokio allocated or freed could not be told apart";

/// What is known of tasks or threads that were left behind alike.
#[derive(Default)]
pub(super) struct Found {
    pub(super) count: u64,
    pub(super) text: Option<String>,
    pub(super) waited: Waited,
    /// Its tasks' addresses, with the number of their process.
    pub(super) cells: Vec<(usize, u64)>,
    /// The task whose end the one waits for of which `waited` tells.
    pub(super) waits_for: Option<(usize, u64)>,
    /// When some of them lived.
    pub(super) lifetimes: Vec<Lifetime>,
    /// How many copies were looked into.
    tried: u32,
}

impl Found {
    pub(super) fn add(&mut self, count: u64, lifetimes: impl IntoIterator<Item = Lifetime>) {
        self.count = self.count.saturating_add(count);
        let room = LIFETIMES.saturating_sub(self.lifetimes.len());
        self.lifetimes.extend(lifetimes.into_iter().take(room));
    }
}

/// Tasks that were spawned alike and had the same end.
struct Tasks<'a> {
    kind: Kind,
    ending: Ending,
    /// The stack that allocated them, and the thread.
    allocated: u64,
    lineage: u64,
    count: u64,
    lived: Lifetime,
    /// Of some of them.
    lifetimes: &'a [Lifetime],
    copies: &'a [Copy],
}

impl Tasks<'_> {
    /// The first so many of them, which have outlived their runtime.
    fn outlived(&self, count: usize) -> Self {
        Self {
            ending: Ending::Outlived,
            count: count as u64,
            lifetimes: &self.lifetimes[..count.min(self.lifetimes.len())],
            copies: &self.copies[..count],
            ..*self
        }
    }

    /// All but the first so many.
    fn but(&self, count: usize) -> Self {
        Self {
            count: self.count - count as u64,
            lifetimes: &self.lifetimes[count.min(self.lifetimes.len())..],
            copies: &self.copies[count..],
            ..*self
        }
    }
}

/// What became of what a line has spawned.
#[derive(Default)]
pub(super) struct Spawned {
    pub(super) tasks: u64,
    /// How many of them outlived their test.
    pub(super) left: u64,
    pub(super) lived: Option<Lifetime>,
}

/// From when the first of both began until the last of both ended.
fn both(one: Lifetime, other: Lifetime) -> Lifetime {
    Lifetime {
        from_ns: one.from_ns.min(other.from_ns),
        to_ns: one.to_ns.max(other.to_ns),
    }
}

pub(super) type SiteKey = (String, Option<String>, Origin, Vec<Place>);

/// How many copies of tasks that were left behind alike are looked into: the first that tells where it waits is shown.
const TRIES: u32 = 4;
/// How many addresses of tasks that were left behind alike are kept: a root is one task, seldom one of hundreds.
const CELLS: usize = 64;
/// How many lifetimes are told of tasks that were left behind alike.
const LIFETIMES: usize = 64;

/// How a task ended whose end the runtime's order has hidden.
pub(crate) const HELD: &str = "another task held it that outlived the runtime";

pub(super) struct Judging<'a> {
    pub(super) workspace: &'a Path,
    pub(super) owners: &'a Owners,
    pub(super) symbols: Symbols,
    pub(super) found: BTreeMap<Key, Found>,
    pub(super) sites: BTreeMap<SiteKey, Spawned>,
    /// A program, and what is to be said of it.
    pub(super) unjudged: BTreeSet<(String, String)>,
    pub(super) tasks: u64,
    /// Threads that the user's own code created.
    pub(super) threads: u64,
    /// The number of the process that is being judged.
    process: usize,
    /// Of that process, by the stack's node.
    kinds: HashMap<u64, Kind>,
    /// Of that process, by the stack's node: whether the future that was spawned there is the workspace's own code.
    own: HashMap<u64, bool>,
    waiting: Waiting<'a>,
}

impl<'a> Judging<'a> {
    pub(super) fn new(workspace: &'a Path, owners: &'a Owners) -> Self {
        Self {
            workspace,
            owners,
            symbols: Symbols::default(),
            found: BTreeMap::new(),
            sites: BTreeMap::new(),
            unjudged: BTreeSet::new(),
            tasks: 0,
            threads: 0,
            process: 0,
            kinds: HashMap::new(),
            own: HashMap::new(),
            waiting: Waiting::new(workspace),
        }
    }

    /// Another process is begun.
    pub(super) fn next_process(&mut self) {
        self.process += 1;
        self.kinds.clear();
        self.own.clear();
    }

    pub(super) fn cannot(&mut self, process: &Process, why: impl Into<String>) {
        self.unjudged.insert((name(process), why.into()));
    }

    pub(super) fn process(&mut self, process: &Process, program: &Program, replaced: bool) {
        if let Some(version) = program.too_old() {
            self.cannot(
                process,
                format!("uses tokio {version}, whose tasks cannot be told from other memory: 1.29 is the first"),
            );
            return;
        }
        if process.folds.is_empty() && process.live.is_empty() && program.has_own_allocator {
            self.cannot(process, "has an allocator of its own: its tasks could not be observed");
            return;
        }
        let seen = self.tasks;
        if program.is_stripped {
            self.cannot(process, "is stripped: what it allocated could not be told apart");
            return;
        }
        if process.dropped > 0 {
            self.cannot(
                process,
                format!("did more than there was room to record ({} records)", process.dropped),
            );
        }
        if process.torn > 0 {
            self.cannot(
                process,
                "was ended while it was being recorded: some of its records are torn",
            );
        }
        if self.lacks_names(process) {
            self.cannot(process, UNTOLD);
            return;
        }
        self.freed(process);
        self.alive(process);
        self.threads(process);
        // Some allocators pass tasks on to libc in a way that cannot be recognized: that none was seen says nothing then.
        if self.tasks == seen && program.has_own_allocator && program.has_tokio() {
            self.cannot(
                process,
                "has an allocator of its own and showed no task: its tasks could not be observed",
            );
        }
        if !process.exited && !replaced {
            self.cannot(process, "did not come to its end: it was killed or it aborted");
        }
    }

    /// Adds the tasks whose memory was freed.
    fn freed(&mut self, process: &Process) {
        for fold in &process.folds {
            let kind = self.kind(process, fold.allocated);
            if !self.is_task(process, kind, fold.count) {
                continue;
            }
            let freed = self.symbols.stack(process, &process.stack(fold.freed));
            let ending = |complete| {
                if fold.seen.returned {
                    // Whoever freed it, and whenever.
                    return Ending::Ended;
                }
                classify::ending(freed.iter().map(|frame| frame.path.as_str()), complete)
            };
            // The shutdown itself makes it done, which another runtime may see that parks in between.
            let by_stack = ending(false);
            let ending = if fold.seen.complete { ending(true) } else { by_stack };
            let tasks = Tasks {
                kind,
                ending: classify::queued(ending, fold.seen),
                allocated: fold.allocated,
                lineage: fold.lineage,
                count: fold.count,
                lived: fold.lived,
                lifetimes: &fold.lifetimes,
                copies: &fold.copies,
            };
            let certain = match by_stack {
                Ending::Held if !fold.seen.aborted => self.waited_until_the_end(process, &tasks),
                _ => 0,
            };
            if certain > 0 {
                self.found(process, &tasks.outlived(certain));
            }
            if (certain as u64) < fold.count {
                self.found(process, &tasks.but(certain));
            }
        }
    }

    /// Adds the tasks that were alive when the process ended.
    fn alive(&mut self, process: &Process) {
        for live in &process.live {
            let kind = self.kind(process, live.allocated);
            if !self.is_task(process, kind, 1) || !process.exited {
                continue;
            }
            let lived = Lifetime {
                from_ns: live.from_ns,
                to_ns: process.to_ns,
            };
            let tasks = Tasks {
                kind,
                // What was aborted is dropped by its worker, as soon as that comes to it.
                ending: if live.seen.complete || live.seen.aborted {
                    Ending::Ended
                } else {
                    Ending::AliveAtExit
                },
                allocated: live.allocated,
                lineage: live.lineage,
                count: 1,
                lived,
                lifetimes: &[lived],
                copies: live.copy.as_slice(),
            };
            self.found(process, &tasks);
        }
    }

    /// Whether functions of tokio's by which tasks and their ends are told have lost their types, as in optimised code with line
    /// tables alone. What could be told of such a program's other tasks has no names either.
    fn lacks_names(&mut self, process: &Process) -> bool {
        let ended = process.folds.iter().map(|fold| (fold.allocated, Some(fold.freed)));
        let mut all = ended.chain(process.live.iter().map(|live| (live.allocated, None)));
        all.any(|(allocated, freed)| {
            let kind = self.kind(process, allocated);
            let mut lacks = |stack: u64, matters: &dyn Fn(&str) -> bool| {
                let frames = self.symbols.stack(process, &process.stack(stack));
                frames.iter().any(|frame| is_short(frame) && matters(&frame.path))
            };
            let is_task = matches!(kind, Kind::Task | Kind::Blocking);
            lacks(allocated, &|path| classify::may_be_other_than(kind, path))
                || freed.is_some_and(|freed| is_task && lacks(freed, &classify::may_decide))
        })
    }

    fn kind(&mut self, process: &Process, stack: u64) -> Kind {
        if let Some(kind) = self.kinds.get(&stack) {
            return *kind;
        }
        let frames = self.symbols.stack(process, &process.stack(stack));
        let kind = classify::kind(frames.iter().map(|frame| frame.path.as_str()));
        let kind = if is_question(&frames) { Kind::Other } else { kind };
        self.kinds.insert(stack, kind);
        kind
    }

    /// Whether it is a task of the user's, which is counted.
    fn is_task(&mut self, process: &Process, kind: Kind, count: u64) -> bool {
        match kind {
            Kind::Task | Kind::Blocking => {
                self.tasks = self.tasks.saturating_add(count);
                true
            }
            Kind::Unknown => {
                self.cannot(process, UNTOLD);
                false
            }
            Kind::Worker | Kind::Other => false,
        }
    }

    /// How many of the first tasks whose memory another task held have waited until their runtime ended, for certain.
    fn waited_until_the_end(&mut self, process: &Process, tasks: &Tasks<'_>) -> usize {
        let stack = process.stack(tasks.allocated);
        let Some(code) = code(process, &stack) else { return 0 };
        let most = usize::try_from(tasks.count).unwrap_or(usize::MAX);
        let copies = tasks.copies.iter().take(most);
        let waited = copies.take_while(|copy| self.waiting.waited_until_the_end(code.asked(Some(copy), true)));
        waited.count()
    }

    /// Adds tasks that were spawned alike and had the same end to what is known.
    fn found(&mut self, process: &Process, tasks: &Tasks<'_>) {
        let how = match (tasks.ending, tasks.kind) {
            (Ending::Ended, _) => "",
            (Ending::AliveAtExit, Kind::Blocking) => "it was running when the process ended",
            (Ending::AliveAtExit, _) => "it was alive when the process ended: its runtime was never dropped",
            (Ending::Outlived, _) => "it was waiting when its runtime was dropped",
            (Ending::OutlivedQueued, _) => "it was due to run when its runtime was dropped",
            (Ending::QueuedOrAborted, _) => {
                "it was due to run when its runtime was dropped, perhaps because it had been aborted"
            }
            (Ending::Held | Ending::Unsure, _) => HELD,
            (Ending::Kept, _) => "its runtime was shut down before its handle was dropped, or it had been aborted",
        };
        let stack = process.stack(tasks.allocated);
        let frames = self.symbols.stack(process, &stack);
        let mut spawned = spawned(&frames, self.owners, self.workspace);
        let mut origin = spawned.first().map_or(Origin::Own, |(_, origin)| origin.clone());
        // Code of one's own that a dependency spawns: by its `spawn`, as actix-rt's, or for a callback.
        if origin != Origin::Own
            && spawned.iter().any(|(_, origin)| *origin == Origin::Own)
            && self.is_own(process, tasks.allocated, &stack)
        {
            origin = Origin::Own;
            if let [_, (_, Origin::Own), ..] = &spawned[..] {
                spawned.remove(0);
            }
        }
        let what = match (tasks.ending, tasks.kind, &origin) {
            (Ending::Held | Ending::Unsure | Ending::Kept | Ending::QueuedOrAborted, ..) => What::Unsure,
            (Ending::AliveAtExit, Kind::Blocking, _) => What::Blocked,
            (_, _, Origin::Own) => What::Leaked,
            (_, _, Origin::Dependency { .. }) => What::ThirdParty,
        };
        let test = test_of(&frames).or_else(|| self.test_of_thread(process, tasks.lineage));
        let spawned: Vec<Place> = spawned.into_iter().map(|(place, _)| place).collect();
        let site = self
            .sites
            .entry((name(process), test.clone(), origin.clone(), spawned.clone()))
            .or_default();
        // Counts are what a file says.
        site.tasks = site.tasks.saturating_add(tasks.count);
        site.lived = Some(site.lived.map_or(tasks.lived, |lived| both(lived, tasks.lived)));
        if tasks.ending == Ending::Ended {
            return;
        }
        if !matches!(tasks.ending, Ending::Held | Ending::Unsure | Ending::Kept) {
            site.left = site.left.saturating_add(tasks.count);
        }
        let named = match tasks.kind {
            Kind::Blocking => report::Kind::Blocking,
            _ => report::Kind::Task,
        };
        // `None` where no object that was loaded has its code.
        let code = code(process, &stack);
        let future = code
            .as_ref()
            .and_then(|code| self.waiting.future(code.object, &code.stack));
        let key = (what, how, name(process), test, origin, spawned, named, future);
        let mut found = self.found.remove(&key).unwrap_or_default();
        found.add(tasks.count, tasks.lifetimes.iter().copied());
        for copy in tasks.copies {
            if found.cells.len() < CELLS {
                found.cells.push((self.process, copy.address));
            }
        }
        let copies = tasks.copies.iter().map(Some);
        let without = tasks.copies.is_empty().then_some(None);
        for copy in copies.chain(without) {
            if found.tried == TRIES {
                break;
            }
            found.tried += 1;
            let Some(code) = &code else {
                continue;
            };
            let asked = code.asked(copy, tasks.ending == Ending::Outlived);
            let (text, waited) = self.waiting.waiting(asked);
            if found.waited.awaits.is_some() {
                // A reason is said of all that are alike, and so it has to be that of each that is looked into.
                if waited.awaits.is_some() {
                    found.waited.why.retain(|why| waited.why.contains(why));
                }
            } else {
                found.waits_for = waited.waits_for.map(|cell| (self.process, cell));
                (found.text, found.waited) = (text, waited);
            }
        }
        self.found.insert(key, found);
    }

    /// Whether the future that was spawned by a stack was written in the workspace.
    fn is_own(&mut self, process: &Process, node: u64, stack: &[u64]) -> bool {
        if let Some(own) = self.own.get(&node) {
            return *own;
        }
        let file = code(process, stack).and_then(|code| self.waiting.written_in(code.object, &code.stack));
        let own = file.is_some_and(|file| self.owners.origin(&file) == Some(Origin::Own));
        self.own.insert(node, own);
        own
    }

    /// The test that created a thread, or one of the threads that led to it.
    pub(super) fn test_of_thread(&mut self, process: &Process, lineage: u64) -> Option<String> {
        let creators = process.creators(lineage).into_iter();
        creators
            .map(|creator| self.symbols.stack(process, &process.stack(creator)))
            .find_map(|frames| test_of(&frames))
    }
}

/// The object that a task's future is in.
struct Code<'p> {
    object: &'p Path,
    base: u64,
    /// The part of the stack that is in it, from where its debug info counts.
    stack: Vec<u64>,
}

impl Code<'_> {
    /// What to ask of one of its tasks.
    fn asked<'c>(&'c self, copy: Option<&'c Copy>, waited: bool) -> Asked<'c> {
        Asked {
            object: self.object,
            stack: &self.stack,
            bias: self.base,
            copy,
            waited,
        }
    }
}

/// The object that a future's type is in: what called libc.
fn code<'p>(process: &'p Process, stack: &[u64]) -> Option<Code<'p>> {
    let mut objects = stack
        .iter()
        .filter_map(|address| process.object(address.wrapping_sub(1)));
    let object = objects.find(|object| !object.path.ends_with(preload::FILE))?;
    let path = if object.path.is_empty() {
        &process.executable
    } else {
        &object.path
    };
    let inside = stack.iter().filter(|address| object.range.contains(*address));
    Some(Code {
        object: Path::new(path),
        base: object.base,
        stack: inside.map(|address| address.wrapping_sub(object.base)).collect(),
    })
}
